"""Model cards: what the daemon must know of a model family, read from the files themselves, and what was measured.

Written by the evaluations, never by hand. The daemon refuses keys that it does not know (crates/vision/src/model_card.rs), except
in [training] and [accuracy], which are free: everything that was measured goes there.
"""

from pathlib import Path

import tomli_w

from moodtrain import tflite

VERSIONS = {"heads": "0.2.0", "expression": "0.3.0"}
LICENSE = "MIT OR Apache-2.0"


def describe(task: str, description: str, files: list[Path], outputs: list[str], sections: dict) -> dict:
    """The card of a family; `files` differ in input size only, `outputs` names the outputs in the order of the graph."""
    models = [tflite.Model(path) for path in files]
    if len({tuple(output["quantization"] for output in model.outputs) for model in models}) != 1:
        raise ValueError(f"the outputs of {', '.join(path.name for path in files)} are not quantized alike")
    return {
        "name": task,
        "version": VERSIONS[task],
        "task": task,
        "license": LICENSE,
        "description": description,
        "file": [describe_file(model) for model in models],
        "input": describe_input(models[0]),
        "output": [describe_output(*pair) for pair in zip(outputs, models[0].outputs, strict=True)],
        **sections,
    }


def describe_file(model: tflite.Model) -> dict:
    """Name, digest and input size."""
    path = model.path
    return {"path": path.name, "sha256": tflite.sha256(path), "width": model.width, "height": model.height}


def describe_input(model: tflite.Model) -> dict:
    """Layout and quantization; a file whose input is not the byte minus 128 is refused."""
    scale, zero_point = model.input["quantization"]
    if not model.is_int8 or zero_point != tflite.INPUT_ZERO_POINT or abs(scale * 255 - 1) > 1e-4:
        raise ValueError(f"{model.path}: input is not uint8 - 128 with scale 1/255 but {scale}, {zero_point}")
    return {"layout": "NHWC", "channels": 1, "dtype": "int8", "scale": float(scale), "zero_point": int(zero_point)}


def describe_output(name: str, output: dict) -> dict:
    """Name, channels, type and quantization of one output tensor."""
    scale, zero_point = output["quantization"]
    channels = int(output["shape"][-1])
    return {"name": name, "channels": channels, "dtype": output["dtype"].__name__, "scale": float(scale), "zero_point": int(zero_point)}


def write(path: Path, content: dict) -> None:
    """Store a card as TOML."""
    path.write_text(tomli_w.dumps(content))
