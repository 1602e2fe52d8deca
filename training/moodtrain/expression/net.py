"""The expression networks: a 48x48 luma face in, seven FER2013 and eight FER+ logits out.

`residual_net` is the one that is shipped. `plain_net` and `depthwise_net` are there to be compared with it at the same cost,
`large_net` to teach it where a GPU can train it, `resnet50_net` for those who transfer from ImageNet.
"""

from pathlib import Path

import torch
import torch.nn.functional as F
import torchvision
from torch import Tensor, nn

from moodtrain.layers import Residual, conv_bn

FACE_PX = 48
# The order of FER2013's labels; the FER+ head adds contempt.
FER2013_CLASSES = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
FERPLUS_CLASSES = (*FER2013_CLASSES, "contempt")


class ExpressionNet(nn.Module):
    """Features, mean over the face, dropout and two linear heads: [N, 1, 48, 48] luma in 0..1 -> logits [N, 7] and [N, 8].

    Two heads share the features because the two label sets disagree on four images of ten: FER2013's label is one
    opinion, FER+ holds ten votes. Learning both regularises each.
    """

    def __init__(self, features: nn.Module, width: int, dropout: float = 0.2):
        super().__init__()
        self.features = features
        self.dropout = nn.Dropout(dropout)
        self.fer2013 = nn.Linear(width, len(FER2013_CLASSES))
        self.ferplus = nn.Linear(width, len(FERPLUS_CLASSES))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        z = self.dropout(self.features(x).mean((2, 3)))
        return self.fer2013(z), self.ferplus(z)


def residual_net() -> ExpressionNet:
    """Residual pairs of dense 3x3 convolutions at 24, 12 and 6 cells: 69.9 MMAC, 1.07 M parameters.

    The first convolution halves the picture at once: cells at full resolution cost most of the training time and
    teach little. Widths are multiples of 16, which matrix units like.
    """
    features = nn.Sequential(
        conv_bn(1, 32, 5, stride=2),
        Residual(32, 32),
        Residual(32, 96, stride=2),
        Residual(96, 96, middle=48),
        Residual(96, 192, stride=2),
        Residual(192, 192, middle=96),
    )
    return ExpressionNet(features, 192)


class Reparameterized(nn.Module):
    """RepVGG block (arXiv:2101.03697): in training 3x3, 1x1 and identity side by side, fused into one 3x3 for export."""

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1):
        super().__init__()
        self.square = conv_bn(channels_in, channels_out, 3, stride, relu=False)
        self.point = conv_bn(channels_in, channels_out, 1, stride, relu=False)
        self.identity = nn.BatchNorm2d(channels_in) if stride == 1 and channels_in == channels_out else None
        self.fused: nn.Conv2d | None = None

    def forward(self, x: Tensor) -> Tensor:
        if self.fused is not None:
            return F.relu(self.fused(x))
        total = self.square(x) + self.point(x)
        return F.relu(total + self.identity(x) if self.identity is not None else total)

    @torch.no_grad()
    def fuse(self) -> None:
        """Replace the branches by one convolution that computes the same (with the running statistics)."""
        square, point = self.square[0], self.point[0]
        kernel, bias = fold(square.weight, self.square[1])
        small, shift = fold(F.pad(point.weight, (1, 1, 1, 1)), self.point[1])
        kernel, bias = kernel + small, bias + shift
        if self.identity is not None:
            centre = torch.zeros_like(kernel)
            centre[range(len(kernel)), range(len(kernel)), 1, 1] = 1
            same, shift = fold(centre, self.identity)
            kernel, bias = kernel + same, bias + shift
        self.fused = nn.Conv2d(square.in_channels, square.out_channels, 3, square.stride, 1)
        self.fused.weight.copy_(kernel)
        self.fused.bias.copy_(bias)  # type: ignore[union-attr]


def fold(kernel: Tensor, norm: nn.BatchNorm2d) -> tuple[Tensor, Tensor]:
    """Kernel [O, I, k, k] followed by batch norm -> (kernel, bias)."""
    scale = norm.weight / (norm.running_var + norm.eps).sqrt()  # type: ignore[operator]
    return kernel * scale[:, None, None, None], norm.bias - norm.running_mean * scale  # type: ignore[operator]


def plain_net() -> ExpressionNet:
    """RepVGG blocks only: 46.9 MMAC after fusing, 52.2 in training, 576 k parameters."""
    widths = [(1, 24, 1), (24, 40, 2), (40, 40, 1), (40, 80, 2), (80, 80, 1), (80, 80, 1), (80, 160, 2), (160, 160, 1)]
    return ExpressionNet(nn.Sequential(*(Reparameterized(*w) for w in widths)), 160)


def depthwise_net() -> ExpressionNet:
    """MobileNet-like pairs of depthwise 3x3 and 1x1 convolutions: 8.6 MMAC, 93 k parameters, slow to train on a CPU."""

    def pair(channels_in: int, channels_out: int, stride: int) -> nn.Sequential:
        depthwise = nn.Conv2d(channels_in, channels_in, 3, stride, 1, groups=channels_in, bias=False)
        return nn.Sequential(depthwise, nn.BatchNorm2d(channels_in), nn.ReLU(inplace=True), *conv_bn(channels_in, channels_out, 1))

    widths = [(24, 48, 2), (48, 48, 1), (48, 96, 2), (96, 96, 1), (96, 96, 1), (96, 192, 2), (192, 192, 1)]
    return ExpressionNet(nn.Sequential(conv_bn(1, 24), *(pair(*w) for w in widths)), 192)


def large_net() -> ExpressionNet:
    """A teacher for a GPU: wider and deeper than `residual_net`, 651 MMAC, 6.9 M parameters."""
    features = nn.Sequential(
        conv_bn(1, 48),
        conv_bn(48, 96, stride=2),
        *(Residual(96, 96) for _ in range(2)),
        Residual(96, 192, stride=2),
        *(Residual(192, 192) for _ in range(2)),
        Residual(192, 384, stride=2),
        Residual(384, 384),
    )
    return ExpressionNet(features, 384, dropout=0.4)


class ResNet50Features(nn.Module):
    """torchvision's ResNet-50 without its classifier; luma is given to all three colours."""

    def __init__(self) -> None:
        super().__init__()
        self.body = torchvision.models.resnet50(weights=None)
        self.body.fc = nn.Identity()  # type: ignore[assignment]

    def forward(self, x: Tensor) -> Tensor:
        b = self.body
        x = b.maxpool(b.relu(b.bn1(b.conv1(x.expand(-1, 3, -1, -1)))))
        return b.layer4(b.layer3(b.layer2(b.layer1(x))))


def resnet50_net() -> ExpressionNet:
    """ResNet-50 (He et al. 2015, arXiv:1512.03385), the usual choice for transfer learning: 213 MMAC, 23.5 M parameters."""
    return ExpressionNet(ResNet50Features(), 2048)


NETS = {
    "residual": residual_net, "plain": plain_net, "depthwise": depthwise_net, "large": large_net, "resnet50": resnet50_net,
}


def start_from(net: ExpressionNet, path: Path) -> None:
    """Take the weights of `path`: a checkpoint of ours, or torchvision's ResNet-50 as its makers publish it."""
    state = torch.load(path, map_location="cpu", weights_only=False)
    if "average" in state:
        net.load_state_dict(state["average"])
        return
    weights = {name: value for name, value in state.items() if not name.startswith("fc.")}
    if not isinstance(net.features, ResNet50Features) or "conv1.weight" not in weights:
        raise ValueError(f"{path} is neither a checkpoint of moodtrain nor torchvision's resnet50 (then give --net resnet50)")
    net.features.body.load_state_dict(weights)


def fuse(net: nn.Module) -> nn.Module:
    """Fuse what can be fused, in place, before export."""
    for module in net.modules():
        if isinstance(module, Reparameterized):
            module.fuse()
    return net
