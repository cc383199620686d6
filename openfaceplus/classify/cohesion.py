"""How well each person's sequences hang together, and apart from everybody else's."""

from __future__ import annotations

import numpy as np

from openfaceplus.classify import openset

_BLOCK = 2048


def silhouette(own: np.ndarray, count: np.ndarray, nearest: np.ndarray) -> np.ndarray:
    """(n,) silhouettes, (b - a) / max(a, b), of unit vectors whose cosines to all ``count`` (n,) of
    their person, themselves among them, add up to ``own`` (n,), and to those of the nearest other
    person have the mean ``nearest`` (n,); NaN for the only vector of a person.

    a is the mean distance, 1 - cosine, to the person's other vectors and b that to the nearest
    other person's (Rousseeuw 1987).
    """
    a = np.maximum(1 - (own - 1) / np.maximum(count - 1, 1), 0)
    b = 1 - nearest
    value: np.ndarray = (b - a) / np.maximum(np.maximum(a, b), 1e-12)
    return np.where(count > 1, value, np.nan)


def silhouettes(
    vectors: np.ndarray, person: np.ndarray, rows: np.ndarray | None = None
) -> np.ndarray:
    """(n,) silhouettes of unit vectors (n, dimensions), or of some ``rows`` of them, of the people
    that ``person`` (n,) numbers.

    NaN for the only vector of a person, for one whose number is negative, and where there is nobody
    else.
    """
    rows = np.arange(len(vectors)) if rows is None else rows
    numbers, mine, counts = np.unique(person, return_inverse=True, return_counts=True)
    there = numbers >= 0
    made = np.full(len(rows), np.nan)
    if there.sum() < 2:
        return made
    sums = openset.sums(vectors, mine).astype(np.float32)
    for start in range(0, len(rows), _BLOCK):
        part = slice(start, start + _BLOCK)
        own, each = mine[rows[part]], np.arange(len(rows[part]))
        cosines = vectors[rows[part]] @ sums.T
        means = np.where(there, cosines / counts, -np.inf)
        means[each, own] = -np.inf
        value = silhouette(cosines[each, own], counts[own], means.max(axis=1))
        made[part] = np.where(there[own], value, np.nan)
    return made


def cohesion(vectors: np.ndarray, person: np.ndarray) -> np.ndarray:
    """(n,) the mean silhouette of each vector's person; NaN as in ``silhouettes``."""
    single = silhouettes(vectors, person)
    there = np.isfinite(single)
    _, mine = np.unique(person, return_inverse=True)
    counts = np.bincount(mine, there)
    means = np.bincount(mine, np.where(there, single, 0)) / np.maximum(counts, 1)
    return np.where(there, means[mine], np.nan)
