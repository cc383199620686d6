"""Draw the pictures of docs/how-it-works.md: .venv/bin/python docs/make_how.py

They are what `openfaceplus explain` makes of the portrait of the astronaut Eileen Collins that
scikit-image carries (NASA, public domain), made smaller.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from skimage import data

from openfaceplus.pipeline import Pipeline
from openfaceplus.recipe import recipe
from openfaceplus.stages.explain import Explained, explain

HERE = Path(__file__).parent
LONG_SIDE, COLOURS = 560, 96  # pixels and colours of a picture, so that the files stay small


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        told = explain(data.astronaut(), Path(folder), Pipeline(recipe()))
    for what, pixels in told.pictures.items():
        save(pixels, what)
    save(numbers(told), "numbers")
    save(distances(told), "distances")
    return 0


def save(pixels: np.ndarray, what: str) -> None:
    """Write a picture as ``how-<what>.png``."""
    image = Image.fromarray(pixels)
    image.thumbnail((LONG_SIDE, LONG_SIDE), Image.Resampling.LANCZOS)
    small = image.quantize(COLOURS, dither=Image.Dither.NONE)
    small.save(HERE / f"how-{what}.png", optimize=True)


def numbers(told: Explained) -> np.ndarray:
    """The embedding as bars."""
    assert told.measured is not None
    figure, axes = canvas("the embedding: 128 numbers")
    axes.bar(range(len(told.measured.vector)), told.measured.vector, color="#0072B2")
    axes.set(xticks=[0, 31, 63, 95, 127], xticklabels=[1, 32, 64, 96, 128])
    return drawn(figure)


def distances(told: Explained) -> np.ndarray:
    """Where typical faces and strangers lie, and the limit."""
    measured = told.measured
    assert measured is not None and measured.limit is not None
    figure, axes = canvas("distance from this face: left is near")
    strangers = measured.strangers
    axes.hist(strangers, 60, color="#d9c9a8", label=f"{len(strangers):,} strangers")
    axes.plot(measured.typical, np.zeros(len(measured.typical)), "|", ms=16, color="#666666",
              label="typical faces")  # fmt: skip
    axes.axvline(measured.limit, color="#D55E00", ls="--", label="limit, 1 in 1,000")
    axes.set(yticks=[], xlim=(0, None))
    axes.legend()
    return drawn(figure)


def canvas(title: str) -> tuple[Any, Any]:
    """A figure and its axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(5.6, 2.4), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.add_subplot(title=title)


def drawn(figure: Any) -> np.ndarray:
    """(height, width, 3) RGB uint8 of a figure."""
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()


if __name__ == "__main__":
    sys.exit(main())
