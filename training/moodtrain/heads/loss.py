"""Which cell answers for which head, and how wrong its answer is."""

from dataclasses import dataclass, field

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from moodtrain.data.classroom import Face
from moodtrain.heads.boxes import cells, generalized_iou, to_corners
from moodtrain.heads.net import Level

# Head sizes (square root of the area, px) that a cell of each stride may answer for; they overlap on purpose.
SIZES = {8.0: (0.0, 56.0), 16.0: (24.0, 128.0), 32.0: (64.0, 1e9)}


@dataclass
class Truth:
    """Labels of one training picture, in its pixels."""

    heads: np.ndarray  # float32 [N, 4]
    faces: np.ndarray  # float32 [N, 4]
    visible: np.ndarray  # int64 [N], of `Face`
    ignored: np.ndarray  # float32 [M, 4]: nothing inside these is right or wrong
    known: np.ndarray = field(default_factory=lambda: np.array([[0, 0, 1e6, 1e6]], np.float32))  # [K, 4]: background only inside these


@dataclass
class Answers:
    """The network's output for a batch, flattened over levels: B pictures, C cells; float32."""

    head_logit: Tensor  # [B, C]
    head_box: Tensor  # [B, C, 4] corners in pixels
    face_logit: Tensor  # [B, C]
    face_box: Tensor  # [B, C, 4]


class HeadsLoss:
    """Quality focal loss for head scores, GIoU for boxes, cross entropy for the face flag of assigned cells."""

    def __init__(self, width: int, height: int, device: torch.device):
        self.centres, self.strides = cells(width, height, device)
        limits = torch.tensor([SIZES[s] for s in self.strides.tolist()], device=device)
        self.smallest, self.largest = limits[:, 0], limits[:, 1]

    def flatten(self, levels: list[Level]) -> Answers:
        """Levels as the network gives them -> `Answers`."""

        def join(i: int) -> Tensor:
            parts = [level[i].float().permute(0, 2, 3, 1).flatten(1, 2) for level in levels]
            return torch.cat(parts, 1)

        corners = (to_corners(join(i), self.centres, self.strides) for i in (1, 3))
        return Answers(join(0)[..., 0], next(corners), join(2)[..., 0], next(corners))

    @torch.no_grad()
    def assign(self, logit: Tensor, box: Tensor, heads: Tensor) -> tuple[Tensor, Tensor]:
        """Cells [A] and the heads [A] they answer for: the cheapest few near each centre (SimOTA, arXiv:2107.08430).

        `logit` [C], `box` [C, 4], `heads` [N, 4]. How many is decided by how well the boxes already fit.
        """
        size = ((heads[:, 2] - heads[:, 0]) * (heads[:, 3] - heads[:, 1])).sqrt()[:, None]
        middle = (heads[:, :2] + heads[:, 2:]) / 2
        offset = (self.centres[None] - middle[:, None]).abs().amax(-1)
        depth = torch.minimum(self.centres[None] - heads[:, None, :2], heads[:, None, 2:] - self.centres[None]).amin(-1)
        near = (offset < 1.5 * self.strides) & (depth > -0.25 * self.strides)
        allowed = near & (size >= self.smallest) & (size < self.largest)
        candidates = torch.nonzero(allowed.any(0)).flatten()
        if not len(candidates):
            return candidates, candidates
        allowed = allowed[:, candidates]
        overlap, _ = generalized_iou(box[candidates][None], heads[:, None])
        scores = logit[candidates][None]
        quality = overlap.clamp(min=1e-6).sqrt()
        entropy = F.binary_cross_entropy_with_logits(scores.expand_as(overlap), quality, reduction="none")
        cost = entropy * (quality - scores.sigmoid()).abs() * 2 - 3 * (overlap + 1e-6).log() + (~allowed) * 1e4
        return self.cheapest(cost, overlap * allowed, candidates)

    @staticmethod
    def cheapest(cost: Tensor, overlap: Tensor, candidates: Tensor) -> tuple[Tensor, Tensor]:
        """Each head [N] takes its k cheapest candidates [K], k being the sum of its best overlaps; a cell serves one head."""
        wanted = overlap.topk(min(9, overlap.shape[1]), 1)[0].sum(1).int().clamp(min=1)
        most = min(int(wanted.max()), cost.shape[1])
        value, index = cost.topk(most, 1, largest=False)
        taken = (torch.arange(most, device=cost.device)[None] < wanted[:, None]) & (value < 5e3)
        chosen = torch.full_like(cost, 1e9)
        head, rank = torch.nonzero(taken, as_tuple=True)
        chosen[head, index[head, rank]] = value[head, rank]
        best, owner = chosen.min(0)
        used = torch.nonzero(best < 1e8).flatten()
        return candidates[used], owner[used]

    def __call__(self, levels: list[Level], truths: list[Truth]) -> tuple[Tensor, dict[str, float]]:
        """Loss of a batch, and its parts for the log."""
        answers = self.flatten(levels)
        target = torch.zeros_like(answers.head_logit)
        weight = torch.ones_like(target)
        sums = {name: answers.head_logit.new_zeros(()) for name in ("box", "face", "face_box")}
        counts = {"box": 0, "face": 0, "face_box": 0}
        for row, truth in enumerate(truths):
            self.ignore(weight[row], truth)
            if not len(truth.heads):
                continue
            heads = torch.from_numpy(truth.heads).to(target.device)
            cell, head = self.assign(answers.head_logit[row].detach(), answers.head_box[row].detach(), heads)
            if not len(cell):
                continue
            overlap, general = generalized_iou(answers.head_box[row, cell], heads[head])
            target[row, cell] = overlap.detach().clamp(min=0.04).sqrt()
            weight[row, cell] = 1
            sums["box"] = sums["box"] + (1 - general).sum()
            counts["box"] += len(cell)
            self.add_faces(answers, row, cell, head, truth, sums, counts)
        focus = (target - answers.head_logit.sigmoid()).abs().pow(2)
        entropy = F.binary_cross_entropy_with_logits(answers.head_logit, target, reduction="none")
        assigned = max(counts["box"], 10)
        parts = {
            "score": (entropy * focus * weight).sum() / assigned,
            "box": sums["box"] / assigned,
            "face": sums["face"] / max(counts["face"], 10),
            "face_box": sums["face_box"] / max(counts["face_box"], 10),
        }
        total = 2 * parts["score"] + 2 * parts["box"] + 0.5 * parts["face"] + parts["face_box"]
        return total, {name: float(part.detach()) for name, part in parts.items()}

    def ignore(self, weight: Tensor, truth: Truth) -> None:
        """Zero the weight [C] of cells in ignored boxes, and of those outside the places where labels are complete."""
        known = torch.from_numpy(truth.known).to(weight.device)[:, None]
        weight[~((self.centres >= known[..., :2]) & (self.centres < known[..., 2:])).all(-1).any(0)] = 0
        if len(truth.ignored):
            boxes = torch.from_numpy(truth.ignored).to(weight.device)[:, None]
            inside = (self.centres > boxes[..., :2] - 2).all(-1) & (self.centres < boxes[..., 2:] + 2).all(-1)
            weight[inside.any(0)] = 0

    def add_faces(self, answers: Answers, row: int, cell: Tensor, head: Tensor, truth: Truth, sums: dict, counts: dict) -> None:
        """Face flag and face box of the assigned cells whose face is known."""
        visible = torch.from_numpy(truth.visible).to(cell.device)[head]
        known = visible != Face.UNKNOWN
        if known.any():
            logit = answers.face_logit[row, cell[known]]
            entropy = F.binary_cross_entropy_with_logits(logit, visible[known].float(), reduction="sum")
            sums["face"] = sums["face"] + entropy
            counts["face"] += int(known.sum())
        seen = visible == Face.VISIBLE
        if seen.any():
            faces = torch.from_numpy(truth.faces).to(cell.device)[head[seen]]
            _, general = generalized_iou(answers.face_box[row, cell[seen]], faces)
            sums["face_box"] = sums["face_box"] + (1 - general).sum()
            counts["face_box"] += int(seen.sum())
