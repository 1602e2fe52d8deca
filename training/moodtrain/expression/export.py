"""Export the expression network: `python -m moodtrain.expression.export --checkpoint final.pt --data DIR --out DIR`.

Temperatures and biases are fitted on the validation split of Training (not on a test split) and folded into the two linear
layers, and the softmax is part of the graph: the daemon reads calibrated probabilities.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from moodtrain import tflite
from moodtrain.calibration import expected_calibration_error, fit_scaling, softmax
from moodtrain.expression.light import normalize_bytes, to_input
from moodtrain.expression.net import FACE_PX, ExpressionNet, fuse
from moodtrain.expression.targets import Targets
from moodtrain.expression.train import load_average, read_targets

FLOAT_NAME, INT8_NAME = "expression_48x48_f32.tflite", "expression_48x48_int8.tflite"


class Probabilities(nn.Module):
    """Softmax of both heads."""

    def __init__(self, net: ExpressionNet):
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        fer2013, ferplus = self.net(x)
        return fer2013.softmax(1), ferplus.softmax(1)


@torch.no_grad()
def logits(net: nn.Module, images: np.ndarray) -> list[np.ndarray]:
    """uint8 [N, 48, 48] -> [[N, 7], [N, 8]]."""
    outputs = [net(part) for part in to_input(images).split(256)]
    return [torch.cat([o[i] for o in outputs]).numpy() for i in (0, 1)]


def fit_calibration(net: nn.Module, validation: Targets) -> dict[str, dict]:
    """Of both heads: temperature, biases, and the calibration error before and after, all on the validation split."""
    voted = validation.voted > 0
    rows = {"fer2013": np.ones(len(validation), bool), "ferplus": voted if voted.any() else np.ones(len(validation), bool)}
    truth = {"fer2013": validation.labels, "ferplus": validation.ferplus.argmax(1)}
    fitted = {}
    for name, answers in zip(rows, logits(net, validation.images)):
        answers, labels = answers[rows[name]], truth[name][rows[name]]
        temperature, bias = fit_scaling(answers, labels)
        fitted[name] = {
            "temperature": temperature,
            "bias": bias.tolist(),
            "ece_before": expected_calibration_error(softmax(answers), labels),
            "ece_after": expected_calibration_error(softmax(answers / temperature + bias), labels),
        }
    return fitted


def fold_calibration(net: ExpressionNet, fitted: dict[str, dict]) -> None:
    """Make the last layers say `logits / temperature + bias`, in place."""
    for name, scaling in fitted.items():
        layer = getattr(net, name)
        layer.weight.data /= scaling["temperature"]
        layer.bias.data = layer.bias.data / scaling["temperature"] + torch.tensor(scaling["bias"], dtype=torch.float32)


def calibration_faces(images: np.ndarray, count: int = 300, seed: int = 0) -> Iterator[np.ndarray]:
    """float32 [1, 48, 48, 1] training faces."""
    for row in np.random.default_rng(seed).choice(len(images), min(count, len(images)), replace=False):
        yield (normalize_bytes(images[row]).astype(np.float32) / 255)[None, :, :, None]


def main() -> None:
    """Fit, fold, export, quantize."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--checkpoint", type=Path, required=True)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    train, validation = read_targets(args.data, None)
    net = load_average(args.checkpoint, torch.device("cpu"))
    fitted = fit_calibration(net, validation)
    fold_calibration(net, fitted)
    tflite.export_float(Probabilities(fuse(net)), FACE_PX, FACE_PX, [], args.out / FLOAT_NAME)
    tflite.quantize(args.out / FLOAT_NAME, args.out / INT8_NAME, calibration_faces(train.images))
    (args.out / "calibration.json").write_text(json.dumps(fitted, indent=1))
    model = tflite.Model(args.out / INT8_NAME)
    print(f"{model.path} {model.path.stat().st_size} bytes, {model.partitions()} XNNPACK partition(s), {fitted}")


if __name__ == "__main__":
    main()
