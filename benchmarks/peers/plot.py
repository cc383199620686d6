"""One picture of a benchmark's results."""

from __future__ import annotations

from pathlib import Path
from typing import Any

_TITLES = {
    "single": "one photo at a time",
    "folder": "a folder, all cores",
    "cold": "cold start of infer",
    "large": "12 megapixels, the largest face",
}


def draw(results: dict[str, Any], path: Path) -> None:
    """Ratios with their spread, and time by size where it was measured, to a PNG."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    panels = [name for name in _TITLES if name in results]
    curves = [name for name in ("training", "search") if name in results]
    total = len(panels) + len(curves)
    if not total:
        return
    figure = Figure(figsize=(4.6 * min(total, 3), 3.4 * -(-total // 3)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots(-(-total // 3), min(total, 3), squeeze=False).ravel()
    for axis in axes[total:]:
        axis.set_visible(False)
    for axis, name in zip(axes, panels, strict=False):
        _bars(axis, name, results[name]["ratios"]["face_recognition"])
    for axis, name in zip(axes[len(panels) :], curves, strict=False):
        _curves(axis, name, results[name])
    figure.savefig(path, dpi=110)


def _bars(axis: Any, name: str, ratios: dict[str, dict[str, float]]) -> None:
    middle = [ratio["median"] for ratio in ratios.values()]
    low = [ratio["median"] - ratio["min"] for ratio in ratios.values()]
    high = [ratio["max"] - ratio["median"] for ratio in ratios.values()]
    axis.barh(list(ratios), middle, xerr=(low, high), color="#4477aa", capsize=3)
    axis.invert_yaxis()
    axis.axvline(1, color="black", linewidth=0.8)
    axis.set_title(_TITLES[name])
    axis.set_xlabel("times face_recognition")


def _curves(axis: Any, name: str, result: dict[str, Any]) -> None:
    if name == "training":
        rows = {"train": {k: v["median"] for k, v in result["seconds"].items()}}
        axis.set_ylabel("seconds")
        axis.set_xlabel("people, 5 embeddings each")
    else:
        rows = {
            kind: {k: v["ms"]["median"] for k, v in sizes.items()}
            for kind, sizes in result["galleries"].items()
        }
        axis.set_ylabel("ms, one probe")
        axis.set_xlabel("templates")
    for label, points in rows.items():
        axis.loglog([int(x) for x in points], list(points.values()), marker="o", label=label)
    axis.set_title(name)
    axis.legend()
