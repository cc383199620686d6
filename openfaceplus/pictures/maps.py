"""Embeddings as points of a plane, and people against people, as PNG.

matplotlib is imported only when one is drawn.
"""

from __future__ import annotations

import colorsys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from openfaceplus.extras import require
from openfaceplus.files import MARK, atomic_write, shown

_NAMED = 40  # people whose names fit
_LONG = 24  # characters of a name


def colour(number: int) -> str:
    """A colour, as ``#rrggbb``, for a person's number; neighbours differ as much as can be."""
    hue, light = number * 0.381966 % 1, (0.42, 0.55)[number % 2]
    return "#" + "".join(f"{round(255 * x):02x}" for x in colorsys.hls_to_rgb(hue, light, 0.65))


def scatter(
    path: Path,
    places: np.ndarray,
    labels: np.ndarray,
    people: Sequence[str],
    marked: Mapping[int, str],
    title: str,
) -> Path:
    """Write (n, 2) places, coloured by the people that ``labels`` (n,) number, named where they
    are few; ``marked`` points, by number, are ringed and named."""
    figure, axes = _axes(title, (9.0, 7.0))
    from matplotlib.patheffects import withStroke

    axes.scatter(*places.T, c=[colour(label) for label in labels.tolist()], s=16, lw=0)
    if len(people) <= _NAMED:
        for number, name in enumerate(people):
            middle = np.median(places[labels == number], axis=0)
            axes.annotate(
                _short(name), middle, ha="center", fontsize=8, weight="bold",
                path_effects=[withStroke(linewidth=2, foreground="white")],
            )  # fmt: skip
    for number, said in marked.items():
        axes.scatter(*places[number], s=90, facecolors="none", edgecolors="#b8321f")
        axes.annotate(
            _short(said, 60), places[number], (6, 5), textcoords="offset points", fontsize=7,
            color="#b8321f", path_effects=[withStroke(linewidth=2, foreground="white")],
        )  # fmt: skip
    axes.set(xticks=[], yticks=[])
    return _save(figure, path)


def heat(path: Path, distances: np.ndarray, people: Sequence[str], title: str) -> Path:
    """Write (n, n) distances of n people: the nearer two are, the darker."""
    figure, axes = _axes(title, (8.5, 7.5))
    seen = distances[~np.eye(len(distances), dtype=bool)]
    least = float(seen.min(initial=1.0))
    image = axes.imshow(
        np.where(np.eye(len(distances), dtype=bool), np.nan, distances), cmap="magma", vmin=least
    )
    figure.colorbar(image, label="distance between two people's embeddings", shrink=0.8)
    if len(people) <= _NAMED:
        names = [_short(name) for name in people]
        axes.set_xticks(range(len(names)), names, rotation=90, fontsize=7)
        axes.set_yticks(range(len(names)), names, fontsize=7)
    else:
        axes.set(xticks=[], yticks=[])
    return _save(figure, path)


def _axes(title: str, size: tuple[float, float]) -> tuple[Any, Any]:
    require("matplotlib", "plots", "a plot")
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot(title=title)


def _save(figure: Any, path: Path) -> Path:
    with atomic_write(path) as file:
        figure.savefig(file, format="png", metadata={"Software": MARK})
    return path


def _short(name: str, most: int = _LONG) -> str:
    """A name as it is drawn, no longer than ``most``: dollar signs would begin a formula."""
    name = shown(name)
    name = name if len(name) <= most else name[: most - 1] + "…"
    return name.replace("$", r"\$")
