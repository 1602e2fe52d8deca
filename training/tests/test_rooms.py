"""Rooms are told apart by their furniture, not by people or light."""

import numpy as np

from moodtrain.data import rooms, synthetic


def view(furniture: int, people: int) -> np.ndarray:
    rng = np.random.default_rng(furniture)
    luma = np.kron(rng.integers(40, 200, (9, 16)), np.ones((40, 40))).astype(np.float32)
    guests = np.random.default_rng(1000 + people)
    for _ in range(6):
        y, x = guests.integers(0, 300), guests.integers(0, 600)
        luma[y : y + 20, x : x + 20] = 255
    return np.clip(luma * guests.uniform(0.6, 1.1), 0, 255).astype(np.uint8)


def test_views_of_one_room_are_grouped():
    views = [view(furniture, people) for furniture, count in ((1, 5), (2, 3), (3, 2)) for people in range(count)]
    assert rooms.group(np.stack([rooms.describe(v) for v in views])).tolist() == [0] * 5 + [1] * 3 + [2] * 2


def test_the_smallest_rooms_are_held_out():
    held = rooms.hold_out(np.repeat([0, 1, 2], [14, 3, 3]), share=0.2)
    assert held.tolist() == [False] * 17 + [True] * 3
    assert not rooms.hold_out(np.zeros(5, int)).any()


def test_generated_rooms_can_be_described(tmp_path):
    import cv2

    picture = synthetic.rooms(1, tmp_path)[0]
    assert np.linalg.norm(rooms.describe(cv2.imread(str(picture.file), 0))) > 0.99
