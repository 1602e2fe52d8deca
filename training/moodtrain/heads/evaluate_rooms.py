"""Measure the program on sets of other rooms: `python -m moodtrain.heads.evaluate_rooms --program FILE --rooms DIR --out DIR`.

The held-out sources are read by `moodring analyze --json` as it would be used. By set: heads found by class; on pictures whose
labels are complete the false boxes, the second boxes of a head ("doubles"), and the readings where there is no head. Then heads from a
tenth to nine tenths of a frame's height, and with `--classroom` the heads of SCUT-HEAD with little light. Writes rooms.json.
"""

import argparse
import json
import subprocess
import tempfile
import tomllib
from collections import Counter
from dataclasses import dataclass, field, replace
from pathlib import Path

import cv2
import numpy as np

from moodtrain import card
from moodtrain.data import classroom, room_sets
from moodtrain.data.room_sets import Entry
from moodtrain.heads import metrics, program
from moodtrain.heads.boxes import iou
from moodtrain.heads.metrics import Result, inside

FRAMES = ((640, 480), (1280, 720), (1920, 1080))
SHARES = (0.1, 0.2, 0.3, 0.45, 0.6, 0.75, 0.9)  # of a frame's height
CLOSE_UPS = ("webcam_closeups", "hijab_portraits")
CLOSE_UPS_OF_SET = 4
LIGHTS = (0.12, 0.06)
GREY = 114


@dataclass
class Figures:
    """What was counted in one set."""

    labels: Counter = field(default_factory=Counter)  # by class
    found: Counter = field(default_factory=Counter)
    pictures: int = 0
    complete: int = 0  # pictures in which false boxes are counted
    false: int = 0
    doubles: int = 0
    read_on_nothing: int = 0
    readings: int = 0

    def as_dict(self) -> dict:
        """Shares and means, for rooms.json."""
        labels, complete = sum(self.labels.values()), max(self.complete, 1)
        answer = {
            "pictures": self.pictures, "heads": labels, "recall": round(sum(self.found.values()) / labels, 4) if labels else None,
            "recall_by_class": {name: [self.found[name], count] for name, count in sorted(self.labels.items())},
        }
        if self.complete:
            answer |= {"complete_pictures": self.complete, "false": round(self.false / complete, 3), "doubles": round(self.doubles / complete, 3),
                       "read_on_nothing": round(self.read_on_nothing / complete, 3), "readings": self.readings}
        return answer


def pair(heads: np.ndarray, found: np.ndarray) -> list[int]:
    """For each labelled head the row of the box that overlaps it most, at IoU 0.5 or more, or -1; a box serves one head."""
    overlaps, used, rows = iou(heads, found), np.zeros(len(found), bool), []
    for overlap in overlaps:
        free = np.where(used, 0, overlap)
        best = int(free.argmax()) if len(free) else -1
        hit = best >= 0 and free[best] >= metrics.MATCH_IOU
        rows.append(best if hit else -1)
        if hit:
            used[best] = True
    return rows


def count(figures: Figures, entry: Entry, people: list[dict]) -> None:
    """Add one picture."""
    boxes = entry.fields.get("boxes", [])
    labelled = [box for box in boxes if box[4].startswith("head")]
    heads = room_sets.corners(labelled)
    ignored = room_sets.corners([box for box in boxes if box[4] == "ignore"])
    found = program.detections(people).heads
    rows = pair(heads, found)
    figures.pictures += 1
    for box, row in zip(labelled, rows):
        figures.labels[box[4]] += 1
        figures.found[box[4]] += row >= 0
    if not room_sets.is_complete(entry):
        return
    figures.complete += 1
    figures.readings += sum(person["verdict"] == "ok" for person in people)
    for row in set(range(len(people))) - set(rows):
        box = found[row : row + 1]
        if inside(box, ignored).max(initial=0) > 0.5:
            continue
        figures.false += 1
        figures.doubles += bool(inside(box, heads).max(initial=0) > 0.5)
        figures.read_on_nothing += people[row]["verdict"] == "ok" and not iou(box, heads).max(initial=0) > 0.2


def measure_sets(binary: Path, config: str, rooms: Path, whole: bool) -> dict[str, dict]:
    """Figures by set, of held-out sources, or with `whole` of every picture."""
    answer = {}
    for folder in room_sets.set_folders(rooms):
        learned, held = room_sets.split(folder)
        chosen = learned + held if whole else held
        figures = Figures()
        for entry, people in zip(chosen, program.people(binary, config, [e.file for e in chosen])):
            count(figures, entry, people)
        answer[folder.name] = figures.as_dict()
        print(folder.name, json.dumps(answer[folder.name]), flush=True)
    return answer


def framed(luma: np.ndarray, head: np.ndarray, size: tuple[int, int], share: float) -> tuple[np.ndarray, np.ndarray]:
    """uint8 frame of `size` in which the head is `share` of the height, and the head's box in it."""
    scale = share * size[1] / (head[3] - head[1])
    middle = (head[:2] + head[2:]) / 2 * scale
    target = np.array(size) / 2
    # As much of the picture's own background as possible: a head near an edge stays there.
    extent = np.array(luma.shape[::-1]) * scale
    shift = target - middle
    shift = np.where(extent > size, shift.clip(size - extent, 0), shift.clip(0, np.maximum(size - extent, 0)))
    move = np.array([[scale, 0, shift[0]], [0, scale, shift[1]]])
    smooth = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    source = luma if scale >= 1 else cv2.resize(luma, None, fx=scale, fy=scale, interpolation=smooth)
    if scale < 1:
        move[:, :2] = np.diag([extent[0] / source.shape[1], extent[1] / source.shape[0]])
    frame = cv2.warpAffine(source, move, size, flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_CONSTANT, borderValue=GREY)
    return frame, head * scale + shift[[0, 1, 0, 1]]


def measure_close_ups(binary: Path, config: str, rooms: Path) -> dict[str, dict]:
    """By frame size and share of the height: [heads found exactly once, heads missed, heads with a second box, of so many]."""
    chosen = []
    for name in CLOSE_UPS:
        if (rooms / name / "labels.json").exists():
            chosen += [e for e in room_sets.split(rooms / name)[1] if max(e.fields["w"], e.fields["h"]) >= 500][:CLOSE_UPS_OF_SET]
    answer: dict[str, dict] = {}
    with tempfile.TemporaryDirectory() as folder:
        files, heads, keys = [], [], []
        for size in FRAMES:
            for share in SHARES:
                for entry in chosen:
                    luma = cv2.imread(str(entry.file), cv2.IMREAD_GRAYSCALE)
                    label = next(box for box in entry.fields["boxes"] if box[4] == "head")
                    frame, head = framed(luma, np.array(label[:4], np.float32), size, share)
                    files.append(Path(folder) / f"{len(files):04}.png")
                    cv2.imwrite(str(files[-1]), frame)
                    heads.append(head)
                    keys.append((f"{size[0]}x{size[1]}", f"{share:.2f}"))
        for (size, share), head, people in zip(keys, heads, program.people(binary, config, files)):
            found = program.detections(people).heads
            hits = int((iou(head[None], found) >= metrics.MATCH_IOU).sum())
            near = int((inside(found, head[None]) > 0.5).sum())
            cell = answer.setdefault(size, {}).setdefault(share, [0, 0, 0, 0])
            cell[0] += hits == 1 and near <= 1
            cell[1] += hits == 0
            cell[2] += near > 1
            cell[3] += 1
    for size, cells in answer.items():
        print("close-ups", size, json.dumps(cells), flush=True)
    return answer


def measure_dark(binary: Path, models: Path, data: Path, limit: int | None) -> dict[str, float]:
    """AP50 of the heads of SCUT-HEAD's validation pictures at a share of their light."""
    pictures = [p for p in classroom.read(data) if p.split == "val"][:limit]
    answer = {}
    with tempfile.TemporaryDirectory() as folder:
        for light in LIGHTS:
            dark = []
            for i, picture in enumerate(pictures):
                luma = cv2.imread(str(picture.file), cv2.IMREAD_GRAYSCALE).astype(np.float32) * light
                path = Path(folder) / f"{i:04}.png"
                cv2.imwrite(str(path), np.round(luma).astype(np.uint8))
                dark.append(replace(picture, file=path))
            results: list[Result] = program.read_all(binary, models, dark)
            answer[f"{light:.2f}"] = round(metrics.head_curve(results).average, 4)
            print(f"light {light:.2f}: heads AP50 {answer[f'{light:.2f}']:.4f}", flush=True)
    return answer


def write_to_card(path: Path, result: dict) -> None:
    """The figures as [accuracy.rooms] of a card that `moodtrain.heads.evaluate` wrote."""
    content = tomllib.loads(path.read_text())
    sets = {name: {key: value for key, value in figures.items() if value is not None} for name, figures in result["sets"].items()}
    content["accuracy"]["rooms"] = {"measured_on": "sources held out of each set, through the program, INT8", **sets}
    for key in ("close_ups", "light"):
        if key in result:
            content["accuracy"][f"heads_by_{key}"] = result[key]
    card.write(path, content)


def table(sets: dict[str, dict]) -> str:
    """The figures by set as Markdown."""
    lines = ["| set | pictures | recall | by class | false boxes a picture | doubles | read on nothing |", "|---|---|---|---|---|---|---|"]
    for name, figures in sets.items():
        classes = ", ".join(f"{key} {found}/{count}" for key, (found, count) in figures["recall_by_class"].items())
        recall = f"{figures['recall']:.3f}" if figures["recall"] is not None else ""
        rest = [f"{figures[key]:.2f}" if key in figures else "" for key in ("false", "doubles", "read_on_nothing")]
        lines.append("| " + " | ".join([name, str(figures["pictures"]), recall, classes, *rest]) + " |")
    return "\n".join(lines)


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--program", type=Path, required=True)
    parser.add_argument("--models", type=Path, help="folder with the cards and files (default: models/ of the project)")
    parser.add_argument("--rooms", type=Path, required=True)
    parser.add_argument("--classroom", type=Path, help="SCUT-HEAD, for the figures with little light")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--card", action="store_true", help="write the figures into the heads card of these models")
    parser.add_argument("--whole", action="store_true", help="read learned sources as well")
    parser.add_argument("--limit", type=int, help="of SCUT-HEAD, so many pictures only")
    args = parser.parse_args()
    if not room_sets.set_folders(args.rooms):
        raise SystemExit(f"eval-rooms: there are no sets of rooms in {args.rooms} (ROOMS=DIR; training/README.md says what they are)")
    cv2.setNumThreads(1)
    models = args.models or program.ROOT / "models"
    config = program.MODELS.format(models=models.resolve())
    version = subprocess.run([str(args.program.resolve()), "--version"], check=False, capture_output=True, text=True).stdout.strip()
    result: dict = {"program": version, "sets": measure_sets(args.program, config, args.rooms, args.whole)}
    result["close_ups"] = measure_close_ups(args.program, config, args.rooms)
    if args.classroom and args.classroom.exists():
        result["light"] = measure_dark(args.program, models, args.classroom, args.limit)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "rooms.json").write_text(json.dumps(result, indent=1))
    if args.card:
        write_to_card(models / "heads.toml", result)
    print(table(result["sets"]))


if __name__ == "__main__":
    main()
