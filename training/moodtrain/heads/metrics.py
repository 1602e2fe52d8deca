"""Average precision, counts and the face flag, from detections and labels.

Boxes match at IoU 0.5. A label outside the size range in question, or an unknown face, is ignored: finding it is
neither right nor wrong.
"""

from dataclasses import dataclass

import numpy as np

from moodtrain.data.classroom import Face, Picture
from moodtrain.heads.boxes import iou, longer_side
from moodtrain.heads.decode import Detections

SIZES = {"all": (0.0, 1e9), "<16": (0.0, 16.0), "16-32": (16.0, 32.0), "32-64": (32.0, 64.0), ">64": (64.0, 1e9)}
MATCH_IOU = 0.5


@dataclass(frozen=True)
class Result:
    """One picture's labels and what was found in it, in the same pixels."""

    picture: Picture
    found: Detections


@dataclass(frozen=True)
class Curve:
    """Precision over recall by falling score, and the average precision (area under its envelope)."""

    scores: np.ndarray
    recall: np.ndarray
    precision: np.ndarray
    average: float
    labels: int


def curve(scores: np.ndarray, hits: np.ndarray, labels: int) -> Curve:
    """From every counted detection's score and whether it hit; `labels` is how many there were to find."""
    order = np.argsort(-scores, kind="stable")
    hit = np.cumsum(hits[order])
    recall, precision = hit / max(labels, 1), hit / np.arange(1, len(order) + 1)
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    average = float((np.diff(np.concatenate([[0.0], recall])) * envelope).sum())
    return Curve(scores[order], recall, precision, average if labels else float("nan"), labels)


def match(boxes: np.ndarray, scores: np.ndarray, truth: np.ndarray, ignored: np.ndarray) -> np.ndarray:
    """For every box: the row of the label it hits, -1 for none, -2 where it only touches an ignored one; best score first,
    each label is given once, and a real label before an ignored one."""
    owner = np.full(len(boxes), -1)
    if not len(truth) or not len(boxes):
        return owner
    overlaps, used = iou(boxes, truth), np.zeros(len(truth), bool)
    for i in np.argsort(-scores, kind="stable"):
        free = np.where(used, 0, overlaps[i])
        real = np.where(ignored, 0, free)
        best = int(real.argmax()) if real.max() >= MATCH_IOU else int(free.argmax())
        if free[best] >= MATCH_IOU:
            used[best] = True
            owner[i] = -2 if ignored[best] else best
    return owner


def head_curve(results: list[Result], size: tuple[float, float] = SIZES["all"]) -> Curve:
    """Heads of one size range (longer side in px, low <= side < high)."""
    scores, hits, labels = [], [], 0
    for result in results:
        truth, found = result.picture.heads, result.found
        ignored = ~between(longer_side(truth), size)
        owner = match(found.heads, found.scores, truth, ignored)
        counted = (owner >= 0) | ((owner == -1) & between(longer_side(found.heads), size))
        scores.append(found.scores[counted])
        hits.append(owner[counted] >= 0)
        labels += int((~ignored).sum())
    return curve(np.concatenate(scores), np.concatenate(hits), labels)


def face_curve(results: list[Result]) -> Curve:
    """Faces against the (cleaned) teacher's; a detection is scored by head score times face score. What is found in a
    head whose face is unknown does not count."""
    scores, hits, labels = [], [], 0
    for result in results:
        picture, found = result.picture, result.found
        seen = picture.visible == Face.VISIBLE
        doubtful = picture.heads[picture.visible == Face.UNKNOWN]
        score = found.scores * found.face_scores
        owner = match(found.faces, score, picture.faces[seen], np.zeros(seen.sum(), bool))
        middle = (found.faces[:, None, :2] + found.faces[:, None, 2:]) / 2
        inside = ((middle > doubtful[None, :, :2]) & (middle < doubtful[None, :, 2:])).all(2).any(1)
        counted = (owner >= 0) | ~inside
        scores.append(score[counted])
        hits.append(owner[counted] >= 0)
        labels += int(seen.sum())
    return curve(np.concatenate(scores), np.concatenate(hits), labels)


def found_and_false(results: list[Result], threshold: float) -> tuple[int, int, int]:
    """(heads found, heads labelled, boxes on neither a head nor an ignored place) at one threshold."""
    found, labels, false = 0, 0, 0
    for result in results:
        truth, ignored = result.picture.heads, result.picture.ignored
        rows = result.found.select(result.found.scores >= threshold)
        owner = match(rows.heads, rows.scores, truth, np.zeros(len(truth), bool))
        found, labels = found + int((owner >= 0).sum()), labels + len(truth)
        extra = rows.heads[owner < 0]
        false += int((inside(extra, ignored).max(1, initial=0) <= 0.5).sum())
    return found, labels, false


def inside(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """[N, M]: the share of each box of `a` that lies within each of `b`."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    return np.clip(high - low, 0, None).prod(2) / np.maximum((a[:, 2:] - a[:, :2]).prod(1), 1e-6)[:, None]


def between(values: np.ndarray, limits: tuple[float, float]) -> np.ndarray:
    """low <= value < high."""
    return (values >= limits[0]) & (values < limits[1])


def best_f1(precision_recall: Curve) -> tuple[float, float, float, float]:
    """(score threshold, F1, precision, recall) where F1 is highest."""
    recall, precision = precision_recall.recall, precision_recall.precision
    if not len(recall):
        return 0.0, 0.0, 0.0, 0.0
    f1 = 2 * recall * precision / (recall + precision + 1e-9)
    i = int(f1.argmax())
    return float(precision_recall.scores[i]), float(f1[i]), float(precision[i]), float(recall[i])


def count_error(results: list[Result], threshold: float) -> tuple[float, float]:
    """(mean absolute error, mean error) of the number of heads at one threshold."""
    errors = np.array([(r.found.scores >= threshold).sum() - len(r.picture.heads) for r in results], float)
    return float(np.abs(errors).mean()), float(errors.mean())


def best_count_threshold(results: list[Result]) -> float:
    """The score threshold at which the number of heads is least wrong, each picture relative to its square root."""
    candidates = np.arange(0.2, 0.7, 0.01)
    labels = np.array([len(r.picture.heads) for r in results], float)
    losses = []
    for threshold in candidates:
        counts = np.array([(r.found.scores >= threshold).sum() for r in results], float)
        losses.append((np.abs(counts - labels) / np.sqrt(np.maximum(labels, 1))).mean())
    return round(float(candidates[int(np.argmin(losses))]), 2)


def face_flags(results: list[Result], threshold: float) -> tuple[np.ndarray, np.ndarray]:
    """(face score, whether a face is visible) of every head that was found and whose face is known."""
    scores, truths = [], []
    for result in results:
        found = result.found.select(result.found.scores >= threshold)
        owner = match(found.heads, found.scores, result.picture.heads, np.zeros(len(result.picture.heads), bool))
        visible = result.picture.visible[owner[owner >= 0]]
        known = visible != Face.UNKNOWN
        scores.append(found.face_scores[owner >= 0][known])
        truths.append(visible[known] == Face.VISIBLE)
    return np.concatenate(scores), np.concatenate(truths)


def hidden_recall(scores: np.ndarray, visible: np.ndarray, face_recall: float = 0.90) -> tuple[float, float]:
    """(share of hidden faces told as hidden, threshold) at the threshold that keeps `face_recall` of the visible ones."""
    if not visible.any() or visible.all():
        return float("nan"), float("nan")
    threshold = float(np.quantile(scores[visible], 1 - face_recall))
    return float((scores[~visible] < threshold).mean()), threshold
