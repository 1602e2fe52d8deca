"""The pictures of data and results, as matplotlib figures; who calls them stores and closes them."""

from collections.abc import Sequence

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402


def confusion(table: np.ndarray, names: Sequence[str]) -> Figure:
    """Row-normalised confusion matrix with its counts."""
    share = table / np.maximum(table.sum(1, keepdims=True), 1)
    figure, axes = plt.subplots(figsize=(6, 5.2), layout="constrained")
    axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    axes.set_xticks(range(len(names)), names, rotation=45, ha="right")
    axes.set_yticks(range(len(names)), names)
    axes.set_xlabel("said")
    axes.set_ylabel("label")
    for row, column in np.ndindex(*table.shape):
        colour = "white" if share[row, column] > 0.5 else "black"
        axes.text(column, row, f"{share[row, column]:.2f}\n{table[row, column]}", ha="center", va="center", fontsize=7, color=colour)
    return figure


def reliability(rows: Sequence[tuple[float, float, int]]) -> Figure:
    """Accuracy over confidence; the area of a dot is the share of faces."""
    figure, axes = plt.subplots(figsize=(4.5, 4.5), layout="constrained")
    axes.plot([0, 1], [0, 1], color="gray", linewidth=1)
    total = sum(count for *_, count in rows) or 1
    axes.scatter([r[0] for r in rows], [r[1] for r in rows], s=[2000 * r[2] / total for r in rows], alpha=0.6)
    axes.plot([r[0] for r in rows], [r[1] for r in rows], linewidth=1)
    axes.set(xlabel="confidence", ylabel="accuracy", xlim=(0, 1), ylim=(0, 1))
    return figure


def panels(conditions: dict[str, dict], lines: dict[str, str]) -> Figure:
    """One small plot a condition, all over the same axis 0..1; `lines` maps keys of the rows to names and gives the order."""
    across = 4
    figure, grid = plt.subplots(-(-(len(conditions) + 1) // across), across, figsize=(11, 5.2), layout="constrained", sharey=True)
    for axes, (name, condition) in zip(grid.flat, conditions.items()):
        steps = [row["step"] for row in condition["rows"]]
        for key, line in lines.items():
            axes.plot(range(len(steps)), [row[key] for row in condition["rows"]], marker="o", markersize=3, label=line)
        axes.set_xticks(range(len(steps)), [f"{step:g}" for step in steps], fontsize=8)
        axes.set(ylim=(0, 1), title=name.replace("_", " "))
        axes.set_xlabel(condition["unit"], fontsize=8)
        axes.grid(alpha=0.3)
    handles, names = grid.flat[0].get_legend_handles_labels()
    for axes in list(grid.flat)[len(conditions) :]:
        axes.axis("off")
    grid.flat[len(conditions)].legend(handles, names, loc="center", frameon=False)
    return figure


def precision_recall(lines: dict[str, tuple[np.ndarray, np.ndarray]]) -> Figure:
    """name -> (recall, precision)."""
    figure, axes = plt.subplots(figsize=(5.5, 4.2), layout="constrained")
    for name, (recall, precision) in lines.items():
        axes.plot(recall, precision, label=name)
    axes.set(xlabel="recall", ylabel="precision", xlim=(0, 1), ylim=(0, 1.02))
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    return figure


def class_bars(tables: dict[str, Sequence[int]], names: Sequence[str]) -> Figure:
    """Class distribution: grouped bars, one group a class."""
    figure, axes = plt.subplots(figsize=(7, 3.6), layout="constrained")
    width = 0.8 / max(len(tables), 1)
    for i, (name, counts) in enumerate(tables.items()):
        bars = axes.bar(np.arange(len(names)) + i * width, counts, width, label=name)
        axes.bar_label(bars, fontsize=6)
    axes.set_xticks(np.arange(len(names)) + 0.4 - width / 2, names)
    axes.legend()
    return figure


def size_histogram(groups: dict[str, np.ndarray], label: str) -> Figure:
    """Sizes in pixels on a logarithmic axis, one step line a group."""
    figure, axes = plt.subplots(figsize=(6, 3.6), layout="constrained")
    edges = np.geomspace(4, 512, 40)
    for name, sizes in groups.items():
        axes.hist(sizes, bins=edges, histtype="step", label=f"{name} (median {np.median(sizes):.0f})")
    axes.set(xscale="log", xlabel=label, ylabel="count")
    axes.legend(fontsize=8)
    return figure


def face_grid(images: np.ndarray, titles: Sequence[str], across: int = 8) -> Figure:
    """Faces with a line of text each; for local folders only."""
    down = -(-len(images) // across)
    figure, grid = plt.subplots(down, across, figsize=(across * 1.2, down * 1.45), layout="constrained", squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for axes, image, title in zip(grid.flat, images, titles):
        axes.imshow(image, cmap="gray", vmin=0, vmax=255)
        axes.set_title(title, fontsize=7)
    return figure
