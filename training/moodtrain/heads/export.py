"""Export the detector: `python -m moodtrain.heads.export --checkpoint final.pt --data DIR --out DIR`.

One file a fixed input size; twelve INT8 outputs, per stride head score, head ltrb, face score, face ltrb.
"""

import argparse
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from torch import Tensor, nn

from moodtrain import tflite
from moodtrain.heads.decode import GREY
from moodtrain.heads.net import OUTPUTS, STRIDES, HeadsNet, load
from moodtrain.heads.train import read_pictures, read_rooms

SIZES = ((640, 384), (672, 384), (1280, 736))
# Ranges of the box outputs in strides: (head, face), for strides 8 and 16 and for 32. A face may lie to one side of its
# cell, so its distances reach further below zero. Calibration alone would clip rare big heads.
RANGES = (((-0.5, 6.0), (-2.0, 5.0)), ((-0.5, 6.0), (-2.0, 5.0)), ((-0.5, 8.0), (-2.0, 7.0)))
OUTPUT_NAMES = [f"{name.replace('ltrb', 'box')}/{stride}" for stride in STRIDES for name in OUTPUTS]


class Flat(nn.Module):
    """The network with its scores as probabilities and its twelve outputs as one tuple."""

    def __init__(self, net: HeadsNet):
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return tuple(
            value.sigmoid() if name.endswith("score") else value
            for level in self.net(x)
            for name, value in zip(OUTPUTS, level)
        )


def fixed_ranges() -> dict[int, tuple[float, float]]:
    """Output number -> known range of its values."""
    ranges = {}
    for level, (head, face) in enumerate(RANGES):
        ranges[4 * level + 1], ranges[4 * level + 3] = head, face
    return ranges


def calibration_pictures(pictures: list, width: int, height: int, count: int, seed: int = 1) -> Iterator[np.ndarray]:
    """float32 [1, H, W, 1]: training pictures scaled to fit, a quarter of them 1.6 times larger (cropped)."""
    rng = np.random.default_rng(seed)
    for _ in range(count):
        luma = cv2.imread(str(pictures[int(rng.integers(len(pictures)))].file), cv2.IMREAD_GRAYSCALE)
        scale = min(width / luma.shape[1], height / luma.shape[0]) * float(rng.choice([1, 1, 1, 1.6]))
        resized = cv2.resize(luma, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR)
        resized = resized[:height, :width]
        framed = np.full((height, width), GREY, np.uint8)
        framed[: resized.shape[0], : resized.shape[1]] = resized
        yield (framed.astype(np.float32) / 255)[None, :, :, None]


def main() -> None:
    """Export every size, float and INT8."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--rooms", type=Path, help="folder with sets of other rooms: a third of the samples")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--sizes", default=",".join(f"{w}x{h}" for w, h in SIZES))
    parser.add_argument("--samples", type=int, default=64)
    args = parser.parse_args()
    net = Flat(load(args.checkpoint))
    pictures, _ = read_pictures(args.data, None, None, args.out)
    pictures = pictures + read_rooms(args.rooms, len(pictures) // 2)[0]
    for size in args.sizes.split(","):
        width, height = (int(v) for v in size.split("x"))
        source, target = (args.out / f"heads_{size}_{kind}.tflite" for kind in ("f32", "int8"))
        tflite.export_float(net, height, width, list(range(len(OUTPUT_NAMES))), source)
        count = args.samples if width * height < 300_000 else args.samples // 2
        tflite.quantize(source, target, calibration_pictures(pictures, width, height, count), fixed_ranges())
        model = tflite.Model(target)
        print(f"{target} {target.stat().st_size} bytes, {model.partitions()} XNNPACK partition(s)")


if __name__ == "__main__":
    main()
