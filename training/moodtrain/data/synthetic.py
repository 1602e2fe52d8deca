"""Tiny generated sets for tests and smoke runs: drawn faces and drawn rooms, no photograph."""

from pathlib import Path

import cv2
import numpy as np

from moodtrain.data.classroom import Picture, judge
from moodtrain.data.fer2013 import VOTES, Faces
from moodtrain.expression.net import FACE_PX


def draw_face(label: int, rng: np.random.Generator, side: int = FACE_PX) -> np.ndarray:
    """uint8 [side, side]: an oval with eyes, brows and a mouth whose shape depends on `label` (0..6)."""
    big = 96
    picture = np.full((big, big), int(rng.integers(20, 120)), np.uint8)
    skin = int(rng.integers(130, 230))
    cv2.ellipse(picture, (48, 50), (36, 44), 0, 0, 360, skin, -1)
    for x in (34, 62):
        cv2.circle(picture, (x, 40), 3 + 2 * (label in (2, 5)), 30, -1)
        slant = {0: 6, 4: -6}.get(label, 0) * (1 if x < 48 else -1)
        cv2.line(picture, (x - 8, 28 - slant), (x + 8, 28 + slant), 40, 3)
    mouth = {3: (18, 10, 0, 180), 4: (16, 10, 180, 360), 5: (8, 12, 0, 360), 2: (14, 6, 0, 360)}.get(label, (14, 1 + label, 0, 360))
    cv2.ellipse(picture, (48, 70), mouth[:2], 0, mouth[2], mouth[3], 50, 3)
    picture = np.clip(picture + rng.normal(0, 6, picture.shape), 0, 255).astype(np.uint8)
    return cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)


def faces(count: int, seed: int = 0) -> Faces:
    """`count` Training faces and a fifth as many PublicTest faces of seven kinds, with ten votes each."""
    rng = np.random.default_rng(seed)
    total = count + count // 5
    labels = rng.integers(0, 7, total)
    votes = np.zeros((total, len(VOTES)), np.float32)
    votes[np.arange(total), labels] = 8
    votes[np.arange(total), rng.integers(0, 7, total)] += 2
    usage = np.where(np.arange(total) < count, "Training", "PublicTest")
    images = np.stack([draw_face(int(label), rng) for label in labels])
    return Faces(images, labels.astype(np.int64), usage, votes, np.zeros(total, bool))


def draw_room(rng: np.random.Generator, width: int = 480, height: int = 320) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """(uint8 [height, width], heads [N, 4], faces [N, 4] with zeros where the head is turned away): rows of people."""
    luma = np.full((height, width), int(rng.integers(60, 200)), np.uint8)
    cv2.rectangle(luma, (width // 3, 10), (2 * width // 3, height // 4), 240, -1)  # a board
    heads, faces = [], []
    for y in np.linspace(height * 0.4, height * 0.85, int(rng.integers(2, 5))):
        size = int(10 + 30 * y / height)
        for x in np.arange(size * 2, width - size * 2, size * 3):
            x = int(x + rng.integers(-size // 2, size // 2 + 1))
            away = rng.random() < 0.3
            head = draw_face(int(rng.integers(7)), rng, size) if not away else np.full((size, size), 30, np.uint8)
            oval = np.zeros((size, size), np.uint8)
            cv2.ellipse(oval, (size // 2, size // 2), (size * 2 // 5, size // 2 - 1), 0, 0, 360, 1, -1)
            top = int(y)
            place = luma[top : top + size, x : x + size]
            inside = oval[: place.shape[0], : place.shape[1]] > 0
            place[inside] = head[: place.shape[0], : place.shape[1]][inside]
            heads.append([x + size // 10, top, x + size - size // 10, top + size])
            faces.append([0] * 4 if away else [x + size // 6, top + size // 5, x + size - size // 6, top + size - 1])
    return luma, np.array(heads, np.float32).reshape(-1, 4), np.array(faces, np.float32).reshape(-1, 4)


def rooms(count: int, folder: Path, seed: int = 0) -> list[Picture]:
    """`count` drawn rooms, stored as PNG in `folder`; every fifth is of the val split."""
    folder.mkdir(parents=True, exist_ok=True)
    rng, pictures = np.random.default_rng(seed), []
    for i in range(count):
        luma, heads, faces = draw_room(rng)
        path = folder / f"room{i:03}.png"
        cv2.imwrite(str(path), luma)
        scores = (faces[:, 2] > 0).astype(np.float32)
        pictures.append(Picture(path, luma.shape[1], luma.shape[0], "AB"[i % 2], "val" if i % 5 == 4 else "train",
                                heads, faces, scores, judge(heads, faces, scores)))
    return pictures
