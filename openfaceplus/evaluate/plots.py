"""Plots of what was measured, as PNG. matplotlib is imported only when one is drawn.

Bands and bars are 95% intervals. Colours are of Okabe and Ito's palette, which colour-blind people
can tell apart.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from openfaceplus.evaluate.metrics import share_intervals
from openfaceplus.extras import require
from openfaceplus.files import MARK, atomic_write

if TYPE_CHECKING:
    from openfaceplus.evaluate.metrics import Reliability

_BLUE, _VERMILION, _GREY = "#0072B2", "#D55E00", "#666666"
_ACCEPTED = "false-accept rate: share of different people accepted"


def _axes(title: str, x: str, y: str) -> tuple[Any, Any]:
    require("matplotlib", "plots", "a plot")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6, 4.5), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot(title=title, xlabel=x, ylabel=y)
    axes.grid(alpha=0.3)
    return figure, axes


def _save(figure: Any, path: Path) -> Path:
    with atomic_write(path) as file:
        figure.savefig(file, format="png", metadata={"Software": MARK})
    return path


def _percent(axis: Any) -> None:
    """Ticks such as 0.1% and 95%, and no others between them."""
    from matplotlib.ticker import FuncFormatter, NullFormatter

    axis.set_major_formatter(FuncFormatter(lambda share, _: f"{100 * share:.10g}%"))
    axis.set_minor_formatter(NullFormatter())


def _line(axes: Any, x: np.ndarray, y: np.ndarray, low: np.ndarray, high: np.ndarray) -> None:
    """A line with its band; the vertical axis begins a little below them."""
    axes.fill_between(x, low, high, color=_BLUE, alpha=0.2, lw=0, label="95% interval")
    axes.plot(x, y, color=_BLUE)
    axes.set(ylim=(max(0.0, float(np.min(low, initial=1.0)) - 0.02), 1.002))
    axes.legend(loc="lower right")


def roc(path: Path, far: np.ndarray, tar: np.ndarray, genuine: int) -> Path:
    """ROC with a logarithmic axis, where the rates of interest lie; ``genuine`` pairs were seen."""
    title = "Receiver operating characteristic (ROC)"
    figure, axes = _axes(title, _ACCEPTED, "true-accept rate: share of same people accepted")
    shown = far > 0
    far, tar = far[shown], tar[shown]
    axes.set(xscale="log")
    _line(axes, far, tar, *share_intervals(tar * genuine, np.array([genuine])))
    _percent(axes.xaxis)
    _percent(axes.yaxis)
    return _save(figure, path)


def det(path: Path, far: np.ndarray, tar: np.ndarray, genuine: int) -> Path:
    """DET: both errors on axes in normal deviates (Martin et al., Eurospeech 1997)."""
    from scipy.stats import norm

    title = "Detection error tradeoff (DET)"
    figure, axes = _axes(title, _ACCEPTED, "false-reject rate: share of same people refused")
    shown = (far > 0) & (far < 1) & (tar > 0) & (tar < 1)
    far, missed = far[shown], 1 - tar[shown]
    low, high = share_intervals(missed * genuine, np.array([genuine]))
    band = norm.ppf(np.clip([low, high], 1e-5, 1 - 1e-5))
    axes.fill_between(norm.ppf(far), *band, color=_BLUE, alpha=0.2, lw=0, label="95% interval")
    axes.plot(norm.ppf(far), norm.ppf(missed), color=_BLUE)
    ticks = np.array([0.0001, 0.001, 0.01, 0.05, 0.2, 0.5])
    labels = [f"{100 * tick:g}%" for tick in ticks]
    axes.set_xticks(norm.ppf(ticks), labels)
    axes.set_yticks(norm.ppf(ticks), labels)
    axes.legend()
    return _save(figure, path)


def cmc(path: Path, ranks: np.ndarray, probes: int) -> Path:
    """CMC: how often the right person is among the first 1, 2, ... names, of (ranks,) shares."""
    title = "Cumulative match characteristic (CMC), enrolled people"
    figure, axes = _axes(title, "rank: number of names looked at", "photos with the right name")
    from matplotlib.ticker import MaxNLocator

    places = np.arange(1, len(ranks) + 1)
    low, high = share_intervals(ranks * probes, np.array([probes]))
    _line(axes, places, ranks, low, high)
    axes.plot(places, ranks, color=_BLUE, marker=".", lw=0)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    _percent(axes.yaxis)
    return _save(figure, path)


def dir_curve(path: Path, fpir: np.ndarray, rate: np.ndarray, band: np.ndarray) -> Path:
    """The open-set ROC: detection and identification rate over FPIR, with its (n, 2) band."""
    figure, axes = _axes(
        "Open-set identification",
        "FPIR: share of strangers' photos accepted",
        "DIR: enrolled people's photos named right",
    )
    axes.set(xscale="log")
    _line(axes, fpir, rate, *band.T)
    _percent(axes.xaxis)
    _percent(axes.yaxis)
    return _save(figure, path)


def histogram(
    path: Path, genuine: np.ndarray, impostors: np.ndarray, threshold: float,
    labels: tuple[str, str] = ("same person", "another person"),
) -> Path:  # fmt: skip
    """How genuine and impostor scores are spread, with a threshold."""
    figure, axes = _axes("Scores", "score: likeness of two faces", "density of scores")
    genuine, impostors = genuine[np.isfinite(genuine)], impostors[np.isfinite(impostors)]
    both = np.concatenate([genuine, impostors])
    edges = np.linspace(both.min(), both.max(), 80) if len(both) else np.linspace(0, 1, 80)
    for scores, colour, label in (
        (genuine, _BLUE, labels[0]),
        (impostors, _VERMILION, labels[1]),
    ):
        # A density of nothing is not defined.
        heights, _ = np.histogram(scores, edges, density=len(scores) > 0)
        axes.stairs(heights, edges, fill=True, alpha=0.6, color=colour, label=label)
    if edges[0] <= threshold <= edges[-1]:
        axes.axvline(threshold, color="black", lw=1.5, ls="--", label="threshold")
    axes.legend()
    return _save(figure, path)


def reliability(path: Path, table: Reliability) -> Path:
    """Confidence against truth, with the diagonal where both are the same."""
    title = f"Reliability, mean gap {100 * table.gap:.1f} points"
    figure, axes = _axes(title, "confidence said", "share of these names that were right")
    low, high = share_intervals(table.truth * table.counts, table.counts)
    away = np.maximum(0, [table.truth - low, high - table.truth])
    axes.plot([0, 1], [0, 1], color=_GREY, lw=1, ls="--", label="as often right as said")
    axes.errorbar(
        table.confidence, table.truth, away, color=_BLUE, marker="o", capsize=3,
        label="measured, 95% interval",
    )  # fmt: skip
    axes.legend(loc="upper left")
    _percent(axes.yaxis)
    return _save(figure, path)


def training(path: Path, losses: Sequence[float], scores: Sequence[float]) -> Path:
    """A network's loss and its accuracy on people who were not trained on, by epoch."""
    figure, axes = _axes("Training", "epoch", "loss")
    epochs = range(1, len(losses) + 1)
    axes.plot(epochs, losses, color=_BLUE, marker=".", label="loss")
    right = axes.twinx()
    right.plot(epochs, scores, color=_VERMILION, marker=".", label="accuracy, people held out")
    right.set(ylabel="pairs told apart")
    _percent(right.yaxis)
    figure.legend(loc="outside lower center", ncols=2)
    return _save(figure, path)
