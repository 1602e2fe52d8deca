"""A second opinion on the teacher's faces: what an earlier detector of ours says of each labelled head.

`python -m moodtrain.heads.clean --data DIR --init init.pt --cache DIR --out second.json` asks it at two sizes; `second_opinion`
joins the answers to the labels (`moodtrain.data.classroom.agree` decides).
"""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn
from tqdm import tqdm

from moodtrain.data import classroom
from moodtrain.data.classroom import Picture
from moodtrain.heads.boxes import iou
from moodtrain.heads.decode import detect
from moodtrain.heads.net import HeadsNet

SCALES = (1.0, 1.5)  # at the larger one the smallest faces can be judged as well


def ask(net: nn.Module, picture: Picture, luma: np.ndarray, scales: tuple[float, ...] = SCALES) -> np.ndarray:
    """float32 [N]: the net's mean face score for each labelled head over those scales at which it finds the head; NaN
    where it finds it at none, or where the scales contradict each other by more than 0.5."""
    answers = np.full((len(scales), len(picture.heads)), np.nan, np.float32)
    for row, scale in enumerate(scales):
        resized = cv2.resize(luma, None, fx=scale, fy=scale, interpolation=cv2.INTER_LINEAR) if scale != 1 else luma
        found = detect(net, resized, threshold=0.1).scaled(1 / scale)
        if len(found.heads) and len(picture.heads):
            overlaps = iou(picture.heads, found.heads)
            best = overlaps.argmax(1)
            hit = overlaps.max(1) >= 0.5
            answers[row, hit] = found.face_scores[best[hit]]
    known = ~np.isnan(answers)
    mean = np.where(known, answers, 0).sum(0) / np.maximum(known.sum(0), 1)
    spread = np.where(known, answers, -1).max(0) - np.where(known, answers, 2).min(0)
    return np.where(known.any(0) & (spread <= 0.5), mean, np.nan).astype(np.float32)


def second_opinion(pictures: list[Picture], path: Path | None) -> list[Picture]:
    """Pictures with their faces cleaned by the answers stored at `path`; unchanged where there are none."""
    if path is None or not path.exists():
        return pictures
    answers = json.loads(path.read_text())
    empty: list[float | None] = []
    return [
        classroom.agree(p, np.array([np.nan if v is None else v for v in answers.get(p.name(), empty) or [None] * len(p.heads)], float))
        for p in pictures
    ]


def main() -> None:
    """Ask for every picture and store the answers."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--init", type=Path, required=True, help="checkpoint of the model that is asked")
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    net = HeadsNet()
    net.load_state_dict(torch.load(args.init, map_location="cpu")["average"])
    net = net.eval().to(memory_format=torch.channels_last)
    answers = {}
    for split in ("train", "val"):
        pictures = [picture for picture in classroom.read(args.data) if picture.split == split]
        pixels = classroom.Pixels(pictures, args.cache / f"{split}.luma")
        for i, picture in enumerate(tqdm(pictures, desc=split, mininterval=10)):
            scores = ask(net, picture, pixels[i])
            answers[picture.name()] = [None if np.isnan(v) else round(float(v), 3) for v in scores]
    args.out.write_text(json.dumps(answers))


if __name__ == "__main__":
    main()
