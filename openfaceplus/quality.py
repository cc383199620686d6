"""Whether a face can be recognised at all."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np

MIN_FACE_PIXELS = 24
MIN_SHARPNESS = 0.0


def sharpness(pixels: np.ndarray) -> float:
    """Provisional."""
    return 1.0
