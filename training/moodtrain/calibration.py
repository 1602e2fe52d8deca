"""How far probabilities can be believed, and the temperature and biases that mend them."""

import numpy as np
import torch


def softmax(logits: np.ndarray) -> np.ndarray:
    """Row-wise [N, C]."""
    shifted = np.exp(logits - logits.max(1, keepdims=True))
    return shifted / shifted.sum(1, keepdims=True)


def negative_log_likelihood(probabilities: np.ndarray, labels: np.ndarray) -> float:
    """Mean over rows of -ln p(label)."""
    return float(-np.log(np.maximum(probabilities[np.arange(len(labels)), labels], 1e-9)).mean())


def fit_scaling(logits: np.ndarray, labels: np.ndarray, pull: float = 40.0) -> tuple[float, np.ndarray]:
    """The temperature T and the bias [C] that make softmax(logits / T + bias) likeliest.

    Bias-corrected temperature scaling (Alexandari et al. 2020, arXiv:1901.06852): a temperature alone (Guo et al. 2017) leaves
    classes that are said too rarely, which the estimate of shares would inherit. Biases are pulled towards 0 as if by `pull` faces,
    because rare classes have few.
    """
    x, y = torch.from_numpy(logits).double(), torch.from_numpy(labels)
    log_temperature, bias = (torch.zeros(n, dtype=torch.double, requires_grad=True) for n in (1, logits.shape[1]))
    optimizer = torch.optim.LBFGS([log_temperature, bias], lr=0.5, max_iter=200, line_search_fn="strong_wolfe")

    def loss() -> torch.Tensor:
        optimizer.zero_grad()
        likelihood = torch.nn.functional.cross_entropy(x / log_temperature.exp() + bias, y)
        value = likelihood + pull * bias.square().sum() / (2 * len(y))
        value.backward()
        return value

    optimizer.step(loss)
    centred = (bias - bias.mean()).detach().numpy()
    return float(log_temperature.exp().detach()), centred


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
