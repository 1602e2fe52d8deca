"""FER2013 and the FER+ votes: reading, checking, and what is left to train on after leaks and duplicates are dropped.

Three forms are read: WebP sheets of 60x60 faces with labels.csv, Kaggle's fer2013.csv, and folders named by class.
"""

import csv
import hashlib
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image

from moodtrain.expression.net import FACE_PX, FER2013_CLASSES, FERPLUS_CLASSES

SHEET_SIDE = 60  # faces along each side of a sheet
# The columns of FER+ votes, in the order of our classes, then what is no class.
VOTES = ("anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral", "contempt", "unknown", "nf")
USAGES = ("Training", "PublicTest", "PrivateTest")


@dataclass(frozen=True)
class Faces:
    """Images and labels, one row a face; rows are never reordered, only selected."""

    images: np.ndarray  # uint8 [N, 48, 48]
    labels: np.ndarray  # int64 [N], FER2013 class
    usage: np.ndarray  # str [N], one of USAGES
    votes: np.ndarray  # float32 [N, 10], FER+ votes in the order of VOTES; all zero where there are none
    leak: np.ndarray  # bool [N], pixel-identical to an image of a test split

    def __len__(self) -> int:
        return len(self.images)

    def select(self, rows: np.ndarray) -> "Faces":
        """The given rows (indices or mask)."""
        return Faces(self.images[rows], self.labels[rows], self.usage[rows], self.votes[rows], self.leak[rows])


def read_sheets(folder: Path) -> Faces:
    """Read `labels.csv` and the sheets beside it (row-major, the last one padded)."""
    with (folder / "labels.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    sheets = sorted(folder.glob("sheet*.webp"), key=lambda path: int(path.stem.removeprefix("sheet")))
    images = np.concatenate([cut_sheet(np.asarray(Image.open(path).convert("L"))) for path in sheets])[: len(rows)]
    if len(images) != len(rows):
        raise ValueError(f"{folder}: {len(rows)} labels but {len(images)} faces")
    names = dict(zip(VOTES, VOTES))
    return Faces(
        images,
        np.array([int(row["emotion"]) for row in rows], np.int64),
        np.array([row["usage"] for row in rows]),
        np.array([[float(row[names[vote]]) for vote in VOTES] for row in rows], np.float32),
        np.array([row["leak"] == "1" for row in rows]),
    )


def cut_sheet(sheet: np.ndarray) -> np.ndarray:
    """uint8 [n*48, m*48] -> [n*m, 48, 48], row-major."""
    down, across = sheet.shape[0] // FACE_PX, sheet.shape[1] // FACE_PX
    return sheet.reshape(down, FACE_PX, across, FACE_PX).swapaxes(1, 2).reshape(-1, FACE_PX, FACE_PX)


def read_kaggle_csv(path: Path, ferplus: Path | None = None) -> Faces:
    """Read Kaggle's fer2013.csv (emotion, pixels, Usage) and, aligned with it, microsoft/FERPlus' fer2013new.csv."""
    csv.field_size_limit(1 << 20)
    with path.open(newline="") as file:
        rows = list(csv.DictReader(file))
    images = np.stack([np.array(row["pixels"].split(), np.uint8).reshape(FACE_PX, FACE_PX) for row in rows])
    faces = Faces(
        images,
        np.array([int(row["emotion"]) for row in rows], np.int64),
        np.array([row["Usage"] for row in rows]),
        read_ferplus(ferplus, len(rows)) if ferplus else np.zeros((len(rows), len(VOTES)), np.float32),
        np.zeros(len(rows), bool),
    )
    return replace(faces, leak=find_leaks(faces))


def read_ferplus(path: Path, expected: int) -> np.ndarray:
    """fer2013new.csv -> votes [N, 10] in the order of VOTES; its rows follow fer2013.csv's."""
    columns = {"nf": "NF"}
    with path.open(newline="") as file:
        rows = [[float(row[columns.get(vote, vote)]) for vote in VOTES] for row in csv.DictReader(file)]
    if len(rows) != expected:
        raise ValueError(f"{path}: {len(rows)} rows of votes for {expected} images")
    return np.array(rows, np.float32)


def read_folders(root: Path) -> Faces:
    """Read the folder form: train/<class>/*.png for Training, test/ for PublicTest; it has no FER+ votes."""
    images, labels, usage = [], [], []
    for part, name in (("train", "Training"), ("test", "PublicTest"), ("private", "PrivateTest")):
        for label, emotion in enumerate(FER2013_CLASSES):
            for path in sorted(p for p in (root / part / emotion).glob("*") if p.suffix in (".png", ".jpg", ".webp")):
                picture = Image.open(path).convert("L")
                images.append(np.asarray(picture.resize((FACE_PX, FACE_PX), Image.Resampling.BILINEAR)))
                labels.append(label)
                usage.append(name)
    if not images:
        raise FileNotFoundError(f"no pictures in {root}/train/<class>/")
    count = len(images)
    faces = Faces(np.stack(images), np.array(labels, np.int64), np.array(usage),
                  np.zeros((count, len(VOTES)), np.float32), np.zeros(count, bool))
    return replace(faces, leak=find_leaks(faces))


def read(source: Path, ferplus: Path | None = None) -> Faces:
    """Read whichever of the three forms lies at `source`."""
    if source.is_file():
        return read_kaggle_csv(source, ferplus)
    if (source / "labels.csv").exists():
        return read_sheets(source)
    if (source / "fer2013.csv").exists():
        votes = source / "fer2013new.csv"
        return read_kaggle_csv(source / "fer2013.csv", ferplus or (votes if votes.exists() else None))
    return read_folders(source)


def digest(image: np.ndarray) -> str:
    """A name for the pixels: equal digests are exact duplicates."""
    return hashlib.md5(image.tobytes(), usedforsecurity=False).hexdigest()


def checksum(faces: Faces) -> str:
    """sha256 of all pixels in order: the same for every form of the same data."""
    return hashlib.sha256(np.ascontiguousarray(faces.images).tobytes()).hexdigest()


def find_leaks(faces: Faces) -> np.ndarray:
    """bool [N]: Training images that are pixel-identical to an image of a test split."""
    names = np.array([digest(image) for image in faces.images])
    test = set(names[faces.usage != "Training"])
    return np.array([u == "Training" and n in test for n, u in zip(names, faces.usage)], bool)


def class_table(faces: Faces) -> dict[str, list[int]]:
    """Images by usage and FER2013 class."""
    return {
        usage: np.bincount(faces.labels[faces.usage == usage], minlength=len(FER2013_CLASSES)).tolist()
        for usage in USAGES
        if (faces.usage == usage).any()
    }


def vote_distribution(votes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """FER+ votes [N, 10] -> class distribution [N, 8] and whether the row is worth training on [N].

    Single votes are noise and are zeroed (as FER+'s own code does); rows won by "unknown" or "no face" count for nothing.
    """
    kept = np.where(votes <= 1, 0, votes)
    classes = kept[:, : len(FERPLUS_CLASSES)]
    total = classes.sum(1)
    useful = (total > 0) & (classes.max(1) >= kept[:, len(FERPLUS_CLASSES):].max(1))
    return (classes / np.maximum(total, 1)[:, None]).astype(np.float32), useful


def ferplus_majority(votes: np.ndarray) -> np.ndarray:
    """int64 [N]: the FER2013 class most FER+ voters chose; -1 for ties and rows won by contempt, unknown or no face."""
    first = votes.argmax(1)
    tie = (votes == votes.max(1, keepdims=True)).sum(1) > 1
    return np.where((first < len(FER2013_CLASSES)) & ~tie, first, -1)
