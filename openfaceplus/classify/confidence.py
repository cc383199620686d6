"""Confidence: the probability that a face is the person it was named for, from its open-set score.

With a prior p that the face is a stranger's (0.5 unless set) and e the share of enrolled people's
faces that are misnamed,

    confidence(s) = (1-p)(1-e) g(s) / ((1-p)(1-e) g(s) + (p + (1-p) e) f(s)),

g the density of scores of enrolled people's new photos, by how many photos they are enrolled with,
and f that of the cohort's against this gallery. log(g/f) is smoothed, made non-decreasing in the
score, and kept as a small table. Scores are on the rule's scale: 0 where strangers usually lie, 1
where enrolled people do.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from openfaceplus.errors import UsageError

PRIOR = 0.5
_BANDWIDTH = 0.06
_GRID = np.linspace(-1.5, 2.5, 161)
_LEAST = 1e-4  # density below which a ratio of densities means nothing, as a share of the highest


@dataclass(frozen=True, eq=False)
class Confidence:
    """``grid`` (points,) scores; ``log_ratio`` (counts, points) log g/f for people with ``photos``
    (counts,) photos enrolled; ``misnamed`` (counts,) the shares e."""

    grid: np.ndarray
    photos: np.ndarray
    log_ratio: np.ndarray
    misnamed: np.ndarray

    def of(self, scores: np.ndarray, photos: np.ndarray, prior: float = PRIOR) -> np.ndarray:
        """(n,) probabilities for (n,) scores of faces whose named people have ``photos`` (n,).

        ``prior`` is the share of strangers expected.
        """
        if not 0 <= prior <= 1:
            raise UsageError(
                f"a share of strangers lies from 0 to 1, not at {prior:g}", field="prior"
            )
        row = nearest_count(self.photos, photos)
        ratios = np.stack([np.interp(scores, self.grid, ratio) for ratio in self.log_ratio])
        misnamed = self.misnamed[row]
        own = (1 - prior) * (1 - misnamed) * np.exp(ratios[row, np.arange(len(row))])
        other = prior + (1 - prior) * misnamed
        shares: np.ndarray = own / np.maximum(own + other, 1e-300)
        return shares


def fit(strangers: np.ndarray, genuine: np.ndarray, photos: np.ndarray) -> Confidence:
    """From scores of strangers (n,), and samples (counts, m) of enrolled people's scores with
    ``photos`` (counts,) photos each."""
    f = _density(strangers)
    rows, misnamed = [], []
    for samples in genuine:
        g = _density(samples)
        rows.append(_rising(np.log((g + _LEAST) / (f + _LEAST)), f + g + 1e-6))
        # A stranger's best score is that of an enrolled face for the best of the others.
        misnamed.append(float((strangers[:, None] > samples).mean()))
    return Confidence(_GRID.copy(), photos.astype(float), np.stack(rows), np.array(misnamed))


def plain(threshold: float = 0.5) -> Confidence:
    """Where nothing was measured: a logistic curve, a half at the threshold."""
    return Confidence(_GRID.copy(), np.ones(1), (8 * (_GRID - threshold))[None], np.zeros(1))


def nearest_count(known: np.ndarray, asked: np.ndarray) -> np.ndarray:
    """(n,) which of the ``known`` (counts,) numbers of photos are nearest to those ``asked``."""
    log_asked = np.log(np.maximum(asked, 1))
    row: np.ndarray = np.abs(np.log(known)[:, None] - log_asked).argmin(axis=0)
    return row


def _density(samples: np.ndarray) -> np.ndarray:
    """At the grid's points, by Gaussian kernels."""
    density = np.zeros(len(_GRID))
    for part in np.array_split(samples, max(1, len(samples) // 1000)):
        z = (_GRID[:, None] - part) / _BANDWIDTH
        density += np.exp(-0.5 * z * z).sum(axis=1)
    density /= len(samples) * _BANDWIDTH * np.sqrt(2 * np.pi)
    return density


def _rising(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """The closest non-decreasing sequence by weighted least squares (pool adjacent violators)."""
    from sklearn.isotonic import isotonic_regression

    made: np.ndarray = isotonic_regression(values, sample_weight=weights)
    return made
