"""What a model card says of readings, and the references that the program's own estimate is held against.

    python -m moodtrain.quantify.calibrate --faces FILE.csv --card models/expression.toml

measures the held-out faces of FILE.csv (moodtrain.quantify.probabilities) and writes `[quantification]` into the card.
"""

import argparse
import csv
import re
from pathlib import Path

import numpy as np

# Half a step of the INT8 softmax, as in crates/mood/src/quantify.rs.
FLOOR = 1 / 512
# Each row of the confusion is a mean over the faces of one class and so many more of the kind that the network itself
# expects: rare classes (disgust: six held-out faces) would be left to chance otherwise.
EXPECTED_FACES = 10


def floored(probabilities: np.ndarray) -> np.ndarray:
    """[N, C] probabilities -> the same, all positive, adding up to 1."""
    raised = np.clip(probabilities, 0, 1) + FLOOR
    return raised / raised.sum(1, keepdims=True)


def section(probabilities: np.ndarray, labels: np.ndarray) -> dict:
    """`[quantification]` of a card from readings [N, C] of faces of known class [N], none of which was learned."""
    read = floored(probabilities)
    classes = read.shape[1]
    expected = (read.T @ read) / read.sum(0)[:, None]
    rows = []
    for c in range(classes):
        own = read[labels == c]
        rows.append((own.sum(0) + EXPECTED_FACES * expected[c]) / (len(own) + EXPECTED_FACES))
    return {"faces": len(read), "prior": rounded(read.mean(0)), "confusion": [rounded(row) for row in rows]}


def rounded(shares: np.ndarray) -> list[float]:
    """Four decimals that still add up to 1."""
    result = np.round(shares, 4)
    result[result.argmax()] += 1 - result.sum()
    return [round(float(v), 4) for v in result]


def read_faces(path: Path, part: str, against: str = "ferplus") -> tuple[np.ndarray, np.ndarray]:
    """(probabilities [N, 7], labels [N]) of one part of the file; faces without a label are left out."""
    with path.open(newline="") as file:
        rows = [row for row in csv.DictReader(file) if row["part"] == part and int(row[against]) >= 0]
    names = list(rows[0])[3:] if rows else []
    return np.array([[float(row[name]) for name in names] for row in rows]), np.array([int(row[against]) for row in rows])


def write_section(card: Path, content: dict) -> None:
    """Put `[quantification]` into a card, in the place of an older one, and leave everything else as it is."""
    text = re.sub(r"(?ms)^(?:# Mean readings[^\n]*\n)?\[quantification\]\n.*?(?=^\[[a-z]|^# |\Z)", "", card.read_text()).rstrip("\n")
    rows = "\n".join(f"    {row}," for row in content["confusion"])
    card.write_text(f"""{text}

# Mean readings of held-out faces, by moodtrain.quantify.calibrate: of all, and of each true expression (FER+ majority).
[quantification]
faces = {content["faces"]}
prior = {content["prior"]}
confusion = [
{rows}
]
""")


def main() -> None:
    """Measure and write."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--faces", type=Path, required=True)
    parser.add_argument("--card", type=Path, required=True)
    args = parser.parse_args()
    write_section(args.card, section(*read_faces(args.faces, "held_out")))


if __name__ == "__main__":
    main()
