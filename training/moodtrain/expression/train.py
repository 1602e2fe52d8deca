"""Train the expression network: `python -m moodtrain.expression.train --data DIR --run DIR`; started again, it goes on."""

import argparse
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor
from tqdm import tqdm

from moodtrain import run
from moodtrain.data import fer2013, synthetic
from moodtrain.expression import targets as labels
from moodtrain.expression.augment import augment, mix
from moodtrain.expression.light import normalize, to_input
from moodtrain.expression.net import FACE_PX, NETS, ExpressionNet, start_from
from moodtrain.expression.targets import Targets
from moodtrain.layers import multiply_accumulates
from moodtrain.muon import Muon

DISGUST = 1  # 1.5 % of FER2013: shown twice an epoch


@dataclass
class Recipe:
    """What a run is made of; stored in its checkpoints."""

    net: str = "residual"
    epochs: int = 128
    batch: int = 128
    optimizer: str = "muon"  # or "sgd", with a rate of 0.06 and a weight decay of 5e-4
    rate: float = 0.005
    weight_decay: float = 0.05
    cooldown: float = 0.75
    average: float = 0.999
    mix_share: float = 0.1
    mild_share: float = 0.2  # the last part of the run, with milder augmentation
    distill: float = 0.0  # weight of the teachers' answer, where teachers are given
    folds: int = 0  # Training in so many parts; teachers of this many parts each answer only for the part they never saw
    without: int = -1  # the part that this network does not see, when it is to be such a teacher
    seed: int = 1


def soft_cross_entropy(logits: Tensor, target: Tensor) -> Tensor:
    """[N, C] logits against [N, C] distributions -> [N]."""
    return -(target * logits.log_softmax(1)).sum(1)


def loss_of(outputs: tuple[Tensor, Tensor], seven: Tensor, eight: Tensor, voted: Tensor) -> Tensor:
    """FER2013 loss plus FER+ loss of the rows that have useful votes."""
    fer2013_loss = soft_cross_entropy(outputs[0].float(), seven).mean()
    return fer2013_loss + (soft_cross_entropy(outputs[1].float(), eight) * voted).mean()


class Teachers:
    """Networks whose answers are learned beside the labels.

    With `folds`, the i-th network was trained without part `i % folds` and answers for that part alone. A third of FER2013's labels
    is disputed: a network that has seen a face repeats its label, one that has not says what such faces look like.
    """

    def __init__(self, nets: list[ExpressionNet], folds: int):
        if folds and len(nets) % folds:
            raise ValueError(f"{len(nets)} teachers for {folds} parts: give one (or two, ...) for each part, in their order")
        self.nets, self.folds = nets, folds

    @torch.no_grad()
    def answer(self, x: Tensor, fold: int) -> list[Tensor]:
        """Mean probabilities [N, 7] and [N, 8] of those networks that did not learn part `fold`, for the faces and their mirror images."""
        nets = [net for i, net in enumerate(self.nets) if not self.folds or i % self.folds == fold]
        with run.autocast(x.device):
            answers = [net(side) for net in nets for side in (x, x.flip(3))]
        return [torch.stack([a[head].float().softmax(1) for a in answers]).mean(0) for head in (0, 1)]


def blend(goals: list[Tensor], answers: list[Tensor], weight: float) -> list[Tensor]:
    """Targets moved towards the teachers' answers to the very same (augmented) pictures."""
    seven, eight, voted = goals
    eight = torch.where(voted[:, None] > 0, (1 - weight) * eight + weight * answers[1], answers[1])
    return [(1 - weight) * seven + weight * answers[0], eight, torch.clamp(voted, min=weight)]


@torch.no_grad()
def accuracy(net: torch.nn.Module, data: Targets, device: torch.device) -> tuple[float, float, float]:
    """(FER2013 label accuracy, FER+ favourite accuracy over seven classes, negative log likelihood) without augmentation."""
    outputs = [net(run.to_device(part, device)) for part in to_input(data.images).split(256)]
    seven, eight = (torch.cat([o[i].float().cpu() for o in outputs]) for i in (0, 1))
    truth = torch.from_numpy(data.labels)
    likelihood = torch.nn.functional.cross_entropy(seven, truth).item()
    voted = torch.from_numpy(data.voted > 0)
    favourite = torch.from_numpy(data.ferplus[:, :7].argmax(1))
    votes = (eight[:, :7].argmax(1) == favourite)[voted].float().mean().item() if voted.any() else float("nan")
    return (seven.argmax(1) == truth).float().mean().item(), votes, likelihood


def make_optimizer(net: torch.nn.Module, recipe: Recipe) -> torch.optim.Optimizer:
    """The optimizer that the recipe names."""
    if recipe.optimizer == "muon":
        return Muon(net, recipe.rate, weight_decay=recipe.weight_decay)
    groups = run.weight_decay_groups(net, recipe.weight_decay)
    return torch.optim.SGD(groups, lr=recipe.rate, momentum=0.9, nesterov=True)


class Trainer:
    """The state of a run: network, moving average, optimizer, random streams, step; and one epoch of training."""

    def __init__(self, recipe: Recipe, train: Targets, folder: Path, device: torch.device, teachers: Teachers | None = None):
        torch.manual_seed(recipe.seed)
        self.recipe, self.train, self.device, self.teachers = recipe, train, device, teachers
        self.net = NETS[recipe.net]().to(device, memory_format=torch.channels_last)
        self.average = run.MovingAverage(self.net, recipe.average)
        self.optimizer = make_optimizer(self.net, recipe)
        self.rng = np.random.default_rng(recipe.seed)
        self.step, self.epoch = 0, 0
        self.order: np.ndarray | None = None
        self.position = 0
        self.checkpoints = run.Checkpoints(folder)
        self.arrays = [torch.from_numpy(a).to(device) for a in (train.images, train.fer2013, train.ferplus, train.voted)]
        self.folds = labels.fold_of(train.images, recipe.folds) if teachers and recipe.folds else None

    def state(self) -> dict:
        """Everything that `resume` needs."""
        return {
            "recipe": asdict(self.recipe), "step": self.step, "epoch": self.epoch, "order": self.order,
            "position": self.position, "net": self.net.state_dict(), "average": self.average.net.state_dict(),
            "optimizer": self.optimizer.state_dict(), "random": run.random_state(self.rng),
        }

    def resume(self, state: dict) -> None:
        """Go on from `state`; the number of epochs may have been changed on the command line."""
        self.net.load_state_dict(state["net"])
        self.average.net.load_state_dict(state["average"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.epoch, self.order, self.position = (state[k] for k in ("step", "epoch", "order", "position"))
        run.restore_random_state(state["random"], self.rng)

    def progress(self) -> float:
        """How much of the run is done, 0..1."""
        return (self.epoch + self.position / max(len(self.order), 1)) / self.recipe.epochs

    def train_epoch(self) -> float:
        """One epoch, or what is left of it; returns the mean loss."""
        if self.order is None:
            self.order = labels.epoch_order(self.train.labels, {DISGUST: 2}, self.rng)
            if self.folds is not None:
                self.order = labels.order_in_folds(self.order, self.folds, self.recipe.batch, self.rng)
            self.position = 0
        per_epoch = max(1, len(self.order) // self.recipe.batch)
        total, losses = per_epoch * self.recipe.epochs, []
        bar = tqdm(total=per_epoch, initial=self.position // self.recipe.batch, desc=f"epoch {self.epoch + 1}", mininterval=30)
        while self.position + min(self.recipe.batch, len(self.order)) <= len(self.order):
            rows = torch.from_numpy(self.order[self.position : self.position + self.recipe.batch])
            factor = run.learning_rate_factor(self.step, total, min(per_epoch, 200), self.recipe.cooldown)
            run.set_learning_rate(self.optimizer, self.recipe.rate * factor)
            losses.append(self.train_step(rows))
            self.position += self.recipe.batch
            self.step += 1
            bar.update()
            if self.checkpoints.due():
                self.checkpoints.save("last", self.state())
        bar.close()
        self.order, self.position = None, 0
        self.epoch += 1
        return torch.stack(losses).mean().item() if losses else float("nan")

    def train_step(self, rows: Tensor) -> Tensor:
        """One batch: augment, perhaps mix, perhaps ask the teachers, and step; returns the loss, which stays on the device."""
        progress = self.progress()
        strength = 1.0 if progress < 1 - self.recipe.mild_share else 0.5
        fold = int(self.folds[rows[0]]) if self.folds is not None else 0
        rows = rows.to(self.device)
        images, *goals = (a[rows] for a in self.arrays)
        x = augment(images[:, None], strength)
        if strength >= 1 and torch.rand(1) < self.recipe.mix_share:
            x, goals = mix(x, goals)
        x = run.to_device(normalize(x), self.device)
        if self.teachers is not None and self.recipe.distill > 0:
            goals = blend(goals, self.teachers.answer(x, fold), self.recipe.distill)
        self.net.train()
        with run.autocast(self.device):
            outputs = self.net(x)
        loss = loss_of(outputs, *goals)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 5.0)
        self.optimizer.step()
        self.average.update(self.net, self.step)
        return loss.detach()


def load_average(path: Path, device: torch.device) -> ExpressionNet:
    """The averaged network of a checkpoint, ready for use."""
    state = torch.load(path, map_location="cpu", weights_only=False)
    net = NETS[state["recipe"].get("net", "residual")]()
    net.load_state_dict(state["average"])
    return net.to(device, memory_format=torch.channels_last).eval().requires_grad_(False)


def read_targets(data: Path | None, limit: int | None) -> tuple[Targets, Targets]:
    """(train, validation); a tiny generated set where there is no data."""
    faces = fer2013.read(data) if data and data.exists() else synthetic.faces(limit or 500)
    train, validation = labels.split(labels.build_targets(faces))
    return (train.select(np.arange(min(limit, len(train)))), validation) if limit else (train, validation)


def parse_arguments() -> argparse.Namespace:
    """The command line; every field of `Recipe` is an option."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, help="sheets, fer2013.csv or class folders; generated faces where absent")
    parser.add_argument("--run", type=Path, required=True, help="folder for checkpoints and log")
    parser.add_argument("--limit", type=int, help="train on so many faces only")
    parser.add_argument("--init", type=Path, help="checkpoint whose averaged weights to start from, or torchvision's resnet50")
    parser.add_argument("--teachers", type=Path, nargs="*", default=[], help="checkpoints to distil from; with --folds one a part")
    parser.add_argument("--minutes", type=float, help="as many epochs as fit into so many minutes, in place of --epochs")
    parser.add_argument("--threads", type=int, default=0)
    for name, value in asdict(Recipe()).items():
        parser.add_argument(f"--{name.replace('_', '-')}", type=type(value), default=value)
    return parser.parse_args()


def main() -> None:
    """Read, train epoch by epoch, log, keep checkpoints."""
    args = parse_arguments()
    if args.threads:
        torch.set_num_threads(args.threads)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    recipe = Recipe(**{k: getattr(args, k) for k in asdict(Recipe())})
    started = time.monotonic()
    torch.backends.cudnn.benchmark = True
    train, validation = read_targets(args.data, args.limit)
    if recipe.without >= 0:
        train = train.select(labels.fold_of(train.images, recipe.folds) != recipe.without)
    log = run.RunLog(args.run)
    teachers = Teachers([load_average(path, device) for path in args.teachers], recipe.folds) if args.teachers else None
    trainer = Trainer(recipe, train, args.run, device, teachers)
    if args.init:
        start_from(trainer.net, args.init)
        trainer.average = run.MovingAverage(trainer.net, recipe.average)
    if state := trainer.checkpoints.load():
        trainer.resume(state)
    log.write(event="start", epoch=trainer.epoch, train=len(train), validation=len(validation), device=str(device),
              mmac=multiply_accumulates(trainer.net, (1, 1, FACE_PX, FACE_PX)) / 1e6)
    while trainer.epoch < recipe.epochs:
        epoch_started = time.monotonic()
        loss = trainer.train_epoch()
        label, votes, likelihood = accuracy(trainer.average.net, validation, device)
        log.write(event="epoch", epoch=trainer.epoch, loss=loss, label=label, votes=votes, nll=likelihood,
                  rate=trainer.optimizer.param_groups[0]["lr"])
        if args.minutes:
            now = time.monotonic()
            recipe.epochs = trainer.epoch + int((args.minutes * 60 - (now - started)) / (now - epoch_started))
        if trainer.epoch == int(recipe.epochs * (1 - recipe.cooldown)):
            trainer.checkpoints.save("plateau", trainer.state())
    trainer.checkpoints.save("final", trainer.state())


if __name__ == "__main__":
    main()
