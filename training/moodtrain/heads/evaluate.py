"""Measure exported detectors: `python -m moodtrain.heads.evaluate --models DIR --data DIR --out DIR`.

Writes figures.json, report.html with its pictures, and the model card. Three ways of reading are measured: tiles of 672x384
over the stored picture, the same over the picture enlarged 1.5 times, and the whole picture at 1280x736, which is what the
program does with a picture of this size. With `--program` the program itself reads the pictures, too.
"""

import argparse
import json
import time
from datetime import date
from pathlib import Path

import cv2
import numpy as np
from tqdm import tqdm

from moodtrain import card, figures, report, tflite
from moodtrain.heads import program
from moodtrain.data import classroom, synthetic
from moodtrain.data.classroom import Picture
from moodtrain.heads import metrics
from moodtrain.heads.boxes import longer_side
from moodtrain.heads.clean import second_opinion
from moodtrain.heads.decode import Detections, decode
from moodtrain.heads.export import OUTPUT_NAMES, SIZES
from moodtrain.heads.metrics import Result
from moodtrain.heads.tiles import read_enlarged, read_tiled, read_whole

NMS_IOU = 0.5
DESCRIPTION = """Finds heads, also of people who look down or turn away, and says of each whether its face is visible and where. One
channel of luma goes in. Trained from scratch for this project."""
# Every set that gave a gradient, and its terms as its source states them.
TRAINING_DATA = [
    "SCUT-HEAD, train split, faces by a teacher detector (YuNet-n, Apache-2.0): free for academic research",
    "hardhat_heads (Hard Hat Workers, doi:10.7910/DVN/7CBGOS): public domain",
    "mask_crowds (Kaggle andrewmvd/face-mask-detection): CC0",
    "school_scenes (41 public repositories): CC BY 4.0 (carpentries, rladies, roweb3), else none stated",
    "veils (dalabdgw/Hijab_Detection): none stated",
    "hijab_portraits (aghamohammadi94/Hijab-Detection-assignment): none stated",
    "mask_people (jolignier/face-mask-dataset-ilc-2021): none stated",
    "webcam_closeups (Vinu06-01/student-engagement-detection): none stated",
    "negatives (25 public repositories, no people): mixed, mostly none stated",
    "photographs and cut-outs of Debian packages, no people: free licences, as each package states",
]
WAYS = {"tiles": (read_tiled, (672, 384)), "enlarged": (read_enlarged, (672, 384)), "whole": (read_whole, (1280, 736))}


def read_all(model: tflite.Model, way: str, pictures: list[Picture], threshold: float = 0.05) -> list[Result]:
    """Every picture through `model` in one of `WAYS`."""
    read, (width, height) = WAYS[way]

    def infer(luma: np.ndarray) -> Detections:
        return decode(model.run(luma), threshold, NMS_IOU)

    return [
        Result(picture, read(infer, cv2.imread(str(picture.file), cv2.IMREAD_GRAYSCALE), width, height))
        for picture in tqdm(pictures, desc=f"{way} {model.path.name}", mininterval=10)
    ]


def of_part(results: list[Result], part: str) -> list[Result]:
    """Results of part "A", "B" or "AB"."""
    return [r for r in results if r.picture.part in part]


def measure(results: list[Result], threshold: float | None = None) -> dict:
    """Average precisions by part and size, and at `threshold` (without one at the best for counting) counts and the face flag."""
    answer: dict = {"heads_ap50": {}, "faces_ap50": {}, "count": {}, "labels": {}}
    for part in ("A", "B", "AB"):
        chosen = of_part(results, part)
        if not chosen:
            continue
        curves = {size: metrics.head_curve(chosen, limits) for size, limits in metrics.SIZES.items()}
        answer["heads_ap50"][part] = {size: round(c.average, 4) for size, c in curves.items()}
        answer["labels"][part] = {size: c.labels for size, c in curves.items()}
        answer["faces_ap50"][part] = round(metrics.face_curve(chosen).average, 4)
    answer["threshold"] = metrics.best_count_threshold(results) if threshold is None else threshold
    at_best_f1, *best = metrics.best_f1(metrics.head_curve(results))
    answer["best_f1"] = dict(zip(("threshold", "f1", "precision", "recall"), (round(v, 4) for v in (at_best_f1, *best))))
    for part in answer["heads_ap50"]:
        chosen = of_part(results, part)
        error, bias = metrics.count_error(chosen, answer["threshold"])
        mean = float(np.mean([len(r.picture.heads) for r in chosen]))
        answer["count"][part] = {"error": round(error, 3), "bias": round(bias, 3), "mean_heads": round(mean, 2)}
    scores, visible = metrics.face_flags(results, answer["threshold"])
    hidden, threshold = metrics.hidden_recall(scores, visible)
    answer["face_flag"] = {"hidden_recall_at_face_recall_0.90": hidden, "threshold": threshold, "heads": len(scores)}
    return answer


def threshold_curve(results: list[Result], steps: tuple[float, ...] = tuple(np.arange(0.1, 0.95, 0.05).round(2))) -> dict:
    """Precision and recall of heads, and recall of visible and hidden faces among found heads, over the score threshold."""
    curve = metrics.head_curve(results)
    last = [int((curve.scores >= step).sum()) - 1 for step in steps]
    scores, visible = metrics.face_flags(results, metrics.best_count_threshold(results))
    return {
        "score": list(steps),
        "head_precision": [round(float(curve.precision[i]), 4) if i >= 0 else 1.0 for i in last],
        "head_recall": [round(float(curve.recall[i]), 4) if i >= 0 else 0.0 for i in last],
        "face_recall": [round(float((scores[visible] >= step).mean()), 4) if visible.any() else 0.0 for step in steps],
        "hidden_recall": [round(float((scores[~visible] < step).mean()), 4) if (~visible).any() else 0.0 for step in steps],
    }


def worst(results: list[Result], threshold: float, count: int = 6) -> list[np.ndarray]:
    """The pictures with the largest count errors: labels green, what was found white; uint8 [H, W, 3] of 640 px width."""
    ranked = sorted(results, key=lambda r: -abs(int((r.found.scores >= threshold).sum()) - len(r.picture.heads)))
    drawn = []
    for result in ranked[:count]:
        picture = cv2.cvtColor(cv2.imread(str(result.picture.file), cv2.IMREAD_GRAYSCALE), cv2.COLOR_GRAY2BGR)
        found = result.found.heads[result.found.scores >= threshold]
        for boxes, colour in ((result.picture.heads, (0, 200, 0)), (found, (255, 255, 255))):
            for x1, y1, x2, y2 in boxes.astype(int).tolist():
                cv2.rectangle(picture, (x1, y1), (x2, y2), colour, 1)
        drawn.append(cv2.resize(picture, (640, round(640 * picture.shape[0] / picture.shape[1])), interpolation=cv2.INTER_AREA))
    return drawn


def milliseconds(model: tflite.Model, rounds: int = 20) -> float:
    """Shortest time of one input on one thread."""
    luma = np.random.default_rng(0).integers(0, 256, (model.height, model.width), dtype=np.uint8)
    best = float("inf")
    for _ in range(rounds):
        start = time.perf_counter()
        model.run(luma)
        best = min(best, time.perf_counter() - start)
    return round(best * 1e3, 2)


def write_report(out: Path, result: dict, results: dict[str, list[Result]]) -> None:
    """report.html: tables and pictures. The gallery shows photographs: the page stays on this machine."""
    page = report.Page("Heads detector", out)
    header = ["way", "model", "part", *metrics.SIZES, "faces", "count error"]
    rows = []
    for name, data in result["ways"].items():
        for part, by_size in data["heads_ap50"].items():
            rows.append([*name.split(), part, *(f"{v:.4f}" for v in by_size.values()),
                         f"{data['faces_ap50'][part]:.4f}", f"{data['count'][part]['error']:.2f}"])
    page.table("Average precision at IoU 0.5", header, rows)
    for name, found in results.items():
        lines = {}
        for size, limits in metrics.SIZES.items():
            curve = metrics.head_curve(found, limits)
            lines[f"{size} ({curve.average:.3f})"] = (curve.recall, curve.precision)
        page.picture(f"Heads, {name}", f"precision_recall_{name.replace(' ', '_')}.png", figures.precision_recall(lines))
    pictures = [r.picture for r in next(iter(results.values()))]
    sizes = {part: np.concatenate([longer_side(p.heads) for p in pictures if p.part == part] or [np.zeros(0)]) for part in "AB"}
    page.picture("Head sizes", "head_sizes.png", figures.size_histogram({k: v for k, v in sizes.items() if len(v)}, "px"))
    name, last = list(results.items())[-1]
    for i, picture in enumerate(worst(last, result["ways"][name]["threshold"])):
        cv2.imwrite(str(out / f"worst{i}.png"), picture)
        page.parts.append(f'<h3>Largest count errors, {name}</h3><img src="worst{i}.png" alt="labels and what was found">')
    page.write()
    print("\n".join("  ".join(row) for row in [header, *rows]))


def write_card(models: Path, result: dict, recipe: str) -> None:
    """heads.toml beside the models; its thresholds are those of the whole picture."""
    whole = result["ways"]["whole int8"]
    sections = {
        "thresholds": {
            "head_score": round(whole["threshold"], 3),
            "face_score": round(float(np.nan_to_num(whole["face_flag"]["threshold"], nan=0.5)), 3),
            "nms_iou": NMS_IOU,
        },
        "training": {"data": TRAINING_DATA, "recipe": recipe, "date": date.today().isoformat()},
        "accuracy": {
            "measured_on": f"{result['pictures']} validation pictures of SCUT-HEAD, INT8 and float",
            "thresholds": result["thresholds"]["whole int8"],
            **{name.replace(" ", "_"): {k: v for k, v in data.items() if k != "labels"} for name, data in result["ways"].items()},
        },
    }
    files = [models / f"heads_{w}x{h}_int8.tflite" for w, h in SIZES]
    files = [path for path in files if path.exists()]
    card.write(models / "heads.toml", card.describe("heads", DESCRIPTION, files, OUTPUT_NAMES, sections))


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, required=True, help="folder with the float and INT8 files")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--second", type=Path, help="a second opinion on faces, by moodtrain.heads.clean")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--ways", default="tiles,enlarged,whole")
    parser.add_argument("--kinds", default="f32,int8")
    parser.add_argument("--program", type=Path, help="moodring, to read the pictures by `analyze --json` with the card just written")
    parser.add_argument("--recipe", default="moodtrain.heads.train, see docs/models.md")
    parser.add_argument("--limit", type=int, help="measure so many pictures only")
    args = parser.parse_args()
    cv2.setNumThreads(1)
    if args.data and args.data.exists():
        pictures = second_opinion([p for p in classroom.read(args.data) if p.split == "val"], args.second)[: args.limit]
    else:
        pictures = synthetic.rooms(args.limit or 6, args.out / "synthetic")
    results, result = {}, {"pictures": len(pictures), "ways": {}, "milliseconds": {}}
    for way in args.ways.split(","):
        width, height = WAYS[way][1]
        for kind in args.kinds.split(","):
            model = tflite.Model(args.models / f"heads_{width}x{height}_{kind}.tflite")
            results[f"{way} {kind}"] = read_all(model, way, pictures)
            result["ways"][f"{way} {kind}"] = measure(results[f"{way} {kind}"])
            result.setdefault("thresholds", {})[f"{way} {kind}"] = threshold_curve(results[f"{way} {kind}"])
    for path in sorted(args.models.glob("heads_*.tflite")):
        model = tflite.Model(path)
        result["milliseconds"][path.stem] = milliseconds(model)
        result.setdefault("partitions", {})[path.stem] = model.partitions()
    if "whole int8" in result["ways"]:
        write_card(args.models, result, args.recipe)
    if args.program:
        results["program int8"] = program.read_all(args.program, args.models, pictures)
        result["ways"]["program int8"] = measure(results["program int8"], result["ways"].get("whole int8", {}).get("threshold"))
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "figures.json").write_text(json.dumps(result, indent=1))
    write_report(args.out, result, results)


if __name__ == "__main__":
    main()
