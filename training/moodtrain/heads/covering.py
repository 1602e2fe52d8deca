"""Synthetic cloth over heads, hair of another brightness and masks over faces, drawn into a training crop in luma.

SCUT-HEAD shows dark, uncovered hair almost only. A head that is covered here keeps its head box.
"""

import cv2
import numpy as np

from moodtrain.data.classroom import Face
from moodtrain.heads.loss import Truth

MIN_PX = 9  # smaller heads are left as they are
FACE_MARGIN = 0.04  # the open part of a covered head is the face box grown by this share of its size


def texture(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """float32 [height, width] luma 0..255 of cloth: a base, shading, folds, sometimes stripes, dots or checks."""
    y, x = np.mgrid[0:height, 0:width].astype(np.float32)
    base = rng.uniform(8, 250)
    luma = np.full((height, width), base, np.float32)
    angle = rng.uniform(0, np.pi)
    across = (x * np.cos(angle) + y * np.sin(angle)) / max(height, 1)
    luma += rng.uniform(-40, 40) * (across - across.mean())  # light from one side
    bend = np.sin(rng.uniform(1, 4) * y / height + rng.uniform(0, 6)) * rng.uniform(0, 0.25)
    for _ in range(int(rng.integers(0, 4))):  # folds
        frequency, phase = rng.uniform(4, 22), rng.uniform(0, 6.28)
        lean = rng.uniform(-0.8, 0.8)
        fold = np.sin(frequency * (x / max(width, 1) + lean * y / height + bend) + phase)
        luma += rng.uniform(2, 14) * np.sign(fold) * np.abs(fold) ** rng.uniform(0.5, 2)
    kind = rng.random()
    contrast = rng.uniform(-90, 90)
    period = max(rng.uniform(0.06, 0.3) * height, 2.0)
    if kind < 0.12:
        luma += contrast * (np.sin(6.28 * across * height / period) > rng.uniform(-0.5, 0.8))
    elif kind < 0.2:
        luma += contrast * (np.sin(6.28 * x / period) * np.sin(6.28 * y / period) > rng.uniform(0.3, 0.8))
    elif kind < 0.26:
        luma += contrast * ((np.sin(6.28 * x / period) > 0.6) | (np.sin(6.28 * y / period) > 0.6))
    return luma.clip(0, 255)


def oval(shape: tuple[int, int], box: np.ndarray, softness: float = 6.0) -> np.ndarray:
    """float32 of `shape`: 1 inside the ellipse that fills `box`, 0 outside, with a soft edge."""
    middle, half = (box[:2] + box[2:]) / 2, np.maximum((box[2:] - box[:2]) / 2, 1)
    y, x = np.ogrid[0 : shape[0], 0 : shape[1]]
    distance = np.sqrt(((x + 0.5 - middle[0]) / half[0]) ** 2 + ((y + 0.5 - middle[1]) / half[1]) ** 2)
    return np.clip((1.0 - distance) * softness + 0.5, 0, 1).astype(np.float32)


def drape(shape: tuple[int, int], head: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """float32 of `shape`: cloth from the top of the head to the shoulders, as wide as the head or wider below."""
    width, height = head[2:] - head[:2]
    mask = oval(shape, head)
    neck, end = head[1] + height * rng.uniform(0.45, 0.6), head[3] + height * rng.uniform(-0.05, 0.55)
    spread = rng.uniform(-0.1, 0.45) * width
    middle = head[1] + (head[3] - head[1]) * 0.55
    skirt = np.array([
        [head[0] + 0.02 * width, neck], [head[2] - 0.02 * width, neck], [head[2] + 0.3 * spread, (middle + end) / 2],
        [head[2] + spread, end], [head[0] - spread, end], [head[0] - 0.3 * spread, (middle + end) / 2],
    ])
    filled = np.zeros(shape, np.float32)
    cv2.fillPoly(filled, [np.round(skirt * 8).astype(np.int32)], 1.0, cv2.LINE_AA, shift=3)
    return np.maximum(mask, filled)


def cap(shape: tuple[int, int], head: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """float32 of `shape`: the upper part of the head: hair, a cap, or a turban."""
    height = head[3] - head[1]
    mask = oval(shape, head)
    line = head[1] + height * rng.uniform(0.3, 0.95)
    y = np.arange(shape[0])[:, None]
    return mask * np.clip((line - y) / max(0.04 * height, 1) + 0.5, 0, 1).astype(np.float32)


def without(mask: np.ndarray, truth: Truth, row: int, origin: np.ndarray, keep_face: bool) -> np.ndarray:
    """The mask without the own face, and without heads that stand in front (their lower edge is lower)."""
    own = truth.heads[row]
    if keep_face:
        face = truth.faces[row]
        margin = FACE_MARGIN * (face[[2, 3]] - face[[0, 1]])
        mask = mask * (1 - oval(mask.shape, np.concatenate([face[:2] - margin, face[2:] + margin]) - origin))
    for other, head in enumerate(truth.heads):
        apart = head[2] < own[0] or head[0] > own[2] or head[3] < own[1] or head[1] > own[3] + (own[3] - own[1])
        if other != row and not apart and head[3] > own[3]:
            mask = mask * (1 - oval(mask.shape, head - origin))
    return mask


def cover(luma: np.ndarray, truth: Truth, rng: np.random.Generator, share: float) -> None:
    """Give cloth, or hair of another brightness, to a `share` of the heads whose face is known to be visible or hidden."""
    for row, head in enumerate(truth.heads):
        visible = int(truth.visible[row])
        size = head[2:] - head[:2]
        if visible == Face.UNKNOWN or size.min() < MIN_PX or rng.random() >= share:
            continue
        low = np.floor(np.maximum(head[:2] - 0.6 * size, 0)).astype(int)
        high = np.ceil(np.minimum(head[2:] + [0.6 * size[0], 0.7 * size[1]], luma.shape[::-1])).astype(int)
        region = luma[low[1] : high[1], low[0] : high[0]]
        origin = low[[0, 1, 0, 1]].astype(np.float32)
        placed = head - origin
        kind = rng.random()
        if kind < 0.55:
            mask = drape(region.shape, placed, rng)
            new = texture(*region.shape, rng)
        elif kind < 0.75:
            mask = cap(region.shape, placed, rng)
            new = texture(*region.shape, rng)
        else:
            mask = cap(region.shape, placed, rng)
            level = float(np.median(region[mask > 0.5])) if (mask > 0.5).any() else 60.0
            new = (region.astype(np.float32) - level) * rng.uniform(0.4, 1.3) + rng.uniform(20, 235)
        mask = without(mask, truth, row, origin, visible == Face.VISIBLE)
        shade = np.float32(1.0)
        if kind < 0.75:  # something of the shading below stays
            soft = cv2.GaussianBlur(region, (0, 0), max(float(size.min()) / 6, 1)).astype(np.float32)
            shade = 1 + rng.uniform(0, 0.6) * (soft - soft.mean()) / 128
        grain = rng.standard_normal(region.shape, dtype=np.float32) * rng.uniform(0, 5)
        region[:] = (region * (1 - mask) + (new * shade + grain) * mask).clip(0, 255).astype(np.uint8)
        if rng.random() < 0.15 and kind < 0.55:  # a seam along the edge
            edge = (cv2.dilate(mask, np.ones((3, 3), np.uint8)) - mask).clip(0, 1) * rng.uniform(0.3, 1)
            region[:] = (region * (1 - edge) + rng.uniform(0, 255) * edge).astype(np.uint8)


def mask_faces(luma: np.ndarray, truth: Truth, rng: np.random.Generator, share: float) -> None:
    """Put a mask on a `share` of the visible faces; whether such a face is visible becomes unknown."""
    for row in np.flatnonzero(truth.visible == Face.VISIBLE):
        face = truth.faces[row]
        size = face[2:] - face[:2]
        if size.min() < 8 or rng.random() >= share:
            continue
        left, right = face[0] - 0.05 * size[0], face[2] + 0.05 * size[0]
        top, bottom = face[1] + rng.uniform(0.42, 0.6) * size[1], face[3] + rng.uniform(-0.02, 0.1) * size[1]
        nose = face[0] + rng.uniform(0.4, 0.6) * size[0]
        points = np.array([[left, top + 0.1 * size[1]], [nose, top], [right, top + 0.1 * size[1]], [right - 0.1 * size[0], bottom - 0.15 * size[1]],
                           [nose, bottom], [left + 0.1 * size[0], bottom - 0.15 * size[1]]])
        filled = np.zeros(luma.shape, np.float32)
        cv2.fillPoly(filled, [np.round(points * 8).astype(np.int32)], 1.0, cv2.LINE_AA, shift=3)
        x1, y1 = np.maximum(np.floor(points.min(0)).astype(int), 0)
        x2, y2 = np.ceil(points.max(0)).astype(int) + 1
        part, opacity = luma[y1:y2, x1:x2], filled[y1:y2, x1:x2]
        if part.size:
            cloth = 0.4 * texture(*part.shape, rng) + 0.6 * rng.choice([235, 205, 190, 60, 25, rng.uniform(20, 240)])
            part[:] = (part * (1 - opacity) + cloth * opacity).clip(0, 255).astype(np.uint8)
            truth.visible[row] = Face.UNKNOWN
