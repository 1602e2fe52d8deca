"""Schedules, checkpoints, exactly resumed runs, cards and reports."""

import tomllib
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from moodtrain import card, figures, report, run, tflite
from moodtrain.data import synthetic
from moodtrain.expression import train as expression
from moodtrain.expression.targets import build_targets, split
from moodtrain.heads import train as heads


def test_schedule_warms_up_stays_and_cools_down():
    rates = [run.learning_rate_factor(step, 100, 10, 0.4) for step in range(100)]
    assert rates[0] == pytest.approx(0.1) and rates[9] == 1 and rates[59] == 1
    assert all(a > b for a, b in zip(rates[61:], rates[62:])) and rates[-1] < 0.03


def test_a_longer_run_does_not_change_its_plateau():
    assert run.learning_rate_factor(50, 100, 10, 0.4) == run.learning_rate_factor(50, 1000, 10, 0.4)


def test_checkpoint_is_replaced_whole(tmp_path):
    run.save_atomically({"a": 1}, tmp_path / "last.pt")
    run.save_atomically({"a": 2}, tmp_path / "last.pt")
    assert run.Checkpoints(tmp_path).load() == {"a": 2}
    assert [p.name for p in tmp_path.iterdir()] == ["last.pt"]


def test_expression_run_resumes_to_the_same_weights(tmp_path):
    train, _ = split(build_targets(synthetic.faces(40)))
    recipe = expression.Recipe(net="depthwise", epochs=2, batch=8)
    whole = expression.Trainer(recipe, train, tmp_path, torch.device("cpu"), None)
    whole.train_epoch()
    state = whole.state()
    torch.save(state, tmp_path / "state.pt")
    whole.train_epoch()
    again = expression.Trainer(replace(recipe, seed=9), train, tmp_path, torch.device("cpu"), None)
    again.resume(torch.load(tmp_path / "state.pt", weights_only=False))
    again.train_epoch()
    for a, b in zip(whole.net.state_dict().values(), again.net.state_dict().values()):
        torch.testing.assert_close(a, b)


def test_heads_run_resumes_to_the_same_weights(tmp_path):
    learned, _ = heads.read_pictures(None, None, 8, tmp_path)
    pixels = heads.Pixels(learned, tmp_path / "luma")
    recipe = heads.Recipe(steps=4, batch=2, side=96, warmup=1)
    whole = heads.Trainer(recipe, learned, pixels, tmp_path, torch.device("cpu"))
    whole.train_step()
    torch.save(whole.state(), tmp_path / "state.pt")
    whole.train_step()
    again = heads.Trainer(replace(recipe, seed=9), learned, pixels, tmp_path, torch.device("cpu"))
    again.resume(torch.load(tmp_path / "state.pt", weights_only=False))
    again.train_step()
    for a, b in zip(whole.net.state_dict().values(), again.net.state_dict().values()):
        torch.testing.assert_close(a, b)


class FakeModel:
    """A model with the given input quantization."""

    def __init__(self, path: Path, scale: float):
        self.path, self.width, self.height, self.is_int8 = path, 48, 48, True
        self.input = {"quantization": (scale, -128)}
        self.outputs = [{"quantization": (1 / 256, -128), "dtype": np.int8, "shape": np.array([1, 7])}]


def test_card_holds_what_the_daemon_reads(tmp_path, monkeypatch):
    file = tmp_path / "x_int8.tflite"
    file.write_bytes(b"model")
    monkeypatch.setattr(tflite, "Model", lambda path: FakeModel(path, 1 / 255))
    card.write(tmp_path / "card.toml", card.describe("expression", "Reads.", [file], ["fer2013"], {"accuracy": {"fer2013": 0.5}}))
    read = tomllib.loads((tmp_path / "card.toml").read_text())
    assert read["file"][0]["sha256"] == tflite.sha256(file) and read["file"][0]["width"] == 48
    assert read["input"]["zero_point"] == -128 and read["output"][0]["name"] == "fer2013" and read["output"][0]["channels"] == 7
    known = {"name", "version", "task", "license", "description", "file", "input", "output", "training", "accuracy"}
    assert set(read) <= known  # the daemon refuses others


def test_card_refuses_other_inputs(tmp_path, monkeypatch):
    file = tmp_path / "x_int8.tflite"
    file.write_bytes(b"model")
    monkeypatch.setattr(tflite, "Model", lambda path: FakeModel(path, 1 / 127))
    with pytest.raises(ValueError, match="uint8 - 128"):
        card.describe("expression", "Reads.", [file], ["fer2013"], {})


def test_report_is_a_page_with_its_pictures(tmp_path):
    page = report.Page("Title <1>", tmp_path)
    page.table("Table", ["a", "b"], [["1", "<2>"]])
    page.picture("Curve", "curve.png", figures.panels({"face_width": {"unit": "px", "rows": [{"step": 48, "x": 0.1}, {"step": 24, "x": 0.2}]}}, {"x": "right"}))
    page.write()
    text = (tmp_path / "report.html").read_text()
    assert "&lt;2&gt;" in text and "curve.png" in text and (tmp_path / "curve.png").stat().st_size > 1000
