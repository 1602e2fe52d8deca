"""From when on a face cannot be read: the measures, and where accuracy crosses the bound."""

import numpy as np
import pytest

from moodtrain.expression import conditions
from moodtrain.expression.readability import best_exponent, crossing, sharpness


def test_the_crossing_lies_between_the_last_good_and_the_first_bad_value():
    points = [(48, 0.8), (32, 0.78), (24, 0.74), (16, 0.70), (8, 0.5)]
    assert crossing(points, 0.72) == pytest.approx(20)
    # A dip above the last good value is noise; never bad and always bad are told by the ends.
    assert crossing([(3, 0.8), (2, 0.71), (1, 0.73)], 0.72) == 1
    assert crossing([(3, 0.6), (2, 0.5)], 0.72) == 3


def test_sharpness_of_a_chessboard_is_what_the_daemon_computes():
    y, x = np.mgrid[:48, :48]
    board = np.where((x // 8 + y // 8) % 2 == 0, 60, 160).astype(np.uint8)
    assert sharpness(board[None])[0] == pytest.approx(10 / 47)


def test_blur_lowers_sharpness_and_light_does_not():
    face = np.random.default_rng(0).integers(0, 255, (48, 48)).astype(np.uint8)
    sharp, soft, dark = (sharpness(image[None])[0] for image in (face, conditions.blurred(face, 2), face // 2))
    assert soft < 0.3 * sharp and dark == pytest.approx(sharp, rel=0.02)


def test_overconfident_probabilities_get_an_exponent_below_one():
    rng = np.random.default_rng(1)
    labels = rng.integers(0, 7, 4000)
    said = np.where(rng.random(4000) < 0.5, labels, rng.integers(0, 7, 4000))
    probabilities = np.full((4000, 7), 0.01)
    probabilities[np.arange(4000), said] = 0.94
    assert best_exponent(probabilities, labels) < 0.7
