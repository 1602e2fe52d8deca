"""Export the verdict network: `python -m moodtrain.verdict.export --checkpoint final.pt --crops crops.npz --out DIR`, with its figures.

Two INT8 outputs: [1, 2] the probabilities of a readable face and of a covered one, and [1, 3] yaw, pitch and roll in units of 30 degrees.
"""

import argparse
import json
from pathlib import Path

import numpy as np
import torch

from moodtrain import tflite
from moodtrain.expression.light import normalize_bytes
from moodtrain.verdict.net import DEGREES, SIDE, Flat, VerdictNet
from moodtrain.verdict.train import Crops, figures, plain

POSE_RANGE = (-4.0, 4.0)


def read(model: tflite.Model, pixels: np.ndarray) -> np.ndarray:
    """float32 [N, 5] for stored crops, by the file: two probabilities and three angles in degrees."""
    rows = []
    for each in pixels:
        flags, pose = (output.ravel() for output in model.run(normalize_bytes(plain(each))))
        rows.append(np.concatenate([flags, pose * DEGREES]))
    return np.stack(rows)


def main() -> None:
    """Export, quantize, measure."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("checkpoint", "crops", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    parser.add_argument("--samples", type=int, default=400)
    args = parser.parse_args()
    torch.set_num_threads(1)
    net = VerdictNet()
    net.load_state_dict(torch.load(args.checkpoint, map_location="cpu", weights_only=False)["average"])
    data = Crops(args.crops)
    source, target = (args.out / f"verdict_{SIDE}x{SIDE}_{kind}.tflite" for kind in ("f32", "int8"))
    tflite.export_float(Flat(net.eval().requires_grad_(False)), SIDE, SIDE, [], source)
    learned = np.flatnonzero(~data.held_out)
    chosen = np.random.default_rng(1).choice(learned, min(args.samples, len(learned)), replace=False)
    samples = ((normalize_bytes(plain(data.pixels[i])).astype(np.float32) / 255)[None, :, :, None] for i in chosen)
    tflite.quantize(source, target, samples, {1: POSE_RANGE})
    model, rows = tflite.Model(target), np.flatnonzero(data.held_out)
    found = read(model, data.pixels[rows])
    result = {"crops": len(rows), "all": figures(found, data, rows)}
    for low, high in ((14, 24), (24, 40), (40, 1e9)):
        part = (data.head_px[rows] >= low) & (data.head_px[rows] < high)
        result[f"heads of {low} px and more"] = figures(found[part], data, rows[part])
    for kind in np.unique(data.kind[rows]):
        part = data.kind[rows] == kind
        result[str(kind)] = {"crops": int(part.sum()), **figures(found[part], data, rows[part]),
                             "face_share": float((found[part, 0] > 0.5).mean()), "covered_share": float((found[part, 1] > 0.5).mean())}
    (args.out / "verdict.json").write_text(json.dumps(result, indent=1))
    print(json.dumps(result, indent=1))
    print(f"{target} {target.stat().st_size} bytes, {model.partitions()} XNNPACK partition(s)")


if __name__ == "__main__":
    main()
