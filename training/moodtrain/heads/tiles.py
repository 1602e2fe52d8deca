"""Read a picture larger than the network through overlapping tiles."""

from collections.abc import Callable

import cv2
import numpy as np

from moodtrain.heads.boxes import suppress
from moodtrain.heads.decode import GREY, Detections

OVERLAP_PX = 96  # wider than most heads, so that each is whole in some tile
EDGE_PX = 2  # a box this near to an inner edge is a piece of a head that another tile shows whole

Infer = Callable[[np.ndarray], Detections]


def starts(extent: int, tile: int, overlap: int = OVERLAP_PX) -> list[int]:
    """Evenly spaced tile positions that cover `extent` with at least `overlap` in common."""
    if extent <= tile:
        return [0]
    count = -(-(extent - overlap) // (tile - overlap))
    return [round(i * (extent - tile) / (count - 1)) for i in range(count)]


def frame(luma: np.ndarray, width: int, height: int) -> np.ndarray:
    """uint8 [height, width]: the picture in the upper left corner, gray around it."""
    framed = np.full((height, width), GREY, np.uint8)
    framed[: luma.shape[0], : luma.shape[1]] = luma[:height, :width]
    return framed


def read_tiled(infer: Infer, luma: np.ndarray, width: int, height: int, nms_iou: float = 0.5) -> Detections:
    """Run `infer` on every tile of `width` x `height` and merge; boxes in pixels of `luma`."""
    parts = []
    for top in starts(luma.shape[0], height):
        for left in starts(luma.shape[1], width):
            found = infer(frame(luma[top : top + height, left : left + width], width, height))
            low, high = found.heads[:, :2], found.heads[:, 2:]
            inner_low = np.array([left > 0, top > 0])
            inner_high = np.array([left + width < luma.shape[1], top + height < luma.shape[0]])
            cut = ((low < EDGE_PX) & inner_low) | ((high > np.array([width, height]) - EDGE_PX) & inner_high)
            offset = np.array([left, top, left, top], np.float32)
            kept = found.select(~cut.any(1))
            parts.append(Detections(kept.heads + offset, kept.scores, kept.face_scores, kept.faces + offset))
    merged = Detections(*(np.concatenate([getattr(p, n) for p in parts]) for n in ("heads", "scores", "face_scores", "faces")))
    return merged.select(suppress(merged.heads, merged.scores, nms_iou))


def read_whole(infer: Infer, luma: np.ndarray, width: int, height: int) -> Detections:
    """Scale the picture to fit the network's input, run once, scale the boxes back."""
    scale = min(width / luma.shape[1], height / luma.shape[0])
    size = (min(width, round(luma.shape[1] * scale)), min(height, round(luma.shape[0] * scale)))
    resized = cv2.resize(luma, size, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
    return infer(frame(resized, width, height)).scaled(1 / scale)


def read_enlarged(infer: Infer, luma: np.ndarray, width: int, height: int, scale: float = 1.5) -> Detections:
    """Tiles over the picture enlarged by `scale`: small heads gain more than large ones lose."""
    enlarged = cv2.resize(luma, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR)
    return read_tiled(infer, enlarged, width, height).scaled(1 / scale)
