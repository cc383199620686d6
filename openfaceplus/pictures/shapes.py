"""Numbers as shapes of SVG: bars and densities. A page gives them their colours."""

from __future__ import annotations

import numpy as np

_BINS = 60


def bars(values: np.ndarray, width: float, height: float, most: float) -> str:
    """The path of (n,) values as upright strokes round the middle of ``width`` x ``height``.

    A value of ``most`` reaches the edge. Strokes are to be a little thinner than width / n.
    """
    step, middle = width / max(1, len(values)), height / 2
    tall = np.clip(values / max(most, 1e-9), -1, 1) * middle
    return "".join(
        f"M{(i + 0.5) * step:.2f} {middle:g}v{-h:.2f}" for i, h in enumerate(tall.tolist())
    )


def density(values: np.ndarray, low: float, high: float, width: float, height: float) -> str:
    """The closed path of how (n,) values are spread from ``low`` to ``high``, standing on
    ``height``; nothing where there is no value."""
    counts, _ = np.histogram(values, _BINS, (low, high))
    if not counts.any():
        return ""
    smooth = np.convolve(counts, (0.25, 0.5, 0.25), "same")
    x = (np.arange(_BINS) + 0.5) * width / _BINS
    y = height - smooth / smooth.max() * height
    points = "".join(f"L{a:.1f} {b:.1f}" for a, b in zip(x.tolist(), y.tolist(), strict=True))
    return f"M0 {height:g}{points}L{width:g} {height:g}Z"
