"""What a classroom camera does to a face, on whole batches [N, 1, 48, 48] of luma in 0..1, on any device.

Every function returns a new batch. Random numbers come from the CPU generator, so that a run resumes exactly.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def uniform(count: int, low: float, high: float, like: Tensor) -> Tensor:
    """[count] values on the device of `like`."""
    return (torch.rand(count) * (high - low) + low).to(like.device)


def chosen(count: int, share: float) -> Tensor:
    """Indices of a random `share` of `count` rows."""
    return torch.nonzero(torch.rand(count) < share).flatten()


def place(x: Tensor, strength: float) -> Tensor:
    """Rotate by up to 15 degrees, scale by 15 %, shift by 7 % of the side, mirror half of them."""
    count = len(x)
    angle = uniform(count, -15, 15, x) * strength * math.pi / 180
    scale = 1 + uniform(count, -0.15, 0.15, x) * strength
    mirror = torch.where(torch.rand(count) < 0.5, -1.0, 1.0).to(x.device)
    theta = torch.zeros(count, 2, 3, device=x.device)
    theta[:, 0, 0], theta[:, 0, 1] = angle.cos() * scale * mirror, -angle.sin() * scale
    theta[:, 1, 0], theta[:, 1, 1] = angle.sin() * scale * mirror, angle.cos() * scale
    theta[:, :, 2] = (torch.rand(count, 2) * 0.28 - 0.14).to(x.device) * strength
    grid = F.affine_grid(theta, list(x.shape), align_corners=False)
    return F.grid_sample(x, grid, mode="bilinear", padding_mode="border", align_corners=False)


def shrink(x: Tensor, smallest_px: int = 12, largest_px: int = 40, groups: int = 3, share: float = 0.3) -> Tensor:
    """A face of the back row: `share` of the batch is made 12 to 40 pixels wide, given sensor noise, and enlarged again."""
    x = x.clone()
    size = int(len(x) * share / groups)
    for i in range(groups):
        rows = slice(i * size, (i + 1) * size)
        side = int(torch.randint(smallest_px, largest_px, (1,)))
        small = F.interpolate(x[rows], size=(side, side), mode="area")
        small = small + torch.randn(small.shape).to(x.device) * 0.02 * torch.rand(1).item()
        x[rows] = F.interpolate(small, size=x.shape[2:], mode="bilinear", align_corners=False)
    return x


def blur(x: Tensor, share: float = 0.12) -> Tensor:
    """Defocus and movement: one random kernel, a Gaussian or a line, for `share` of the batch."""
    rows = chosen(len(x), share)
    if not len(rows):
        return x
    offsets = torch.arange(-3.0, 4.0)
    if torch.rand(1) < 0.5:
        sigma = 0.5 + torch.rand(1).item() * 1.2
        line = torch.exp(-(offsets**2) / (2 * sigma**2))
        kernel = line[:, None] * line[None]
    else:
        angle, length = torch.rand(1).item() * math.pi, 1.0 + torch.rand(1).item() * 2.0
        along = offsets[None] * math.cos(angle) + offsets[:, None] * math.sin(angle)
        across = -offsets[None] * math.sin(angle) + offsets[:, None] * math.cos(angle)
        kernel = (along.abs() <= length).float() * (1 - across.abs()).clamp(min=0)
    kernel = (kernel / kernel.sum())[None, None].to(x.device)
    x = x.clone()
    x[rows] = F.conv2d(F.pad(x[rows], (3, 3, 3, 3), mode="replicate"), kernel)
    return x


def relight(x: Tensor, strength: float) -> Tensor:
    """Contrast, brightness and gamma for all; a slope of light from one side (a window) for a quarter of them."""
    count = len(x)
    contrast = 1 + uniform(count, -0.35, 0.3, x) * strength
    brightness = uniform(count, -0.18, 0.18, x) * strength
    x = ((x - 0.5) * contrast.view(-1, 1, 1, 1) + 0.5 + brightness.view(-1, 1, 1, 1)).clamp(0, 1)
    gamma = torch.exp(uniform(count, -0.5, 0.5, x) * strength)
    x = (x + 1e-4) ** gamma.view(-1, 1, 1, 1)
    ramp = torch.linspace(-0.5, 0.5, x.shape[-1], device=x.device)
    angle = uniform(count, 0, 2 * math.pi, x)
    slope = uniform(count, 0, 0.7, x) * (torch.rand(count) < 0.25).to(x.device) * strength
    tilt = ramp[None, None] * angle.cos().view(-1, 1, 1) + ramp[None, :, None] * angle.sin().view(-1, 1, 1)
    return (x * (1 + (slope.view(-1, 1, 1) * tilt)[:, None])).clamp(0, 1)


def column(values: Tensor, like: Tensor) -> Tensor:
    """[N] values, one a picture, as [N, 1, 1, 1] on the device of `like`."""
    return values.view(-1, 1, 1, 1).to(like.device)


def grid(like: Tensor) -> tuple[Tensor, Tensor]:
    """How far (down, across) each pixel lies, 0..1: [H, 1] and [1, W], on the device of `like`."""
    side = torch.arange(like.shape[-1], device=like.device) / like.shape[-1]
    return side[:, None], side[None]


def cover(x: Tensor, share: float = 0.15) -> Tensor:
    """Random erasing: a hand or a neighbour's shoulder, as a flat rectangle (Zhong et al. 2017, arXiv:1708.04896)."""
    rows = chosen(len(x), share)
    size = torch.randint(6, 19, (2, len(rows))) / x.shape[-1]
    height, width = (column(s, x) for s in size)
    top, left = (column(torch.rand(len(rows)) * (1 - s), x) for s in size)
    down, across = grid(x)
    covered = (down >= top) & (down < top + height) & (across >= left) & (across < left + width)
    x = x.clone()
    x[rows] = torch.where(covered, column(torch.rand(len(rows)), x), x[rows])
    return x


def dress(x: Tensor, glasses: float = 0.05, masks: float = 0.03) -> Tensor:
    """Draw glasses (two dark or bright-rimmed lenses) and masks (a flat lower face) where such faces usually have them."""
    x = x.clone()
    down, across = grid(x)
    rows = chosen(len(x), glasses)
    eyes, apart, wide = (column(low + torch.rand(len(rows)) * more, x) for low, more in ((0.36, 0.08), (0.17, 0.05), (0.10, 0.04)))
    left, right = (((across - 0.5 - s * apart) / wide) ** 2 + ((down - eyes) / (wide * 0.8)) ** 2 for s in (-1, 1))
    radius = torch.minimum(left, right)
    filled = column(torch.rand(len(rows)) < 0.4, x)
    alpha, shade = (column(low + torch.rand(len(rows)) * 0.5, x) for low in (0.5, 0.0))
    drawn = (radius < 1.2) & (filled | (radius > 0.75))
    x[rows] = torch.where(drawn, x[rows] * (1 - alpha) + shade * alpha, x[rows])
    rows = chosen(len(x), masks)
    top, shade = (column(low + torch.rand(len(rows)) * more, x) for low, more in ((0.55, 0.08), (0.35, 0.6)))
    drawn = (down > top) & (((across - 0.5) / 0.36) ** 2 + ((down - 0.7) / 0.3) ** 2 < 1)
    x[rows] = torch.where(drawn, shade, x[rows])
    return x


def augment(faces: Tensor, strength: float = 1.0) -> Tensor:
    """uint8 [N, 1, 48, 48] -> float luma 0..1, as seen by a camera; rows must come in random order.

    `strength` below 1 is used while the learning rate cools down: milder places and lights, nothing covered.
    """
    x = faces.float().div_(255)
    x = place(x, strength)
    if strength >= 1:
        x = dress(x)
    x = relight(shrink(blur(x)), strength)
    if torch.rand(1) < 0.3:
        x = (x + torch.randn(x.shape).to(x.device) * 0.03).clamp(0, 1)
    return cover(x) if strength >= 1 else x


def mix(x: Tensor, targets: list[Tensor], alpha: float = 0.4) -> tuple[Tensor, list[Tensor]]:
    """Mixup or, half of the time, cutmix (arXiv:1710.09412, 1905.04899) of the batch with a shuffle of itself.

    `targets` are [N, ...] and mixed in the same proportion.
    """
    share = torch.distributions.Beta(alpha, alpha).sample().item()
    other = torch.randperm(len(x)).to(x.device)
    if torch.rand(1) < 0.5:
        x = share * x + (1 - share) * x[other]
    else:
        side = x.shape[-1]
        cut = int(side * math.sqrt(1 - share))
        top, left = (int(v) for v in torch.randint(0, side - cut + 1, (2,)))
        x = x.clone()
        x[:, :, top : top + cut, left : left + cut] = x[other][:, :, top : top + cut, left : left + cut]
        share = 1 - cut * cut / side**2
    return x, [share * t + (1 - share) * t[other] for t in targets]
