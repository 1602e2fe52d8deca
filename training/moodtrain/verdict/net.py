"""The verdict network: a head in luma in; whether there is a face to read, whether it is covered, and where it looks."""

from typing import NamedTuple

import torch
from torch import Tensor, nn

from moodtrain.layers import Residual, conv_bn

SIDE = 48  # px: what the network reads
CONTEXT = 1.25  # side of that square over the longer side of the head box
DEGREES = 30.0  # the pose outputs are in units of so many degrees
OUTPUTS = ("face", "covered", "yaw", "pitch", "roll")


class Verdict(NamedTuple):
    """[N] logits of a readable face and of a covered one, and [N, 3] yaw, pitch and roll in units of 30 degrees."""

    face: Tensor
    covered: Tensor
    pose: Tensor


class VerdictNet(nn.Module):
    """[N, 1, 48, 48] luma with its light taken out -> `Verdict`; under 10 MMAC."""

    def __init__(self, widths: tuple[int, int, int, int] = (16, 32, 48, 80)):
        super().__init__()
        stem, first, second, third = widths
        self.body = nn.Sequential(
            conv_bn(1, stem, 5, 2), Residual(stem, first, 2), Residual(first, first), Residual(first, second, 2), Residual(second, second),
            Residual(second, third, 2),
        )
        self.answer = nn.Linear(third, len(OUTPUTS))

    def forward(self, x: Tensor) -> Verdict:
        answer = self.answer(self.body(x).mean((2, 3)))
        return Verdict(answer[:, 0], answer[:, 1], answer[:, 2:5])


class Flat(nn.Module):
    """One output [N, 5] for the device: two probabilities, then yaw, pitch and roll in units of 30 degrees."""

    def __init__(self, net: VerdictNet):
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        verdict = self.net(x)
        return torch.stack([verdict.face, verdict.covered], 1).sigmoid(), verdict.pose
