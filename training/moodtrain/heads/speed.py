"""Time of both networks beside a detector of YuNet's kind: `python -m moodtrain.heads.speed --models DIR`.

All of them run in turn, round after round, in LiteRT on one thread, so that whatever else the machine does strikes all alike;
the shortest time of each counts. The yardstick is YuNet-n (Wu et al. 2023, "YuNet: A tiny millisecond-level face detector"),
rebuilt here from its description with random weights: its time does not depend on them.
"""

import argparse
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F
from ai_edge_litert.interpreter import Interpreter
from torch import Tensor, nn

from moodtrain import tflite
from moodtrain.layers import multiply_accumulates

WIDTH, HEIGHT = 640, 384


def unit(channels_in: int, channels_out: int, active: bool = True) -> nn.Sequential:
    """YuNet's depthwise unit: 1x1, then depthwise 3x3, then batch norm and ReLU."""
    layers: list[nn.Module] = [
        nn.Conv2d(channels_in, channels_out, 1), nn.Conv2d(channels_out, channels_out, 3, 1, 1, groups=channels_out)
    ]
    return nn.Sequential(*layers, *((nn.BatchNorm2d(channels_out), nn.ReLU(inplace=True)) if active else ()))


class YuNetLike(nn.Module):
    """[N, 3, H, W] -> class, box, object and landmarks at strides 8, 16 and 32."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(3, 16, 3, 2, 1), nn.BatchNorm2d(16), nn.ReLU(inplace=True), unit(16, 16))
        self.stages = nn.ModuleList(nn.Sequential(unit(a, a), unit(a, b)) for a, b in ((16, 64), (64, 64), (64, 64), (64, 64)))
        self.laterals = nn.ModuleList(unit(64, 64) for _ in range(3))
        self.heads = nn.ModuleList(nn.ModuleList(unit(64, c, active=False) for c in (1, 4, 1, 10)) for _ in range(3))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        x = self.stages[0](F.max_pool2d(self.stem(x), 2))
        maps = []
        for stage in self.stages[1:]:
            x = stage(F.max_pool2d(x, 2))
            maps.append(x)
        for i in (2, 1):
            maps[i] = self.laterals[i](maps[i])
            maps[i - 1] = maps[i - 1] + F.interpolate(maps[i], scale_factor=2, mode="nearest")
        maps[0] = self.laterals[0](maps[0])
        return tuple(head(features) for heads, features in zip(self.heads, maps) for head in heads)


def yardstick(folder: Path) -> list[Path]:
    """The float and the INT8 file of `YuNetLike`."""
    torch.manual_seed(0)
    net = YuNetLike().eval()
    paths = [folder / f"yunet_like_{WIDTH}x{HEIGHT}_{kind}.tflite" for kind in ("f32", "int8")]
    cost = multiply_accumulates(net, (1, 3, 320, 320)) / 1e6
    print(f"YuNet-like: {sum(p.numel() for p in net.parameters())} parameters, {cost:.0f} MMAC at 320x320")
    tflite.export_float(net, HEIGHT, WIDTH, [], paths[0], channels=3)

    def noise() -> Iterator[np.ndarray]:
        for seed in range(4):
            yield np.random.default_rng(seed).random((1, HEIGHT, WIDTH, 3), dtype=np.float32)

    tflite.quantize(paths[0], paths[1], noise())
    return paths


def loaded(path: Path) -> Interpreter:
    """One thread, with an input of noise."""
    interpreter = Interpreter(str(path), num_threads=1)
    interpreter.allocate_tensors()
    entry = interpreter.get_input_details()[0]
    noise = np.random.default_rng(0).random(entry["shape"], dtype=np.float32)
    interpreter.set_tensor(entry["index"], noise if entry["dtype"] == np.float32 else (noise * 255 - 128).astype(np.int8))
    return interpreter


def main() -> None:
    """Time everything in turn and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, required=True, help="folder with float and INT8 files")
    parser.add_argument("--rounds", type=int, default=40)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        paths = sorted(args.models.glob("*.tflite")) + yardstick(Path(folder))
        networks = {path.stem: loaded(path) for path in paths}
        best = dict.fromkeys(networks, float("inf"))
        for _ in range(args.rounds):
            for name, network in networks.items():
                start = time.perf_counter()
                network.invoke()
                best[name] = min(best[name], time.perf_counter() - start)
    reference = best[f"yunet_like_{WIDTH}x{HEIGHT}_int8"]
    print("| network | ms | YuNet-like INT8 at 640x384 = 1 |\n|---|---|---|")
    for name, seconds in best.items():
        print(f"| {name} | {seconds * 1e3:.2f} | {seconds / reference:.2f} |")


if __name__ == "__main__":
    main()
