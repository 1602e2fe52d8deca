"""Which faces are trained on and what for: duplicates merged, leaks dropped, two soft targets a face."""

from dataclasses import dataclass

import numpy as np

from moodtrain.data.fer2013 import Faces, digest, vote_distribution
from moodtrain.expression.net import FER2013_CLASSES

VALIDATION_SHARE = 20  # one Training image of so many watches the training and is never learned
LABEL_WEIGHT, VOTES_WEIGHT = 0.80, 0.15  # the rest is spread evenly over the classes (label smoothing)


@dataclass(frozen=True)
class Targets:
    """Faces with soft targets, one row a face."""

    images: np.ndarray  # uint8 [N, 48, 48]
    labels: np.ndarray  # int64 [N], the FER2013 label, for choosing and counting
    fer2013: np.ndarray  # float32 [N, 7], sums to 1
    ferplus: np.ndarray  # float32 [N, 8], sums to 1 where `voted`
    voted: np.ndarray  # float32 [N], 1 where the FER+ row is worth learning

    def __len__(self) -> int:
        return len(self.images)

    def select(self, rows: np.ndarray) -> "Targets":
        """The given rows (indices or mask)."""
        return Targets(self.images[rows], self.labels[rows], self.fer2013[rows], self.ferplus[rows], self.voted[rows])


def build_targets(faces: Faces) -> Targets:
    """Merge exact duplicates, drop leaks and blank images, and mix each label with its votes.

    Of a group of duplicates one row stays, with the mean of their labels (57 groups of FER2013's Training disagree).
    The target is mostly the label, a little the votes: it keeps what FER2013's own annotator would have said, and tells
    an ambiguous face from a plain one.
    """
    keep = (faces.usage == "Training") & ~faces.leak & (faces.images.reshape(len(faces), -1).std(1) > 0)
    faces = faces.select(keep)
    groups: dict[str, list[int]] = {}
    for row, image in enumerate(faces.images):
        groups.setdefault(digest(image), []).append(row)
    first = np.array([rows[0] for rows in groups.values()])
    one_hot = np.eye(len(FER2013_CLASSES), dtype=np.float32)[faces.labels]
    label = np.stack([one_hot[rows].mean(0) for rows in groups.values()])
    votes, voted = vote_distribution(faces.votes[first])
    return Targets(faces.images[first], faces.labels[first], soften(label, votes, voted), votes, voted.astype(np.float32))


def soften(label: np.ndarray, votes: np.ndarray, voted: np.ndarray) -> np.ndarray:
    """Label [N, 7] and FER+ votes [N, 8] -> target [N, 7]; rows without useful votes keep the label in their place."""
    classes = label.shape[1]
    seven = votes[:, :classes] / np.maximum(votes[:, :classes].sum(1, keepdims=True), 1e-6)
    usable = voted & (votes[:, :classes].sum(1) > 0.5)
    opinion = np.where(usable[:, None], seven, label)
    rest = (1 - LABEL_WEIGHT - VOTES_WEIGHT) / classes
    return (LABEL_WEIGHT * label + VOTES_WEIGHT * opinion + rest).astype(np.float32)


def is_held_out(name: str) -> bool:
    """Whether the image of this digest is never learned."""
    return int(name[:8], 16) % VALIDATION_SHARE == 0


def held_out(faces: Faces) -> Faces:
    """The faces of Training that are never learned, without leaks, duplicates and blank images."""
    rows: dict[str, int] = {}
    for row in np.flatnonzero((faces.usage == "Training") & ~faces.leak):
        name = digest(faces.images[row])
        if is_held_out(name) and faces.images[row].std() > 0:
            rows.setdefault(name, row)
    return faces.select(np.array(list(rows.values()), int))


def split(targets: Targets) -> tuple[Targets, Targets]:
    """(train, validation) by a hash of the pixels: the same on every machine, whatever the order or form of the data."""
    chosen = np.array([is_held_out(digest(image)) for image in targets.images])
    return targets.select(~chosen), targets.select(chosen)


def fold_of(images: np.ndarray, folds: int) -> np.ndarray:
    """[N] which of `folds` parts each face belongs to, by a hash of its pixels."""
    return np.array([int(digest(image)[8:16], 16) % folds for image in images])


def epoch_order(labels: np.ndarray, repeat: dict[int, int], rng: np.random.Generator) -> np.ndarray:
    """Row numbers of one epoch in random order; classes in `repeat` come that many times (rare ones, like disgust)."""
    times = np.ones(len(labels), int)
    for label, count in repeat.items():
        times[labels == label] = count
    return rng.permutation(np.repeat(np.arange(len(labels)), times))


def order_in_folds(order: np.ndarray, folds: np.ndarray, batch: int, rng: np.random.Generator) -> np.ndarray:
    """`order` rearranged so that each batch comes from one fold, batches in random order; what fills no batch is left out."""
    batches = []
    for fold in range(folds.max() + 1):
        rows = order[folds[order] == fold]
        batches += list(rows[: len(rows) // batch * batch].reshape(-1, batch))
    return np.concatenate([batches[i] for i in rng.permutation(len(batches))]) if batches else order[:0]
