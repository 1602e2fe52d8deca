"""QuaPy's estimates of the classes that the program drew:
`python -m moodtrain.quantify.reference --faces FILE.csv --classes FILE.csv --card CARD --out FILE.json`,
and the golden numbers of the program's tests: `python -m moodtrain.quantify.reference --golden tests/golden/quapy.json`.

A class is a line: its size, then the rows (of the tested faces, from 0) that sit in it. EMQ and PACC get the very
probabilities, prior and confusion that the program gets.
"""

import argparse
import json
import tomllib
from functools import partial
from pathlib import Path
from unittest import mock

import numpy as np
from quapy import functional
from quapy.method.aggregative import ACC, EMQ
from scipy import optimize
from tqdm import tqdm

from moodtrain.quantify.calibrate import floored, read_faces, section


def emq(posteriors: np.ndarray, prior: np.ndarray, epsilon: float = EMQ.EPSILON) -> np.ndarray:
    """QuaPy's EM of Saerens et al.; its own stopping rule unless told otherwise."""
    return EMQ.EM(np.array(prior), posteriors, epsilon)[0]


def pacc(posteriors: np.ndarray, confusion: np.ndarray) -> np.ndarray:
    """QuaPy's PACC with its default solver and normalization; rows of `confusion` are true classes."""
    solved = ACC.solve_adjustment(np.array(confusion).T, posteriors.mean(0), method="inversion", solver="minimize")
    return functional.normalize_prevalence(solved, method="clip")


def errors(classes: list[np.ndarray], faces: np.ndarray, labels: np.ndarray, card: dict) -> dict:
    """Mean absolute error of both methods by size of class."""
    found: dict[str, dict[str, list[float]]] = {}
    for rows in tqdm(classes):
        truth = np.bincount(labels[rows], minlength=faces.shape[1]) / len(rows)
        said = {"emq": emq(faces[rows], card["prior"]), "pacc": pacc(faces[rows], card["confusion"])}
        for method, shares in said.items():
            found.setdefault(str(len(rows)), {}).setdefault(method, []).append(float(np.abs(shares - truth).mean()))
    return {size: {method: float(np.mean(e)) for method, e in by_method.items()} for size, by_method in found.items()}


def golden(seed: int = 5) -> dict:
    """Classes of generated readings, and what QuaPy makes of them, run until nothing moves any more."""
    rng = np.random.default_rng(seed)
    likeness = np.eye(7) * 6 + 1
    likeness[1, 0] += 4  # one class is mostly taken for another, as disgust is for anger

    def faces(labels: np.ndarray) -> np.ndarray:
        return floored(np.stack([rng.dirichlet(0.4 * likeness[label]) for label in labels]))

    known = rng.choice(7, 4000, p=[0.12, 0.08, 0.1, 0.22, 0.13, 0.1, 0.25])
    card = section(faces(known), known)
    cases = []
    for size in (10, 30, 30, 50):
        posteriors = np.round(faces(rng.choice(7, size, p=rng.dirichlet(np.ones(7)))), 6)
        exact = {"emq": emq(posteriors, card["prior"], 1e-10), "pacc": pacc_exactly(posteriors, card["confusion"])}
        cases.append({"posteriors": posteriors.tolist(), **{k: np.round(v, 6).tolist() for k, v in exact.items()}})
    return {"command": "python -m moodtrain.quantify.reference --golden tests/golden/quapy.json", "card": card, "cases": cases}


def pacc_exactly(posteriors: np.ndarray, confusion: np.ndarray) -> np.ndarray:
    """`pacc` searched to the end: by itself SciPy's search stops when the loss changes by less than 1e-6, which leaves single
    shares uncertain by a hundredth."""
    patient = partial(optimize.minimize, options={"ftol": 1e-14, "maxiter": 2000})
    with mock.patch("scipy.optimize.minimize", patient):
        return pacc(posteriors, confusion)


def main() -> None:
    """Write the golden numbers, or the errors on classes drawn by the program."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--golden", type=Path)
    parser.add_argument("--faces", type=Path)
    parser.add_argument("--classes", type=Path)
    parser.add_argument("--card", type=Path)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    if args.golden:
        args.golden.write_text(json.dumps(golden()) + "\n")
        return
    probabilities, labels = read_faces(args.faces, "test")
    classes = [np.array([int(v) for v in line.split(",")[1:]]) for line in args.classes.read_text().splitlines()]
    card = tomllib.loads(args.card.read_text())["quantification"]
    args.out.write_text(json.dumps(errors(classes, floored(probabilities), labels, card), indent=1) + "\n")


if __name__ == "__main__":
    main()
