"""From the twelve outputs to boxes, as the daemon does it."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from moodtrain.heads.boxes import suppress
from moodtrain.heads.net import STRIDES

GREY = 114


@dataclass(frozen=True)
class Detections:
    """What was found in one picture, in its pixels; one row a head."""

    heads: np.ndarray  # float32 [N, 4]
    scores: np.ndarray  # float32 [N], 0..1
    face_scores: np.ndarray  # float32 [N], 0..1: whether the face is visible
    faces: np.ndarray  # float32 [N, 4]

    def scaled(self, factor: float) -> "Detections":
        """Boxes multiplied by `factor`."""
        return Detections(self.heads * factor, self.scores, self.face_scores, self.faces * factor)

    def select(self, rows: np.ndarray) -> "Detections":
        """The given rows (indices or mask)."""
        return Detections(self.heads[rows], self.scores[rows], self.face_scores[rows], self.faces[rows])


def decode(outputs: list[np.ndarray], threshold: float = 0.05, nms_iou: float = 0.5) -> Detections:
    """Twelve arrays [H, W, C] (per stride: head score, head ltrb, face score, face ltrb; scores 0..1) -> detections."""
    parts = []
    for level, stride in enumerate(STRIDES):
        score, ltrb, face_score, face_ltrb = outputs[4 * level : 4 * level + 4]
        y, x = np.nonzero(score[:, :, 0] > threshold)
        centre = np.stack([x + 0.5, y + 0.5], 1)

        def corners(distances: np.ndarray, centre: np.ndarray = centre, stride: int = stride) -> np.ndarray:
            return np.concatenate([centre - distances[:, :2], centre + distances[:, 2:]], 1) * stride

        parts.append((corners(ltrb[y, x]), score[y, x, 0], face_score[y, x, 0], corners(face_ltrb[y, x])))
    found = Detections(*(np.concatenate(column).astype(np.float32) for column in zip(*parts)))
    return found.select(suppress(found.heads, found.scores, nms_iou))


def pad_to_multiple(luma: np.ndarray, multiple: int = 32) -> np.ndarray:
    """uint8 [H, W] grown to the right and below with gray."""
    height, width = luma.shape
    padded = np.full((-(-height // multiple) * multiple, -(-width // multiple) * multiple), GREY, np.uint8)
    padded[:height, :width] = luma
    return padded


@torch.no_grad()
def detect(net: nn.Module, luma: np.ndarray, threshold: float = 0.05, nms_iou: float = 0.5) -> Detections:
    """Run the float network on one uint8 [H, W] picture of any size."""
    device = next(net.parameters()).device
    x = torch.from_numpy(pad_to_multiple(luma)).to(device).float().div_(255)[None, None]
    outputs = []
    for level in net(x.contiguous(memory_format=torch.channels_last)):
        maps = (level.head_logit.sigmoid(), level.head_ltrb, level.face_logit.sigmoid(), level.face_ltrb)
        outputs += [m[0].float().permute(1, 2, 0).cpu().numpy() for m in maps]
    return decode(outputs, threshold, nms_iou)
