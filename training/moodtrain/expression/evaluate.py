"""Measure exported expression models: `python -m moodtrain.expression.evaluate --models DIR --data DIR --out DIR`.

Writes figures.json, report.html with its pictures, and the model card. Each run is one look at PublicTest and is
counted in looks.json in the folder above the models.
"""

import argparse
import json
import time
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from tqdm import tqdm

from moodtrain import card, figures, report, tflite
from moodtrain.calibration import confusion, expected_calibration_error, recalls, reliability, soft_confusion
from moodtrain.data import fer2013, synthetic
from moodtrain.data.fer2013 import Faces, ferplus_majority
from moodtrain.expression.conditions import CONDITIONS
from moodtrain.expression.export import FLOAT_NAME, INT8_NAME
from moodtrain.expression.light import DEVIATION, MIN_DEVIATION, MEAN, normalize_bytes
from moodtrain.expression.net import FER2013_CLASSES, FERPLUS_CLASSES
from moodtrain.expression.targets import held_out
from moodtrain.quantify import calibrate

SEVEN = len(FER2013_CLASSES)
# Side of the square that is read, in units of the face box's longer side: the detector's boxes go 1.33 times (median of 507 faces)
# into FER2013's own crops, and 1.3 to 1.4 gives the answer of the original crop most often.
CROP_SCALE = 1.35
DESCRIPTION = """Reads one face, cut out as a square: the probability of each of the seven expressions. One channel of luma goes in.
Trained from scratch for this project."""


@dataclass(frozen=True)
class Answers:
    """Probabilities of both heads for a set of faces."""

    fer2013: np.ndarray  # [N, 7]
    ferplus: np.ndarray  # [N, 8]

    def ferplus_seven(self) -> np.ndarray:
        """[N, 7] FER+ probabilities without contempt, summing to 1 again."""
        seven = self.ferplus[:, :SEVEN]
        return seven / np.maximum(seven.sum(1, keepdims=True), 1e-6)


def answer(model: tflite.Model, images: np.ndarray) -> Answers:
    """Run uint8 [N, 48, 48] face by face, as the daemon does."""
    rows = [model.run(image) for image in normalize_bytes(images)]
    return Answers(np.stack([row[0] for row in rows]), np.stack([row[1] for row in rows]))


def with_mirrored(model: tflite.Model, answers: Answers, images: np.ndarray) -> Answers:
    """The mean of the answers to each face and to its mirror image: what successive readings can give for nothing."""
    mirrored = answer(model, images[:, :, ::-1])
    return Answers((answers.fer2013 + mirrored.fer2013) / 2, (answers.ferplus + mirrored.ferplus) / 2)


def measure(answers: Answers, faces: Faces) -> dict:
    """Accuracy, recalls, calibration and confusions against FER2013's labels and against the FER+ majority."""
    majority = ferplus_majority(faces.votes)
    clear = majority >= 0
    figures_of = {"fer2013": figures_against(answers.fer2013, faces.labels)}
    if clear.any():
        figures_of["ferplus_majority"] = figures_against(answers.ferplus_seven()[clear], majority[clear])
        figures_of["ferplus_majority_by_fer2013_head"] = {
            "accuracy": float((answers.fer2013[clear].argmax(1) == majority[clear]).mean()), "faces": int(clear.sum())
        }
    return figures_of


def figures_against(probabilities: np.ndarray, labels: np.ndarray) -> dict:
    """Everything that one set of labels says of one head."""
    table = confusion(probabilities.argmax(1), labels, SEVEN)
    return {
        "faces": len(labels),
        "accuracy": float((probabilities.argmax(1) == labels).mean()),
        "ece": expected_calibration_error(probabilities, labels),
        "recall": [round(float(v), 4) for v in recalls(table)],
        "hard": table.tolist(),
        "soft": np.round(soft_confusion(probabilities, labels), 4).tolist(),
        "reliability": reliability(probabilities, labels),
    }


def condition_curves(model: tflite.Model, faces: Faces, every: int = 1) -> dict:
    """Accuracy and calibration for every condition and step, on every `every`-th face."""
    chosen = faces.select(np.arange(0, len(faces), every))
    majority = ferplus_majority(chosen.votes)
    clear = majority >= 0
    curves: dict = {}
    for name, (unit, change, steps) in CONDITIONS.items():
        rows = []
        for step in tqdm(steps, desc=name, leave=False):
            answers = answer(model, np.stack([change(image, step) for image in chosen.images]))
            voted = answers.ferplus_seven()[clear].argmax(1) == majority[clear]
            rows.append({
                "step": step,
                "accuracy": float((answers.fer2013.argmax(1) == chosen.labels).mean()),
                "ferplus_majority": float(voted.mean()) if clear.any() else None,
                "ece": expected_calibration_error(answers.fer2013, chosen.labels),
                "confidence": float(answers.fer2013.max(1).mean()),
            })
        curves[name] = {"unit": unit, "rows": rows}
    return curves


def milliseconds(model: tflite.Model, images: np.ndarray, rounds: int = 200) -> float:
    """Shortest time of one face on one thread."""
    best = float("inf")
    for i in range(rounds):
        start = time.perf_counter()
        model.run(images[i % len(images)])
        best = min(best, time.perf_counter() - start)
    return best * 1e3


def count_look(path: Path, what: str) -> int:
    """Add one to the looks taken at a test split, and return how many there were."""
    looks = json.loads(path.read_text()) if path.exists() else []
    looks.append({"date": date.today().isoformat(), "what": what})
    path.write_text(json.dumps(looks, indent=1))
    return len(looks)


def worst(answers: Answers, faces: Faces, count: int = 40) -> tuple[np.ndarray, list[str]]:
    """The most confident errors against FER2013's labels: images [count, 48, 48] and what was said of them."""
    said, confidence = answers.fer2013.argmax(1), answers.fer2013.max(1)
    rows = [row for row in np.argsort(-confidence) if said[row] != faces.labels[row]][:count]
    names = FER2013_CLASSES
    return faces.images[rows], [f"{names[faces.labels[r]]}\n{names[said[r]]} {confidence[r]:.2f}" for r in rows]


def write_report(out: Path, result: dict, errors: tuple[np.ndarray, list[str]]) -> None:
    """report.html: tables and pictures. The gallery shows photographs: the page stays on this machine."""
    page = report.Page("Expression network", out)
    page.picture("Most confident errors: label, then what was said", "errors.png", figures.face_grid(*errors))
    for split, models in result["splits"].items():
        page.table(f"{split}", *summary_table(models))
        for against in ("fer2013", "ferplus_majority"):
            if against in models["int8"]:
                data = models["int8"][against]
                page.picture(f"{split} against {against}: confusion (INT8)", f"{split}_{against}_confusion.png",
                             figures.confusion(np.array(data["hard"]), FER2013_CLASSES))
                page.picture(f"{split} against {against}: calibration (INT8)", f"{split}_{against}_reliability.png",
                             figures.reliability(data["reliability"]))
    voted = all(row["ferplus_majority"] is not None for curve in result["conditions"].values() for row in curve["rows"])
    lines = {"accuracy": "right by FER2013's label", "confidence": "said confidence", "ece": "calibration error"}
    lines = {"ferplus_majority": "right by the FER+ majority", **lines} if voted else lines
    page.picture("What can be read (INT8, PublicTest)", "conditions.png", figures.panels(result["conditions"], lines))
    page.write()


def summary_table(models: dict) -> tuple[list[str], list[list[str]]]:
    """Header and rows: a row for each model and label set."""
    header = ["model", "against", "faces", "accuracy", "ECE", *FER2013_CLASSES]
    rows = []
    for kind, by_labels in models.items():
        for against in ("fer2013", "ferplus_majority"):
            if against in by_labels:
                data = by_labels[against]
                rows.append([kind, against, str(data["faces"]), f"{data['accuracy']:.4f}", f"{data['ece']:.4f}",
                             *(f"{v:.2f}" for v in data["recall"])])
    return header, rows


def evaluate(models: Path, faces: Faces, every: int) -> tuple[dict, tuple[np.ndarray, list[str]]]:
    """All figures of both files on every test split present, INT8 under every condition, and the worst errors."""
    loaded = {kind: tflite.Model(models / name) for kind, name in (("float", FLOAT_NAME), ("int8", INT8_NAME))}
    splits, answers = {}, {}
    for usage in ("PublicTest", "PrivateTest"):
        chosen = faces.select(faces.usage == usage)
        if len(chosen):
            answers[usage] = {kind: answer(model, chosen.images) for kind, model in loaded.items()}
            mirrored = with_mirrored(loaded["int8"], answers[usage]["int8"], chosen.images)
            splits[usage] = {kind: measure(found, chosen) for kind, found in (*answers[usage].items(), ("int8, mirrored too", mirrored))}
    public = faces.select(faces.usage == "PublicTest")
    result = {
        "splits": splits,
        "quantification": quantification(loaded["int8"], held_out(faces)),
        "conditions": condition_curves(loaded["int8"], public, every),
        "milliseconds": {kind: round(milliseconds(model, public.images), 3) for kind, model in loaded.items()},
        "partitions": loaded["int8"].partitions(),
    }
    return result, worst(answers["PublicTest"]["int8"], public)


def quantification(model: tflite.Model, faces: Faces) -> dict | None:
    """The card's `[quantification]`, from faces that were never learned and are not tested on; None without votes."""
    majority = ferplus_majority(faces.votes)
    clear = majority >= 0
    return calibrate.section(answer(model, faces.images[clear]).ferplus_seven(), majority[clear]) if clear.any() else None


def write_card(models: Path, result: dict, looks: int, recipe: str) -> None:
    """expression.toml beside the models."""
    public = result["splits"]["PublicTest"]["int8"]
    measured = [against for against in ("fer2013", "ferplus_majority") if against in public]
    sections = {
        "expression": {
            "readout": "ferplus", "temperature": 1.0, "crop_scale": CROP_SCALE,
            "normalization": {"mean": MEAN, "deviation": DEVIATION, "min_deviation": MIN_DEVIATION},
        },
        **({"quantification": result["quantification"]} if result["quantification"] else {}),
        "training": {
            "data": "FER2013 Training and FER+ votes", "recipe": recipe, "date": date.today().isoformat(),
            "calibration_folded_in": json.loads((models / "calibration.json").read_text()),
        },
        "accuracy": {
            "split": "PublicTest",
            "looks": looks,
            "classes": list(FERPLUS_CLASSES),
            **{against: {key: public[against][key] for key in ("faces", "accuracy", "ece", "recall")} for against in measured},
            "confusion": {against: {key: public[against][key] for key in ("hard", "soft")} for against in measured},
            "conditions": {
                name: {"unit": curve["unit"], **{key: [row[key] for row in curve["rows"]] for key in ("step", "accuracy", "ece")}}
                for name, curve in result["conditions"].items()
            },
        },
    }
    card.write(models / "expression.toml", card.describe("expression", DESCRIPTION, [models / INT8_NAME], ["fer2013", "ferplus"], sections))


def main() -> None:
    """Measure, count the look, write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--models", type=Path, required=True, help="folder with the float and the INT8 file")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--recipe", default="moodtrain.expression.train, see docs/models.md")
    parser.add_argument("--every", type=int, default=1, help="use every n-th face for the conditions")
    args = parser.parse_args()
    faces = fer2013.read(args.data) if args.data and args.data.exists() else synthetic.faces(200)
    result, errors = evaluate(args.models, faces, args.every)
    looks = count_look(args.models.parent / "looks.json", str(args.models.name))
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / "figures.json").write_text(json.dumps(result, indent=1))
    write_report(args.out, result, errors)
    write_card(args.models, result, looks, args.recipe)
    header, rows = summary_table(result["splits"]["PublicTest"])
    print("\n".join("  ".join(row) for row in [header, *rows]), f"\nlooks at PublicTest: {looks}", result["milliseconds"])


if __name__ == "__main__":
    main()
