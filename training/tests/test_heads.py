"""Boxes, decoding, assignment, samples, metrics and tiles of the detector."""

from pathlib import Path

import numpy as np
import pytest
import torch
from pycocotools.coco import COCO
from pycocotools.cocoeval import COCOeval

from moodtrain.data import classroom, synthetic
from moodtrain.data.classroom import Face, Picture, Pixels
from moodtrain.data.show import below_gap
from moodtrain.heads import blend, boxes, metrics
from moodtrain.heads.decode import Detections, decode
from moodtrain.heads.loss import HeadsLoss, Truth
from moodtrain.heads.metrics import Result
from moodtrain.heads.net import STRIDES, HeadsNet, Level
from moodtrain.heads.samples import Samples, cut, label_crop
from moodtrain.heads.tiles import read_tiled, read_whole, starts
from moodtrain.layers import multiply_accumulates


@pytest.fixture
def pictures(tmp_path):
    return synthetic.rooms(6, tmp_path)


def found(heads, scores) -> Detections:
    heads = np.array(heads, np.float32).reshape(-1, 4)
    return Detections(heads, np.array(scores, np.float32), np.ones(len(heads), np.float32), heads)


def test_network_fits_the_budget_and_gives_three_levels():
    net = HeadsNet()
    levels = net(torch.rand(1, 1, 64, 96))
    assert [tuple(level.head_ltrb.shape) for level in levels] == [(1, 4, 64 // s, 96 // s) for s in STRIDES]
    assert multiply_accumulates(net, (1, 1, 384, 640)) <= 250e6


def test_iou_and_suppression():
    three = np.array([[0, 0, 10, 10], [0, 0, 10, 5], [20, 20, 30, 30]], np.float32)
    np.testing.assert_allclose(boxes.iou(three, three)[0], [1, 0.5, 0], atol=1e-6)
    kept = boxes.suppress(np.concatenate([three, three[:1] + 1]), np.array([0.5, 0.3, 0.4, 0.9]), 0.5)
    assert kept.tolist() == [3, 2, 1]


def test_decode_places_a_box_around_its_cell():
    outputs = []
    for stride in STRIDES:
        side = 64 // stride
        outputs += [np.zeros((side, side, c), np.float32) for c in (1, 4, 1, 4)]
    outputs[4][1, 2, 0], outputs[5][1, 2] = 0.9, (1, 0.5, 2, 1)  # stride 16, centre (40, 24)
    outputs[6][1, 2, 0], outputs[7][1, 2] = 0.7, (-0.5, 0, 1, 0.5)
    result = decode(outputs)
    assert result.heads.tolist() == [[24, 16, 72, 40]] and result.faces.tolist() == [[48, 24, 56, 32]]
    assert result.scores[0] == pytest.approx(0.9) and result.face_scores[0] == pytest.approx(0.7)


def test_perfect_levels_have_almost_no_box_loss():
    loss = HeadsLoss(64, 64, torch.device("cpu"))
    head = np.array([[8, 8, 40, 40]], np.float32)
    truth = Truth(head, head, np.array([Face.VISIBLE]), np.zeros((0, 4), np.float32))
    levels, offset = [], 0
    for stride in STRIDES:
        side = 64 // stride
        centre = loss.centres[offset : offset + side * side]
        offset += side * side
        corner = torch.from_numpy(head)
        ltrb = (torch.cat([centre - corner[:, :2], corner[:, 2:] - centre], 1) / stride).T.reshape(1, 4, side, side)
        logit = torch.full((1, 1, side, side), 8.0)
        levels.append(Level(logit, ltrb, logit, ltrb))
    _, parts = loss(levels, [truth])
    assert parts["box"] < 0.01 and parts["face_box"] < 0.01 and parts["face"] < 0.01


def test_ignored_places_cost_nothing():
    loss = HeadsLoss(64, 64, torch.device("cpu"))
    none, everywhere = np.zeros((0, 4), np.float32), np.array([[0, 0, 64, 64]], np.float32)
    levels = [Level(torch.full((1, 1, 64 // s, 64 // s), 5.0), *(torch.zeros(1, c, 64 // s, 64 // s) for c in (4, 1, 4))) for s in STRIDES]
    known = loss(levels, [Truth(none, none, np.zeros(0, np.int64), none)])[0]
    ignored = loss(levels, [Truth(none, none, np.zeros(0, np.int64), everywhere)])[0]
    assert ignored == 0 and known > 1


def test_cut_fills_what_hangs_over_the_edge():
    crop = cut(np.full((20, 30), 7, np.uint8), -5, -5, 10, 20, 99)
    assert crop.shape == (20, 20) and crop[0, 0] == 99 and crop[-1, -1] == 7


def test_crop_labels_ignore_what_is_cut_off(pictures):
    picture = pictures[0]
    x1, y1, x2, y2 = picture.heads[0]
    truth = label_crop(picture, int(x1 + 0.8 * (x2 - x1)), 0, 200, 200)
    assert len(truth.heads) + len(truth.ignored) <= len(picture.heads)
    assert (truth.heads >= 0).all() and (truth.heads <= 200).all()


def test_samples_are_sound_and_repeatable(pictures, tmp_path):
    pixels = Pixels(pictures, tmp_path / "luma")
    negatives = [np.full((90, 70), 50, np.uint8)]
    streams = [Samples(pictures, pixels, 128, np.random.default_rng(5), negatives) for _ in range(2)]
    for _ in range(60):
        (x, truth), (again, _) = (stream.draw() for stream in streams)
        assert x.shape == (128, 128) and x.dtype == np.float32 and 0 <= x.min() and x.max() <= 1
        assert np.array_equal(x, again)
        assert len(truth.heads) == len(truth.faces) == len(truth.visible)
        assert truth.heads.dtype == truth.faces.dtype == np.float32
        assert (truth.heads[:, 2:] > truth.heads[:, :2]).all()


def test_pixels_come_back_as_stored(pictures, tmp_path):
    import cv2

    pixels = Pixels(pictures, tmp_path / "luma")
    assert np.array_equal(pixels[3], cv2.imread(str(pictures[3].file), cv2.IMREAD_GRAYSCALE))


def test_average_precision_of_a_perfect_and_a_half_blind_detector(pictures):
    perfect = [Result(p, found(p.heads, np.ones(len(p.heads)))) for p in pictures]
    assert metrics.head_curve(perfect).average == pytest.approx(1)
    half = [Result(p, found(p.heads[::2], np.ones(len(p.heads[::2])))) for p in pictures]
    share = sum(len(p.heads[::2]) for p in pictures) / sum(len(p.heads) for p in pictures)
    assert metrics.head_curve(half).average == pytest.approx(share)
    assert metrics.count_error(perfect, 0.5) == (0, 0)


def test_a_label_is_matched_once_and_other_sizes_are_ignored():
    truth = np.array([[0, 0, 10, 10], [50, 50, 90, 90]], np.float32)
    owner = metrics.match(np.concatenate([truth, truth[:1]]), np.array([0.9, 0.8, 0.7]), truth, np.array([False, True]))
    assert owner.tolist() == [0, -2, -1]


def test_hidden_recall_separates():
    scores = np.array([0.9, 0.8, 0.95, 0.1, 0.2])
    assert metrics.hidden_recall(scores, np.array([True, True, True, False, False]))[0] == 1


def test_teacher_faces_are_judged_by_score_and_place():
    heads = np.tile(np.array([[0, 0, 20, 24]], np.float32), (5, 1))
    faces = np.array([[4, 4, 16, 20], [4, 4, 16, 20], [30, 4, 42, 20], [0] * 4, [9, 9, 11, 12]], np.float32)
    visible = classroom.judge(heads, faces, np.array([0.9, 0.4, 0.9, 0.0, 0.9], np.float32))
    assert visible.tolist() == [Face.VISIBLE, Face.UNKNOWN, Face.UNKNOWN, Face.HIDDEN, Face.UNKNOWN]


def test_second_opinion_decides_doubt_and_drops_contradictions():
    entry = {"file": "x", "w": 99, "h": 99, "part": "A", "split": "train",
             "heads": [[0, 0, 20, 24]] * 4, "faces": [[4, 4, 16, 20, 0.9], [4, 4, 16, 20, 0.4], None, [4, 4, 16, 20, 0.4]]}
    picture = classroom.from_entry(classroom.Path("."), entry)
    agreed = classroom.agree(picture, np.array([0.05, 0.95, 0.95, np.nan]))
    assert agreed.visible.tolist() == [Face.UNKNOWN, Face.VISIBLE, Face.UNKNOWN, Face.UNKNOWN]


def test_published_form_is_read(tmp_path):
    root = tmp_path / "SCUT_HEAD_Part_A".replace("Part_A", "PartA")
    for folder in ("Annotations", "ImageSets/Main", "JPEGImages"):
        (root / folder).mkdir(parents=True)
    (root / "ImageSets/Main/train.txt").write_text("one\n")
    box = "<object><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>30</xmax><ymax>40</ymax></bndbox></object>"
    (root / "Annotations/one.xml").write_text(f"<annotation><size><width>99</width><height>50</height></size>{box}</annotation>")
    (picture,) = classroom.read(tmp_path)
    assert picture.heads.tolist() == [[1, 2, 30, 40]] and (picture.width, picture.part, picture.split) == (99, "A", "train")


@pytest.mark.parametrize("extent", [300, 672, 700, 1024, 1920])
def test_tiles_cover_everything_and_overlap(extent):
    positions = starts(extent, 672)
    assert positions[0] == 0 and positions[-1] + 672 >= extent
    assert all(b - a <= 672 - 96 for a, b in zip(positions, positions[1:]))


def test_tiled_and_whole_reading_find_a_bright_square():
    luma = np.zeros((500, 900), np.uint8)
    luma[200:220, 600:620] = 255

    def infer(tile: np.ndarray) -> Detections:
        y, x = np.nonzero(tile == 255)
        return found([[x.min(), y.min(), x.max() + 1, y.max() + 1]] if len(x) else [], [1.0] * bool(len(x)))

    assert read_tiled(infer, luma, 672, 384).heads.tolist() == [[600, 200, 620, 220]]
    whole = read_whole(infer, luma, 1800, 1000).heads
    np.testing.assert_allclose(whole, [[600, 200, 620, 220]], atol=1)


def test_average_precision_is_that_of_pycocotools():
    """COCO interpolates at 101 recalls and we take the area itself: they differ by less than a hundredth."""
    rng = np.random.default_rng(5)
    images, annotations, found, results = [], [], [], []
    for image in range(1, 31):
        corner = rng.uniform(0, 400, (12, 2))
        truth = np.hstack([corner, corner + rng.uniform(10, 80, (12, 1))]).astype(np.float32)
        boxes = np.concatenate([truth[:9] + rng.normal(0, 3, (9, 4)), truth[5:7] + 60]).astype(np.float32)
        scores = rng.random(len(boxes)).astype(np.float32)
        images.append({"id": image, "width": 600, "height": 600})
        for x1, y1, x2, y2 in truth.tolist():
            box = [x1, y1, x2 - x1, y2 - y1]
            annotations.append({"id": len(annotations) + 1, "image_id": image, "category_id": 1, "bbox": box,
                                "area": box[2] * box[3], "iscrowd": 0})
        for (x1, y1, x2, y2), score in zip(boxes.tolist(), scores.tolist()):
            found.append({"image_id": image, "category_id": 1, "bbox": [x1, y1, x2 - x1, y2 - y1], "score": score})
        zeros = np.zeros(len(truth), np.int64)
        picture = Picture(Path(f"{image}.png"), "A", "val", 600, 600, truth, truth.copy(), zeros.astype(np.float32), zeros)
        results.append(metrics.Result(picture, Detections(boxes, scores, scores, boxes)))
    labels = COCO()
    labels.dataset = {"images": images, "annotations": annotations, "categories": [{"id": 1}], "info": {}}
    labels.createIndex()
    theirs = COCOeval(labels, labels.loadRes(found), "bbox")
    theirs.params.iouThrs, theirs.params.maxDets = np.array([metrics.MATCH_IOU]), [1, 10, 256]
    theirs.evaluate()
    theirs.accumulate()
    precision = theirs.eval["precision"][0, :, 0, 0, -1]
    assert abs(precision[precision >= 0].mean() - metrics.head_curve(results).average) < 0.01


def test_a_mix_of_a_network_with_itself_is_the_same_network() -> None:
    torch.manual_seed(1)
    net = HeadsNet()
    batches = [torch.rand(4, 1, 64, 64) for _ in range(3)]
    blend.count_statistics(net, batches)
    before = net(batches[0])[0].head_logit
    other = HeadsNet()
    other.load_state_dict(blend.mix(net.state_dict(), net.state_dict(), 0.3))
    blend.count_statistics(other, batches)
    assert torch.allclose(other(batches[0])[0].head_logit, before, atol=1e-5) and not other.training
    halfway = blend.mix({"w": torch.zeros(2)}, {"w": torch.ones(2)}, 0.25)
    assert halfway["w"].tolist() == [0.25, 0.25]


def test_a_minority_far_below_everybody_is_figures_and_rows_are_people() -> None:
    figures = [10.0, 52, 48, 11, 60, 12, 50, 44]
    assert below_gap(np.array(figures), 3.0) == 3
    assert below_gap(np.array(figures), 4.0) == 0
    assert below_gap(np.array([3.0, 10, 40, 41, 42, 43, 44]), 3.0) == 2
    assert below_gap(np.array([100.0, 80, 60, 40, 25, 15, 10, 100, 80]), 3.0) == 0
    assert below_gap(np.array([10.0, 50, 51, 52, 53]), 3.0) == 0
    assert below_gap(np.zeros(0), 3.0) == 0
