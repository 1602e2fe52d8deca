"""From when on a face cannot be read: `python -m moodtrain.expression.readability --card CARD --data DIR`.

Disturbs the faces of PublicTest in steps, reads them with the INT8 network and says at which value of the plain measures
that the daemon takes of every face (size, light, contrast, sharpness, share hidden) accuracy falls below `--kept` of the
undisturbed. Prints the daemon's `[readability]` section.
"""

import argparse
import json
import tomllib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from tqdm import tqdm

from moodtrain import tflite
from moodtrain.data import fer2013, synthetic
from moodtrain.data.fer2013 import Faces, ferplus_majority
from moodtrain.expression import conditions
from moodtrain.expression.light import normalize_bytes
from moodtrain.expression.net import FER2013_CLASSES

SEVEN = len(FER2013_CLASSES)
WIDTHS = (48, 40, 32, 28, 24, 20, 18, 16, 14, 12, 10, 8)
BLURS = (0, 0.5, 0.75, 1, 1.25, 1.5, 1.75, 2, 2.5, 3, 4)
LIGHTS = (1, 0.5, 0.25, 0.18, 0.12, 0.09, 0.06, 0.04, 0.03, 0.02)
BACK_LIGHTS = (0.5, 0.7, 0.8, 0.85, 0.9, 0.93, 0.95)
HIDDEN = (0, 0.1, 0.15, 0.2, 0.25, 0.3, 0.35, 0.4, 0.45, 0.5, 0.6)
# Faces a bin of a measure holds: the standard error of its accuracy is 2 %.
BIN = 400


@dataclass(frozen=True)
class Network:
    """The INT8 network as its card says it is to be read."""

    model: tflite.Model
    output: int
    crop_scale: float
    normalized: bool

    @classmethod
    def of(cls, path: Path) -> "Network":
        """Read the card at `path` and the file that it names."""
        card = tomllib.loads(path.read_text())
        names = [output["name"] for output in card["output"]]
        readout = card["expression"]
        return cls(tflite.Model(path.parent / card["file"][0]["path"]), names.index(readout["readout"]),
                   readout["crop_scale"], "normalization" in readout)

    def read(self, images: np.ndarray) -> np.ndarray:
        """uint8 [N, 48, 48] -> probabilities of the seven [N, 7]."""
        seen = normalize_bytes(images) if self.normalized else images
        rows = np.stack([self.model.run(image)[self.output][:SEVEN] for image in seen])
        return (rows + 1e-6) / (rows + 1e-6).sum(1, keepdims=True)


def sharpness(images: np.ndarray) -> np.ndarray:
    """Energy of the differences between neighbours in units of the contrast: uint8 [N, H, W] -> [N].

    0 for a smooth ramp that goes on for ever, 1 for noise. The daemon's `Appearance::of` computes the same.
    """
    luma = images.astype(np.float64)
    across = np.square(np.diff(luma, axis=2)).mean((1, 2))
    down = np.square(np.diff(luma, axis=1)).mean((1, 2))
    return (across + down) / (4 * np.maximum(luma.var((1, 2)), 1e-9))


@dataclass(frozen=True)
class Curve:
    """Faces under one kind of disturbance: what was measured of each, and whether it was read rightly."""

    steps: tuple[float, ...]
    step: np.ndarray  # [N], which step each face belongs to
    right: np.ndarray  # bool [N]
    probabilities: np.ndarray  # [N, 7]
    labels: np.ndarray  # [N]
    measures: dict[str, np.ndarray]  # name -> [N]

    def by_step(self) -> list[tuple[float, float]]:
        """(step, accuracy)."""
        return [(step, float(self.right[self.step == index].mean())) for index, step in enumerate(self.steps)]

    def by_measure(self, name: str) -> list[tuple[float, float]]:
        """(mean of the measure, accuracy) of bins of `BIN` faces, from the smallest value on."""
        order = np.argsort(self.measures[name])
        bins = np.array_split(order, max(len(order) // BIN, 1))
        return [(float(self.measures[name][chosen].mean()), float(self.right[chosen].mean())) for chosen in bins]


def disturb(network: Network, faces: Faces, labels: np.ndarray, change, steps: tuple[float, ...]) -> Curve:
    """Read every face at every step of `change`."""
    found = {"step": [], "probabilities": [], "light": [], "contrast": [], "sharpness": []}
    for index, step in enumerate(tqdm(steps, desc=change.__name__, leave=False, disable=None)):
        images = np.stack([change(image, step) for image in faces.images])
        found["probabilities"].append(network.read(images))
        found["step"].append(np.full(len(images), index))
        found["light"].append(images.mean((1, 2)))
        found["contrast"].append(images.std((1, 2)))
        found["sharpness"].append(sharpness(images))
    joined = {name: np.concatenate(parts) for name, parts in found.items()}
    labels = np.tile(labels, len(steps))
    return Curve(steps, joined["step"], joined["probabilities"].argmax(1) == labels, joined["probabilities"], labels,
                 {name: joined[name] for name in ("light", "contrast", "sharpness")})


def crossing(points: list[tuple[float, float]], bound: float) -> float:
    """Where accuracy falls below `bound` for good, going from good to bad values; linear between points.

    `points` are (value, accuracy), the last one being the worst.
    """
    last_good = max((index for index, (_, accuracy) in enumerate(points) if accuracy >= bound), default=0)
    if last_good + 1 == len(points):
        return points[last_good][0]
    (value, accuracy), (worse, low) = points[last_good], points[last_good + 1]
    share = 0.0 if accuracy <= low else (accuracy - bound) / (accuracy - low)
    return value + (worse - value) * min(max(share, 0.0), 1.0)


def best_exponent(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """The power to which probabilities must be raised to tell most about `labels` (least cross-entropy): how much a reading weighs."""
    def loss(power: float) -> float:
        raised = probabilities ** power
        return float(-np.log(raised[np.arange(len(labels)), labels] / raised.sum(1)).mean())

    return min(np.arange(0.05, 1.55, 0.05), key=loss)


def refused(curves: dict[str, Curve], name: str, least: float) -> float:
    """Share of the undisturbed faces that lie below `least`."""
    values = curves["blur"].measures[name][curves["blur"].step == 0]
    return float((values < least).mean())


def measure(network: Network, faces: Faces, kept: float) -> dict:
    """All curves, the bound, and the thresholds."""
    labels = ferplus_majority(faces.votes)
    clear = labels >= 0
    if not clear.any():
        labels, clear = faces.labels, np.ones(len(faces), bool)
    faces, labels = faces.select(clear), labels[clear]
    curves = {
        "width": disturb(network, faces, labels, conditions.at_width, WIDTHS),
        "blur": disturb(network, faces, labels, conditions.blurred, BLURS),
        "light": disturb(network, faces, labels, conditions.darkened, LIGHTS),
        "back_light": disturb(network, faces, labels, conditions.back_lit, BACK_LIGHTS),
        "hidden": disturb(network, faces, labels, conditions.covered, HIDDEN),
    }
    clean = curves["width"].by_step()[0][1]
    bound = kept * clean
    width = crossing(curves["width"].by_step(), bound)
    downwards = {
        "min_sharpness": (curves["blur"], "sharpness"),
        "min_light": (curves["light"], "light"),
        "min_contrast": (curves["light"], "contrast"),
    }
    thresholds = {"min_face_px": width / network.crop_scale}
    thresholds |= {name: crossing(curve.by_measure(key)[::-1], bound) for name, (curve, key) in downwards.items()}
    thresholds["max_hidden"] = crossing(curves["hidden"].by_step(), bound)
    return {
        "faces": len(faces), "undisturbed": clean, "bound": bound, "thresholds": thresholds,
        "refused_undisturbed": {name: refused(curves, key, thresholds[name]) for name, (_, key) in downwards.items()},
        "steps": {name: curve.by_step() for name, curve in curves.items()},
        "measures": {f"{name}/{key}": curve.by_measure(key) for name, curve in curves.items() for key in curve.measures},
        "exponents": {name: [(step, float(best_exponent(curve.probabilities[curve.step == index], curve.labels[curve.step == index])))
                             for index, step in enumerate(curve.steps)] for name, curve in curves.items()},
    }


def tell(result: dict) -> str:
    """The curves in lines, then the section of the configuration."""
    lines = [f"{result['faces']} faces: {result['undisturbed']:.3f} read as most voters did; bound {result['bound']:.3f}"]
    for name, points in result["steps"].items():
        powers = dict(result["exponents"][name])
        lines.append(f"{name:12}" + "  ".join(f"{step:g}:{accuracy:.3f}(^{powers[step]:.2f})" for step, accuracy in points))
    for name in ("blur/sharpness", "light/light", "light/contrast", "back_light/contrast"):
        lines.append(f"{name:20}" + "  ".join(f"{value:.3g}:{accuracy:.2f}" for value, accuracy in result["measures"][name]))
    lines.append("undisturbed faces refused: " + json.dumps({k: round(v, 4) for k, v in result["refused_undisturbed"].items()}))
    return "\n".join([*lines, "", "[readability]", *(f"{name} = {value:.3g}" for name, value in result["thresholds"].items())])


def main() -> None:
    """Measure and print; `--out` keeps the figures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--card", type=Path, required=True, help="model card of the expression network")
    parser.add_argument("--data", type=Path)
    parser.add_argument("--kept", type=float, default=0.9, help="share of the undisturbed accuracy that must be left")
    parser.add_argument("--every", type=int, default=1, help="use every n-th face")
    parser.add_argument("--out", type=Path, help="write all figures as JSON")
    args = parser.parse_args()
    faces = fer2013.read(args.data) if args.data and args.data.exists() else synthetic.faces(200)
    public = faces.select(np.flatnonzero(faces.usage == "PublicTest")[:: args.every])
    result = measure(Network.of(args.card), public, args.kept)
    if args.out:
        args.out.write_text(json.dumps(result, indent=1))
    print(tell(result))


if __name__ == "__main__":
    main()
