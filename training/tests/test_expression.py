"""The expression networks, augmentation, conditions, calibration."""

import numpy as np
import pytest
import torch
import torchvision

from moodtrain import calibration
from moodtrain.data import synthetic
from moodtrain.expression import augment as cameras
from moodtrain.expression.conditions import CONDITIONS
from moodtrain.expression.evaluate import Answers, measure
from moodtrain.expression.net import NETS, fuse, start_from
from moodtrain.expression.train import soft_cross_entropy
from moodtrain.layers import multiply_accumulates


@pytest.mark.parametrize("name", ["residual", "plain", "depthwise"])
def test_networks_fit_the_budget_and_have_two_heads(name):
    net = NETS[name]()
    seven, eight = net(torch.rand(2, 1, 48, 48))
    assert seven.shape == (2, 7) and eight.shape == (2, 8)
    assert multiply_accumulates(fuse(net), (1, 1, 48, 48)) <= 70e6


def test_fusing_does_not_change_the_function():
    torch.manual_seed(0)
    net = NETS["plain"]()
    x = torch.rand(4, 1, 48, 48)
    for _ in range(3):
        net(x)
    net.eval()
    before = net(x)
    for a, b in zip(before, fuse(net)(x)):
        torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("strength", [1.0, 0.5])
def test_augmentation_keeps_shape_and_range_and_is_repeatable(strength):
    images = torch.from_numpy(synthetic.faces(40).images)[:, None]
    torch.manual_seed(3)
    first = cameras.augment(images, strength)
    torch.manual_seed(3)
    assert torch.equal(first, cameras.augment(images, strength))
    assert first.shape == (48, 1, 48, 48) and first.min() >= 0 and first.max() <= 1


def test_mixing_keeps_targets_distributions():
    torch.manual_seed(0)
    x, (target,) = cameras.mix(torch.rand(8, 1, 48, 48), [torch.eye(7)[torch.arange(8) % 7]])
    torch.testing.assert_close(target.sum(1), torch.ones(8))
    assert x.shape == (8, 1, 48, 48)


@pytest.mark.parametrize("name", CONDITIONS)
def test_conditions_start_undisturbed_and_keep_the_form(name):
    face = synthetic.faces(5).images[0]
    _, change, steps = CONDITIONS[name]
    changed = [change(face, step) for step in steps]
    assert all(c.shape == (48, 48) and c.dtype == np.uint8 for c in changed)
    distance = [np.abs(c.astype(int) - face).mean() for c in changed]
    assert distance[0] <= distance[-1] and distance[-1] > 2


def test_soft_cross_entropy_of_a_label_is_cross_entropy():
    logits = torch.randn(5, 7)
    labels = torch.tensor([0, 1, 2, 3, 6])
    expected = torch.nn.functional.cross_entropy(logits, labels, reduction="none")
    torch.testing.assert_close(soft_cross_entropy(logits, torch.eye(7)[labels]), expected)


def test_scaling_mends_overconfidence_and_bias():
    rng = np.random.default_rng(0)
    logits = rng.normal(0, 1, (4000, 7))
    labels = np.array([rng.choice(7, p=p) for p in calibration.softmax(logits)])
    off = np.array([0.6, 0, 0, 0, 0, -0.6, 0])
    temperature, bias = calibration.fit_scaling((logits - off) * 2.5, labels)
    assert temperature == pytest.approx(2.5, rel=0.1)
    assert np.abs(bias - off).max() < 0.15
    shy, _ = calibration.fit_scaling((logits - off) * 2.5, labels, pull=1e6)
    assert np.isfinite(shy)
    assert calibration.expected_calibration_error(calibration.softmax(logits), labels) < 0.03
    assert calibration.expected_calibration_error(calibration.softmax(logits * 2.5), labels) > 0.2


def test_confusion_has_labels_in_rows():
    table = calibration.confusion(np.array([1, 1, 0]), np.array([0, 1, 0]), 3)
    assert table.tolist() == [[1, 1, 0], [0, 1, 0], [0, 0, 0]]
    recall = calibration.recalls(table)
    assert recall[:2].tolist() == [0.5, 1.0] and np.isnan(recall[2])


def test_perfect_answers_measure_as_perfect():
    faces = synthetic.faces(70)
    seven = np.eye(7)[faces.labels]
    figures = measure(Answers(seven, np.concatenate([seven, np.zeros((len(seven), 1))], 1)), faces)
    assert figures["fer2013"]["accuracy"] == 1 and figures["fer2013"]["ece"] == pytest.approx(0)
    assert figures["ferplus_majority"]["accuracy"] == 1


def test_resnet50_starts_from_torchvisions_weights_and_refuses_others(tmp_path) -> None:
    torch.manual_seed(0)
    published = torchvision.models.resnet50(weights=None).state_dict()
    torch.save(published, tmp_path / "resnet50.pth")
    net = NETS["resnet50"]()
    start_from(net, tmp_path / "resnet50.pth")
    assert torch.equal(net.features.body.layer4[2].conv3.weight, published["layer4.2.conv3.weight"])
    assert [o.shape for o in net.eval()(torch.rand(2, 1, 48, 48))] == [(2, 7), (2, 8)]
    with pytest.raises(ValueError, match="neither a checkpoint"):
        start_from(NETS["plain"](), tmp_path / "resnet50.pth")
