"""What the shipped expression network says of faces it never learned:
`python -m moodtrain.quantify.probabilities --card models/expression.toml --data DIR --out FILE.csv`.

One row a face: which part of the data it is of (`held_out`: the share of Training that is never learned; `test`:
PublicTest), its class by FER2013's label and by the FER+ majority (-1: none of the seven, or a tie), and the seven
probabilities of the head that the card names, as the daemon reads them. The file stays on this machine.
"""

import argparse
import csv
import tomllib
from pathlib import Path

import numpy as np
from tqdm import tqdm

from moodtrain import tflite
from moodtrain.data import fer2013, synthetic
from moodtrain.data.fer2013 import ferplus_majority
from moodtrain.expression.light import normalize_bytes
from moodtrain.expression.net import FER2013_CLASSES
from moodtrain.expression.targets import held_out

SEVEN = len(FER2013_CLASSES)
HEADER = ["part", "fer2013", "ferplus", *(name.lower() for name in FER2013_CLASSES)]


class Reader:
    """The network of a card, read as the daemon reads it (crates/vision/src/expression.rs)."""

    def __init__(self, card: Path):
        content = tomllib.loads(card.read_text())
        self.model = tflite.Model(card.parent / content["file"][0]["path"])
        self.normalizes = "normalization" in content["expression"]
        self.output = [output["name"] for output in content["output"]].index(content["expression"]["readout"])

    def read(self, image: np.ndarray) -> np.ndarray:
        """uint8 [48, 48] -> float [7], together 1."""
        answer = self.model.run(normalize_bytes(image) if self.normalizes else image)[self.output][:SEVEN].astype(np.float64)
        total = answer.sum()
        return answer / total if total > 0 else np.full(SEVEN, 1 / SEVEN)


def main() -> None:
    """Read every face that was not learned."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--card", type=Path, required=True)
    parser.add_argument("--data", type=Path, help="FER2013 with FER+ votes; without it a generated set is read")
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    faces = fer2013.read(args.data) if args.data and args.data.exists() else synthetic.faces(200)
    reader = Reader(args.card)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    with args.out.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        for part, chosen in (("held_out", held_out(faces)), ("test", faces.select(faces.usage == "PublicTest"))):
            majority = ferplus_majority(chosen.votes)
            for image, label, voted in zip(tqdm(chosen.images, desc=part), chosen.labels, majority, strict=True):
                writer.writerow([part, label, voted, *(f"{p:.6f}" for p in reader.read(image))])


if __name__ == "__main__":
    main()
