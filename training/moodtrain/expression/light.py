"""Light taken out of a face before the network sees it: each face gets the same mean and the same contrast.

So a dark, a back-lit and a sunny face look alike, exactly, and the network need not learn what no expression depends on.
The daemon does the same, as the card's `[expression.normalization]` says.
"""

import numpy as np
import torch
from torch import Tensor

MEAN = 127.5  # of 0..255
DEVIATION = 56.0  # of a well-lit face of FER2013, about
MIN_DEVIATION = 8.0  # a flat patch is not blown up to noise


def normalize(faces: Tensor) -> Tensor:
    """[N, 1, H, W] luma in 0..1 -> the same with mean 0.5 and deviation 0.22 in each face, cut at 0 and 1."""
    mean = faces.mean((2, 3), keepdim=True)
    deviation = (faces - mean).square().mean((2, 3), keepdim=True).sqrt().clamp(min=MIN_DEVIATION / 255)
    return ((faces - mean) * (DEVIATION / 255) / deviation + MEAN / 255).clamp(0, 1)


def normalize_bytes(face: np.ndarray) -> np.ndarray:
    """uint8 [..., H, W] -> uint8: what the daemon feeds the INT8 network; rounds half up."""
    luma = face.astype(np.float64)
    mean = luma.mean((-2, -1), keepdims=True)
    deviation = np.maximum(luma.std((-2, -1), keepdims=True), MIN_DEVIATION)
    return np.clip(np.floor((luma - mean) * (DEVIATION / deviation) + MEAN + 0.5), 0, 255).astype(np.uint8)


def to_input(faces: np.ndarray) -> Tensor:
    """uint8 [N, H, W] -> float [N, 1, H, W], normalized, on the network's scale of 0..1."""
    return torch.from_numpy(normalize_bytes(faces))[:, None].float() / 255
