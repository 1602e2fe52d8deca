"""Start from a float .tflite of an earlier training: its fused convolutions become convolution and batch norm again.

`python -m moodtrain.heads.warm_start --model heads_f32.tflite --data DIR --cache DIR --out init.pt`. The network that
comes out computes the same as the file, apart from the way its pyramid is upsampled.
"""

import argparse
from collections import defaultdict
from pathlib import Path

import numpy as np
import torch
from ai_edge_litert.interpreter import Interpreter
from torch import Tensor, nn

from moodtrain.data import classroom
from moodtrain.heads.net import HeadsNet
from moodtrain.heads.samples import Samples
from moodtrain.run import save_atomically


def read_convolutions(path: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """(kernel [out, in, kh, kw], bias [out]) of every convolution of a float model, in the order of the graph."""
    model = Interpreter(str(path), num_threads=1, experimental_preserve_all_tensors=True)
    model.allocate_tensors()
    found = []
    for operator in model._get_ops_details():  # noqa: SLF001 - the interpreter has no public list of operators
        kind = operator["op_name"]
        if kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
            _, kernel, bias = (model.get_tensor(i) for i in operator["inputs"][:3])
            order = (0, 3, 1, 2) if kind == "CONV_2D" else (3, 0, 1, 2)
            found.append((kernel.transpose(order).copy(), bias.copy()))
    return found


def executed(net: nn.Module, kinds: tuple[type, ...], shape: tuple[int, ...]) -> list[nn.Module]:
    """The modules of `kinds` in the order in which the network runs them."""
    order: list[nn.Module] = []
    hooks = [m.register_forward_hook(lambda m, *_: order.append(m)) for m in net.modules() if isinstance(m, kinds)]
    with torch.no_grad():
        net.eval()(torch.zeros(shape))
    for hook in hooks:
        hook.remove()
    return order


def load_fused(net: nn.Module, convolutions: list[tuple[np.ndarray, np.ndarray]], shape: tuple[int, ...]) -> None:
    """Copy kernels by shape, in the order of execution; batch norm only adds the bias, for now."""
    waiting = defaultdict(list)
    for kernel, bias in convolutions:
        waiting[kernel.shape].append((kernel, bias))
    modules = executed(net, (nn.Conv2d, nn.BatchNorm2d), shape)
    for i, module in enumerate(modules):
        if not isinstance(module, nn.Conv2d):
            continue
        kernel, bias = waiting[tuple(module.weight.shape)].pop(0)
        module.weight.data.copy_(torch.from_numpy(kernel))
        if module.bias is not None:
            module.bias.data.copy_(torch.from_numpy(bias))
            continue
        norm = modules[i + 1]
        norm.running_mean.zero_()
        norm.running_var.fill_(1 - norm.eps)
        norm.weight.data.fill_(1)
        norm.bias.data.copy_(torch.from_numpy(bias))
    left = sum(len(v) for v in waiting.values())
    if left:
        raise ValueError(f"{left} convolutions of the file have no place in this network")


@torch.no_grad()
def unfuse(net: nn.Module, batches: list[Tensor]) -> None:
    """Give every batch norm the statistics that it would have seen, and scale it so that the function stays the same."""
    sums: dict[nn.Module, list[Tensor]] = {}

    def watch(module: nn.BatchNorm2d, inputs: tuple[Tensor, ...], _: Tensor) -> None:
        x = inputs[0]
        entry = sums.setdefault(module, [torch.zeros(x.shape[1]), torch.zeros(x.shape[1]), torch.zeros(())])
        entry[0] += x.mean((0, 2, 3))
        entry[1] += x.pow(2).mean((0, 2, 3))
        entry[2] += 1

    hooks = [m.register_forward_hook(watch) for m in net.modules() if isinstance(m, nn.BatchNorm2d)]
    net.eval()
    for batch in batches:
        net(batch)
    for hook in hooks:
        hook.remove()
    for norm, (first, second, count) in sums.items():
        mean = first / count
        variance = (second / count - mean**2).clamp(min=1e-6)
        norm.running_mean.copy_(mean)
        norm.running_var.copy_(variance)
        norm.weight.copy_((variance + norm.eps).sqrt())
        norm.bias.add_(mean)


def main() -> None:
    """Read, load, unfuse with training crops, store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    net = HeadsNet()
    load_fused(net, read_convolutions(args.model), (1, 1, 64, 64))
    pictures = [picture for picture in classroom.read(args.data) if picture.split == "train"]
    samples = Samples(pictures, classroom.Pixels(pictures, args.cache / "train.luma"), 384, np.random.default_rng(3))
    batches = [torch.from_numpy(np.stack([samples.draw()[0] for _ in range(16)]))[:, None] for _ in range(24)]
    before = net(batches[0])[0].head_logit
    unfuse(net, batches)
    change = (net(batches[0])[0].head_logit - before).abs().max().item()
    print(f"largest change by unfusing: {change:.2e} logits")
    save_atomically({"average": net.state_dict()}, args.out)


if __name__ == "__main__":
    main()
