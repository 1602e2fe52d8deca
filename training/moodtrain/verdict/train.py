"""Train the verdict network: `python -m moodtrain.verdict.train --crops crops.npz --run DIR`; started again, it goes on."""

import argparse
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from moodtrain import run
from moodtrain.expression.light import normalize
from moodtrain.layers import multiply_accumulates
from moodtrain.muon import Muon
from moodtrain.verdict import crops
from moodtrain.verdict.net import CONTEXT, DEGREES, SIDE, Verdict, VerdictNet

SMALLEST_PX, LARGEST_PX = 9, 60  # widths to which crops are reduced before they are enlarged again
MIN_SURE_PX = 28.0  # of a head: in smaller ones a face that the mesh does not see may be there all the same


@dataclass
class Recipe:
    """What a run is made of; stored in its checkpoints."""

    steps: int = 4000
    batch: int = 128
    rate: float = 4e-3
    weight_decay: float = 0.05
    warmup: int = 100
    cooldown: float = 0.7
    average: float = 0.998
    covered_weight: float = 3.0  # how much more often covered heads are drawn
    hand: float = 0.06  # share of readable faces that get something like a hand over the mouth
    seed: int = 1


class Crops:
    """Crops in memory, and which of them are learned."""

    def __init__(self, path: Path):
        stored = np.load(path)
        self.pixels, self.face, self.covered = stored["pixels"], stored["face"], stored["covered"]
        self.pose, self.held_out, self.kind, self.head_px = stored["pose"], stored["held_out"], stored["kind"], stored["head_px"]
        # In small heads the mesh sees hardly any face.
        is_head = ~np.char.endswith(self.kind, "/none")
        self.face = np.where((self.face == 0) & (self.head_px < MIN_SURE_PX) & is_head, crops.UNKNOWN, self.face)

    def weights(self, covered_weight: float) -> np.ndarray:
        """float [N] probabilities of being drawn: covered heads and sets of rooms more often, held-out ones never."""
        weight = np.where(self.held_out, 0.0, 1.0) * np.where(self.covered == 1, covered_weight, 1.0)
        lecture = np.char.startswith(self.kind, "A/") | np.char.startswith(self.kind, "B/")
        weight *= np.where(lecture, 1.0, 2.0)
        return weight / weight.sum()


def plain(pixels: np.ndarray) -> np.ndarray:
    """uint8 [48, 48]: what the device reads of a stored crop."""
    side = crops.STORED * CONTEXT / crops.CONTEXT
    scale = side / SIDE
    corner = crops.STORED / 2 - scale * (SIDE - 1) / 2 - 0.5
    move = np.array([[scale, 0, corner], [0, scale, corner]])
    return cv2.warpAffine(pixels, move, (SIDE, SIDE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE)


def hand(pixels: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Something of the face's luma over its lower half: a palm with fingers."""
    x = pixels.astype(np.float32)
    middle = crops.STORED / 2
    level = float(np.median(pixels[int(middle - 8) : int(middle + 12), int(middle - 10) : int(middle + 10)])) * rng.uniform(0.75, 1.25)
    y, across = np.mgrid[0 : crops.STORED, 0 : crops.STORED].astype(np.float32)
    centre = np.array([middle + rng.uniform(-7, 7), middle + rng.uniform(7, 15)])
    turn = rng.uniform(-1.2, 1.2)
    u = (across - centre[0]) * np.cos(turn) + (y - centre[1]) * np.sin(turn)
    v = -(across - centre[0]) * np.sin(turn) + (y - centre[1]) * np.cos(turn)
    mask = np.clip((1 - np.sqrt((u / rng.uniform(9, 16)) ** 2 + (v / rng.uniform(8, 14)) ** 2)) * 5, 0, 1)
    fingers = rng.uniform(5, 22) * np.sin(u * rng.uniform(0.9, 1.6) + rng.uniform(0, 6))
    return (x * (1 - mask) + (level + fingers + rng.uniform(-1, 1) * u) * mask).clip(0, 255).astype(np.uint8)


def spoil(pixels: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, bool, float]:
    """(float32 [48, 48] in 0..1, whether it was mirrored, turn in degrees): moved, turned, made small, dark, noisy."""
    turn = float(rng.normal(0, 7))
    scale = crops.STORED * CONTEXT / crops.CONTEXT / SIDE * np.exp(rng.normal(0, 0.09))
    shift = rng.normal(0, 0.045, 2) * crops.STORED * CONTEXT / crops.CONTEXT
    angle = np.radians(-turn)
    rotation = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]]) * scale
    middle = crops.STORED / 2 - 0.5 + shift
    move = np.hstack([rotation, (middle - rotation @ np.full(2, SIDE / 2 - 0.5))[:, None]])
    x = cv2.warpAffine(pixels, move, (SIDE, SIDE), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE)
    if rng.random() < 0.45:
        small = int(np.exp(rng.uniform(np.log(SMALLEST_PX), np.log(LARGEST_PX))))
        if small < SIDE:
            x = cv2.resize(cv2.resize(x, (small, small), interpolation=cv2.INTER_AREA), (SIDE, SIDE), interpolation=cv2.INTER_LINEAR)
    if rng.random() < 0.15:
        x = cv2.GaussianBlur(x, (0, 0), rng.uniform(0.5, 1.8))
    y = x.astype(np.float32) / 255
    if rng.random() < 0.5:
        y = y ** np.float32(2 ** rng.uniform(-0.8, 0.8))
    if rng.random() < 0.2:
        y = np.round(y * 255 * rng.uniform(0.05, 0.5)) / 255
    if rng.random() < 0.3:
        light = np.linspace(rng.uniform(0.3, 1), rng.uniform(0.3, 1), SIDE, dtype=np.float32)
        y = y * (light[None] if rng.random() < 0.5 else light[:, None])
    if rng.random() < 0.4:
        y = y + rng.standard_normal(y.shape, dtype=np.float32) * rng.uniform(0.003, 0.04) * max(float(y.std()) * 5, 0.05)
    mirrored = rng.random() < 0.5
    return np.ascontiguousarray(y[:, ::-1] if mirrored else y).clip(0, 1).astype(np.float32), mirrored, turn


def draw(data: Crops, cumulative: np.ndarray, recipe: Recipe, rng: np.random.Generator) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """A batch: luma [N, 1, 48, 48] with its light taken out, face [N], covered [N], pose [N, 3] in units of 30 degrees."""
    rows = np.searchsorted(cumulative, rng.random(recipe.batch)).clip(0, len(cumulative) - 1)
    pictures, faces, covers, poses = [], [], [], []
    for row in rows:
        pixels, face, covered, pose = data.pixels[row], int(data.face[row]), int(data.covered[row]), data.pose[row].copy()
        frontal = face == 1 and abs(pose[0]) < 35 and pose[1] > -30
        if frontal and covered == 0 and rng.random() < recipe.hand:
            pixels, covered, face = hand(pixels, rng), 1, crops.UNKNOWN
        x, mirrored, turn = spoil(pixels, rng)
        pose[2] += turn
        if mirrored:
            pose[[0, 2]] *= -1
        pictures.append(x)
        faces.append(face)
        covers.append(covered)
        poses.append(pose / DEGREES)
    x = normalize(torch.from_numpy(np.stack(pictures))[:, None])
    return x, torch.tensor(faces), torch.tensor(covers), torch.from_numpy(np.stack(poses)).float()


def loss_of(verdict: Verdict, face: Tensor, covered: Tensor, pose: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Cross entropy of what is known, and a smooth distance of the pose where the mesh saw a face."""
    parts = {}
    for name, logit, truth in (("face", verdict.face, face), ("covered", verdict.covered, covered)):
        known = truth != crops.UNKNOWN
        parts[name] = F.binary_cross_entropy_with_logits(logit[known], truth[known].float()) if known.any() else logit.sum() * 0
    seen = ~pose.isnan().any(1)
    parts["pose"] = F.smooth_l1_loss(verdict.pose[seen], pose[seen], beta=0.2) if seen.any() else verdict.pose.sum() * 0
    total = parts["face"] + parts["covered"] + 2 * parts["pose"]
    return total, {name: float(part.detach()) for name, part in parts.items()}


@torch.no_grad()
def answers(net: torch.nn.Module, pixels: np.ndarray) -> np.ndarray:
    """float32 [N, 5] for stored crops: two probabilities and three angles in degrees."""
    parts = []
    for start in range(0, len(pixels), 256):
        x = torch.from_numpy(np.stack([plain(p) for p in pixels[start : start + 256]]))[:, None].float() / 255
        verdict = net(normalize(x))
        parts.append(torch.cat([torch.stack([verdict.face, verdict.covered], 1).sigmoid(), verdict.pose * DEGREES], 1).numpy())
    return np.concatenate(parts) if parts else np.zeros((0, 5), np.float32)


def figures(found: np.ndarray, data: Crops, rows: np.ndarray) -> dict[str, float]:
    """Accuracy of both flags at one half, area under their curves, and mean errors of the angles, on some crops."""
    answer = {}
    for column, (name, truth) in enumerate((("face", data.face), ("covered", data.covered))):
        known = truth[rows] != crops.UNKNOWN
        labels, scores = truth[rows][known] == 1, found[known, column]
        if labels.any() and not labels.all():
            answer[f"{name}_recall"] = float((scores[labels] > 0.5).mean())
            answer[f"{name}_specificity"] = float((scores[~labels] <= 0.5).mean())
            answer[f"{name}_auc"] = area_under_curve(scores, labels)
    seen = ~np.isnan(data.pose[rows]).any(1)
    for column, name in enumerate(("yaw", "pitch", "roll")):
        if seen.any():
            answer[f"{name}_error"] = float(np.abs(found[seen, 2 + column] - data.pose[rows][seen, column]).mean())
    return answer


def area_under_curve(scores: np.ndarray, labels: np.ndarray) -> float:
    """The chance that a positive has a higher score than a negative."""
    ranks = np.argsort(np.argsort(scores, kind="stable"), kind="stable") + 1
    positives = int(labels.sum())
    return float((ranks[labels].sum() - positives * (positives + 1) / 2) / (positives * (len(labels) - positives)))


def watch(net: torch.nn.Module, data: Crops) -> dict[str, float]:
    """Figures of the held-out crops."""
    rows = np.flatnonzero(data.held_out)
    return figures(answers(net.eval(), data.pixels[rows]), data, rows)


def main() -> None:
    """Train, or go on."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--crops", type=Path, required=True)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--log-every", type=int, default=100)
    parser.add_argument("--watch-every", type=int, default=500)
    for name, value in asdict(Recipe()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    cv2.setNumThreads(1)
    recipe = Recipe(**{key: getattr(args, key) for key in asdict(Recipe())})
    data, rng = Crops(args.crops), np.random.default_rng(recipe.seed)
    torch.manual_seed(recipe.seed)
    net = VerdictNet().to(memory_format=torch.channels_last)
    average = run.MovingAverage(net, recipe.average)
    optimizer = Muon(net, recipe.rate, weight_decay=recipe.weight_decay, min_rows=8)
    checkpoints, log, first, parts = run.Checkpoints(args.run), run.RunLog(args.run), 0, []
    if state := checkpoints.load():
        net.load_state_dict(state["net"])
        average.net.load_state_dict(state["average"])
        optimizer.load_state_dict(state["optimizer"])
        first = state["step"]
        run.restore_random_state(state["random"], rng)
    log.write(event="start", step=first, crops=len(data.face), mmac=multiply_accumulates(net, (1, 1, SIDE, SIDE)) / 1e6)
    cumulative = np.cumsum(data.weights(recipe.covered_weight))

    def save(name: str, step: int) -> None:
        checkpoints.save(name, {"recipe": asdict(recipe), "step": step, "net": net.state_dict(), "average": average.net.state_dict(),
                                "optimizer": optimizer.state_dict(), "random": run.random_state(rng)})

    for step in range(first, recipe.steps):
        run.set_learning_rate(optimizer, recipe.rate * run.learning_rate_factor(step, recipe.steps, recipe.warmup, recipe.cooldown))
        x, *truth = draw(data, cumulative, recipe, rng)
        net.train()
        loss, part = loss_of(net(x.contiguous(memory_format=torch.channels_last)), *truth)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        optimizer.step()
        average.update(net, step)
        parts.append(part)
        if (step + 1) % args.log_every == 0:
            log.write(event="step", step=step + 1, **{name: float(np.mean([p[name] for p in parts])) for name in parts[0]})
            parts = []
        if (step + 1) % args.watch_every == 0:
            log.write(event="watch", step=step + 1, **watch(average.net, data))
        if checkpoints.due():
            save("last", step + 1)
    for name in ("last", "final"):
        save(name, recipe.steps)
    log.write(event="final", step=recipe.steps, **watch(average.net, data))


if __name__ == "__main__":
    main()
