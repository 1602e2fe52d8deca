"""The face space: its file, and that no picture is stored in it or drawn from it."""

import os
from pathlib import Path

import numpy as np
import pytest

import face_space
from moodtrain.data import fer2013

PROJECT = Path(__file__).parents[2]
SHIPPED = PROJECT / "models" / "faces.space"


def shared() -> Path:
    return Path(os.environ.get("MOODRING_SHARED", PROJECT.parent / "shared")) / "data" / "fer2013"


def test_the_file_keeps_what_was_packed():
    dice = np.random.default_rng(3)
    planes = dice.normal(size=(1 + 7 + 5, 48, 48)).astype(np.float32)
    data = face_space.pack(face_space.Space(planes[0], planes[1:8], planes[8:]))
    space = face_space.unpack(data)
    again = np.concatenate([space.mean[None], space.deviations, space.components])
    assert np.abs(again - planes).max() <= np.abs(planes).max() / 254 + 1e-6
    with pytest.raises(ValueError):
        face_space.unpack(data[:-1])
    with pytest.raises(ValueError):
        face_space.unpack(b"X" + data[1:])


def test_a_shifted_face_is_laid_back():
    dice = np.random.default_rng(4)
    template = face_space.cv2.GaussianBlur(dice.normal(size=(48, 48)).astype(np.float32), (0, 0), 2)
    laid, fit = face_space.align(np.roll(template, (2, -3), (0, 1)), template, face_space.placements())
    assert fit > 0.9
    window = face_space.WINDOW
    assert np.corrcoef(laid[window].ravel(), template[window].ravel())[0, 1] > 0.9


def test_the_shipped_space_is_small_and_differs_from_every_picture():
    space = face_space.unpack(SHIPPED.read_bytes())
    assert SHIPPED.stat().st_size < 100_000 and len(space.components) == face_space.COMPONENTS
    if not shared().exists():
        pytest.skip(f"no pictures to compare with: {shared()} is absent")
    pictures, labels = face_space.choose(fer2013.read(shared()))
    sample = np.random.default_rng(1).permutation(len(pictures))[:400]
    template = space.mean.astype(np.float32)
    tried = face_space.placements()
    laid = np.stack([face_space.align(picture, template, tried)[0] for picture in pictures[sample]])
    # Figures of the whole set: docs/reference/simulator.md. 0 would be a copy, 1.41 two faces that have nothing in common.
    assert face_space.nearest(face_space.sample(space, 700), laid).min() > 0.45
    assert face_space.best_copies(space, laid).min() > 0.33
