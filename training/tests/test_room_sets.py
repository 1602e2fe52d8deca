"""Sets of rooms: the split, their labels, what is drawn over heads."""

import json
import os
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch

from moodtrain.data import room_sets, synthetic
from moodtrain.data.classroom import Face, Picture, Pixels
from moodtrain.data.room_sets import Entry
from moodtrain.heads import metrics, propose
from moodtrain.heads.covering import cover, mask_faces
from moodtrain.heads.decode import Detections
from moodtrain.heads.loss import HeadsLoss, Truth
from moodtrain.heads.metrics import Result
from moodtrain.heads.net import STRIDES, Level
from moodtrain.heads.samples import Samples, darken, drawn_mark, label_crop

HOLDOUT = Path(__file__).parents[1] / "rooms_holdout.txt"


def write_set(folder: Path, images: list[dict], seed: int = 0) -> Path:
    """A set of small noise pictures with the given entries."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for entry in images:
        cv2.imwrite(str(folder / entry["file"]), rng.integers(0, 256, (entry["h"], entry["w"]), dtype=np.uint8))
    (folder / "labels.json").write_text(json.dumps({"name": folder.name, "images": images}))
    return folder


def entry(number: int, boxes: list, **fields: object) -> dict:
    return {"file": f"{number}.png", "w": 200, "h": 160, "group": f"g{number // 2}", "boxes": boxes, **fields}


def picture(**changes: object) -> Picture:
    head = np.array([[40, 30, 100, 110]], np.float32)
    face = np.array([[50, 50, 90, 105]], np.float32)
    plain = Picture(Path("x.png"), 200, 160, "veils", "train", head, face, np.ones(1, np.float32), np.array([Face.VISIBLE]))
    return replace(plain, **changes)


def test_a_source_lies_on_one_side_and_a_fifth_is_held_out(tmp_path: Path) -> None:
    folder = write_set(tmp_path / "veils", [entry(i, []) for i in range(40)])
    learned, held = room_sets.split(folder)
    assert not {e.source for e in learned} & {e.source for e in held}
    assert (len(learned), len(held)) == (32, 8)
    assert room_sets.held_out_sources(["only"] * 9) == {"only"}
    assert room_sets.held_out_sources([*["big"] * 60, *(f"s{i}" for i in range(40))]) & {"big"} == set()


def test_sittings_before_a_camera_are_sources() -> None:
    names = ["a/WIN_20260602_19_42_18_Pro.jpg", "b/WIN_20260602_19_44_30_Pro.jpg", "a/WIN_20260602_20_10_59_Pro (2).jpg", "a/WhatsApp Image 2.jpeg"]
    sources = [room_sets.source_of("webcam_closeups", {"path": name, "file": "x"}) for name in names]
    assert sources == ["20260602_19_4", "20260602_19_4", "20260602_20_1", "WhatsApp"]


def test_private_labels_are_not_learned(tmp_path: Path) -> None:
    boxes = [[20, 20, 60, 70, "face", "human"], [15, 5, 65, 72, "head", "human_private"]]
    folder = write_set(tmp_path / "mask_crowds", [entry(0, boxes), entry(1, boxes, licence="private project")])
    (only,) = room_sets.entries(folder)
    learned = room_sets.to_picture(only, "train")
    np.testing.assert_allclose(learned.heads, [[14.8, 0, 65.2, 71.5]], atol=0.1)  # grown from the face
    assert learned.visible.tolist() == [Face.VISIBLE] and not learned.complete


def test_what_is_known_of_faces(tmp_path: Path) -> None:
    boxes = [
        [0, 0, 50, 60, "head", "teacher_seen"], [8, 15, 42, 58, "face", "teacher", 0.9],
        [60, 0, 110, 60, "head", "teacher_seen"], [120, 0, 170, 60, "head_niqab", "human"],
        [0, 80, 50, 140, "head", "teacher"], [5, 95, 45, 138, "face_mask", "human"], [60, 80, 110, 140, "head_burqa", "human"],
        [150, 100, 190, 150, "ignore", "teacher", 0.5],
    ]
    found = room_sets.to_picture(Entry("school_scenes", "a", tmp_path / "x", entry(0, boxes, checked=True)), "val")
    assert found.visible.tolist() == [Face.VISIBLE, Face.HIDDEN, Face.UNKNOWN, Face.UNKNOWN, Face.HIDDEN]
    assert found.ignored.tolist() == [[150, 100, 190, 150]] and found.complete and found.part == "school_scenes"


def test_incomplete_labels_leave_the_rest_of_a_picture_open() -> None:
    open_labels, complete = (label_crop(picture(complete=c), 0, 0, 160, 160) for c in (False, True))
    np.testing.assert_allclose(open_labels.known, [[4, 0, 136, 160]])
    assert complete.known.tolist() == [[0, 0, 160, 160]]
    loss = HeadsLoss(64, 64, torch.device("cpu"))
    none = np.zeros((0, 4), np.float32)
    levels = [Level(torch.full((1, 1, 64 // s, 64 // s), 5.0), *(torch.zeros(1, c, 64 // s, 64 // s) for c in (4, 1, 4))) for s in STRIDES]
    parts = [np.array([[0, 0, 64, 64]], np.float32), np.array([[0, 0, 32, 32]], np.float32), none]
    whole, quarter, nothing = (float(loss(levels, [Truth(none, none, np.zeros(0, np.int64), none, known)])[0]) for known in parts)
    assert nothing == 0 and quarter == pytest.approx(whole / 4)


def test_giant_heads_are_not_boxed_and_ignored_places_travel() -> None:
    truth = label_crop(picture(ignored=np.array([[120, 20, 150, 60]], np.float32)), 45, 35, 50, 160)
    assert len(truth.heads) == 0
    whole = label_crop(picture(ignored=np.array([[120, 20, 150, 60]], np.float32)), 0, 0, 200, 200)
    assert whole.ignored.tolist() == [[120, 20, 150, 60]]


def test_cloth_keeps_the_boxes_and_the_face() -> None:
    rng = np.random.default_rng(3)
    changed = 0.0
    for _ in range(30):
        luma = np.full((160, 200), 128, np.uint8)
        truth = label_crop(picture(), 0, 0, 200, 200)
        before = truth.heads.copy()
        cover(luma, truth, rng, 1.0)
        assert np.array_equal(truth.heads, before) and truth.visible.tolist() == [Face.VISIBLE]
        face = luma[70:90, 62:78].astype(int)
        assert np.abs(face - 128).max() <= 2
        changed += float((luma != 128).mean())
    assert changed > 1


def test_a_mask_makes_the_face_unknown() -> None:
    luma, truth = np.full((200, 200), 128, np.uint8), label_crop(picture(), 0, 0, 200, 200)
    mask_faces(luma, truth, np.random.default_rng(1), 1.0)
    assert truth.visible.tolist() == [Face.UNKNOWN] and (luma[85:100, 60:80] != 128).any() and (luma[:70] == 128).all()


def test_darkness_and_marks_are_sound() -> None:
    rng = np.random.default_rng(2)
    dark = [darken(np.full((32, 32), 0.8, np.float32), rng) for _ in range(40)]
    assert min(float(x.mean()) for x in dark) < 0.1 and all(x.min() >= 0 and x.max() <= 1 for x in dark)
    marks = [drawn_mark(24, rng) for _ in range(20)]
    assert all(mark.shape == (24, 24) and mark.dtype == np.uint8 for mark in marks) and np.mean([mark.std() for mark in marks]) > 5


def test_samples_of_rooms_are_repeatable(tmp_path: Path) -> None:
    boxes = [[40, 30, 100, 110, "head_chador", "human"], [50, 50, 90, 105, "face", "teacher"]]
    for name in ("veils", "hijab_portraits"):
        write_set(tmp_path / name, [entry(i, boxes) for i in range(12)])
    learned, held = room_sets.read(tmp_path)
    assert {p.part for p in learned} == {"veils", "hijab_portraits"} and {p.split for p in held} == {"val"}
    pictures = synthetic.rooms(4, tmp_path / "rooms") + learned
    pixels = Pixels(pictures, tmp_path / "luma")
    streams = [Samples(pictures, pixels, 128, np.random.default_rng(5), None, [np.full((90, 70), 50, np.uint8)]) for _ in range(2)]
    parts = 0
    for _ in range(60):
        (x, truth), (again, _) = (stream.draw() for stream in streams)
        assert np.array_equal(x, again) and 0 <= x.min() and x.max() <= 1
        assert (truth.heads[:, 2:] > truth.heads[:, :2]).all() and len(truth.heads) == len(truth.visible)
        parts += len(truth.known) > 0
    assert parts > 30


def test_boxes_on_ignored_places_are_not_false() -> None:
    boxes = np.array([[40, 30, 100, 110], [120, 20, 150, 60], [160, 100, 190, 150]], np.float32)
    found = Detections(boxes, np.full(3, 0.9, np.float32), np.ones(3, np.float32), boxes)
    result = Result(picture(ignored=np.array([[120, 20, 150, 60]], np.float32)), found)
    assert metrics.found_and_false([result], 0.5) == (1, 1, 1)


def test_proposals_complete_the_labels() -> None:
    before = picture(complete=False, ignored=np.array([[120, 20, 150, 60], [160, 100, 190, 150]], np.float32))
    rows = [[42, 31, 101, 108, 0.9], [60, 60, 95, 108, 0.9], [121, 20, 150, 61, 0.8], [5, 5, 20, 25, 0.9], [0, 60, 20, 80, 0.3]]
    after = propose.complete(before, np.array(rows, np.float32))
    np.testing.assert_allclose(after.heads, [[40, 30, 100, 110], rows[2][:4], rows[3][:4]])
    np.testing.assert_allclose(after.ignored, [[160, 100, 190, 150], rows[4][:4]])
    assert after.complete and after.visible.tolist() == [Face.VISIBLE, Face.UNKNOWN, Face.UNKNOWN] and len(after.faces) == 3
    untouched = propose.complete(before, np.zeros((0, 5), np.float32))
    assert len(untouched.heads) == 1 and len(untouched.ignored) == 2


def test_the_written_split_is_that_of_the_data() -> None:
    rooms = Path(os.environ.get("ROOMS", ""))
    if not os.environ.get("ROOMS") or not room_sets.set_folders(rooms):
        pytest.skip("no sets of rooms: set ROOMS to their folder to compare them with rooms_holdout.txt")
    assert room_sets.describe_split(rooms) == HOLDOUT.read_text()
