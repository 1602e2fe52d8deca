"""Building blocks shared by both networks.

Everything is made of plain (dense) convolutions, batch norm and ReLU: they fuse into one INT8 operator each on the device, and
dense 3x3 convolutions are what both XNNPACK and a CPU used for training run best (depthwise ones reach a tenth of the speed).
"""

import torch
import torch.nn.functional as F
from torch import Tensor, nn


def conv_bn(channels_in: int, channels_out: int, kernel: int = 3, stride: int = 1, relu: bool = True) -> nn.Sequential:
    """Convolution without bias, batch norm and (unless the caller adds something first) ReLU; keeps H, W at stride 1."""
    layers: list[nn.Module] = [
        nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False),
        nn.BatchNorm2d(channels_out),
    ]
    if relu:
        layers.append(nn.ReLU(inplace=True))
    return nn.Sequential(*layers)


class Residual(nn.Module):
    """Two convolutions and a shortcut: [N, channels_in, H, W] -> [N, channels_out, H/stride, W/stride].

    `middle` is the width between the two, `kernel` the size of the first one (1 makes it a bottleneck).
    """

    def __init__(self, channels_in: int, channels_out: int, stride: int = 1, middle: int | None = None, kernel: int = 3):
        super().__init__()
        middle = middle or channels_out
        self.first = conv_bn(channels_in, middle, kernel, stride)
        self.second = conv_bn(middle, channels_out, relu=False)
        same = stride == 1 and channels_in == channels_out
        self.shortcut = nn.Identity() if same else conv_bn(channels_in, channels_out, 1, stride, relu=False)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.second(self.first(x)) + self.shortcut(x))


@torch.no_grad()
def multiply_accumulates(net: nn.Module, shape: tuple[int, ...]) -> int:
    """Multiply-accumulate operations of all (transposed) convolutions and linear layers for one input of `shape`."""
    total = 0

    def count(module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        nonlocal total
        cells = inputs[0] if isinstance(module, nn.ConvTranspose2d) else output
        total += cells.numel() * module.weight[0].numel()

    counted = (nn.Conv2d, nn.ConvTranspose2d, nn.Linear)
    hooks = [m.register_forward_hook(count) for m in net.modules() if isinstance(m, counted)]
    was_training = net.training
    net.eval()
    net(torch.zeros(shape, device=next(net.parameters()).device))
    net.train(was_training)
    for hook in hooks:
        hook.remove()
    return total
