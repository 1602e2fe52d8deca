"""Taking light out of a face: the float and the byte form, and what it is for."""

import numpy as np
import torch

from moodtrain.data.synthetic import draw_face
from moodtrain.expression.light import normalize, normalize_bytes, to_input


def test_bytes_and_floats_agree() -> None:
    faces = np.stack([draw_face(label, np.random.default_rng(label)) for label in range(7)])
    floats = normalize(torch.from_numpy(faces)[:, None].float() / 255)
    assert (floats - to_input(faces)).abs().max() < 1 / 255
    assert abs(float(floats.mean()) - 0.5) < 0.02


def test_a_dark_face_looks_like_a_bright_one_and_a_flat_patch_stays_flat() -> None:
    face = draw_face(3, np.random.default_rng(0)).astype(float)
    bright, dark = (normalize_bytes((face * gain).astype(np.uint8)).astype(int) for gain in (0.9, 0.3))
    assert np.abs(bright - dark).max() <= 4
    assert set(normalize_bytes(np.full((4, 4), 90, np.uint8)).flat) == {128}
