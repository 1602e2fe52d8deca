"""What a network, an optimizer or a trick brings in a short run: `python -m moodtrain.expression.ablation --data DIR --run DIR`.

Every variant sees the same faces for the same number of epochs and is watched on the part of Training that nobody learns;
no test split is looked at. Runs lie in folders of their own and are not repeated.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

SGD = ["--optimizer", "sgd", "--rate", "0.06", "--weight-decay", "0.0005"]
VARIANTS: dict[str, list[str]] = {
    "residual, Muon": [],
    "residual, SGD": SGD,
    "plain (RepVGG), Muon": ["--net", "plain"],
    "depthwise, Muon": ["--net", "depthwise"],
    "ResNet-50, Muon": ["--net", "resnet50"],
}


def run(name: str, options: list[str], args: argparse.Namespace) -> dict:
    """The last line of the log of one variant, which is trained where it is not there yet."""
    folder = args.run / "".join(c if c.isalnum() else "_" for c in name)
    if not (folder / "final.pt").exists():
        common = ["--data", str(args.data), "--run", str(folder), "--epochs", str(args.epochs), "--threads", str(args.threads)]
        command = [sys.executable, "-m", "moodtrain.expression.train", *common, "--average", "0.995", *options]
        subprocess.run(command, check=True)
    lines = [json.loads(line) for line in (folder / "log.jsonl").read_text().splitlines()]
    return {"mmac": lines[0]["mmac"], **lines[-1]}


def main() -> None:
    """Train what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path)
    parser.add_argument("--run", type=Path, required=True)
    parser.add_argument("--epochs", type=int, default=3)
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--only", nargs="*", help="names of variants")
    args = parser.parse_args()
    rows = {name: run(name, options, args) for name, options in VARIANTS.items() if not args.only or name in args.only}
    print(f"| {args.epochs} epochs | MMAC | FER2013's label | FER+ favourite | NLL |\n|---|---|---|---|---|")
    for name, row in rows.items():
        print(f"| {name} | {row['mmac']:.1f} | {row['label']:.3f} | {row['votes']:.3f} | {row['nll']:.3f} |")


if __name__ == "__main__":
    main()
