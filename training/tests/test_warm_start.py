"""From the files that the daemon loads back to networks that can be trained."""

from pathlib import Path

import numpy as np
import pytest
import torch

from moodtrain import tflite
from moodtrain.data.synthetic import draw_face
from moodtrain.expression.light import normalize_bytes, to_input
from moodtrain.expression.net import plain_net, residual_net
from moodtrain.heads.net import HeadsNet
from moodtrain.warm_start import load_fused, read_layers, unfuse

SHIPPED = Path(__file__).parents[2] / "models" / "expression_48x48_int8.tflite"


def test_unfusing_keeps_the_function() -> None:
    torch.manual_seed(0)
    net = HeadsNet().eval()
    x = torch.rand(2, 1, 64, 64)
    before = net(x)[0].head_ltrb
    unfuse(net, [x, torch.rand(2, 1, 64, 64)])
    torch.testing.assert_close(net(x)[0].head_ltrb, before, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def test_the_shipped_int8_file_comes_back_as_a_network_that_answers_alike() -> None:
    faces = np.stack([draw_face(label % 7, np.random.default_rng(label)) for label in range(28)])
    net = residual_net().eval()
    load_fused(net, read_layers(SHIPPED), (1, 1, 48, 48))
    unfuse(net, [to_input(faces)])
    model = tflite.Model(SHIPPED)
    wanted = np.stack([model.run(face)[0] for face in normalize_bytes(faces)])
    found = net.eval()(to_input(faces))[0].softmax(1).numpy()
    assert np.abs(found - wanted).mean() < 0.02


def test_a_file_of_another_network_is_refused() -> None:
    with pytest.raises(ValueError, match="another network"):
        load_fused(plain_net(), read_layers(SHIPPED), (1, 1, 48, 48))
