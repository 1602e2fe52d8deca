"""The tables of docs/reference/simulator.md: what the real networks make of the simulated class.

    cargo build --example simulated_class
    cd training && .venv/bin/python simulator_table.py --program ../target/debug/examples/simulated_class

The program draws classes and writes the truth beside them; heads are found at the detector's input of 1280x736 (640x384
for pictures that fit in there), and every true face that was found is cut out by the DETECTED box and read.
"""

import argparse
import csv
import subprocess
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

import cv2
import numpy as np

from face_space import Reader
from moodtrain import tflite
from moodtrain.expression.net import FER2013_CLASSES
from moodtrain.heads.boxes import iou
from moodtrain.heads.decode import Detections, decode
from moodtrain.heads.tiles import read_whole

CLASSES = [(p, w, h, seed) for p in (5, 12, 20, 30, 40, 50, 60) for w, h in ((640, 360), (1280, 720), (1920, 1080)) for seed in (1, 2)]
FRAMES = 2
SIZES = ((0, 28), (28, 40), (40, 60), (60, 200))  # detected face's longer side in pixels: about 24, 32, 48, and more


@dataclass
class Tally:
    """Counts over pictures."""

    people: int = 0
    found: int = 0
    right: int = 0
    front: int = 0
    seen_front: int = 0
    agree: int = 0
    pictures: int = 0
    people_within: int = 0
    facing_within: int = 0


@dataclass
class Result:
    """Everything that the tables show."""

    by_class: dict[tuple[int, str], Tally] = field(default_factory=dict)
    heads: dict[tuple[int, int], list[int]] = field(default_factory=dict)
    readings: dict[tuple[int, int], np.ndarray] = field(default_factory=dict)


def read_truth(path: Path) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Corners of heads [N, 4], who faces the front [N], expressions [N]."""
    with path.open(newline="") as file:
        rows = list(csv.reader(file))
    boxes = np.array([[float(v) for v in row[:4]] for row in rows], np.float32)
    boxes[:, 2:] += boxes[:, :2]
    return boxes, np.array([row[4] == "1" for row in rows]), np.array([FER2013_CLASSES.index(row[5]) for row in rows])


def pair(found: np.ndarray, truth: np.ndarray) -> dict[int, int]:
    """True head -> detection, best scores (first rows) first, at an overlap of at least 0.5."""
    pairs: dict[int, int] = {}
    overlaps = iou(found, truth)
    for row in range(len(found)):
        free = [j for j in range(len(truth)) if j not in pairs and overlaps[row, j] >= 0.5]
        if free:
            pairs[max(free, key=lambda j: overlaps[row, j])] = row
    return pairs


def crop(luma: np.ndarray, box: np.ndarray) -> np.ndarray:
    """The square around a face box, as 48x48."""
    side = float(max(box[2] - box[0], box[3] - box[1]))
    left, top = (box[0] + box[2] - side) / 2, (box[1] + box[3] - side) / 2
    scale = max(1, int(side / 48))  # average before sampling when the face is much larger than the crop
    ratio = side / (48 * scale)
    matrix = np.array([[ratio, 0, left], [0, ratio, top]], np.float32)
    flags = cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP
    large = cv2.warpAffine(luma, matrix, (48 * scale, 48 * scale), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return cv2.resize(large, (48, 48), interpolation=cv2.INTER_AREA)


def judge(result: Result, key: tuple[int, str], luma: np.ndarray, truth: tuple, found: Detections, reader: Reader, face_score: float) -> None:
    """Add one picture."""
    boxes, front, worn = truth
    pairs = pair(found.heads, boxes)
    flagged = found.face_scores >= face_score
    tally = result.by_class.setdefault(key, Tally())
    tally.pictures += 1
    tally.people += len(boxes)
    tally.found += len(found.heads)
    tally.right += len(pairs)
    tally.front += int(front.sum())
    tally.seen_front += int(flagged.sum())
    tally.agree += sum(int(flagged[row] == front[j]) for j, row in pairs.items())
    tally.people_within += int(abs(len(found.heads) - len(boxes)) <= 0.1 * len(boxes))
    tally.facing_within += int(abs(flagged.mean() - front.mean()) <= 0.1) if len(flagged) else 0
    for j, box in enumerate(boxes):
        size = next(s for s in ((0, 32), (32, 48), (48, 64), (64, 1000)) if box[3] - box[1] < s[1])
        count = result.heads.setdefault(size, [0, 0])
        count[0] += 1
        count[1] += int(j in pairs)
    for j, row in pairs.items():
        if front[j] and flagged[row]:
            box = found.faces[row]
            size = next((s for s in SIZES if max(box[2] - box[0], box[3] - box[1]) < s[1]), SIZES[-1])
            matrix = result.readings.setdefault(size, np.zeros((7, 7), int))
            matrix[worn[j], reader.read(crop(luma, box)[None])[0].argmax()] += 1


def show(result: Result) -> None:
    """Markdown."""
    print("| people | picture | people found | of them right | facing, true | facing, seen | flag agrees | people within 10 % | facing within 0.1 |")
    print("|---:|---|---:|---:|---:|---:|---:|---:|---:|")
    for (people, picture), t in sorted(result.by_class.items()):
        print(f"| {people} | {picture} | {t.found / t.pictures:.1f} | {t.right / max(t.found, 1):.3f} | {t.front / t.people:.2f} "
              f"| {t.seen_front / max(t.found, 1):.2f} | {t.agree / max(t.right, 1):.3f} | {t.people_within}/{t.pictures} | {t.facing_within}/{t.pictures} |")
    print("\n| head, pixels high | heads | found |\n|---|---:|---:|")
    for (low, high), (count, right) in sorted(result.heads.items()):
        print(f"| {low} to {high} | {count} | {right / count:.3f} |")
    print("\n| face, pixels | faces | " + " | ".join(FER2013_CLASSES) + " | all |\n|---|---:" + "|---:" * 8 + "|")
    for (low, high), m in sorted(result.readings.items()):
        recalls = " | ".join(f"{m[e, e] / max(m[e].sum(), 1):.2f}" for e in range(7))
        print(f"| {low} to {high} | {m.sum()} | {recalls} | {np.trace(m) / m.sum():.2f} |")
    total = sum(result.readings.values())
    print("\n| drawn \\ read | " + " | ".join(FER2013_CLASSES) + " |\n|---" + "|---:" * 7 + "|")
    for e, name in enumerate(FER2013_CLASSES):
        print(f"| {name} | " + " | ".join(f"{v / max(total[e].sum(), 1):.2f}" for v in total[e]) + " |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--program", type=Path, required=True, help="the built example simulated_class")
    parser.add_argument("--models", type=Path, default=Path("../models"))
    parser.add_argument("--head-score", type=float, default=0.4)
    parser.add_argument("--face-score", type=float, default=0.8)
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    reader = Reader(arguments.models / "expression_48x48_int8.tflite")
    networks = {size: tflite.Model(arguments.models / f"heads_{size}_int8.tflite") for size in ("640x384", "1280x736")}
    result = Result()
    for people, width, height, seed in CLASSES:
        network = networks["640x384" if width <= 640 else "1280x736"]
        with tempfile.TemporaryDirectory() as folder:
            values = [folder, people, width, height, seed, FRAMES]
            subprocess.run([arguments.program, *map(str, values)], check=True, stderr=subprocess.DEVNULL)
            for path in sorted(Path(folder).glob("*.pgm")):
                luma = cv2.imread(str(path), cv2.IMREAD_GRAYSCALE)
                found = read_whole(lambda tile: decode(network.run(tile), arguments.head_score), luma, network.width, network.height)
                judge(result, (people, f"{width}x{height}"), luma, read_truth(path.with_suffix(".csv")), found, reader, arguments.face_score)
    show(result)


if __name__ == "__main__":
    main()
