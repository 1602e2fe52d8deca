"""What the verdict network learns from: crops around heads, with what is known of the face in them.

`python -m moodtrain.verdict.crops --classroom DIR --rooms DIR --mesh face_landmark.tflite --init heads.pt --out crops.npz`. The mesh teaches
whether a face can be read and where it looks; masks, niqabs and burqas of the sets of rooms teach what is covered; boxes
that a detector draws where no head is labelled, and places beside heads, teach what is no face. Held-out sources are marked.
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from torch import nn
from tqdm import tqdm

from moodtrain.data import classroom, room_sets
from moodtrain.data.classroom import Face, Picture
from moodtrain.heads.boxes import iou
from moodtrain.heads.decode import detect
from moodtrain.heads.metrics import inside
from moodtrain.heads.net import load
from moodtrain.verdict.mesh import Mesh

STORED = 80  # px: side of a stored crop
CONTEXT = 1.7  # side of a stored crop over the longer side of the head
MIN_FACE_PX = 20  # narrower faces are not shown to the mesh
MIN_HEAD_PX = 14
SCORE_YES, SCORE_NO = 0.8, 0.2  # of the mesh; between them nothing is known
FALSE_SCORE = 0.2  # from which score on a box without a head is kept as a place that is no face
UNKNOWN = -1


@dataclass
class Row:
    """One crop and what is known of it."""

    pixels: np.ndarray  # uint8 [80, 80]
    face: int  # 1: a face that can be read, 0: none, -1: not known
    pose: tuple[float, float, float]  # degrees; not a number where not known
    covered: int  # 1, 0 or -1
    head_px: float
    kind: str
    held_out: bool


NO_POSE = (float("nan"),) * 3


def cut(luma: np.ndarray, box: np.ndarray) -> np.ndarray:
    """uint8 [80, 80]: the square around a head with its surroundings, edges repeated."""
    middle, side = (box[:2] + box[2:]) / 2, CONTEXT * float((box[2:] - box[:2]).max())
    scale = side / STORED
    if scale > 1:
        shrunk = cv2.resize(luma, None, fx=1 / scale, fy=1 / scale, interpolation=cv2.INTER_AREA)
        middle, scale, luma = middle / scale, 1.0, shrunk
    corner = middle - scale * STORED / 2
    move = np.array([[scale, 0, corner[0]], [0, scale, corner[1]]])
    return cv2.warpAffine(luma, move, (STORED, STORED), flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP, borderMode=cv2.BORDER_REPLICATE)


def around(luma: np.ndarray, box: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A piece of the picture four times as large as the box, and the box in it: large pictures are not shrunk as a whole."""
    size = box[2:] - box[:2]
    low = np.floor(np.maximum(box[:2] - 1.5 * size.max(), 0)).astype(int)
    high = np.ceil(box[2:] + 1.5 * size.max()).astype(int)
    return luma[low[1] : high[1], low[0] : high[0]], box - low[[0, 1, 0, 1]]


def head_rows(picture: Picture, luma: np.ndarray, mesh: Mesh, classes: list[str], masked: dict[int, int], held_out: bool) -> list[Row]:
    """One row for each head that is large enough; `classes` of the heads, `masked` says of some whether they wear a mask."""
    rows = []
    for i, head in enumerate(picture.heads):
        width = float(head[2] - head[0])
        if width < MIN_HEAD_PX:
            continue
        face, pose, covered = UNKNOWN, NO_POSE, masked.get(i, UNKNOWN)
        box = picture.faces[i]
        if box[2] - box[0] >= MIN_FACE_PX:
            piece, placed = around(luma, box)
            seen = mesh.pose(piece, placed)
            face = 1 if seen.score >= SCORE_YES else 0 if seen.score <= SCORE_NO else UNKNOWN
            pose = (seen.yaw, seen.pitch, seen.roll) if face == 1 else NO_POSE
        elif picture.visible[i] == Face.HIDDEN and box[2] <= box[0]:
            face = 0
        if classes[i] in ("head_niqab", "head_burqa"):
            covered, pose = 1, NO_POSE
            face = 0 if classes[i] == "head_burqa" else UNKNOWN
        if covered == UNKNOWN and face == 1 and picture.part in ("A", "B"):
            covered = 0  # nearly always
        if (face, covered) != (UNKNOWN, UNKNOWN):
            rows.append(Row(cut(*around(luma, head)), face, pose, covered, width, f"{picture.part}/{classes[i]}", held_out))
    return rows


def other_rows(picture: Picture, luma: np.ndarray, net: nn.Module, rng: np.random.Generator, held_out: bool, places: int = 2) -> list[Row]:
    """Boxes of the detector without a head, and places of head size beside and below heads; for complete labels only."""
    found = detect(net, luma, FALSE_SCORE)
    boxes = found.heads
    if len(picture.heads) and len(boxes):
        boxes = boxes[(iou(boxes, picture.heads).max(1) < 0.25) & (inside(boxes, picture.ignored).max(1, initial=0) < 0.3)]
    chosen = [*boxes[:12]]
    for _ in range(places if len(picture.heads) else 0):
        head = picture.heads[int(rng.integers(len(picture.heads)))]
        size = head[2:] - head[:2]
        moved = head + np.tile(size * [rng.uniform(-2.5, 2.5), rng.uniform(0.5, 3.0)], 2)
        scaled = (moved[:2] + moved[2:]) / 2, size * rng.uniform(0.6, 1.6)
        box = np.concatenate([scaled[0] - scaled[1] / 2, scaled[0] + scaled[1] / 2])
        within = box[0] >= 0 and box[1] >= 0 and box[2] <= picture.width and box[3] <= picture.height
        if within and iou(box[None], picture.heads).max() < 0.05 and inside(picture.heads, box[None]).max() < 0.2:
            chosen.append(box)
    return [
        Row(cut(*around(luma, box)), 0, NO_POSE, UNKNOWN, float(box[2] - box[0]), f"{picture.part}/none", held_out)
        for box in chosen if box[2] - box[0] >= MIN_HEAD_PX
    ]


def masks_of(entry: room_sets.Entry, picture: Picture) -> tuple[list[str], dict[int, int]]:
    """Classes of the heads of a picture of a set, and which of them wear a mask or none."""
    labelled = [box for box in entry.fields.get("boxes", []) if box[4].startswith("head") and box[5] != "human_private"]
    classes = [box[4] for box in labelled] + ["head"] * (len(picture.heads) - len(labelled))
    masked = {}
    for box in entry.fields.get("boxes", []):
        if box[4] in ("face", "face_mask") and len(picture.heads):
            row = int(inside(np.array([box[:4]], np.float32), picture.heads)[0].argmax())
            if np.abs(picture.faces[row] - box[:4]).max() < 1:
                masked[row] = int(box[4] == "face_mask")
    return classes, masked


def store(rows: list[Row], path: Path) -> None:
    """One array a field."""
    np.savez(
        path, pixels=np.stack([r.pixels for r in rows]), face=np.array([r.face for r in rows], np.int8), pose=np.array([r.pose for r in rows], np.float32),
        covered=np.array([r.covered for r in rows], np.int8), head_px=np.array([r.head_px for r in rows], np.float32),
        kind=np.array([r.kind for r in rows]), held_out=np.array([r.held_out for r in rows]),
    )


def main() -> None:
    """Collect and store."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("classroom", "rooms", "mesh", "init", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--limit", type=int)
    args = parser.parse_args()
    cv2.setNumThreads(1)
    mesh, net, rng, rows = Mesh(args.mesh), load(args.init), np.random.default_rng(1), []
    for i, picture in enumerate(tqdm(classroom.read(args.classroom)[: args.limit], mininterval=20)):
        luma = cv2.imread(str(picture.file), cv2.IMREAD_GRAYSCALE)
        held = picture.split == "val"
        rows += head_rows(picture, luma, mesh, ["head"] * len(picture.heads), {}, held)
        if i % 3 == 0:
            rows += other_rows(picture, luma, net, rng, held, places=6)
    for folder in room_sets.set_folders(args.rooms):
        for held, entries in zip((False, True), room_sets.split(folder)):
            for entry in tqdm(entries[: args.limit], desc=folder.name, mininterval=20):
                picture = room_sets.to_picture(entry, "val" if held else "train")
                luma = cv2.imread(str(picture.file), cv2.IMREAD_GRAYSCALE)
                rows += head_rows(picture, luma, mesh, *masks_of(entry, picture), held)
                if picture.complete:
                    rows += other_rows(picture, luma, net, rng, held)
    store(rows, args.out)
    print(f"{len(rows)} crops, {sum(r.face == 1 for r in rows)} faces, {sum(r.face == 0 for r in rows)} without, "
          f"{sum(r.covered == 1 for r in rows)} covered, {sum(r.held_out for r in rows)} held out")


if __name__ == "__main__":
    main()
