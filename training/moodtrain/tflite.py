"""Export to LiteRT: a float file, a full-INT8 file, and running either.

The quantizer's own calibration is a moving average of minima and maxima, which clips rare big heads and confident
logits; here the true minimum and maximum over the samples are taken, and tensors whose range is known get it fixed.
"""

import hashlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np
import torch
from ai_edge_litert.interpreter import Interpreter
from torch import nn

# Input pixels are uint8 / 255 in float; INT8 is the same byte minus 128, exactly.
INPUT_SCALE, INPUT_ZERO_POINT = 1 / 255, -128


def export_float(net: nn.Module, height: int, width: int, outputs: list[int], path: Path, channels: int = 1) -> None:
    """Write and check `net` ([1, channels, H, W] luma 0..1 -> tuple) as float .tflite with NHWC input; `outputs` lists image outputs to be
    turned to NHWC as well."""
    import litert_torch  # takes seconds to import: only here

    # The converter takes weights of one shape in channels-last order for one another.
    net = net.to(memory_format=torch.contiguous_format)
    wrapped = litert_torch.to_channel_last_io(net.eval(), args=[0], outputs=outputs)
    edge = litert_torch.convert(wrapped.eval(), (torch.zeros(1, height, width, channels),))
    path.parent.mkdir(parents=True, exist_ok=True)
    edge.export(str(path))
    check_conversion(net, path, channels)


@torch.no_grad()
def check_conversion(net: nn.Module, path: Path, channels: int, tolerance: float = 1e-2) -> None:
    """Raise unless the file answers noise as `net` does; outputs may be in another order of dimensions."""
    model = Model(path)
    noise = torch.rand(1, channels, model.height, model.width, generator=torch.Generator().manual_seed(0))
    model.interpreter.set_tensor(model.input["index"], noise.permute(0, 2, 3, 1).contiguous().numpy())
    model.interpreter.invoke()
    for i, (wanted, output) in enumerate(zip(net(noise), model.outputs, strict=True)):
        found = np.sort(model.interpreter.get_tensor(output["index"]), axis=None)
        worst = float(np.abs(found - np.sort(wanted.numpy(), axis=None)).max())
        if worst > tolerance:
            raise RuntimeError(f"{path} is not the network that was exported: output {i} is off by {worst:.3g}")


def calibrate(quantizer: object, signature: str, argument: str, samples: Iterable[np.ndarray]) -> dict:
    """True minimum and maximum of every tensor over float samples [1, H, W, 1] in 0..1.

    The first pixels are set to 0 and 1, so that the input's scale becomes 1/255 exactly.
    """
    total: dict = {}
    for sample in samples:
        sample = sample.astype(np.float32).copy()
        sample[0, -1, -1, 0], sample[0, -1, -2, 0] = 1.0, 0.0
        seen = quantizer.calibrate({signature: [{argument: sample}]})  # type: ignore[attr-defined]
        for name, values in seen.items():
            if "min" not in values:
                continue
            entry = total.setdefault(name, dict(values))
            entry["min"] = np.minimum(entry["min"], values["min"])
            entry["max"] = np.maximum(entry["max"], values["max"])
    return total


def quantize(source: Path, target: Path, samples: Iterable[np.ndarray], fixed: dict[int, tuple[float, float]] | None = None) -> None:
    """Float file -> full-INT8 file (weights per channel, INT8 in and out); `fixed` gives outputs a known range."""
    from ai_edge_quantizer import quantizer as tool
    from ai_edge_quantizer import recipe

    signature, argument = signature_of(source)
    maker = tool.Quantizer(str(source))
    maker.load_quantization_recipe(recipe.static_wi8_ai8())
    ranges = calibrate(maker, signature, argument, samples)
    for index, (low, high) in (fixed or {}).items():
        name = f"{signature}_output_{index}_output"
        ranges[name]["min"] = np.full_like(ranges[name]["min"], low)
        ranges[name]["max"] = np.full_like(ranges[name]["max"], high)
    result = maker.quantize(ranges)
    target.unlink(missing_ok=True)
    result.export_model(str(target))


def signature_of(path: Path) -> tuple[str, str]:
    """(name, input name) of a file's only signature."""
    signatures = Interpreter(str(path)).get_signature_list()
    name = next(iter(signatures))
    return name, signatures[name]["inputs"][0]


class Model:
    """A .tflite file on one thread; takes uint8 luma [H, W], gives its outputs dequantized, in the order of the graph."""

    def __init__(self, path: Path):
        self.path = path
        self.interpreter = Interpreter(str(path), num_threads=1)
        self.interpreter.allocate_tensors()
        self.input = self.interpreter.get_input_details()[0]
        self.outputs = sorted(self.interpreter.get_output_details(), key=lambda o: output_index(o["name"]))
        self.is_int8 = self.input["dtype"] == np.int8
        _, self.height, self.width, _ = (int(v) for v in self.input["shape"])

    def run(self, luma: np.ndarray) -> list[np.ndarray]:
        """uint8 [H, W] of exactly the model's size -> float32 outputs without the batch dimension."""
        x = luma[None, :, :, None]
        x = (x.astype(np.int16) - 128).astype(np.int8) if self.is_int8 else x.astype(np.float32) / 255
        self.interpreter.set_tensor(self.input["index"], x)
        self.interpreter.invoke()
        return [self.dequantize(output) for output in self.outputs]

    def dequantize(self, output: dict) -> np.ndarray:
        """One output as float32."""
        value = self.interpreter.get_tensor(output["index"])[0]
        if value.dtype != np.int8:
            return value.copy()
        scale, zero_point = output["quantization"]
        return (value.astype(np.float32) - zero_point) * np.float32(scale)

    def partitions(self) -> int:
        """How many pieces the XNNPACK delegate took the graph in; 1 is wanted."""
        return Counter(op["op_name"] for op in self.interpreter._get_ops_details())["DELEGATE"]  # noqa: SLF001


def output_index(name: str) -> int:
    """The number in `serving_default_output_7_output`."""
    digits = [part for part in name.split("_") if part.isdigit()]
    return int(digits[0]) if digits else 0


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    return hashlib.sha256(path.read_bytes()).hexdigest()
