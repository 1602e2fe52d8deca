"""Muon: momentum whose update is made orthogonal before it is applied; Adam for what has no matrix.

Jordan et al. 2024, "Muon: an optimizer for hidden layers in neural networks"; the update is scaled as in Liu et al. 2025
(arXiv:2502.16982), so that rates and weight decay are those of AdamW. Convolution kernels [O, I, k, k] are taken as matrices
[O, I * k * k]; `torch.optim.Muon` refuses them. Compared with SGD in docs/models.md.
"""

import math

import torch
from torch import Tensor, nn

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)  # of Jordan et al.: singular values go to 0.7..1.2 in five steps
STEPS = 5


def orthogonalized(update: Tensor) -> Tensor:
    """The nearest (semi-)orthogonal matrix to `update` seen as a matrix, roughly; same shape."""
    a, b, c = NEWTON_SCHULZ
    x = update.reshape(len(update), -1).bfloat16()
    tall = x.shape[0] > x.shape[1]
    x = x.T if tall else x
    x = x / (x.norm() + 1e-7)
    for _ in range(STEPS):
        gram = x @ x.T
        x = a * x + (b * gram + c * gram @ gram) @ x
    return (x.T if tall else x).reshape(update.shape).to(update.dtype)


class Muon(torch.optim.Optimizer):
    """Kernels and matrices by Muon with decoupled weight decay, the rest by Adam without.

    The rest is biases, batch norm, and matrices of fewer than `min_rows` outputs, which have no spectrum to speak of.
    """

    def __init__(self, net: nn.Module, lr: float, momentum: float = 0.95, weight_decay: float = 0.05, min_rows: int = 1):
        def is_matrix(parameter: Tensor) -> bool:
            return parameter.ndim > 1 and len(parameter) >= min_rows

        kernels = [p for p in net.parameters() if is_matrix(p)]
        others = [p for p in net.parameters() if not is_matrix(p)]
        groups = [{"params": kernels, "weight_decay": weight_decay, "muon": True}, {"params": others, "weight_decay": 0.0, "muon": False}]
        super().__init__(groups, {"lr": lr, "momentum": momentum})

    @torch.no_grad()
    def step(self, closure: None = None) -> None:  # type: ignore[override]
        """One update of every parameter that has a gradient."""
        for group in self.param_groups:
            for parameter in group["params"]:
                if parameter.grad is not None:
                    update = self.muon_step if group["muon"] else self.adam_step
                    update(parameter, self.state[parameter], group)

    @staticmethod
    def muon_step(parameter: Tensor, state: dict, group: dict) -> None:
        """Nesterov momentum, orthogonalized, with the root mean square of an Adam update (0.2)."""
        moving = state.setdefault("momentum", torch.zeros_like(parameter))
        moving.lerp_(parameter.grad, 1 - group["momentum"])
        update = orthogonalized(parameter.grad.lerp(moving, group["momentum"]))
        rms = 0.2 * math.sqrt(max(len(parameter), parameter[0].numel()))
        parameter.mul_(1 - group["lr"] * group["weight_decay"]).add_(update, alpha=-group["lr"] * rms)

    @staticmethod
    def adam_step(parameter: Tensor, state: dict, group: dict, betas: tuple[float, float] = (0.9, 0.999)) -> None:
        """Adam (Kingma and Ba 2014, arXiv:1412.6980)."""
        if not state:
            state.update(count=0, mean=torch.zeros_like(parameter), square=torch.zeros_like(parameter))
        state["count"] += 1
        state["mean"].lerp_(parameter.grad, 1 - betas[0])
        state["square"].lerp_(parameter.grad.square(), 1 - betas[1])
        mean = state["mean"] / (1 - betas[0] ** state["count"])
        square = state["square"] / (1 - betas[1] ** state["count"])
        parameter.addcdiv_(mean, square.sqrt_().add_(1e-8), value=-group["lr"])
