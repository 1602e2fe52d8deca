"""Look at the data: `python -m moodtrain.data.show --faces DIR --classroom DIR --out DIR`.

Prints checksums and class tables, and draws class distribution, samples and sizes into a local folder. Samples are
photographs of people: the folder is for looking and is never published.
"""

import argparse
from pathlib import Path

import cv2
import numpy as np

from moodtrain import figures, report
from moodtrain.data import classroom, fer2013
from moodtrain.data.classroom import Face, Picture
from moodtrain.data.fer2013 import Faces
from moodtrain.expression.augment import augment
from moodtrain.expression.net import FER2013_CLASSES
from moodtrain.expression.targets import build_targets, split
from moodtrain.heads.boxes import longer_side
from moodtrain.heads.samples import Samples

MIN_PEOPLE = 5  # as in crates/vision/src/scale_outliers.rs
COLOURS = {Face.UNKNOWN: (255, 0, 255), Face.HIDDEN: (0, 255, 255), Face.VISIBLE: (0, 255, 0)}  # BGR


def show_faces(faces: Faces, page: report.Page) -> None:
    """Class tables, what is left to learn, one row of samples a class, and augmented samples."""
    import torch  # only here: the rest of this module does without

    table = fer2013.class_table(faces)
    train, validation = split(build_targets(faces))
    table["learned"] = np.bincount(train.labels, minlength=len(FER2013_CLASSES)).tolist()
    table["watched"] = np.bincount(validation.labels, minlength=len(FER2013_CLASSES)).tolist()
    rows = [[name, *(str(count) for count in counts), str(sum(counts))] for name, counts in table.items()]
    page.table(f"Faces, sha256 of the pixels {fer2013.checksum(faces)[:16]}…", ["", *FER2013_CLASSES, "all"], rows)
    page.picture("Class distribution", "classes.png", figures.class_bars(table, FER2013_CLASSES))
    chosen = np.concatenate([np.flatnonzero(train.labels == label)[:8] for label in range(len(FER2013_CLASSES))])
    names = [FER2013_CLASSES[label] for label in train.labels[chosen]]
    page.picture("Samples", "faces.png", figures.face_grid(train.images[chosen], names))
    spoilt = augment(torch.from_numpy(train.images[chosen])[:, None])[:, 0].mul(255).byte().numpy()
    page.picture("The same, augmented", "faces_augmented.png", figures.face_grid(spoilt, names))


def below_gap(sizes: np.ndarray, gap: float) -> int:
    """How many of the heads with these `sizes` the program would take for printed figures if they were `gap` times smaller than
    everybody else and fewer: the rule of crates/vision/src/scale_outliers.rs."""
    sizes = np.sort(sizes)
    for first in range(len(sizes) - 1, 0, -1):
        people = len(sizes) - first
        if people > first and sizes[first] >= gap * sizes[first - 1]:
            return first if people >= MIN_PEOPLE else 0
    return 0


def show_classrooms(pictures: list[Picture], page: report.Page, cache: Path) -> None:
    """Counts, head and face sizes, and labelled training crops."""
    rows = []
    for part in ("A", "B"):
        for role in ("train", "val"):
            chosen = [p for p in pictures if (p.part, p.split) == (part, role)]
            visible = np.concatenate([p.visible for p in chosen] or [np.zeros(0)])
            counts = [len(chosen), len(visible), *((visible == kind).sum() for kind in (Face.VISIBLE, Face.HIDDEN, Face.UNKNOWN))]
            rows.append([part, role, *(str(count) for count in counts)])
    header = ["part", "split", "pictures", "heads", "face visible", "face hidden", "unknown"]
    page.table(f"Classrooms, sha256 of names and heads {classroom.checksum(pictures)[:16]}…", header, rows)
    sizes = {f"heads {part}": np.concatenate([longer_side(p.heads) for p in pictures if p.part == part] or [np.zeros(0)]) for part in "AB"}
    faces = [longer_side(p.faces[p.visible == Face.VISIBLE]) for p in pictures]
    page.picture("Sizes", "sizes.png", figures.size_histogram({**sizes, "faces": np.concatenate(faces)}, "px"))
    lost = {gap: np.array([below_gap(longer_side(p.heads), gap) for p in pictures]) for gap in (2.0, 2.5, 3.0, 3.5)}
    rows = [[str(gap), str(counts.sum()), str((counts > 0).sum())] for gap, counts in lost.items()]
    page.table("Real heads that would be taken for printed figures", ["gap", "heads", "in pictures"], rows)
    train = [p for p in pictures if p.split == "train"]
    samples = Samples(train, classroom.Pixels(train, cache), 384, np.random.default_rng(0))
    tiles = [draw_labels(*samples.draw()) for _ in range(12)]
    sheet = np.concatenate([np.concatenate(tiles[i : i + 4], 1) for i in (0, 4, 8)])
    cv2.imwrite(str(page.folder / "crops.png"), sheet)
    page.parts.append('<h3>Training crops</h3><img src="crops.png" alt="Training crops">')


def draw_labels(luma: np.ndarray, truth: object) -> np.ndarray:
    """float [H, W] with the boxes of a `Truth` -> uint8 [H, W, 3]: green visible, yellow hidden, magenta unknown."""
    picture = cv2.cvtColor((luma * 255).astype(np.uint8), cv2.COLOR_GRAY2BGR)
    for head, face, visible in zip(truth.heads, truth.faces, truth.visible):  # type: ignore[attr-defined]
        cv2.rectangle(picture, *(tuple(int(v) for v in head[i : i + 2]) for i in (0, 2)), COLOURS[Face(visible)], 1)
        if visible == Face.VISIBLE:
            cv2.rectangle(picture, *(tuple(int(v) for v in face[i : i + 2]) for i in (0, 2)), (0, 0, 255), 1)
    return picture


def main() -> None:
    """Show whatever is there."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=Path)
    parser.add_argument("--classroom", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    page = report.Page("The data", args.out)
    if args.faces:
        show_faces(fer2013.read(args.faces), page)
    if args.classroom:
        show_classrooms(classroom.read(args.classroom), page, args.out / "train.luma")
    page.write()
    print(args.out / "report.html")


if __name__ == "__main__":
    main()
