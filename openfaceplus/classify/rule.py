"""The open-set rule: which score is enough for a rate of strangers, and what that rests on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from openfaceplus.classify import calibrate, confidence, openset
from openfaceplus.classify.calibrate import Calibration
from openfaceplus.classify.cohort import PHOTOS, Cohort
from openfaceplus.classify.confidence import Confidence
from openfaceplus.classify.kinds import Namer
from openfaceplus.classify.openset import Named, Scorer
from openfaceplus.gallery.exact import ExactGallery

FAR = 0.01
"""One stranger in a hundred, unless another rate is asked."""
UNSURE = 0.15
"""A face whose second-best person scores so close to the best may be either."""
_MOST_LEFT_OUT = 5000  # people left out in turn
_ENOUGH = 300  # strangers for a distribution
_SPREADS = 4.0  # from strangers' median to enrolled people's, where neither was measured
_ROUNDING = 1e-5  # of scores, in single precision


@dataclass(frozen=True, slots=True, eq=False)
class Strangers:
    """Scores (n,) against the gallery of strangers: of a ``kind`` of cohort, or ``people`` left out
    in turn, who are only nearly strangers. ``data`` says who they are."""

    kind: str
    data: str
    scores: np.ndarray

    def calibrate(self, far: float, confidence_level: float | None = None) -> Calibration:
        """What they say of a rate."""
        left_out = self.kind == "people"
        return calibrate.from_scores(self.scores, far, confidence_level, estimate=left_out)


@dataclass(frozen=True, slots=True)
class Threshold:
    """A threshold (scores at or above it are accepted) and where it comes from.

    ``uses`` is the kind of strangers whose scores gave it, as in ``Strangers``, or ``nobody`` where
    none suffice for the rate: then nobody is accepted. ``calibration`` is what they say, or the
    first of them if none suffice. ``short`` is what better ones say that are too few for the rate.
    """

    value: float
    uses: str
    data: str
    calibration: Calibration
    short: Calibration | None = None

    def to_dict(self) -> dict[str, Any]:
        """As plain values."""
        short = None if self.short is None else self.short.to_dict()
        parts = {"calibration": self.calibration.to_dict(), "short": short}
        return {"value": self.value, "uses": self.uses, "data": self.data, **parts}


@dataclass(frozen=True, eq=False)
class OpenSetRule:
    """What names a face and rejects strangers.

    ``zero`` and ``one`` are the raw scores that the rule's scale calls 0 and 1: the medians of
    strangers and of enrolled people. ``strangers`` are kinds of strangers, best first, and
    ``photos`` (people,) how many each person is enrolled with.
    """

    scorer: Scorer
    photos: np.ndarray
    strangers: tuple[Strangers, ...]
    confidence: Confidence
    zero: float
    one: float

    @classmethod
    def fit(
        cls, vectors: np.ndarray, labels: np.ndarray, people: Sequence[str], space: str, *,
        cohorts: Sequence[Cohort] = (), namer: Namer | None = None,
        left_out: np.ndarray | None = None,
    ) -> OpenSetRule:  # fmt: skip
        """From unit vectors (photos, dimensions) of the people, by id, that ``labels`` number.

        ``left_out`` (photos,) are scores of enrolled photos, were their people not enrolled, where
        they are known better than the scorer's. They serve where there is no cohort.
        """
        # The most typical faces are of the most people.
        nobody = np.zeros((0, vectors.shape[1]), np.float32)
        typical = max((cohort.typical for cohort in cohorts), key=len, default=nobody)
        templates = openset.templates(vectors, labels)
        scorer = Scorer.of(space, people, templates, typical, namer)
        raw = [
            (each.kind, each.data, scorer.name(each.vectors, each.typicality_by(typical)).score)
            for each in cohorts
        ]
        if all(each.kind == "strangers" for each in cohorts):
            raw.append(("people", "", _left_out(scorer, vectors, labels, left_out)))
        genuine, counts = _genuine(scorer, vectors, labels, cohorts, typical)
        # The first that are many enough, else the most.
        most = max((scores for _, _, scores in raw), key=lambda scores: min(len(scores), _ENOUGH))
        photos = np.bincount(labels)
        zero, one = 0.0, 1.0
        if len(most):
            zero = float(np.median(most))
            one = zero + (_SPREADS * float(most.std()) or 1.0)
        if len(counts):
            (row,) = confidence.nearest_count(counts, np.exp(np.log(photos).mean(keepdims=True)))
            one = max(float(np.median(genuine[row])), zero + 1e-3)
        made = cls(scorer, photos, (), confidence.plain(), zero, one)
        strangers = tuple(
            Strangers(kind, data, made.scaled(scores).astype(np.float32))
            for kind, data, scores in raw
        )
        sure = made.confidence
        if len(most) and len(counts):
            sure = confidence.fit(made.scaled(most), made.scaled(genuine), counts)
        return replace(made, strangers=strangers, confidence=sure)

    def name(self, x: np.ndarray) -> Named:
        """Who unit vectors (n, dimensions) are and who else they might be, scores on the scale."""
        found = self.scorer.name(x)
        return found._replace(
            score=self.scaled(found.score), second_score=self.scaled(found.second_score)
        )

    def scaled(self, raw: np.ndarray) -> np.ndarray:
        """Raw scores on the scale: 0 where strangers usually lie, 1 where enrolled people do."""
        return (raw - self.zero) / (self.one - self.zero)

    def raw(self, scaled: float) -> float:
        """The inverse of ``scaled``."""
        return self.zero + scaled * (self.one - self.zero)

    def threshold(self, far: float = FAR, confidence_level: float | None = None) -> Threshold:
        """The threshold that accepts the share ``far`` of strangers, on average or
        with ``confidence_level``.

        Raises UsageError for rates that make no sense.
        """
        made = [each.calibrate(far, confidence_level) for each in self.strangers]
        short = None if made[0].met else made[0]
        for each, calibration in zip(self.strangers, made, strict=True):
            if calibration.met:
                value = above(calibration.threshold)
                return Threshold(value, each.kind, each.data, calibration, short)
        return Threshold(math.inf, "nobody", "", made[0])

    def loosest(self, made: Calibration) -> float:
        """The threshold for the smallest rate that the first strangers do support."""
        far = min(max(made.supported * (1 + 1e-9), made.asked), 1 - 1e-9)
        return above(self.strangers[0].calibrate(far, made.confidence_level).threshold)

    def confidences(self, scores: np.ndarray, named: np.ndarray, prior: float) -> np.ndarray:
        """(n,) probabilities that faces of (n,) scores are the people ``named`` (n,)."""
        return self.confidence.of(scores, self.photos[named], prior)

    def to_dict(self) -> dict[str, Any]:
        """As plain values, all but the photos and what names a face."""
        scorer, sure = self.scorer, self.confidence
        return {
            "templates": scorer.gallery.vectors,
            "typical": scorer.typical,
            "lowered": scorer.lowered,
            "strangers": [[each.kind, each.data, each.scores] for each in self.strangers],
            "confidence": [sure.grid, sure.photos, sure.log_ratio, sure.misnamed],
            "scale": [self.zero, self.one],
        }

    @classmethod
    def from_dict(
        cls, data: dict[str, Any], labels: np.ndarray, people: Sequence[str], space: str,
        namer: Namer | None,
    ) -> OpenSetRule:  # fmt: skip
        """The inverse of ``to_dict``. Raises KeyError or TypeError for anything else."""
        gallery = ExactGallery.of(space, people, data["templates"])
        scorer = Scorer(gallery, data["typical"], data["lowered"], namer)
        strangers = tuple(Strangers(*each) for each in data["strangers"])
        sure, photos = Confidence(*data["confidence"]), np.bincount(labels)
        return cls(scorer, photos, strangers, sure, *data["scale"])


def above(value: float) -> float:
    """Just above a score that is not to be accepted: it varies a little with the batch it is in."""
    return value + _ROUNDING if math.isfinite(value) else value


def _left_out(
    scorer: Scorer, vectors: np.ndarray, labels: np.ndarray, known: np.ndarray | None
) -> np.ndarray:
    """Scores of one photo of each person, at random, were the person not enrolled; none of whoever
    is alone."""
    order = np.random.default_rng(0).permutation(len(labels))
    _, first = np.unique(labels[order], return_index=True)
    chosen = order[first][:_MOST_LEFT_OUT]
    if known is not None:
        return known[chosen]
    _, scores = scorer.left_out(vectors[chosen], labels[chosen])
    there: np.ndarray = scores[np.isfinite(scores)]
    return there


def _genuine(
    scorer: Scorer, vectors: np.ndarray, labels: np.ndarray, cohorts: Sequence[Cohort],
    typical: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:  # fmt: skip
    """Samples (counts, m) of raw scores of enrolled people's new photos, and with how many photos
    (counts,): a cohort's, if it has the typical faces, else those of enrolled photos left out."""
    for cohort in cohorts:
        if cohort.typical is typical and len(cohort.genuine):
            return cohort.genuine, np.array(PHOTOS[: len(cohort.genuine)])
    several, scores = scorer.unseen(vectors, labels)
    if not len(scores):
        return np.zeros((0, 0)), np.zeros(0)
    counts = np.bincount(labels)[labels[several]]
    return scores[None], np.array([np.exp(np.log(counts).mean())])
