"""SCUT-HEAD: pictures of classes with hand-made head boxes and the faces a teacher detector found in them.

Read from the packed form (boxes.json and gray WebP pictures) or from the original Pascal VOC XML. Boxes are
[x1, y1, x2, y2] in pixels of the stored picture.
"""

import hashlib
import json
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass, field, replace
from enum import IntEnum
from pathlib import Path

import cv2
import numpy as np

FACE_SCORE, DOUBT_SCORE = 0.6, 0.3  # the teacher's score from which a face is believed, and from which it is doubtful


class Face(IntEnum):
    """What is known of a head's face."""

    UNKNOWN = -1  # do not learn, do not count
    HIDDEN = 0
    VISIBLE = 1


@dataclass(frozen=True)
class Picture:
    """One picture's labels; all arrays have one row a head."""

    file: Path
    width: int
    height: int
    part: str  # "A": cameras in lecture rooms, "B": pictures from the web; otherwise the name of a set of rooms
    split: str  # "train" or "val"
    heads: np.ndarray  # float32 [N, 4]
    faces: np.ndarray  # float32 [N, 4], zeros where there is none
    face_scores: np.ndarray  # float32 [N], the teacher's, 0 where it found nothing
    visible: np.ndarray  # int64 [N], of `Face`
    ignored: np.ndarray = field(default_factory=lambda: np.zeros((0, 4), np.float32))  # float32 [M, 4]: neither head nor background
    complete: bool = True  # whether everything without a box is background; otherwise only the surroundings of heads are

    def name(self) -> str:
        """The picture's name without folder, for reports."""
        return self.file.stem


def read_packed(folder: Path) -> list[Picture]:
    """Read `boxes.json` beside the pictures."""
    entries = json.loads((folder / "boxes.json").read_text())["images"]
    return [from_entry(folder, entry) for entry in entries]


def from_entry(folder: Path, entry: dict) -> Picture:
    """One entry of boxes.json: heads, and aligned with them faces ([x1, y1, x2, y2, score] or null)."""
    heads = np.array(entry["heads"], np.float32).reshape(-1, 4)
    faces = np.array([face or [0.0] * 5 for face in entry["faces"]], np.float32).reshape(-1, 5)
    return Picture(
        folder / entry["file"], entry["w"], entry["h"], entry["part"], entry["split"],
        heads, faces[:, :4], faces[:, 4], judge(heads, faces[:, :4], faces[:, 4]),
    )


def judge(heads: np.ndarray, faces: np.ndarray, scores: np.ndarray) -> np.ndarray:
    """int64 [N] of `Face`, from the teacher's score and from where a face can be in its head.

    A face whose centre is outside the head, or which is out of proportion (a quarter to 1.15 of the head's width), is
    somebody else's or an error; in heads below 10 px the teacher sees nothing reliably.
    """
    head_width, width = heads[:, 2] - heads[:, 0], faces[:, 2] - faces[:, 0]
    centre = (faces[:, :2] + faces[:, 2:]) / 2
    inside = ((centre > heads[:, :2]) & (centre < heads[:, 2:])).all(1)
    sound = inside & (width > 0.25 * head_width) & (width < 1.15 * head_width)
    visible = np.full(len(heads), int(Face.UNKNOWN))
    visible[(scores >= FACE_SCORE) & sound] = Face.VISIBLE
    visible[(scores < DOUBT_SCORE) & (head_width >= 10)] = Face.HIDDEN
    return visible.astype(np.int64)


def agree(picture: Picture, second: np.ndarray) -> Picture:
    """Drop faces on which a second model disagrees; `second` is its face score for each head, NaN where it saw no head.

    Doubtful faces are decided by the second model where it is sure; sure contradictions become unknown.
    """
    visible = picture.visible.copy()
    known = ~np.isnan(second)
    sure_face, sure_none = known & (second > 0.85), known & (second < 0.15)
    doubtful = (picture.face_scores >= DOUBT_SCORE) & (picture.face_scores < FACE_SCORE)
    sound = judge(picture.heads, picture.faces, np.where(doubtful, 1.0, picture.face_scores)) == Face.VISIBLE
    visible[(visible == Face.VISIBLE) & sure_none] = Face.UNKNOWN
    visible[(visible == Face.HIDDEN) & sure_face] = Face.UNKNOWN
    visible[doubtful & sound & sure_face] = Face.VISIBLE
    visible[doubtful & sure_none] = Face.HIDDEN
    return replace(picture, visible=visible)


def read_voc(folder: Path) -> list[Picture]:
    """Read SCUT-HEAD as published: <part>/Annotations/*.xml, JPEGImages/, ImageSets/Main/{train,val,trainval}.txt.

    There are no faces in it: run a face detector of your choice and `judge` its boxes, or train heads alone.
    """
    pictures = []
    for part in ("A", "B"):
        root = next((path for path in folder.glob(f"*Part{part}*") if path.is_dir()), None)
        if root is None:
            continue
        lists = {split: root / "ImageSets" / "Main" / f"{split}.txt" for split in ("trainval", "train", "val", "test")}
        for split, path in lists.items():
            if path.exists() and not (split in ("train", "val") and lists["trainval"].exists()):
                role = "val" if split in ("val", "test") else "train"
                pictures += [from_xml(root, name, part, role) for name in path.read_text().split()]
    return pictures


def from_xml(root: Path, name: str, part: str, split: str) -> Picture:
    """One Pascal VOC annotation."""
    tree = ElementTree.parse(root / "Annotations" / f"{name}.xml").getroot()
    size = tree.find("size")
    corners = ("xmin", "ymin", "xmax", "ymax")
    heads = np.array(
        [[float(box.findtext(corner, "0")) for corner in corners] for box in tree.iter("bndbox")], np.float32
    ).reshape(-1, 4)
    count = len(heads)
    width, height = (int(size.findtext(side, "0")) for side in ("width", "height")) if size is not None else (0, 0)
    return Picture(
        root / "JPEGImages" / f"{name}.jpg", width, height, part, split, heads,
        np.zeros((count, 4), np.float32), np.zeros(count, np.float32), np.full(count, int(Face.UNKNOWN), np.int64),
    )


def read(folder: Path) -> list[Picture]:
    """Read whichever form lies in `folder`."""
    return read_packed(folder) if (folder / "boxes.json").exists() else read_voc(folder)


def checksum(pictures: list[Picture]) -> str:
    """sha256 of all names and head boxes in order."""
    total = hashlib.sha256()
    for picture in pictures:
        total.update(picture.name().encode())
        total.update(np.round(picture.heads, 1).tobytes())
    return total.hexdigest()


class Pixels:
    """All pictures' luma, decoded once into one file and mapped into memory; `pixels[i]` is uint8 [height, width]."""

    def __init__(self, pictures: list[Picture], cache: Path):
        self.shapes = [(picture.height, picture.width) for picture in pictures]
        self.offsets = np.concatenate([[0], np.cumsum([h * w for h, w in self.shapes])])
        total = int(self.offsets[-1])
        if not cache.exists() or cache.stat().st_size != total:
            self.decode(pictures, cache)
        self.data = np.memmap(cache, np.uint8, "r", shape=(total,))

    def decode(self, pictures: list[Picture], cache: Path) -> None:
        """Write the cache file, atomically."""
        cache.parent.mkdir(parents=True, exist_ok=True)
        temporary = cache.with_suffix(".tmp")
        with temporary.open("wb") as file:
            for picture in pictures:
                luma = cv2.imread(str(picture.file), cv2.IMREAD_GRAYSCALE)
                if luma is None or luma.shape != (picture.height, picture.width):
                    raise ValueError(f"{picture.file} is missing or not {picture.width}x{picture.height}")
                file.write(luma.tobytes())
        temporary.replace(cache)

    def __len__(self) -> int:
        return len(self.shapes)

    def __getitem__(self, index: int) -> np.ndarray:
        return np.asarray(self.data[self.offsets[index] : self.offsets[index + 1]]).reshape(self.shapes[index])
