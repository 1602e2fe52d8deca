"""The detector: luma in; per stride 8, 16 and 32 a head score, a head box, a face score and a face box for every cell.

A thin residual backbone and a two-step feature pyramid. Boxes are left, top, right and bottom distances from the cell
centre ((i + 0.5) * stride) in strides, so one fixed INT8 range fits every level; distances may be negative.
"""

from pathlib import Path
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from moodtrain.layers import Residual, conv_bn

STRIDES = (8, 16, 32)
OUTPUTS = ("head_score", "head_ltrb", "face_score", "face_ltrb")


class Level(NamedTuple):
    """What one stride says: [N, 1, H, W] logits, [N, 4, H, W] distances in strides, and the same for faces."""

    head_logit: Tensor
    head_ltrb: Tensor
    face_logit: Tensor
    face_ltrb: Tensor


class HeadsNet(nn.Module):
    """[N, 1, H, W] luma in 0..1 (H and W multiples of 32) -> three `Level`s; 247 MMAC at 640x384, 223 k parameters.

    The pyramid is upsampled bilinearly: XNNPACK runs RESIZE_BILINEAR in INT8, whereas a nearest-neighbour resize falls
    back to the reference kernel and cuts the graph into three partitions.
    """

    def __init__(self, stem: tuple[int, int] = (8, 24), widths: tuple[int, int, int] = (40, 64, 80),
                 middle: tuple[int, int, int] = (16, 24, 40), pyramid: int = 32):
        super().__init__()
        self.stem = nn.Sequential(conv_bn(1, stem[0], stride=2), conv_bn(stem[0], stem[1], stride=2))
        self.stages = nn.ModuleList()
        before = stem[1]
        for width, thin in zip(widths, middle):
            bottlenecks = [Residual(width, width, middle=thin, kernel=1) for _ in range(2)]
            self.stages.append(nn.Sequential(conv_bn(before, width, stride=2), *bottlenecks))
            before = width
        self.laterals = nn.ModuleList(conv_bn(width, pyramid, 1, relu=False) for width in widths)
        self.smooth = nn.ModuleList(conv_bn(pyramid, pyramid) for _ in STRIDES)
        self.predictors = nn.ModuleList(
            nn.ModuleList(nn.Conv2d(pyramid, channels, 1) for channels in (1, 4, 1, 4)) for _ in STRIDES
        )
        for head_logit, head_ltrb, _, face_ltrb in self.predictors:
            for conv in (head_logit, head_ltrb, face_ltrb):
                nn.init.normal_(conv.weight, 0, 0.01)
            nn.init.constant_(head_logit.bias, -4.0)  # few cells hold a head: start near score 0.02
            nn.init.constant_(head_ltrb.bias, 2.0)  # a typical head is four strides wide
            nn.init.constant_(face_ltrb.bias, 1.2)

    def forward(self, x: Tensor) -> list[Level]:
        x = self.stem(x)
        maps: list[Tensor] = []
        for stage, lateral in zip(self.stages, self.laterals):
            x = stage(x)
            maps.append(lateral(x))
        maps[-1] = F.relu(maps[-1])
        for i in (1, 0):
            above = F.interpolate(maps[i + 1], scale_factor=2, mode="bilinear", align_corners=False)
            maps[i] = F.relu(maps[i] + above)
        return [
            Level(*(predict(features) for predict in predictors))
            for features, predictors in zip((s(m) for s, m in zip(self.smooth, maps)), self.predictors)
        ]


def load(checkpoint: Path) -> HeadsNet:
    """The averaged network of a checkpoint, on the CPU."""
    net = HeadsNet()
    net.load_state_dict(torch.load(checkpoint, map_location="cpu", weights_only=False)["average"])
    return net.eval().requires_grad_(False)
