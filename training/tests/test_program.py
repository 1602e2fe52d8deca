"""The program's JSON, the negatives' collages."""

import stat
from pathlib import Path

import cv2
import numpy as np

from moodtrain.data import negatives
from moodtrain.heads import program

ANSWER = """#!/bin/sh
shift 6
echo '{"source":"'$2'","people":[]}'
echo '{"source":"'$1'","people":[{"head":[1,2,3,4],"head_score":0.5,"face":null,"face_score":0.04},
 {"head":[5,6,7,8],"head_score":0.4,"face":[5,6,2,2],"face_score":0.9}]}' | tr -d '\\n'
"""


def test_answers_come_back_in_the_order_of_the_pictures(tmp_path: Path) -> None:
    fake = tmp_path / "moodring"
    fake.write_text(ANSWER)
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    two, none = program.analyze(fake, tmp_path, [Path("a.webp"), Path("b.webp")])
    assert two.heads.tolist() == [[1, 2, 4, 6], [5, 6, 12, 14]] and two.faces[1].tolist() == [5, 6, 7, 8]
    assert none.heads.shape == none.faces.shape == (0, 4)


def test_negatives_are_photographs_and_collages_without_the_folders_left_out(tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for name, shape in (("room/wall.png", (600, 600, 3)), ("people/anna.png", (600, 600, 3)), ("fruit/pear.png", (90, 80, 4))):
        (tmp_path / name).parent.mkdir()
        picture = rng.integers(0, 256, shape, dtype=np.uint8)
        picture[:20, :20] = 0
        cv2.imwrite(str(tmp_path / name), picture)
    paths = [path for path in sorted(tmp_path.rglob("*.png")) if negatives.is_wanted(path)]
    photographs, cut_outs = negatives.read(paths)
    assert (len(photographs), len(cut_outs)) == (1, 1) and cut_outs[0].shape == (90, 80, 2)
    first, again = (negatives.collage(photographs, cut_outs, np.random.default_rng(3)) for _ in range(2))
    assert first.shape == (512, 512) and (first == again).all()
