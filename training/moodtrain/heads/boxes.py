"""Plain box arithmetic: [N, 4] corners x1, y1, x2, y2 in pixels."""

import numpy as np
import torch
from torch import Tensor

from moodtrain.heads.net import STRIDES


def area(boxes: np.ndarray) -> np.ndarray:
    """[N] areas; 0 for empty boxes."""
    return np.clip(boxes[:, 2] - boxes[:, 0], 0, None) * np.clip(boxes[:, 3] - boxes[:, 1], 0, None)


def longer_side(boxes: np.ndarray) -> np.ndarray:
    """[N] longer side of each box: the size by which results are grouped."""
    return np.maximum(boxes[:, 2] - boxes[:, 0], boxes[:, 3] - boxes[:, 1])


def iou(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Intersection over union of every box of `a` [N, 4] with every one of `b` [M, 4] -> [N, M]."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    inter = np.clip(high - low, 0, None).prod(2)
    return inter / (area(a)[:, None] + area(b)[None] - inter + 1e-9)


def suppress(boxes: np.ndarray, scores: np.ndarray, threshold: float, limit: int = 1500) -> np.ndarray:
    """Greedy non-maximum suppression; row numbers kept, best first."""
    order = np.argsort(-scores, kind="stable")[:limit]
    overlaps = iou(boxes[order], boxes[order]) > threshold
    kept, dead = [], np.zeros(len(order), bool)
    for i in range(len(order)):
        if not dead[i]:
            kept.append(i)
            dead |= overlaps[i]
    return order[kept]


def cells(width: int, height: int, device: torch.device | str = "cpu") -> tuple[Tensor, Tensor]:
    """Centres [C, 2] in pixels and strides [C] of all cells of an input, level by level, row-major."""
    centres, strides = [], []
    for stride in STRIDES:
        rows, columns = -(-height // stride), -(-width // stride)
        y, x = torch.meshgrid(torch.arange(rows), torch.arange(columns), indexing="ij")
        centres.append((torch.stack([x, y], -1).reshape(-1, 2) + 0.5) * stride)
        strides.append(torch.full((rows * columns,), float(stride)))
    return torch.cat(centres).to(device), torch.cat(strides).to(device)


def to_corners(ltrb: Tensor, centres: Tensor, strides: Tensor) -> Tensor:
    """Distances in strides [..., C, 4] -> corners in pixels [..., C, 4]."""
    ltrb = ltrb * strides[:, None]
    return torch.cat([centres - ltrb[..., :2], centres + ltrb[..., 2:]], -1)


def generalized_iou(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """IoU and generalised IoU (arXiv:1902.09630) of broadcast boxes [..., 4]; `a` may be inside out."""
    size = (torch.minimum(a[..., 2:], b[..., 2:]) - torch.maximum(a[..., :2], b[..., :2])).clamp(min=0)
    inter = size[..., 0] * size[..., 1]
    area_a = (a[..., 2] - a[..., 0]).clamp(min=1e-3) * (a[..., 3] - a[..., 1]).clamp(min=1e-3)
    area_b = (b[..., 2] - b[..., 0]) * (b[..., 3] - b[..., 1])
    union = area_a + area_b - inter + 1e-6
    hull = (torch.maximum(a[..., 2:], b[..., 2:]) - torch.minimum(a[..., :2], b[..., :2])).clamp(min=0)
    hull_area = hull[..., 0] * hull[..., 1] + 1e-6
    overlap = inter / union
    return overlap, overlap - (hull_area - union) / hull_area
