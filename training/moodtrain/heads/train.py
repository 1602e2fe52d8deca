"""Train the detector: `python -m moodtrain.heads.train --data DIR --run DIR`; started again, it goes on."""

import argparse
import zlib
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset, get_worker_info
from tqdm import tqdm

from moodtrain import run
from moodtrain.data import classroom, room_sets, rooms, synthetic
from moodtrain.data.classroom import Picture, Pixels
from moodtrain.heads.clean import second_opinion
from moodtrain.heads.decode import detect
from moodtrain.heads.loss import HeadsLoss, Truth
from moodtrain.heads.metrics import Result, face_curve, found_and_false, head_curve
from moodtrain.heads.net import HeadsNet
from moodtrain.heads.propose import completed
from moodtrain.heads.samples import Samples
from moodtrain.layers import multiply_accumulates
from moodtrain.muon import Muon

WATCH_SHARE = 40  # one training picture of so many is not learned but watched
WATCH_OF_SET = 12  # so many held-out pictures of each set of rooms are watched
WATCH_SCORE = 0.46


@dataclass
class Recipe:
    """What a run is made of; stored in its checkpoints."""

    steps: int = 10000
    batch: int = 16
    side: int = 384
    optimizer: str = "muon"  # or "adamw"
    rate: float = 2e-3
    weight_decay: float = 0.03
    warmup: int = 300
    cooldown: float = 0.6
    average: float = 0.9985
    plain_share: float = 0.15  # the last part of the run, without mosaics and pasting
    rooms_share: float = 0.45  # of the pictures: from the sets of other rooms
    seed: int = 1


class Stream(IterableDataset):
    """Samples without end for the workers that feed a GPU; each draws its own. A run with workers resumes at the right
    step, but not with the very same samples."""

    def __init__(self, samples: Samples, seed: tuple[int, int]):
        self.samples, self.seed = samples, seed

    def __iter__(self) -> Iterator[tuple[np.ndarray, Truth]]:
        cv2.setNumThreads(0)
        worker = get_worker_info()
        self.samples.rng = np.random.default_rng((*self.seed, worker.id if worker else 0))
        while True:
            yield self.samples.draw()


def collate(drawn: list[tuple[np.ndarray, Truth]]) -> tuple[Tensor, list[Truth]]:
    """Pictures [N, 1, side, side] and the labels of each."""
    return torch.from_numpy(np.stack([luma for luma, _ in drawn]))[:, None], [truth for _, truth in drawn]


def make_optimizer(net: HeadsNet, recipe: Recipe) -> torch.optim.Optimizer:
    """The optimizer that the recipe names; Muon leaves the predictors of one or four channels to Adam."""
    if recipe.optimizer == "muon":
        return Muon(net, recipe.rate, weight_decay=recipe.weight_decay, min_rows=8)
    groups = run.weight_decay_groups(net, recipe.weight_decay)
    return torch.optim.AdamW(groups, lr=recipe.rate, betas=(0.9, 0.99), fused=True)


class Trainer:
    """The state of a run: network, moving average, optimizer, random streams, step."""

    def __init__(self, recipe: Recipe, pictures: list[Picture], pixels: Pixels, folder: Path, device: torch.device,
                 workers: int = 0, negatives: list[np.ndarray] | None = None, empty: list[np.ndarray] | None = None):
        torch.manual_seed(recipe.seed)
        self.recipe, self.device = recipe, device
        self.net = HeadsNet().to(device, memory_format=torch.channels_last)
        self.average = run.MovingAverage(self.net, recipe.average)
        self.optimizer = make_optimizer(self.net, recipe)
        self.rng = np.random.default_rng(recipe.seed)
        self.samples = Samples(pictures, pixels, recipe.side, self.rng, negatives, empty)
        self.samples.shares.rooms = recipe.rooms_share
        self.loss = HeadsLoss(recipe.side, recipe.side, device)
        self.checkpoints = run.Checkpoints(folder)
        self.step = 0
        self.workers = workers
        self.stream: Iterator[tuple[Tensor, list[Truth]]] | None = None
        self.stream_is_plain = False

    def start_from(self, path: Path) -> None:
        """Take the averaged weights of a checkpoint."""
        self.net.load_state_dict(torch.load(path, map_location="cpu", weights_only=False)["average"])
        self.average = run.MovingAverage(self.net, self.recipe.average)

    def state(self) -> dict:
        """Everything that `resume` needs."""
        return {
            "recipe": asdict(self.recipe), "step": self.step, "net": self.net.state_dict(),
            "average": self.average.net.state_dict(), "optimizer": self.optimizer.state_dict(),
            "random": run.random_state(self.rng),
        }

    def resume(self, state: dict) -> None:
        """Go on from `state`; the number of steps may have been changed on the command line."""
        self.net.load_state_dict(state["net"])
        self.average.net.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step = state["step"]
        run.restore_random_state(state["random"], self.rng)

    def draw_batch(self) -> tuple[Tensor, list[Truth]]:
        """[N, 1, side, side] and the labels of each picture; drawn here, or taken from the workers."""
        plain = self.step > self.recipe.steps * (1 - self.recipe.plain_share)
        self.samples.strength = 0.0 if plain else 1.0
        if not self.workers:
            return collate([self.samples.draw() for _ in range(self.recipe.batch)])
        if self.stream is None or self.stream_is_plain != plain:
            source = Stream(self.samples, (self.recipe.seed, self.step))
            loader = DataLoader(source, self.recipe.batch, num_workers=self.workers, collate_fn=collate, prefetch_factor=4)
            self.stream, self.stream_is_plain = iter(loader), plain
        return next(self.stream)

    def train_step(self) -> dict[str, float]:
        """One batch; returns the parts of the loss."""
        recipe = self.recipe
        factor = run.learning_rate_factor(self.step, recipe.steps, recipe.warmup, recipe.cooldown)
        run.set_learning_rate(self.optimizer, recipe.rate * factor)
        x, truths = self.draw_batch()
        self.net.train()
        with run.autocast(self.device):
            levels = self.net(run.to_device(x, self.device))
        loss, parts = self.loss(levels, truths)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 10.0)
        self.optimizer.step()
        self.average.update(self.net, self.step)
        self.step += 1
        return parts


def watch(net: torch.nn.Module, pictures: list[Picture], pixels: Pixels) -> dict[str, float]:
    """Average precision of heads and faces by part, at the stored size."""
    results = [Result(p, detect(net, pixels[i], threshold=0.1)) for i, p in enumerate(pictures)]
    answer = {}
    for part in ("A", "B"):
        chosen = [r for r in results if r.picture.part == part]
        if chosen:
            answer[f"heads_{part}"] = head_curve(chosen).average
            answer[f"faces_{part}"] = face_curve(chosen).average
    for part in sorted({p.part for p in pictures} - {"A", "B"}):
        chosen = [r for r in results if r.picture.part == part]
        found, labels, false = found_and_false(chosen, WATCH_SCORE)
        answer[f"recall_{part}"] = found / max(labels, 1)
        answer[f"false_{part}"] = false / len(chosen)
    return answer


def read_pictures(data: Path | None, second: Path | None, limit: int | None, cache: Path, new_rooms: bool = False) -> tuple[list, list]:
    """(learned, watched) pictures of the train split; a few generated rooms where there is no data.

    With `new_rooms` the smallest rooms of part A are watched instead of learned.
    """
    if not (data and data.exists()):
        pictures = synthetic.rooms(min(limit or 24, 64), cache / "synthetic")
    else:
        pictures = second_opinion([p for p in classroom.read(data) if p.split == "train"], second)
    watched = np.array([zlib.crc32(p.name().encode()) % WATCH_SHARE == 0 for p in pictures])
    if new_rooms:
        cameras = np.array([p.part == "A" for p in pictures])
        views = [cv2.imread(str(p.file), cv2.IMREAD_GRAYSCALE) for p in pictures if p.part == "A"]
        watched[cameras] = rooms.hold_out(rooms.group(np.stack([rooms.describe(view) for view in views])))
    learned = [p for p, w in zip(pictures, watched) if not w]
    return learned[:limit], [p for p, w in zip(pictures, watched) if w] or learned[:2]


def read_rooms(folder: Path | None, limit: int | None) -> tuple[list[Picture], list[Picture], list[np.ndarray]]:
    """(learned pictures, watched pictures, pictures without people) of the sets of rooms in `folder`, where there is one."""
    if folder is None:
        return [], [], []
    learned, held = room_sets.read(folder)
    empty = [cv2.imread(str(p.file), cv2.IMREAD_GRAYSCALE) for p in learned if p.part == "negatives"]
    watched = [p for part in room_sets.SOURCE_KEYS for p in [q for q in held if q.part == part][:WATCH_OF_SET]]
    peopled = [p for p in learned if len(p.heads)]
    # The sets lie one after the other: a limit takes some of each.
    return peopled[:: max(1, -(-len(peopled) // limit)) if limit else 1], watched, empty


def read_negatives(folder: Path | None) -> list[np.ndarray]:
    """uint8 [H, W] of every picture in `folder`, none of which may show a person."""
    files = sorted(folder.iterdir()) if folder else []
    read = [cv2.imread(str(path), cv2.IMREAD_GRAYSCALE) for path in files]
    return [luma for luma in read if luma is not None]


def parse_arguments() -> argparse.Namespace:
    """The command line; every field of `Recipe` is an option."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="SCUT-HEAD, packed or as published; generated rooms where absent")
    parser.add_argument("--run", type=Path, required=True, help="folder for checkpoints and log")
    parser.add_argument("--cache", type=Path, help="folder for decoded pictures (default: the run folder)")
    parser.add_argument("--second", type=Path, help="a second opinion on faces, by moodtrain.heads.clean")
    parser.add_argument("--new-rooms", action="store_true", help="do not learn the smallest rooms of part A but watch them")
    parser.add_argument("--negatives", type=Path, help="folder of pictures without people")
    parser.add_argument("--rooms", type=Path, help="folder with sets of other rooms (moodtrain.data.room_sets)")
    parser.add_argument("--proposals", type=Path, help="heads that complete the labels of these sets, by moodtrain.heads.propose")
    parser.add_argument("--init", type=Path, help="checkpoint whose averaged weights to start from")
    parser.add_argument("--limit", type=int, help="train on so many pictures only")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--workers", type=int, default=0, help="processes that draw samples; give a GPU a dozen")
    parser.add_argument("--log-every", type=int, default=100)
    parser.add_argument("--watch-every", type=int, default=1000)
    for name, value in asdict(Recipe()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    return parser.parse_args()


def train(trainer: Trainer, log: run.RunLog, args: argparse.Namespace, watched: tuple[list[Picture], Pixels]) -> None:
    """Step until the end; log, watch, keep checkpoints."""
    recipe, parts = trainer.recipe, []
    plateau_end = int(recipe.steps * (1 - recipe.cooldown))
    for _ in tqdm(range(trainer.step, recipe.steps), initial=trainer.step, total=recipe.steps, mininterval=60):
        parts.append(trainer.train_step())
        if trainer.step % args.log_every == 0:
            log.write(event="step", step=trainer.step, rate=trainer.optimizer.param_groups[0]["lr"],
                      **{name: float(np.mean([p[name] for p in parts])) for name in parts[0]})
            parts = []
        if trainer.step % args.watch_every == 0:
            log.write(event="watch", step=trainer.step, **watch(trainer.average.net, *watched))
        if trainer.step == plateau_end:
            trainer.checkpoints.save("plateau", trainer.state())
        if trainer.checkpoints.due():
            trainer.checkpoints.save("last", trainer.state())
    for name in ("last", "final"):
        trainer.checkpoints.save(name, trainer.state())
    log.write(event="final", step=trainer.step, **watch(trainer.average.net, *watched))


def main() -> None:
    """Read and train."""
    args = parse_arguments()
    cv2.setNumThreads(1)
    if args.threads:
        torch.set_num_threads(args.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    recipe = Recipe(**{k: getattr(args, k) for k in asdict(Recipe())})
    cache = args.cache or args.run
    learned, watched = read_pictures(args.data, args.second, args.limit, cache, args.new_rooms)
    other_rooms, watched_rooms, empty = read_rooms(args.rooms, args.limit)
    other_rooms = completed(other_rooms, args.proposals)
    learned, watched = learned + other_rooms, watched + watched_rooms
    kind = ("_new_rooms" if args.new_rooms else "") + ("_sets" if other_rooms else "")
    pixels, watched_pixels = (Pixels(p, cache / f"{name}{kind}.luma") for name, p in (("learned", learned), ("watched", watched)))
    trainer = Trainer(recipe, learned, pixels, args.run, device, args.workers, read_negatives(args.negatives), empty)
    log = run.RunLog(args.run)
    if state := trainer.checkpoints.load():
        trainer.resume(state)
    elif args.init:
        trainer.start_from(args.init)
        log.write(event="init", **watch(trainer.average.net, watched, watched_pixels))
    log.write(event="start", step=trainer.step, learned=len(learned), watched=len(watched), device=str(device),
              mmac=multiply_accumulates(trainer.net, (1, 1, 384, 640)) / 1e6)
    train(trainer, log, args, (watched, watched_pixels))


if __name__ == "__main__":
    main()
