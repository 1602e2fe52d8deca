"""Complete the labels of sets of rooms with a detector: `python -m moodtrain.heads.propose --rooms DIR --init FILE --out proposals.json`.

The detector is asked for the learned pictures whose labels are incomplete. What it is sure of becomes a head, what it doubts is
ignored, and the rest becomes background (`complete`). Only sources that are learned are asked.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from moodtrain.data import room_sets
from moodtrain.data.classroom import Face, Picture
from moodtrain.heads.boxes import iou, suppress
from moodtrain.heads.decode import detect
from moodtrain.heads.metrics import inside
from moodtrain.heads.net import load

LONGER_SIDES = (1280, 640)  # px: the sizes at which a picture is searched
LARGEST_SCALE = 2.0
SURE, DOUBT = 0.62, 0.15  # scores from which a box is a head, and from which it is ignored
SAME_IOU = 0.4
SHARED = 0.6  # a box with so much of it within a labelled head, or the other way round, tells nothing new


def ask(net: nn.Module, luma: np.ndarray) -> np.ndarray:
    """float32 [N, 5]: boxes in pixels of `luma` and scores, from all sizes."""
    rows = []
    for side in LONGER_SIDES:
        scale = min(side / max(luma.shape), LARGEST_SCALE)
        smooth = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        found = detect(net, cv2.resize(luma, None, fx=scale, fy=scale, interpolation=smooth), DOUBT).scaled(1 / scale)
        rows.append(np.hstack([found.heads, found.scores[:, None]]))
    boxes = np.concatenate(rows).astype(np.float32)
    return boxes[suppress(boxes[:, :4], boxes[:, 4], 0.5)]


def complete(picture: Picture, proposals: np.ndarray) -> Picture:
    """The picture with proposed heads [N, 5] added: its labels are complete, as far as the detector can tell."""
    boxes, scores = proposals[:, :4].astype(np.float32), proposals[:, 4]
    known = np.zeros(len(boxes), bool)
    if len(picture.heads) and len(boxes):
        shared = np.maximum(inside(boxes, picture.heads), inside(picture.heads, boxes).T)
        # A second box in a head that is labelled stays background.
        known = (iou(boxes, picture.heads).max(1) > SAME_IOU) | (shared.max(1) > SHARED)
    sure, doubted = boxes[~known & (scores >= SURE)], boxes[~known & (scores < SURE) & (scores >= DOUBT)]
    answered = iou(picture.ignored, sure).max(1, initial=0) > SAME_IOU
    count = len(sure)
    return replace(
        picture,
        heads=np.concatenate([picture.heads, sure]),
        faces=np.concatenate([picture.faces, np.zeros((count, 4), np.float32)]),
        face_scores=np.concatenate([picture.face_scores, np.zeros(count, np.float32)]),
        visible=np.concatenate([picture.visible, np.full(count, int(Face.UNKNOWN))]),
        ignored=np.concatenate([picture.ignored[~answered], doubted]),
        complete=True,
    )


def completed(pictures: list[Picture], path: Path | None) -> list[Picture]:
    """Pictures with the proposals stored at `path`; unchanged where there are none."""
    if path is None:
        return pictures
    stored = json.loads(path.read_text())
    return [
        complete(p, np.array(stored[key], np.float32).reshape(-1, 5)) if (key := f"{p.part}/{p.file.name}") in stored and not p.complete else p
        for p in pictures
    ]


def main() -> None:
    """Ask for every learned picture whose labels are incomplete, and store the answers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rooms", type=Path, required=True)
    parser.add_argument("--init", type=Path, required=True, help="checkpoint of the detector that is asked")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    net = load(args.init).to(memory_format=torch.channels_last)
    pictures = [p for p in room_sets.read(args.rooms)[0] if not p.complete]
    answers = {}
    for picture in tqdm(pictures, mininterval=10):
        found = ask(net, cv2.imread(str(picture.file), cv2.IMREAD_GRAYSCALE))
        answers[f"{picture.part}/{picture.file.name}"] = [[round(float(v), 2) for v in row] for row in found]
    args.out.write_text(json.dumps(answers))
    added = [len(complete(p, np.array(answers[f"{p.part}/{p.file.name}"], np.float32).reshape(-1, 5)).heads) - len(p.heads) for p in pictures]
    print(f"{len(pictures)} pictures, {sum(added)} heads added to {sum(len(p.heads) for p in pictures)}")


if __name__ == "__main__":
    main()
