"""Sets of pictures from other rooms: head coverings, masks, close-ups, and pictures without people.

A set is a folder with `labels.json` and gray pictures: `images` is a list of {file, w, h, boxes, ...}, a box is
[x1, y1, x2, y2, class, who, ...] in pixels. One in five pictures of a set is held out, by source and never by picture:
`python -m moodtrain.data.room_sets --rooms DIR` prints the sources that are held out, as they stand in rooms_holdout.txt.
"""

import argparse
import hashlib
import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from moodtrain.data import classroom
from moodtrain.data.classroom import Face, Picture

# What names the source of a picture in each set. Pictures of one source never lie on both sides.
SOURCE_KEYS = {
    "hardhat_heads": "group", "veils": "group", "hijab_portraits": "file", "mask_crowds": "group", "mask_people": "group",
    "school_scenes": "repo", "webcam_closeups": "sitting", "driver_lookdown": "sitting", "negatives": "repo",
}
HELD_OUT_SHARE = 0.2
LARGEST_SHARE = 0.3  # a source that would bring the share of held-out pictures above this is learned
# In these sets everything without a box is background. In the others only the surroundings of labelled heads are.
COMPLETE = ("hardhat_heads", "hijab_portraits", "webcam_closeups", "driver_lookdown", "negatives")
FACE_CLASSES = ("face", "face_mask", "face_mask_low")
# A head box from the box of a face: growth at the left and right, above, and below, as shares of the face's size.
HEAD_FROM_FACE = (0.13, 0.46, 0.03)
CHECKED_FACE_PX = 16  # in checked pictures a wider head in which the face detector found nothing has no visible face


@dataclass(frozen=True)
class Entry:
    """One picture of a set as labels.json describes it."""

    set_name: str
    source: str
    file: Path
    fields: dict


def source_of(set_name: str, fields: dict) -> str:
    """The source of a picture: what was taken by one camera at one time, or comes from one place."""
    key = SOURCE_KEYS.get(set_name, "group")
    if key != "sitting":
        return str(fields.get(key, fields["file"]))
    name = Path(str(fields["path"])).name
    parts = name.split("_")
    # WIN_20260602_19_42_18_Pro.jpg: date, hour and tens of minutes make a sitting.
    return "_".join([*parts[1:3], parts[3][:1]]) if parts[0] == "WIN" else parts[0].split(" ")[0]


def entries(folder: Path) -> list[Entry]:
    """The pictures of one set that may be learned: those under a private licence are left out."""
    images = json.loads((folder / "labels.json").read_text())["images"]
    kept = [fields for fields in images if "private" not in str(fields.get("licence", "")).lower()]
    return [Entry(folder.name, source_of(folder.name, fields), folder / fields["file"], fields) for fields in kept]


def held_out_sources(sources: Iterable[str]) -> set[str]:
    """The sources of one set that are held out; `sources` names one for each picture.

    In the order of the sha256 of their names, until a fifth of the pictures is reached. The only source of a set is held out.
    """
    counts = Counter(sources)
    total, taken, chosen = sum(counts.values()), 0, set()
    if len(counts) == 1:
        return set(counts)
    for source in sorted(counts, key=lambda s: hashlib.sha256(s.encode()).hexdigest()):
        if taken >= HELD_OUT_SHARE * total:
            break
        if taken + counts[source] <= max(LARGEST_SHARE * total, 1):
            chosen.add(source)
            taken += counts[source]
    return chosen


def split(folder: Path) -> tuple[list[Entry], list[Entry]]:
    """(learned, held-out) entries of one set."""
    every = entries(folder)
    held = held_out_sources(entry.source for entry in every)
    return [e for e in every if e.source not in held], [e for e in every if e.source in held]


def set_folders(rooms: Path) -> list[Path]:
    """The sets below `rooms` that are known here; other folders are left alone."""
    return [rooms / name for name in sorted(SOURCE_KEYS) if (rooms / name / "labels.json").exists()]


def is_complete(entry: Entry) -> bool:
    """Whether everything without a box is background."""
    return entry.set_name in COMPLETE or bool(entry.fields.get("checked"))


def to_picture(entry: Entry, role: str) -> Picture:
    """Labels as the detector learns them; `role` is "train" or "val", the part is the name of the set."""
    fields = entry.fields
    boxes = [box for box in fields.get("boxes", []) if box[5] != "human_private"]
    faces = [box for box in boxes if box[4] in FACE_CLASSES]
    heads = [box for box in boxes if box[4].startswith("head")]
    face_corners, head_corners = corners(faces), corners(heads)
    owner = owners(face_corners, head_corners)
    missing = [i for i, row in enumerate(owner) if row < 0] if entry.set_name.startswith("mask_") else []
    grown = grow(face_corners[missing])
    head_corners = np.concatenate([head_corners, grown])
    owner[missing] = np.arange(len(heads), len(head_corners))
    head_corners = head_corners.clip(0, [fields["w"], fields["h"]] * 2).astype(np.float32)
    count = len(head_corners)
    aligned, scores = np.zeros((count, 4), np.float32), np.zeros(count, np.float32)
    visible = np.full(count, int(Face.UNKNOWN))
    for i, row in enumerate(owner):
        if row >= 0:
            aligned[row], scores[row] = face_corners[i], 1.0
            visible[row] = judge_face(faces[i], face_corners[i], head_corners[row])
    for row, box in enumerate(heads):
        if scores[row] == 0 and hides_face(entry, box):
            visible[row] = Face.HIDDEN
        if box[4] in ("head_niqab", "head_mask"):
            visible[row] = Face.UNKNOWN
    return Picture(
        entry.file, fields["w"], fields["h"], entry.set_name, role, head_corners, aligned, scores, visible.astype(np.int64),
        corners([box for box in boxes if box[4] == "ignore"]), is_complete(entry),
    )


def judge_face(box: list, face: np.ndarray, head: np.ndarray) -> int:
    """Whether such a face is visible; a mask leaves that open, because only what lies in its open part could be read."""
    if box[4] != "face":
        return Face.UNKNOWN
    return int(classroom.judge(head[None], face[None], np.ones(1, np.float32))[0])


def hides_face(entry: Entry, box: list) -> bool:
    """Whether a head without a face box is known to show no face."""
    wide = box[2] - box[0] >= CHECKED_FACE_PX
    return box[4] == "head_burqa" or (bool(entry.fields.get("checked")) and wide)


def corners(boxes: list[list]) -> np.ndarray:
    """float32 [N, 4] of labelled boxes."""
    return np.array([box[:4] for box in boxes], np.float32).reshape(-1, 4)


def grow(faces: np.ndarray) -> np.ndarray:
    """Head boxes [N, 4] from face boxes."""
    side, above, below = HEAD_FROM_FACE
    size = faces[:, 2:] - faces[:, :2]
    return faces + np.stack([-side * size[:, 0], -above * size[:, 1], side * size[:, 0], below * size[:, 1]], 1)


def owners(faces: np.ndarray, heads: np.ndarray) -> np.ndarray:
    """int64 [N]: for each face the row of the smallest head that holds its centre and most of it, or -1; a head has one face."""
    owner = np.full(len(faces), -1)
    used: set[int] = set()
    for i, face in enumerate(faces):
        if not len(heads):
            break
        low, high = np.maximum(heads[:, :2], face[:2]), np.minimum(heads[:, 2:], face[2:])
        shared = np.clip(high - low, 0, None).prod(1) / max(float((face[2:] - face[:2]).prod()), 1e-3)
        fits = [row for row in np.flatnonzero(shared > 0.6) if row not in used]
        if fits:
            sizes = (heads[fits, 2:] - heads[fits, :2]).prod(1)
            owner[i] = fits[int(sizes.argmin())]
            used.add(int(owner[i]))
    return owner


def read(rooms: Path) -> tuple[list[Picture], list[Picture]]:
    """(learned, held-out) pictures of all sets below `rooms`; the part of a picture is its set."""
    sides: tuple[list[Picture], list[Picture]] = ([], [])
    for folder in set_folders(rooms):
        for side, role, chosen in zip(sides, ("train", "val"), split(folder)):
            side += [to_picture(entry, role) for entry in chosen]
    return sides


def describe_split(rooms: Path) -> str:
    """The text of rooms_holdout.txt."""
    lines = ["# Sources that no gradient sees, by set. Made by: python -m moodtrain.data.room_sets --rooms DIR > rooms_holdout.txt",
             "# The rule is moodtrain.data.room_sets.held_out_sources: sources by the sha256 of their names, until a fifth is reached."]
    for folder in set_folders(rooms):
        learned, held = split(folder)
        lines.append(f"\n[{folder.name}]  # {len(held)} of {len(learned) + len(held)} pictures")
        lines += sorted({entry.source for entry in held})
    return "\n".join(lines) + "\n"


def main() -> None:
    """Print the split."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rooms", type=Path, required=True)
    print(describe_split(parser.parse_args().rooms), end="")


if __name__ == "__main__":
    main()
