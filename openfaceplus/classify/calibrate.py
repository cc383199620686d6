"""From stranger scores to a threshold: how many strangers in a hundred may be accepted, and how
sure that is.

Two rules. On average: of n scores the m-th largest, m = floor(far (n + 1)) (split conformal: a new
stranger scores above it with probability at most far, over draws of strangers). With confidence:
the (k+1)-th largest, k the largest number whose one-sided Clopper-Pearson bound is at most far. A
face is accepted only when its score is above the threshold.

Without strangers' photos the scores are those of enrolled people left out in turn. They depend on
each other, since two people who look alike appear twice, once each way, so it is an estimate;
docs/accuracy.md says how well it holds. NumPy and the standard library only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from openfaceplus.errors import UsageError

_CHOICES = 32  # draws of one photo a person


@dataclass(frozen=True, slots=True)
class Calibration:
    """A threshold and what supports it.

    Scores above ``threshold`` are accepted (inf: nobody). ``asked`` is the rate,
    ``confidence_level`` None where it holds on average, else how sure that is. Of ``n`` people or
    strangers ``accepted`` would have been accepted (a mean over photo choices for people left out),
    which bounds the rate by ``bound`` (upper one-sided, 95%) and ``interval`` (two-sided, 95%).
    ``supported`` is the smallest rate that so many can support. ``estimate`` says that they were
    people left out.
    """

    threshold: float
    asked: float
    confidence_level: float | None
    n: int
    accepted: float
    bound: float
    interval: tuple[float, float]
    supported: float
    estimate: bool

    @property
    def met(self) -> bool:
        """Whether the data support the rate asked."""
        return self.asked >= self.supported


def from_strangers(scores: np.ndarray, far: float, level: float | None = None) -> Calibration:
    """From the scores (n,) of n strangers, one photo each; it holds for strangers drawn alike."""
    _check(far, level)
    ordered = -np.sort(-np.asarray(scores, float))
    n = len(ordered)
    rank = math.floor(_rank(n, far, level) + 1e-9)
    threshold = float(ordered[rank - 1]) if 1 <= rank <= n else math.inf
    return _calibration(threshold, far, level, n, int((ordered > threshold).sum()), False)


def from_left_out(
    scores: np.ndarray, labels: np.ndarray, far: float, level: float | None = None
) -> Calibration:
    """From the left-out scores (photos,) of enrolled people ``labels`` (photos,).

    One photo of each person is chosen at random, with a fixed seed, and the thresholds of many such
    choices are averaged: still one photo a person, with less chance in it. Between two ranks the
    threshold is interpolated.
    """
    _check(far, level)
    picks = photo_choices(scores, labels)
    n = picks.shape[1]
    rank = _rank(n, far, level)
    if not rank or not np.isfinite(picks).any():
        return _calibration(math.inf, far, level, n, 0, True)
    low = min(math.floor(rank + 1e-9), n)
    part = min(max(rank - low, 0.0), 1.0)
    ranks = [low - 1, min(low, n - 1)]
    at, next_ = -np.partition(-picks, ranks, axis=1)[:, ranks].T
    each = at + part * (next_ - at)
    threshold = float(each.mean())
    taken = float((picks > threshold).sum(axis=1).mean())
    return _calibration(threshold, far, level, n, taken, True)


def photo_choices(scores: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """Scores (choices, people), each row one photo of every person at random."""
    scores, labels = np.asarray(scores, float), np.asarray(labels)
    order = np.argsort(labels, kind="stable")
    _, first, count = np.unique(labels[order], return_index=True, return_counts=True)
    generator = np.random.default_rng(0)
    pick = first + (generator.random((_CHOICES, len(first))) * count).astype(np.intp)
    chosen: np.ndarray = scores[order][pick]
    return chosen


def needed(far: float, level: float | None = None) -> int:
    """How many strangers, or people left out, support a rate on average or with confidence."""
    _check(far, level)
    if level is None:
        return math.ceil(round(1 / far - 1, 9))
    return math.ceil(math.log(1 - level) / math.log1p(-far))


def supported(n: int, level: float | None = None) -> float:
    """The smallest rate that n strangers, or people left out, support."""
    if n < 1:
        return 1.0
    return 1 / (n + 1) if level is None else 1 - (1 - level) ** (1 / n)


def upper_bound(k: int, n: int, confidence: float = 0.95) -> float:
    """One-sided Clopper-Pearson upper bound of a rate of which k of n were seen."""
    if n == 0 or k >= n:
        return 1.0
    low, high = k / n, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        beyond = _binomial_cdf(k, n, middle) > 1 - confidence
        low, high = (middle, high) if beyond else (low, middle)
    return high


def lower_bound(k: int, n: int, confidence: float = 0.95) -> float:
    """One-sided Clopper-Pearson lower bound of a rate of which k of n were seen."""
    return 1.0 - upper_bound(n - k, n, confidence) if n else 0.0


def allowed(n: int, far: float, level: float) -> int:
    """The largest k with ``upper_bound(k, n, level) <= far``; -1 when there is none."""
    low, high = -1, n
    while high - low > 1:
        middle = (low + high) // 2
        fits = _binomial_cdf(middle, n, far) <= 1 - level
        low, high = (middle, high) if fits else (low, middle)
    return low


def _rank(n: int, far: float, level: float | None) -> float:
    """Which of n scores, the largest being 1, is the threshold; 0 where they do not support it."""
    if far < supported(n, level):
        return 0.0
    # From one up: what is supported must not fail by a rounding.
    return max(1.0, far * (n + 1) if level is None else allowed(n, far, level) + 1.0)


def _calibration(
    threshold: float, far: float, level: float | None, n: int, taken: float, estimate: bool
) -> Calibration:
    whole = math.ceil(taken - 1e-9)
    interval = lower_bound(math.floor(taken), n, 0.975), upper_bound(whole, n, 0.975)
    bound = upper_bound(whole, n)
    return Calibration(
        threshold, far, level, n, taken, bound, interval, supported(n, level), estimate
    )


def _check(far: float, level: float | None) -> None:
    if not 0 < far < 1:
        raise UsageError(
            f"a rate of strangers accepted lies above 0 and below 1, not at {far:g}",
            field="far",
            remedy="give a share such as 0.01",
        )
    if level is not None and not 0 < level < 1:
        raise UsageError(
            f"a confidence level lies above 0 and below 1, not at {level:g}",
            field="confidence_level",
            remedy="give one such as 0.95",
        )


def _binomial_cdf(k: int, n: int, p: float) -> float:
    """P(at most k of n), each with probability p."""
    if p <= 0 or k >= n:
        return 1.0
    if p >= 1 or k < 0:
        return 0.0
    above = k > n * p  # The tail beyond the mean is the one that is small.
    i = np.arange(k + 1, n + 1) if above else np.arange(k + 1)
    terms = _log_choose(n)[i] + i * math.log(p) + (n - i) * math.log1p(-p)
    tail = float(np.exp(terms).sum())
    return max(0.0, 1.0 - tail) if above else min(1.0, tail)


@lru_cache(maxsize=8)
def _log_choose(n: int) -> np.ndarray:
    """(n + 1,) logarithms of the numbers of ways to choose 0..n of n."""
    log_factorial = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, n + 1)))])
    chosen: np.ndarray = log_factorial[n] - log_factorial - log_factorial[::-1]
    return chosen
