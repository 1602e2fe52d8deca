"""The pictures read by the program itself, `moodring analyze --json`: its scaling, its tiles, its decoding."""

import json
import subprocess
import tempfile
from pathlib import Path

import numpy as np

from moodtrain.data.classroom import Picture
from moodtrain.heads.decode import Detections
from moodtrain.heads.metrics import Result

ROOT = Path(__file__).parents[3]
MIN_SCORE = 0.05  # the program takes no lower threshold
MODELS = """[models]
directory = "{models}"
"""
CONFIG = MODELS + """[vision]
face_score = {least}
[mood]
mode = "occupancy"
"""


def corners(box: list[float] | None) -> list[float]:
    """[x, y, width, height] as the program says it -> [x1, y1, x2, y2]; nothing for a face that is not there."""
    x, y, width, height = box or [0.0] * 4
    return [x, y, x + width, y + height]


def detections(people: list[dict]) -> Detections:
    """The people of one line of JSON."""
    rows = [(corners(p["head"]), p["head_score"], p["face_score"], corners(p["face"])) for p in people]
    heads, scores, face_scores, faces = zip(*rows) if rows else ([], [], [], [])
    return Detections(
        np.array(heads, np.float32).reshape(-1, 4), np.array(scores, np.float32),
        np.array(face_scores, np.float32), np.array(faces, np.float32).reshape(-1, 4),
    )


def people(program: Path, config: str, files: list[Path], *options: str) -> list[list[dict]]:
    """The people that `program` tells of in each of `files`, in their order; `config` is the text of its configuration."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "moodring.toml"
        path.write_text(config)
        command = [str(program.resolve()), "analyze", "--json", *options, "--config", str(path)]
        paths = [str(file.resolve()) for file in files]
        # From the root of the project, because a program that is not installed looks for LiteRT below it.
        done = subprocess.run([*command, *paths], check=True, stdout=subprocess.PIPE, text=True, cwd=root_of(program))
    found = {line["source"]: line["people"] for line in map(json.loads, done.stdout.splitlines())}
    return [found[path] for path in paths]


def root_of(program: Path) -> Path:
    """The project in whose target/ the program lies; else this one."""
    folders = program.resolve().parents
    return next((folder.parent for folder in folders if folder.name == "target"), ROOT)


def analyze(program: Path, models: Path, files: list[Path]) -> list[Detections]:
    """What `program` finds in `files` with the cards in `models`, in their order, down to the lowest score."""
    config = CONFIG.format(models=models.resolve(), least=MIN_SCORE)
    return [detections(each) for each in people(program, config, files, "--min-score", str(MIN_SCORE))]


def read_all(program: Path, models: Path, pictures: list[Picture]) -> list[Result]:
    """Every picture through the program."""
    found = analyze(program, models, [picture.file for picture in pictures])
    return [Result(picture, each) for picture, each in zip(pictures, found, strict=True)]
