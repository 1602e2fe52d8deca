"""How far probabilities can be believed, and the temperature that mends them."""

import numpy as np


def softmax(logits: np.ndarray) -> np.ndarray:
    """Row-wise [N, C]."""
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    return shifted / shifted.sum(1, keepdims=True)


def negative_log_likelihood(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean over rows of -ln p(label)."""
    return float(-np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-9)).mean())


def fit_temperature(logits: np.ndarray, labels: np.ndarray) -> float:
    """The T in 0.3..3 that makes softmax(logits / T) likeliest (Guo et al. 2017, arXiv:1706.04599)."""
    candidates = np.exp(np.linspace(np.log(0.3), np.log(3.0), 121))
    losses = [negative_log_likelihood(softmax(logits / t), labels) for t in candidates]
    return float(candidates[int(np.argmin(losses))])


def reliability(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> list[tuple[float, float, int]]:
    """(mean confidence, accuracy, count) of every non-empty bin of the highest probability."""
    confidence, right = probabilities.max(1), probabilities.argmax(1) == labels
    index = np.minimum((confidence * bins).astype(int), bins - 1)
    return [
        (float(confidence[index == b].mean()), float(right[index == b].mean()), int((index == b).sum()))
        for b in range(bins)
        if (index == b).any()
    ]


def expected_calibration_error(probabilities: np.ndarray, labels: np.ndarray, bins: int = 15) -> float:
    """Mean distance between confidence and accuracy, weighted by bin (15 equal bins)."""
    rows = reliability(probabilities, labels, bins)
    return sum(abs(confidence - accuracy) * count for confidence, accuracy, count in rows) / max(len(labels), 1)


def confusion(predicted: np.ndarray, labels: np.ndarray, classes: int) -> np.ndarray:
    """int64 [C, C]: rows are true classes, columns predicted ones."""
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def soft_confusion(probabilities: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """float [C, C]: mean probabilities of each true class; what prevalence estimation needs."""
    classes = probabilities.shape[1]
    rows = [probabilities[labels == c].mean(0) if (labels == c).any() else np.full(classes, np.nan) for c in range(classes)]
    return np.stack(rows)


def recalls(table: np.ndarray) -> np.ndarray:
    """[C] per-class recall of a confusion matrix; NaN for classes without rows."""
    total = table.sum(1)
    return np.where(total > 0, np.diag(table) / np.maximum(total, 1), np.nan)
