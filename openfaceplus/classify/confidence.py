"""Confidence: the probability that a face is the person it was named for, from its open-set score.

With a prior p that the face is a stranger's (0.5 unless set) and e the share of enrolled people's
faces that are misnamed,

    confidence(s) = (1-p)(1-e) g(s) / ((1-p)(1-e) g(s) + (p + (1-p) e) f(s)),

g the density of scores of enrolled people's new photos and f that of strangers'. Both start from
the factory's quantiles; f is moved and stretched to this gallery's left-out scores, the more the
more people there are. log(g/f) is smoothed, made non-decreasing in the score, and kept as a small
table.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from openfaceplus.classify.calibrate import photo_choices
from openfaceplus.classify.factory import Factory, photos_each
from openfaceplus.errors import UsageError

PRIOR = 0.5
_SHIFT_PEOPLE, _STRETCH_PEOPLE = 20, 100  # people at which a gallery weighs as much as the factory
_BANDWIDTH = 0.004
_GRID = np.linspace(0.40, 0.66, 131)
_LEAST = 1e-4  # density below which a ratio of densities means nothing


@dataclass(frozen=True, eq=False)
class Confidence:
    """``grid`` (points,) scores; ``log_ratio`` (counts, points) log g/f for people with ``photos``
    (counts,) photos enrolled; ``misnamed``, the share e."""

    grid: np.ndarray
    photos: np.ndarray
    log_ratio: np.ndarray
    misnamed: float

    def of(self, scores: np.ndarray, photos: np.ndarray, prior: float = PRIOR) -> np.ndarray:
        """(n,) probabilities for (n,) scores of faces whose named people have ``photos`` (n,).

        ``prior`` is the share of strangers expected.
        """
        if not 0 <= prior <= 1:
            raise UsageError(
                f"a share of strangers lies from 0 to 1, not at {prior:g}", field="prior"
            )
        row = np.abs(np.log(self.photos)[:, None] - np.log(np.maximum(photos, 1))).argmin(axis=0)
        ratios = np.stack([np.interp(scores, self.grid, ratio) for ratio in self.log_ratio])
        own = (1 - prior) * (1 - self.misnamed) * np.exp(ratios[row, np.arange(len(row))])
        other = prior + (1 - prior) * self.misnamed
        shares: np.ndarray = own / np.maximum(own + other, 1e-300)
        return shares


def fit(factory: Factory, labels: np.ndarray, left_out: np.ndarray) -> Confidence:
    """For photos of people ``labels`` (photos,) and their left-out scores, -inf if alone."""
    people = int(labels.max()) + 1
    levels = np.asarray(factory.table["stranger_levels"], float)
    strangers, _, misnamed = factory.quantiles(people, photos_each(labels))
    move, stretch = 0.0, 1.0
    if np.isfinite(left_out).all():
        picks = photo_choices(left_out, labels)
        center, high = np.interp([0.5, 0.9], levels, strangers)
        middle = float(np.median(picks))
        own = (float(np.quantile(picks, 0.9)) - middle) / max(high - center, 1e-9)
        move = people / (people + _SHIFT_PEOPLE) * (middle - center)
        stretch = 1 + people / (people + _STRETCH_PEOPLE) * (own - 1)
    even = (np.arange(400) + 0.5) / 400
    # Dense in the tail that matters.
    at = np.sort(np.concatenate([even, 1 - np.logspace(-0.3, -4, 400)]))
    rows = []
    for photos in factory.table["photos"]:
        strangers, genuine, _ = factory.quantiles(people, photos)
        center = np.interp(0.5, levels, strangers)
        moved = (np.interp(at, levels, strangers) - center) * stretch + center + move
        f = _density(moved, np.gradient(at))
        g = _density(np.interp(even, factory.table["genuine_levels"], genuine), np.ones(400))
        rows.append(_rising(np.log((g + _LEAST) / (f + _LEAST)), f + g + 1e-6))
    counts = np.asarray(factory.table["photos"], float)
    return Confidence(_GRID.copy(), counts, np.stack(rows), misnamed)


def plain(left_out: np.ndarray, threshold: float) -> Confidence:
    """Without a factory: a logistic curve, a half at the threshold, steep as scores are spread."""
    finite = left_out[np.isfinite(left_out)]
    spread = float(finite.std()) if len(finite) > 1 else 0.02
    middle = threshold if np.isfinite(threshold) else float(finite.max(initial=0.9))
    grid = np.linspace(middle - 8 * spread, middle + 8 * spread, 65)
    return Confidence(grid, np.ones(1), (2 * (grid - middle) / max(spread, 1e-6))[None], 0.0)


def _density(samples: np.ndarray, weights: np.ndarray) -> np.ndarray:
    z = (_GRID[:, None] - samples[None]) / _BANDWIDTH
    kernel = np.exp(-0.5 * z * z) / (_BANDWIDTH * np.sqrt(2 * np.pi))
    density: np.ndarray = kernel @ (weights / weights.sum())
    return density


def _rising(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The closest non-decreasing sequence by weighted least squares (pool adjacent violators)."""
    blocks: list[tuple[float, float, int]] = []
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        mean, total, count = value, weight, 1
        while blocks and blocks[-1][0] >= mean:
            before, mass, length = blocks.pop()
            mean = (before * mass + mean * total) / (mass + total)
            total, count = mass + total, count + length
        blocks.append((mean, total, count))
    return np.concatenate([np.full(count, mean) for mean, _, count in blocks])
