"""A sequence's vectors -> its descriptor."""

from __future__ import annotations

import numpy as np


def pool(vectors: np.ndarray, weights: np.ndarray) -> tuple[np.ndarray, float]:
    """The descriptor (dimensions,) float32 of unit length of unit vectors (k, dimensions), and
    their spread, the weighted mean of 1 - cosine to it.

    The descriptor is their mean, weighted by ``weights`` (k,), which are qualities from 0 to 1;
    where all are zero every vector counts the same. Raises ValueError for no vectors.
    """
    if not len(vectors):
        raise ValueError("there are no vectors to pool")
    shares = np.asarray(weights, float)
    total = shares.sum()
    shares = shares / total if total > 0 else np.full(len(vectors), 1 / len(vectors))
    mean = shares @ np.asarray(vectors, float)
    descriptor = mean / max(float(np.linalg.norm(mean)), 1e-12)
    spread = float(shares @ (1 - vectors @ descriptor))
    return descriptor.astype(np.float32), max(spread, 0.0)
