"""What every training run needs: the schedule, the moving average of the weights, checkpoints and a log.

A run lives in one folder. It is described by steps, never by the clock: started again with the same folder it goes on
with the right learning rate, random state and averaged weights, on whatever machine.
"""

import copy
import json
import os
import time
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn


def learning_rate_factor(step: int, total: int, warmup: int, cooldown: float) -> float:
    """Warm-up, a stable plateau, then a linear cool-down over the last `cooldown` (0..1) of `total` steps; 0..1.

    Compared with a cosine this lets a run be lengthened while it is on its plateau (Hägele et al. 2024,
    arXiv:2405.18392); a cool-down of 1 is a plain linear decay.
    """
    if step < warmup:
        return (step + 1) / warmup
    start = total * (1 - cooldown)
    if step < start:
        return 1.0
    return max(0.002, (total - step) / max(total - start, 1))


class MovingAverage:
    """Exponential moving average of weights and batch-norm statistics; short at first, so that it never lags behind."""

    def __init__(self, net: nn.Module, decay: float):
        self.net = copy.deepcopy(net).eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def update(self, net: nn.Module, step: int) -> None:
        """Move towards `net`; `step` counts from 0."""
        decay = min(self.decay, (1 + step) / (10 + step))
        pairs = list(zip(self.net.state_dict().values(), net.state_dict().values()))
        moving = [pair for pair in pairs if pair[0].dtype.is_floating_point]
        torch._foreach_lerp_([mine for mine, _ in moving], [theirs for _, theirs in moving], 1 - decay)
        for mine, theirs in pairs:
            if not mine.dtype.is_floating_point:
                mine.copy_(theirs)


def save_atomically(state: dict, path: Path) -> None:
    """Write beside `path` and rename, so that a crash leaves the checkpoint before it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(path.suffix + ".tmp")
    torch.save(state, temporary)
    os.replace(temporary, path)


def random_state(rng: np.random.Generator) -> dict:
    """Every random stream a run draws from, to be stored in a checkpoint."""
    state = {"torch": torch.get_rng_state(), "numpy": rng.bit_generator.state}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state()
    return state


def restore_random_state(state: dict, rng: np.random.Generator) -> None:
    """The opposite of `random_state`; CUDA's stream is left alone where the run moved to another kind of machine."""
    torch.set_rng_state(state["torch"])
    rng.bit_generator.state = state["numpy"]
    if "cuda" in state and torch.cuda.is_available():
        torch.cuda.set_rng_state(state["cuda"])


def weight_decay_groups(net: nn.Module, weight_decay: float) -> list[dict]:
    """Parameters in two groups: matrices and kernels are decayed, biases and batch norm are not."""
    kernels = [p for p in net.parameters() if p.ndim > 1]
    others = [p for p in net.parameters() if p.ndim <= 1]
    return [{"params": kernels, "weight_decay": weight_decay}, {"params": others, "weight_decay": 0.0}]


def set_learning_rate(optimizer: torch.optim.Optimizer, rate: float) -> None:
    """The same rate for every group."""
    for group in optimizer.param_groups:
        group["lr"] = rate


def autocast(device: torch.device) -> torch.autocast:
    """bfloat16 where it pays: on CUDA, and on CPUs with AMX or AVX512-BF16 (2.2 and 1.8 times the speed of float32)."""
    enabled = device.type == "cuda" or torch.cpu._is_amx_tile_supported() or torch.cpu._is_avx512_bf16_supported()
    return torch.autocast(device.type, torch.bfloat16, enabled=enabled)


def to_device(batch: Tensor, device: torch.device) -> Tensor:
    """Pictures [N, C, H, W] to the device in channels-last order."""
    return batch.to(device, non_blocking=True).contiguous(memory_format=torch.channels_last)


class Checkpoints:
    """The checkpoints of one run folder: `last.pt` every few minutes, `plateau.pt` before the cool-down, `final.pt`."""

    def __init__(self, folder: Path, every_s: float = 180.0):
        self.folder = folder
        self.every_s = every_s
        self.saved_at = time.monotonic()

    def due(self) -> bool:
        """Whether it is time to save again."""
        return time.monotonic() - self.saved_at >= self.every_s

    def save(self, name: str, state: dict) -> None:
        """Store `state` as `name`.pt."""
        save_atomically(state, self.folder / f"{name}.pt")
        self.saved_at = time.monotonic()

    def load(self) -> dict | None:
        """The newest state of an interrupted run, or None."""
        path = self.folder / "last.pt"
        return torch.load(path, map_location="cpu", weights_only=False) if path.exists() else None


class RunLog:
    """Appends one JSON object a line to `log.jsonl` of the run folder, and prints the same for people."""

    def __init__(self, folder: Path):
        folder.mkdir(parents=True, exist_ok=True)
        self.path = folder / "log.jsonl"

    def write(self, **fields: object) -> None:
        """Log `fields`, with the time of day."""
        line = {"time": time.strftime("%H:%M:%S"), **fields}
        with self.path.open("a") as file:
            file.write(json.dumps(line) + "\n")
        print(" ".join(f"{k}={v:.4f}" if isinstance(v, float) else f"{k}={v}" for k, v in line.items()), flush=True)
