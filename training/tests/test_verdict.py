"""The verdict network: angles of the mesh, crops, samples and the network itself."""

from pathlib import Path

import numpy as np
import pytest
import torch

from moodtrain.data.classroom import Face, Picture
from moodtrain.heads.net import HeadsNet
from moodtrain.layers import multiply_accumulates
from moodtrain.verdict import crops, mesh, train
from moodtrain.verdict.net import SIDE, VerdictNet


def turned(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """Landmarks of a face in front of the camera, turned by angles in degrees: first upwards, then aside, then in the picture."""
    a, b, c = np.radians([yaw, pitch, roll])
    up = np.array([[1, 0, 0], [0, np.cos(b), np.sin(b)], [0, -np.sin(b), np.cos(b)]])
    aside = np.array([[np.cos(a), 0, -np.sin(a)], [0, 1, 0], [np.sin(a), 0, np.cos(a)]])
    within = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    points = np.zeros((468, 3))
    points[mesh.RIGHT_EYE], points[mesh.LEFT_EYE], points[mesh.FOREHEAD], points[mesh.CHIN] = [-5, -2, 0], [5, -2, 0], [0, -8, 0], [0, 8, 0]
    return points @ (within @ aside @ up).T


@pytest.mark.parametrize("wanted", [(0, 0, 0), (40, 0, 0), (0, 25, 0), (-30, -20, 0), (0, 0, 35)])
def test_angles_are_those_by_which_a_face_is_turned(wanted: tuple[float, float, float]) -> None:
    np.testing.assert_allclose(mesh.angles(turned(*wanted)), np.array(wanted) - [0, mesh.LEVEL_PITCH, 0], atol=0.5)


class FakeMesh:
    """Sees a face that looks to the right in every box."""

    def pose(self, luma: np.ndarray, box: np.ndarray) -> mesh.Pose:
        return mesh.Pose(0.99, 20.0, -10.0, 5.0, (0, 0, 1, 1))


def scene() -> tuple[Picture, np.ndarray]:
    heads = np.array([[40, 30, 80, 80], [100, 30, 140, 80], [150, 30, 160, 40]], np.float32)
    faces = np.array([[46, 40, 74, 78], [0] * 4, [0] * 4], np.float32)
    visible = np.array([Face.VISIBLE, Face.HIDDEN, Face.HIDDEN])
    luma = np.random.default_rng(0).integers(0, 256, (160, 200), dtype=np.uint8)
    return Picture(Path("x.png"), 200, 160, "B", "train", heads, faces, (visible == 1).astype(np.float32), visible), luma


def test_rows_say_what_is_known_of_each_head() -> None:
    picture, luma = scene()
    rows = crops.head_rows(picture, luma, FakeMesh(), ["head"] * 3, {}, False)
    assert [(r.face, r.covered) for r in rows] == [(1, 0), (0, crops.UNKNOWN)]  # the third head is too small
    assert rows[0].pose == (20.0, -10.0, 5.0) and np.isnan(rows[1].pose).all() and rows[0].pixels.shape == (80, 80)
    (burqa,) = crops.head_rows(picture, luma, FakeMesh(), ["x", "head_burqa", "x"], {}, False)[1:]
    assert (burqa.face, burqa.covered) == (0, 1)
    others = crops.other_rows(picture, luma, HeadsNet().eval(), np.random.default_rng(1), False, places=8)
    assert all(row.face == 0 and row.kind == "B/none" for row in others)


def test_samples_mirror_the_pose_and_hide_held_out_crops(tmp_path: Path) -> None:
    rows = [crops.Row(np.full((80, 80), 60 + i, np.uint8), 1, (20.0, -10.0, 0.0), 0, 40.0, "B/head", i == 0) for i in range(4)]
    crops.store(rows, tmp_path / "crops.npz")
    data, recipe = train.Crops(tmp_path / "crops.npz"), train.Recipe(batch=64, hand=0.5)
    weights = data.weights(3.0)
    assert weights[0] == 0 and weights.sum() == pytest.approx(1)
    x, face, covered, pose = train.draw(data, np.cumsum(weights), recipe, np.random.default_rng(2))
    assert x.shape == (64, 1, SIDE, SIDE) and 0 <= x.min() and x.max() <= 1
    assert set(np.round(pose[:, 0].numpy() * 30).tolist()) == {20.0, -20.0} and np.allclose(pose[:, 1], -1 / 3)
    assert set(covered.tolist()) == {0, 1} and ((face == 1) == (covered == 0)).all()
    again = train.draw(data, np.cumsum(weights), recipe, np.random.default_rng(2))
    assert torch.equal(x, again[0])


def test_network_is_small_and_its_figures_are_right() -> None:
    net = VerdictNet().eval()
    assert multiply_accumulates(net, (1, 1, SIDE, SIDE)) < 10e6
    verdict = net(torch.rand(3, 1, SIDE, SIDE))
    assert verdict.face.shape == (3,) and verdict.pose.shape == (3, 3)
    nothing = torch.full((3,), crops.UNKNOWN)
    total, _ = train.loss_of(verdict, nothing, nothing, torch.full((3, 3), float("nan")))
    assert float(total) == 0
    scores, labels = np.array([0.9, 0.8, 0.7, 0.1]), np.array([True, False, True, False])
    assert train.area_under_curve(scores, labels) == pytest.approx(0.75)
