"""Teachers, the parts of Training they never saw, and targets moved towards their answers."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from moodtrain.data import synthetic
from moodtrain.expression import targets as labels
from moodtrain.expression.net import ExpressionNet
from moodtrain.expression.train import Recipe, Teachers, Trainer, blend


class Sure(ExpressionNet):
    """Always sure of one class, whatever it sees; counts its questions."""

    def __init__(self, expression: int):
        super().__init__(torch.nn.Identity(), 1)
        self.expression, self.asked = expression, 0

    def forward(self, x):
        self.asked += 1
        return tuple(torch.full((len(x), n), -20.0).index_fill(1, torch.tensor(self.expression), 20.0) for n in (7, 8))


def test_only_the_network_that_never_saw_a_part_answers_for_it():
    nets = [Sure(0), Sure(3)]
    seven, eight = Teachers(nets, folds=2).answer(torch.rand(4, 1, 48, 48), 1)
    assert (seven.argmax(1) == 3).all() and (eight.argmax(1) == 3).all()
    assert (nets[0].asked, nets[1].asked) == (0, 2), "each face and its mirror image"


def test_without_parts_all_answer_and_their_mean_counts():
    seven, _ = Teachers([Sure(0), Sure(3)], folds=0).answer(torch.rand(2, 1, 48, 48), 0)
    torch.testing.assert_close(seven[:, [0, 3]], torch.full((2, 2), 0.5))


def test_a_part_without_a_teacher_is_refused():
    with pytest.raises(ValueError, match="3 teachers for 2 parts"):
        Teachers([Sure(0)] * 3, folds=2)


def test_targets_stay_distributions_and_faces_without_votes_take_the_answer():
    goals = [torch.eye(7)[:2], torch.stack([torch.eye(8)[1], torch.zeros(8)]), torch.tensor([1.0, 0.0])]
    answers = [torch.full((2, 7), 1 / 7), torch.full((2, 8), 1 / 8)]
    seven, eight, voted = blend(goals, answers, 0.6)
    torch.testing.assert_close(seven.sum(1), torch.ones(2))
    torch.testing.assert_close(eight.sum(1), torch.ones(2))
    torch.testing.assert_close(eight[1], answers[1][1])
    torch.testing.assert_close(voted, torch.tensor([1.0, 0.6]))


def test_each_batch_comes_from_one_part_and_no_face_twice():
    rng = np.random.default_rng(0)
    folds = rng.integers(0, 3, 200)
    order = labels.order_in_folds(rng.permutation(200), folds, 8, rng)
    assert len(set(order)) == len(order) and len(order) > 170
    assert all(len(set(folds[order[i : i + 8]])) == 1 for i in range(0, len(order), 8))


def test_a_student_learns_from_those_who_never_saw_the_face(tmp_path):
    train, _ = labels.split(labels.build_targets(synthetic.faces(120)))
    recipe = replace(Recipe(), net="depthwise", epochs=1, batch=8, folds=2, distill=0.9)
    nets = [Sure(0), Sure(3)]
    trainer = Trainer(recipe, train, tmp_path, torch.device("cpu"), Teachers(nets, 2))
    assert np.isfinite(trainer.train_epoch())
    assert nets[0].asked > 0 and nets[1].asked > 0
