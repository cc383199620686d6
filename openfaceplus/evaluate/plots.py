"""Plots of what was measured, as PNG. matplotlib is imported only when one is drawn."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from openfaceplus.extras import require
from openfaceplus.files import atomic_write

if TYPE_CHECKING:
    from openfaceplus.evaluate.metrics import Reliability

_GENUINE, _IMPOSTOR = "#0b6e4f", "#b3261e"


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
        figure.savefig(file, format="png")
    return path


def roc(path: Path, far: np.ndarray, tar: np.ndarray) -> Path:
    """ROC with a logarithmic axis, where the rates of interest lie."""
    figure, axes = _axes("ROC", "false-accept rate", "true-accept rate")
    shown = far > 0
    axes.plot(far[shown], tar[shown], color=_GENUINE)
    axes.set(xscale="log", ylim=(max(0.0, float(tar[shown].min()) - 0.02), 1.001))
    return _save(figure, path)


def det(path: Path, far: np.ndarray, tar: np.ndarray) -> Path:
    """DET: both errors on axes in normal deviates (Martin et al., Eurospeech 1997)."""
    from scipy.stats import norm

    figure, axes = _axes("DET", "false-accept rate", "false-reject rate")
    shown = (far > 0) & (far < 1) & (tar > 0) & (tar < 1)
    axes.plot(norm.ppf(far[shown]), norm.ppf(1 - tar[shown]), color=_GENUINE)
    ticks = np.array([0.0001, 0.001, 0.01, 0.05, 0.2, 0.5])
    labels = [f"{100 * tick:g}%" for tick in ticks]
    axes.set_xticks(norm.ppf(ticks), labels)
    axes.set_yticks(norm.ppf(ticks), labels)
    return _save(figure, path)


def cmc(path: Path, ranks: np.ndarray) -> Path:
    """CMC: how often the right person is among the first 1, 2, ... names, of (ranks,) shares."""
    figure, axes = _axes("CMC, enrolled people", "rank", "share of probes")
    axes.plot(np.arange(1, len(ranks) + 1), ranks, color=_GENUINE, marker=".")
    axes.set(ylim=(max(0.0, float(ranks.min()) - 0.02), 1.001))
    return _save(figure, path)


def dir_curve(path: Path, fpir: np.ndarray, rate: np.ndarray) -> Path:
    """The open-set ROC: detection and identification rate over FPIR."""
    figure, axes = _axes("Open-set identification", "FPIR (strangers accepted)", "DIR")
    axes.plot(fpir, rate, color=_GENUINE)
    axes.set(xscale="log")
    return _save(figure, path)


def histogram(path: Path, genuine: np.ndarray, impostors: np.ndarray, threshold: float) -> Path:
    """How genuine and impostor scores are spread, with a threshold."""
    figure, axes = _axes("Scores", "score", "density")
    genuine, impostors = genuine[np.isfinite(genuine)], impostors[np.isfinite(impostors)]
    both = np.concatenate([genuine, impostors])
    edges = np.linspace(both.min(), both.max(), 80) if len(both) else np.linspace(0, 1, 80)
    for scores, colour, label in (
        (genuine, _GENUINE, "same person"),
        (impostors, _IMPOSTOR, "another person"),
    ):
        # A density of nothing is not defined.
        axes.hist(scores, edges, density=len(scores) > 0, alpha=0.6, color=colour, label=label)
    if edges[0] <= threshold <= edges[-1]:
        axes.axvline(threshold, color="black", lw=1, label="threshold")
    axes.legend()
    return _save(figure, path)


def reliability(path: Path, table: Reliability) -> Path:
    """Confidence against truth, with the diagonal where both are the same."""
    title = f"Reliability, mean gap {100 * table.gap:.1f} points"
    figure, axes = _axes(title, "confidence", "share that was right")
    axes.plot([0, 1], [0, 1], color="grey", lw=1)
    axes.plot(table.confidence, table.truth, color=_GENUINE, marker="o")
    return _save(figure, path)
