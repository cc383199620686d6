"""From stranger scores to a threshold: how many strangers in a hundred may be accepted, and how
sure that is.

Two rules. On average: of n scores the m-th largest, m = floor(far (n + 1)) (split conformal: a new
stranger scores above it with probability at most far, over draws of strangers). With confidence:
the (k+1)-th largest, k the largest number whose one-sided Clopper-Pearson bound is at most far. A
face is accepted only when its score is above the threshold.

Where there are no strangers the scores are those of enrolled people left out in turn. They depend
on each other, since two people who look alike appear twice, once each way, so it is an estimate.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from openfaceplus.errors import UsageError


@dataclass(frozen=True, slots=True)
class Calibration:
    """A threshold and what supports it.

    Scores above ``threshold`` are accepted (inf: nobody). ``asked`` is the rate,
    ``confidence_level`` None where it holds on average, else how sure that is. Of ``n`` strangers
    ``accepted`` would have been accepted. ``supported`` is the smallest rate that so many can
    support. ``estimate`` says that they were people left out.
    """

    threshold: float
    asked: float
    confidence_level: float | None
    n: int
    accepted: int
    supported: float
    estimate: bool

    @property
    def bound(self) -> float:
        """Upper one-sided bound of the rate, 95%."""
        return upper_bound(self.accepted, self.n)

    @property
    def interval(self) -> tuple[float, float]:
        """Two-sided interval of the rate, 95%."""
        n = self.n
        return lower_bound(self.accepted, n, 0.975), upper_bound(self.accepted, n, 0.975)

    @property
    def met(self) -> bool:
        """Whether the data support the rate asked."""
        return self.asked >= self.supported

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        return asdict(self) | {"bound": self.bound, "interval": self.interval}


def from_scores(
    scores: np.ndarray, far: float, level: float | None = None, *, estimate: bool = False
) -> Calibration:
    """From the scores (n,) of n strangers, one photo each; it holds for strangers drawn alike.

    ``estimate`` says that they are enrolled people left out. Raises UsageError for rates that make
    no sense.
    """
    _check(far, level)
    ordered = -np.sort(-np.asarray(scores, float))
    n = len(ordered)
    rank = _rank(n, far, level)
    threshold = float(ordered[rank - 1]) if rank else math.inf
    taken = int((ordered > threshold).sum())
    return Calibration(threshold, far, level, n, taken, supported(n, level), estimate)


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
    from scipy.special import betaincinv

    return 1.0 if k >= n else float(betaincinv(k + 1, n - k, confidence))


def lower_bound(k: int, n: int, confidence: float = 0.95) -> float:
    """One-sided Clopper-Pearson lower bound of a rate of which k of n were seen."""
    return 1.0 - upper_bound(n - k, n, confidence) if n else 0.0


def allowed(n: int, far: float, level: float) -> int:
    """The largest k with ``upper_bound(k, n, level) <= far``; -1 when there is none."""
    from scipy.special import bdtr

    fits = bdtr(np.arange(n + 1), n, far) <= 1 - level
    return int(fits.sum()) - 1


def _rank(n: int, far: float, level: float | None) -> int:
    """Which of n scores, the largest being 1, is the threshold; 0 where they do not support it."""
    if far < supported(n, level):
        return 0
    # From one up: what is supported must not fail by a rounding.
    return max(1, math.floor(far * (n + 1) + 1e-9) if level is None else allowed(n, far, level) + 1)


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
