"""Model cards: what the daemon must know of a model family, read from the files themselves, and what was measured.

Written by the evaluations, never by hand. The daemon needs the keys up to [thresholds]; all later sections are for people
and for the estimator.
"""

from pathlib import Path

import tomli_w

from moodtrain import tflite

VERSION = "0.1.0"
LICENSE = "MIT OR Apache-2.0"


def describe(task: str, files: list[Path], roles: list[tuple[str, list[str]]], sections: dict) -> dict:
    """The card of a family; `files` differ in input size only, `roles` are (role, class names or none) of the outputs."""
    models = [tflite.Model(path) for path in files]
    if len({tuple(output["quantization"] for output in model.outputs) for model in models}) != 1:
        raise ValueError(f"the outputs of {', '.join(path.name for path in files)} are not quantized alike")
    return {
        "name": task,
        "version": VERSION,
        "task": task,
        "license": LICENSE,
        "file": [describe_file(model) for model in models],
        "input": describe_input(models[0]),
        "output": [describe_output(output, *role) for output, role in zip(models[0].outputs, roles, strict=True)],
        **sections,
    }


def describe_file(model: tflite.Model) -> dict:
    """Name, digest and input size."""
    path = model.path
    return {"path": path.name, "sha256": tflite.sha256(path), "width": model.width, "height": model.height, "bytes": path.stat().st_size}


def describe_input(model: tflite.Model) -> dict:
    """Layout and quantization; a file whose input is not the byte minus 128 is refused."""
    scale, zero_point = model.input["quantization"]
    if not model.is_int8 or zero_point != tflite.INPUT_ZERO_POINT or abs(scale * 255 - 1) > 1e-4:
        raise ValueError(f"{model.path}: input is not uint8 - 128 with scale 1/255 but {scale}, {zero_point}")
    return {"layout": "NHWC", "channels": 1, "dtype": "int8", "scale": float(scale), "zero_point": int(zero_point)}


def describe_output(output: dict, role: str, classes: list[str]) -> dict:
    """Role, type and quantization of one output tensor, in the order of the graph."""
    scale, zero_point = output["quantization"]
    entry = {"role": role, "dtype": output["dtype"].__name__, "scale": float(scale), "zero_point": int(zero_point)}
    return {**entry, "classes": classes} if classes else entry


def write(path: Path, content: dict) -> None:
    """Store a card as TOML."""
    path.write_text(tomli_w.dumps(content))
