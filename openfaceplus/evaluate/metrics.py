"""Error rates of verification and open-set identification, with intervals.

Terms are those of ISO/IEC 19795-1 and NIST FRTE: FAR and TAR for one-to-one comparisons; FPIR, the
share of strangers accepted, and DIR (one minus FNIR), the share of enrolled people's probes named
right and accepted. Scores rise with likeness and are accepted at or above a threshold; a photo
in which nothing could be found has score -inf.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np


def threshold_at(impostors: np.ndarray, rate: float, weights: np.ndarray | None = None) -> float:
    """The lowest threshold that accepts at most the share ``rate`` of (n,) impostor scores.

    ``weights`` count each score that often. With fewer than 1 / rate scores nothing that an
    impostor reached is accepted.
    """
    # The next number above a score must not be rounded back to it.
    impostors = np.asarray(impostors, np.float64)
    if not len(impostors):
        return float("inf")
    order = np.argsort(-impostors, kind="stable")
    scores = impostors[order]
    counts = np.ones(len(scores)) if weights is None else weights[order]
    accepted = np.cumsum(counts)
    total = accepted[-1]
    # Scores that tie are accepted together.
    last = np.append(scores[1:] != scores[:-1], True)
    allowed = np.flatnonzero(last & (accepted <= rate * total + 1e-9))
    # Just above the next impostor rather than at the last one accepted: more genuine ones pass.
    rest = scores[allowed[-1] + 1 :] if len(allowed) else scores
    rest = rest[np.isfinite(rest)]
    if not len(rest):
        # Nobody is left to keep out; what was not found, at -inf, is never accepted.
        finite = scores[np.isfinite(scores)]
        return float(finite[-1] if len(finite) else np.finfo(np.float64).min)
    return float(np.nextafter(np.float64(rest[0]), np.inf))


def tar_at_far(genuine: np.ndarray, impostors: np.ndarray, far: float) -> float:
    """Share of (n,) genuine scores accepted where the share ``far`` of (m,) impostors is."""
    return float(np.mean(np.asarray(genuine, np.float64) >= threshold_at(impostors, far)))


def roc(genuine: np.ndarray, impostors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """FAR and TAR at every threshold, (k,) each, rising."""
    thresholds = np.unique(np.concatenate([genuine, impostors]))[::-1]
    far = 1 - np.searchsorted(np.sort(impostors), thresholds, "left") / len(impostors)
    tar = 1 - np.searchsorted(np.sort(genuine), thresholds, "left") / len(genuine)
    return np.concatenate([[0.0], far]), np.concatenate([[0.0], tar])


def auc(genuine: np.ndarray, impostors: np.ndarray) -> float:
    """Chance that a genuine score is above an impostor's, ties counting half."""
    ordered = np.sort(impostors)
    below = np.searchsorted(ordered, genuine, "left")
    up_to = np.searchsorted(ordered, genuine, "right")
    return float((below + up_to).mean() / 2 / len(impostors))


def eer(genuine: np.ndarray, impostors: np.ndarray) -> float:
    """Error rate where as many impostors are accepted as genuine ones are refused."""
    far, tar = roc(genuine, impostors)
    gap = far - (1 - tar)
    after = int(np.argmax(gap >= 0))
    if gap[after] == 0 or after == 0:
        return float(far[after])
    share = -gap[after - 1] / (gap[after] - gap[after - 1])
    return float(far[after - 1] + share * (far[after] - far[after - 1]))


def best_threshold(scores: np.ndarray, same: np.ndarray) -> float:
    """The threshold with the highest accuracy on (n,) scores of pairs that are the same or not.

    Of several it is the middle one, so that chance at the edges counts least.
    """
    order = np.argsort(scores, kind="stable")
    ranked = scores[order]
    truth = same[order]
    # Accepting from position i up: those below that differ and those from i that are the same.
    right = np.append(0, np.cumsum(~truth)) + np.append(np.cumsum(truth[::-1])[::-1], 0)
    allowed = np.append(True, ranked[1:] != ranked[:-1])
    allowed = np.append(allowed, True)
    best = np.flatnonzero(allowed & (right == right[allowed].max()))
    position = int(best[len(best) // 2])
    if position == 0:
        return float(ranked[0])
    if position == len(ranked):
        return float(np.nextafter(np.float64(ranked[-1]), np.inf))
    low, high = ranked[position - 1], ranked[position]
    return float((low + high) / 2 if np.isfinite(low) else high)


def fold_accuracies(scores: np.ndarray, same: np.ndarray, folds: np.ndarray) -> np.ndarray:
    """Accuracy on each fold at the threshold that was best on all others, (folds,), as LFW asks."""
    accuracies = []
    for fold in np.unique(folds):
        here = folds == fold
        threshold = best_threshold(scores[~here], same[~here])
        accuracies.append(np.mean((scores[here] >= threshold) == same[here]))
    return np.array(accuracies)


def clopper_pearson(hits: float, trials: float, confidence: float = 0.95) -> tuple[float, float]:
    """The exact two-sided interval of a share of which ``hits`` of ``trials`` were seen."""
    low, high = share_intervals(np.array([hits]), np.array([trials]), confidence)
    return float(low[0]), float(high[0])


def share_intervals(
    hits: np.ndarray, trials: np.ndarray, confidence: float = 0.95
) -> tuple[np.ndarray, np.ndarray]:
    """Clopper-Pearson intervals, (n,) low and high ends, of (n,) hits in (n,) or (1,) trials."""
    from scipy.stats import beta

    tail = (1 - confidence) / 2
    with np.errstate(invalid="ignore"):
        low = beta.ppf(tail, hits, trials - hits + 1)
        high = beta.ppf(1 - tail, hits + 1, trials - hits)
    return np.where(hits <= 0, 0.0, low), np.where(hits >= trials, 1.0, high)


def bootstrap(
    statistic: Callable[[np.ndarray], float],
    people: int,
    draws: int = 1000,
    confidence: float = 0.95,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile interval of a statistic when ``people`` people are drawn with replacement.

    ``statistic`` takes how often each person was drawn, (people,).
    """
    generator = np.random.default_rng(seed)
    weights = generator.multinomial(people, np.full(people, 1 / people), size=draws)
    values = np.array([statistic(row) for row in weights])
    tail = (1 - confidence) / 2
    low, high = np.nanquantile(values, [tail, 1 - tail])
    return float(low), float(high)


@dataclass(frozen=True, slots=True, eq=False)
class Probes:
    """What an open-set search gave.

    ``scores`` (n,) of enrolled people's probes, ``right`` (n,) whether the name was right,
    ``people`` (n,) whose probe it was; ``stranger_scores`` (m,) and ``strangers`` (m,) whose.
    """

    scores: np.ndarray
    right: np.ndarray
    people: np.ndarray
    stranger_scores: np.ndarray
    strangers: np.ndarray

    @property
    def rank1(self) -> float:
        """Share of the enrolled people's probes that got the right name, accepted or not."""
        return float(np.mean(self.right))

    def dir_at(self, threshold: float) -> float:
        """Share of the enrolled people's probes named right and accepted."""
        return float(np.mean(self.right & (self.scores >= threshold)))

    def fpir_at(self, threshold: float) -> float:
        """Share of the strangers' probes accepted."""
        return float(np.mean(self.stranger_scores >= threshold))

    def dir_at_fpir(self, fpir: float) -> float:
        """DIR at the threshold that accepts at most the share ``fpir`` of the strangers' probes."""
        return self.dir_at(threshold_at(self.stranger_scores, fpir))

    def dir_intervals(
        self, fpirs: Sequence[float], draws: int = 500, seed: int = 0
    ) -> list[tuple[float, float]]:
        """95% intervals of ``dir_at_fpir`` over people, enrolled ones and strangers both drawn."""
        _, owner = np.unique(self.people, return_inverse=True)
        _, stranger = np.unique(self.strangers, return_inverse=True)
        known, unknown = int(owner.max()) + 1, int(stranger.max()) + 1
        generator = np.random.default_rng(seed)
        values = np.empty((draws, len(fpirs)))
        for row in values:
            mine = np.bincount(generator.integers(0, known, known), minlength=known)[owner]
            theirs = np.bincount(generator.integers(0, unknown, unknown), minlength=unknown)
            weights = theirs[stranger].astype(float)
            limits = [threshold_at(self.stranger_scores, fpir, weights) for fpir in fpirs]
            accepted = self.right & (self.scores >= np.array(limits)[:, None])
            row[:] = accepted @ mine / np.sum(mine)
        low, high = np.quantile(values, [0.025, 0.975], axis=0)
        return list(zip(low.tolist(), high.tolist(), strict=True))

    def subset(self, known: np.ndarray, strangers: np.ndarray) -> Probes:
        """The part that two masks, (n,) and (m,), choose."""
        return Probes(
            self.scores[known],
            self.right[known],
            self.people[known],
            self.stranger_scores[strangers],
            self.strangers[strangers],
        )


@dataclass(frozen=True, slots=True, eq=False)
class Reliability:
    """Confidence against truth in bins of equal weight: means of both, (bins,).

    ``counts`` (bins,) are the numbers of equally weighted faces that would be worth as much.
    """

    confidence: np.ndarray
    truth: np.ndarray
    counts: np.ndarray

    @property
    def gap(self) -> float:
        """Mean over the bins of the distance between confidence and truth."""
        return float(np.mean(np.abs(self.confidence - self.truth)))


def reliability(
    confidence: np.ndarray, right: np.ndarray, weights: np.ndarray, bins: int = 10
) -> Reliability:
    """Sort (n,) confidences into bins of equal weight and compare with the share that was right."""
    order = np.argsort(confidence, kind="stable")
    total = np.cumsum(weights[order]) - weights[order] / 2
    which = np.minimum((total / weights.sum() * bins).astype(int), bins - 1)
    weight = np.bincount(which, weights[order], bins)
    squares = np.bincount(which, weights[order] ** 2, bins)
    weight[weight == 0] = squares[weight == 0] = np.nan
    return Reliability(
        np.bincount(which, (weights * confidence)[order], bins) / weight,
        np.bincount(which, (weights * right)[order], bins) / weight,
        weight**2 / squares,
    )
