"""Muon: what it does to a matrix, and that it learns and resumes."""

import copy

import torch
from torch import nn

from moodtrain.muon import Muon, orthogonalized


def test_an_update_gets_even_singular_values_whatever_its_shape() -> None:
    torch.manual_seed(0)
    for shape in ((16, 4, 3, 3), (40, 8), (8, 40)):
        matrix = orthogonalized(torch.randn(shape)).reshape(shape[0], -1).float()
        values = torch.linalg.svdvals(matrix)
        assert values.min() > 0.5 and values.max() < 1.4, values


def net() -> nn.Module:
    torch.manual_seed(1)
    return nn.Sequential(nn.Conv2d(1, 16, 3), nn.BatchNorm2d(16), nn.ReLU(), nn.Flatten(), nn.Linear(16 * 36, 3))


def steps(model: nn.Module, optimizer: Muon, count: int) -> list[float]:
    x = torch.randn(24, 1, 8, 8, generator=torch.Generator().manual_seed(2))
    label, losses = torch.arange(24) % 3, []
    for _ in range(count):
        loss = nn.functional.cross_entropy(model(x), label)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def test_it_learns_and_goes_on_from_its_state() -> None:
    model = net()
    optimizer = Muon(model, 0.01, min_rows=8)
    assert [len(group["params"]) for group in optimizer.param_groups] == [1, 5], "the last layer has three rows: Adam"
    losses = steps(model, optimizer, 30)
    assert losses[-1] < 0.5 * losses[0]
    again = net()
    again.load_state_dict(model.state_dict())
    other = Muon(again, 0.01, min_rows=8)
    other.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    assert steps(again, other, 3) == steps(model, optimizer, 3)
