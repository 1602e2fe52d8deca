"""The program measured on sets of rooms."""

import json
import stat
import tomllib
from pathlib import Path

import cv2
import numpy as np
import pytest

from moodtrain.heads import evaluate_rooms


def test_frames_show_the_head_at_the_wanted_size() -> None:
    luma = np.zeros((160, 200), np.uint8)
    luma[30:110, 40:100] = 255
    for size in ((640, 480), (1280, 720)):
        for share in (0.1, 0.45, 0.9):
            frame, head = evaluate_rooms.framed(luma, np.array([40, 30, 100, 110], np.float32), size, share)
            assert frame.shape == size[::-1] and head[3] - head[1] == pytest.approx(share * size[1], abs=0.1)
            x1, y1, x2, y2 = np.round(head.clip(0, [*size, *size])).astype(int)
            edge = 2 + size[1] // 60  # enlarged, an edge is as soft as a pixel was wide
            assert (frame[y1 + edge : y2 - edge, x1 + edge : x2 - edge] > 200).all()


def test_program_is_counted_by_set(tmp_path: Path) -> None:
    """A program that always tells of the head, of a second box in it, and of a face on the wall."""
    folder = tmp_path / "rooms/hijab_portraits"
    folder.mkdir(parents=True)
    boxes = [[40, 30, 100, 110, "head", "teacher2"]]
    images = [{"file": f"{i}.png", "w": 200, "h": 160, "boxes": boxes} for i in range(5)]
    (folder / "labels.json").write_text(json.dumps({"images": images}))
    for image in images:
        cv2.imwrite(str(folder / image["file"]), np.zeros((160, 200), np.uint8))
    people = [{"head": box, "head_score": 0.9, "face": None, "face_score": 0.9, "verdict": verdict}
              for box, verdict in (([40, 30, 60, 80], "ok"), ([60, 60, 40, 50], "turned"), ([150, 10, 30, 40], "ok"))]
    fake = tmp_path / "moodring"
    lines = json.dumps({"people": people})
    fake.write_text(f"#!/bin/sh\nshift 4\nfor file; do echo '{lines}' | sed \"s|{{|{{\\\"source\\\": \\\"$file\\\", |\"; done\n")
    fake.chmod(fake.stat().st_mode | stat.S_IXUSR)
    figures = evaluate_rooms.measure_sets(fake, "", tmp_path / "rooms", whole=False)["hijab_portraits"]
    assert figures["pictures"] == figures["heads"] == 1 and figures["recall"] == 1
    assert (figures["false"], figures["doubles"], figures["read_on_nothing"]) == (2, 1, 1)


def test_figures_go_into_the_card(tmp_path: Path) -> None:
    path = tmp_path / "heads.toml"
    path.write_text('name = "heads"\n[accuracy]\nmeasured_on = "x"\n')
    figures = evaluate_rooms.Figures(pictures=2, complete=1).as_dict()
    evaluate_rooms.write_to_card(path, {"sets": {"negatives": figures}, "light": {"0.12": 0.9}})
    accuracy = tomllib.loads(path.read_text())["accuracy"]
    assert accuracy["rooms"]["negatives"]["false"] == 0 and "recall" not in accuracy["rooms"]["negatives"]
    assert accuracy["heads_by_light"] == {"0.12": 0.9} and accuracy["measured_on"] == "x"
