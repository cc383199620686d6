"""What a sequence's faces give together."""

from __future__ import annotations

import numpy as np


def pool(vectors: np.ndarray, qualities: np.ndarray) -> tuple[np.ndarray, float]:
    """The descriptor (dimensions,) of (n, dimensions) vectors of unit length, their mean weighted
    by (n,) qualities, of unit length; and their mean distance, 1 - cosine, from it."""
    mean = qualities @ vectors
    descriptor: np.ndarray = (mean / max(float(np.linalg.norm(mean)), 1e-12)).astype(np.float32)
    return descriptor, float(1 - (vectors @ descriptor).mean())
