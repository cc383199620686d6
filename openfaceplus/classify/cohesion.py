"""How well each person's sequences hang together and apart from everybody else's."""

from __future__ import annotations

import numpy as np

_BLOCK = 2048


def silhouettes(vectors: np.ndarray, person: np.ndarray) -> np.ndarray:
    """(n,) silhouettes of unit vectors (n, dimensions) of the people that ``person`` (n,) numbers.

    (b - a) / max(a, b), a being the mean distance, 1 - cosine, to the person's other vectors and b
    that to the vectors of the nearest other person (Rousseeuw 1987). NaN for the only vector of a
    person, where there is nobody else, and for whoever has a negative number.
    """
    known = np.flatnonzero(person >= 0)
    made = np.full(len(vectors), np.nan)
    numbers, mine = np.unique(person[known], return_inverse=True)
    if len(numbers) < 2:
        return made
    counts = np.bincount(mine)
    sums = np.zeros((len(numbers), vectors.shape[1]))
    np.add.at(sums, mine, vectors[known])
    for start in range(0, len(known), _BLOCK):
        rows, own = known[start : start + _BLOCK], mine[start : start + _BLOCK]
        each = np.arange(len(rows))
        to_sums = vectors[rows] @ sums.T
        others = counts[own] - 1
        inside = (to_sums[each, own] - 1) / np.maximum(others, 1)
        means = to_sums / counts
        means[each, own] = -np.inf
        a, b = np.maximum(1 - inside, 0), 1 - means.max(axis=1)
        value = (b - a) / np.maximum(np.maximum(a, b), 1e-12)
        made[rows] = np.where(others > 0, value, np.nan)
    return made


def cohesion(vectors: np.ndarray, person: np.ndarray) -> np.ndarray:
    """(n,) mean silhouettes of each vector's person; NaN as in ``silhouettes``."""
    single = silhouettes(vectors, person)
    there = np.isfinite(single)
    made = np.full(len(vectors), np.nan)
    if there.any():
        sums = np.bincount(person[there], single[there])
        counts = np.bincount(person[there])
        made[there] = (sums / np.maximum(counts, 1))[person[there]]
    return made
