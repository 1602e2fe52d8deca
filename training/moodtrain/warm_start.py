"""Start from a .tflite of an earlier training, float or INT8: its fused layers become convolution and batch norm again.

`python -m moodtrain.warm_start expression|heads --model FILE --data DIR --out init.pt`. The network that comes out computes
what the file does (apart from quantization, and the way an older pyramid was upsampled); what was folded into its last
layers, as the calibration, stays there.
"""

import argparse
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from ai_edge_litert.interpreter import Interpreter
from torch import Tensor, nn

from moodtrain.data import classroom
from moodtrain.expression.augment import augment
from moodtrain.expression.light import normalize
from moodtrain.expression.net import residual_net
from moodtrain.expression.train import read_targets
from moodtrain.heads.net import HeadsNet
from moodtrain.heads.samples import Samples
from moodtrain.run import save_atomically

# How a kernel lies in the file, as the axes of torch's [out, in, height, width] or [out, in].
AXES = {"CONV_2D": (0, 3, 1, 2), "DEPTHWISE_CONV_2D": (3, 0, 1, 2), "FULLY_CONNECTED": (0, 1)}
BATCHES = 24


def read_layers(path: Path) -> list[tuple[np.ndarray, np.ndarray]]:
    """(kernel [out, in, ...], bias [out]) of every convolution and matrix as float32, in the order of the graph."""
    model = Interpreter(str(path), num_threads=1, experimental_preserve_all_tensors=True)
    model.allocate_tensors()
    quantization = {t["index"]: t["quantization_parameters"] for t in model.get_tensor_details()}

    def read(index: int) -> np.ndarray:
        values = model.get_tensor(index)
        if values.dtype == np.float32:
            return values.copy()
        how = quantization[index]
        shape = [1] * values.ndim
        if len(how["scales"]) > 1:
            shape[how["quantized_dimension"]] = -1
        return (values.astype(np.float32) - how["zero_points"].reshape(shape)) * how["scales"].reshape(shape)

    found = []
    for operator in model._get_ops_details():  # noqa: SLF001 - the interpreter has no public list of operators
        if axes := AXES.get(operator["op_name"]):
            kernel, bias = (read(i) for i in operator["inputs"][1:3])
            found.append((kernel.transpose(axes).astype(np.float32), bias.astype(np.float32)))
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


def load_fused(net: nn.Module, layers: list[tuple[np.ndarray, np.ndarray]], shape: tuple[int, ...]) -> None:
    """Copy kernels by shape, in the order of execution; batch norm only adds the bias, for now."""
    waiting = defaultdict(list)
    for kernel, bias in layers:
        waiting[kernel.shape].append((kernel, bias))
    modules = executed(net, (nn.Conv2d, nn.Linear, nn.BatchNorm2d), shape)
    for i, module in enumerate(modules):
        if isinstance(module, nn.BatchNorm2d):
            continue
        if not waiting[tuple(module.weight.shape)]:
            raise ValueError(f"the file has no kernel of shape {tuple(module.weight.shape)}: it is another network")
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
        raise ValueError(f"{left} layers of the file have no place in this network")


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


def room_batches(data: Path, cache: Path) -> Iterator[Tensor]:
    """Training crops, 16 a batch, for `unfuse`."""
    pictures = [picture for picture in classroom.read(data) if picture.split == "train"]
    samples = Samples(pictures, classroom.Pixels(pictures, cache / "train.luma"), 384, np.random.default_rng(3))
    while True:
        yield torch.from_numpy(np.stack([samples.draw()[0] for _ in range(16)]))[:, None]


def face_batches(data: Path) -> Iterator[Tensor]:
    """Training faces as the network is shown them, 128 a batch."""
    images = torch.from_numpy(read_targets(data, None)[0].images)
    torch.manual_seed(3)
    while True:
        yield normalize(augment(images[torch.randint(len(images), (128,))][:, None]))


def main() -> None:
    """Read, load, unfuse with training pictures, store."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("net", choices=("expression", "heads"))
    parser.add_argument("--model", type=Path, required=True)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    args = parser.parse_args()
    torch.set_num_threads(1)
    is_faces = args.net == "expression"
    net = residual_net() if is_faces else HeadsNet()
    source = face_batches(args.data) if is_faces else room_batches(args.data, args.out.parent)
    load_fused(net, read_layers(args.model), (1, 1, 48, 48) if is_faces else (1, 1, 64, 64))
    batches = [next(source) for _ in range(BATCHES)]

    def answer() -> Tensor:
        with torch.no_grad():
            return net(batches[0])[0] if is_faces else net(batches[0])[0].head_logit

    before = answer()
    unfuse(net, batches)
    print(f"largest change by unfusing: {(answer() - before).abs().max().item():.2e} logits")
    recipe = {"net": "residual"} if is_faces else {}  # so that it can be a teacher as well
    save_atomically({"recipe": recipe, "average": net.state_dict()}, args.out)


if __name__ == "__main__":
    main()
