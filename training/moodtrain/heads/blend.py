"""Mix the weights of a detector and of what was trained from it: `python -m moodtrain.heads.blend --first A --second B --share 0.5 …`.

Between both lies a network that keeps most of what each can do (Wortsman et al. 2022, arXiv:2109.01903), provided that the second
began with the first. The statistics of batch norm are counted anew on training crops. Prints the figures of the watched pictures.
"""

import argparse
import json
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import Tensor, nn

from moodtrain.data.classroom import Pixels
from moodtrain.heads.net import HeadsNet, load
from moodtrain.heads.samples import Samples
from moodtrain.heads.train import read_negatives, read_pictures, read_rooms, watch
from moodtrain.run import save_atomically

BATCHES, BATCH = 24, 16


def mix(first: dict[str, Tensor], second: dict[str, Tensor], share: float) -> dict[str, Tensor]:
    """`share` of the second state and the rest of the first."""
    return {key: torch.lerp(value, second[key], share) if value.dtype.is_floating_point else second[key] for key, value in first.items()}


@torch.no_grad()
def count_statistics(net: nn.Module, batches: list[Tensor]) -> None:
    """Mean and variance of every batch norm anew, as the plain mean over the batches."""
    norms = [m for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    momenta = [norm.momentum for norm in norms]
    for norm in norms:
        norm.reset_running_stats()
        norm.momentum = None
    net.train()
    for batch in batches:
        net(batch)
    for norm, momentum in zip(norms, momenta):
        norm.momentum = momentum
    net.eval()


def main() -> None:
    """Mix, count, watch, store."""
    parser = argparse.ArgumentParser(description=__doc__)
    for name in ("first", "second", "data", "cache", "out"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    for name in ("rooms", "negatives", "second-opinion"):
        parser.add_argument(f"--{name}", type=Path)
    parser.add_argument("--share", type=float, default=0.5, help="of the second network")
    parser.add_argument("--strength", type=float, default=1.0, help="1 counts on crops as they are drawn in training, which was best; 0 on plain ones")
    args = parser.parse_args()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    learned, watched = read_pictures(args.data, args.second_opinion, None, args.cache)
    rooms, watched_rooms, empty = read_rooms(args.rooms, None)
    kind = "_sets" if rooms else ""
    samples = Samples(learned + rooms, Pixels(learned + rooms, args.cache / f"learned{kind}.luma"), 384, np.random.default_rng(9),
                      read_negatives(args.negatives), empty)
    samples.strength = args.strength
    batches = [torch.from_numpy(np.stack([samples.draw()[0] for _ in range(BATCH)]))[:, None] for _ in range(BATCHES)]
    net = HeadsNet()
    net.load_state_dict(mix(load(args.first).state_dict(), load(args.second).state_dict(), args.share))
    net = net.to(memory_format=torch.channels_last)
    count_statistics(net, [batch.contiguous(memory_format=torch.channels_last) for batch in batches])
    figures = watch(net, watched + watched_rooms, Pixels(watched + watched_rooms, args.cache / f"watched{kind}.luma"))
    print(json.dumps({"share": args.share, **{key: round(value, 3) for key, value in figures.items()}}))
    save_atomically({"recipe": {"blend": [str(args.first), str(args.second), args.share]}, "average": net.state_dict()}, args.out)


if __name__ == "__main__":
    main()
