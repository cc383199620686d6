"""Which open-set score is enough: the threshold for a rate, and what it rests on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from openfaceplus.classify import calibrate, confidence, factory, openset
from openfaceplus.classify.calibrate import Calibration
from openfaceplus.classify.confidence import Confidence
from openfaceplus.classify.openset import Near, Scorer
from openfaceplus.gallery.exact import ExactGallery

FAR = 0.01
"""One stranger in a hundred, unless another rate is asked."""
SMALL = 50
"""People below which the stricter of left-out scores and the factory's is taken."""
_FACTORY_RANKS = 2.0  # people beyond the threshold that the factory is worth
_MUCH_STRICTER = 0.008  # in score, about a factor of three in the rate
_ROUNDING = 1e-6  # of scores, in single precision


@dataclass(frozen=True, slots=True)
class Threshold:
    """A threshold (scores at or above it are accepted) and where it comes from.

    ``calibration`` is what the data gave, ``factory`` what was measured on ``factory_data``, None
    where nothing was for this embedding. ``uses`` is ``strangers``; ``people`` left out;
    ``factory``; their ``blend``, weighted by how many people left out lie beyond the threshold; the
    ``stricter`` of them, for a small gallery or a rate to be met with confidence; or ``nobody``.
    """

    value: float
    uses: str
    calibration: Calibration
    factory: float | None
    factory_data: str | None


@dataclass(frozen=True, eq=False)
class OpenSetRule:
    """What rejects strangers.

    ``left_out`` (photos,) are the enrolled photos' scores had their people not been enrolled,
    ``labels`` (photos,) say whose they are and ``near`` who else is like them; ``strangers`` (k,)
    are the scores of strangers, if any were given. Thresholds for any rate follow from these.
    """

    scorer: Scorer
    labels: np.ndarray
    near: Near
    left_out: np.ndarray
    strangers: np.ndarray | None
    confidence: Confidence
    space: str

    @classmethod
    def fit(
        cls, vectors: np.ndarray, labels: np.ndarray, people: Sequence[str], space: str
    ) -> OpenSetRule:
        """From unit vectors (photos, dimensions) of the people, by id, that ``labels`` number."""
        made = factory.load(space)
        # Without measured numbers the score is the plain cosine.
        plain = openset.ScoreParams(rivals=0.0, hub=0.0, mean=0.0)
        params = plain if made is None else made.params
        scorer = Scorer.of(vectors, labels, people, params, space)
        # The only photo of a person is the template as well.
        near = Near(scorer.near.who[labels], scorer.near.cosine[labels])
        several = np.bincount(labels)[labels] > 1
        again = Near.of(scorer.gallery, vectors[several], labels[several])
        near.who[several], near.cosine[several] = again.who, again.cosine
        return cls._of(scorer, vectors, labels, near, space)

    @classmethod
    def _of(
        cls, scorer: Scorer, vectors: np.ndarray, labels: np.ndarray, near: Near, space: str
    ) -> OpenSetRule:
        left = scorer.left_out(vectors, labels, near)
        return cls(scorer, labels, near, left, None, cls._confidence(left, labels, space), space)

    @staticmethod
    def _confidence(left: np.ndarray, labels: np.ndarray, space: str) -> Confidence:
        made = factory.load(space)
        if made is None:
            finite = left[np.isfinite(left)]
            middle = float(np.quantile(finite, 0.99)) if len(finite) else math.inf
            return confidence.plain(left, middle)
        return confidence.fit(made, labels, left)

    def with_left_out(self, scores: np.ndarray) -> OpenSetRule:
        """The same with left-out scores (photos,) that are known better."""
        sure = self._confidence(scores, self.labels, self.space)
        return replace(self, left_out=scores, confidence=sure)

    def with_photos(
        self, vectors: np.ndarray, labels: np.ndarray, people: Sequence[str], number: int
    ) -> OpenSetRule:
        """What ``fit`` gives, after photos of person ``number``, new or not, were added at the end.

        Only what this person touches is compared anew.
        """
        mine = vectors[labels == number]
        template = openset.templates(mine, np.zeros(len(mine), np.intp))
        known = self.scorer.gallery.vectors
        parts = [known[:number], template, known[number + 1 :]]
        gallery = ExactGallery.of(self.space, people, np.concatenate(parts))
        numbers = np.arange(len(people))
        hubs = self.scorer.near.with_template(gallery, gallery.vectors, numbers, number)
        near = self.near.with_template(gallery, vectors, labels, number)
        scorer = replace(self.scorer, gallery=gallery, near=hubs)
        return self._of(scorer, vectors, labels, near, self.space)

    def without(
        self, vectors: np.ndarray, labels: np.ndarray, people: Sequence[str], number: int
    ) -> OpenSetRule:
        """What ``fit`` gives for what is left once person ``number`` has gone."""
        known = self.scorer.gallery.vectors
        gallery = ExactGallery.of(self.space, people, np.delete(known, number, axis=0))
        numbers, kept = np.arange(len(people)), np.arange(len(known)) != number
        hubs = self.scorer.near.without(gallery, gallery.vectors, numbers, number, kept)
        near = self.near.without(gallery, vectors, labels, number, self.labels != number)
        scorer = replace(self.scorer, gallery=gallery, near=hubs)
        return self._of(scorer, vectors, labels, near, self.space)

    def with_strangers(self, scores: np.ndarray) -> OpenSetRule:
        """The same with the scores (k,) of strangers, which thresholds then rest on."""
        return replace(self, strangers=scores)

    def threshold(self, far: float = FAR, confidence_level: float | None = None) -> Threshold:
        """The threshold that accepts the share ``far`` of strangers, on average or
        with ``confidence_level``.

        Raises UsageError for rates that make no sense.
        """
        people = int(self.labels.max()) + 1
        if self.strangers is not None:
            made = calibrate.from_strangers(self.strangers, far, confidence_level)
        else:
            made = calibrate.from_left_out(self.left_out, self.labels, far, confidence_level)
        ready = factory.load(self.space)
        floor = None
        if ready is not None:
            floor = ready.threshold(people, factory.photos_each(self.labels), far)
        data = None if ready is None else ready.data
        own = made.threshold
        if self.strangers is not None and made.met:
            uses, value = "strangers", own
        elif floor is None or not math.isfinite(floor):
            uses, value = ("people", own) if made.met else ("nobody", math.inf)
        elif not made.met:
            # What the few data do say holds too: nobody left out who was more alike is let in.
            loosest = self.loosest(made)
            stricter = math.isfinite(loosest) and loosest > floor
            uses, value = ("stricter", loosest) if stricter else ("factory", floor)
        elif confidence_level is not None or people < SMALL:
            uses, value = "stricter", max(own, floor)
        elif own > floor + _MUCH_STRICTER:
            uses, value = "people", own
        else:
            rank = far * (made.n + 1)
            uses, value = "blend", (rank * own + _FACTORY_RANKS * floor) / (rank + _FACTORY_RANKS)
        return Threshold(above(value), uses, made, floor, data)

    def loosest(self, made: Calibration) -> float:
        """The threshold for the smallest rate that the data do support."""
        far = min(max(made.supported * (1 + 1e-9), made.asked), 1 - 1e-9)
        if self.strangers is not None:
            made = calibrate.from_strangers(self.strangers, far, made.confidence_level)
        else:
            made = calibrate.from_left_out(self.left_out, self.labels, far, made.confidence_level)
        return made.threshold

    def confidences(self, scores: np.ndarray, named: np.ndarray, prior: float) -> np.ndarray:
        """(n,) probabilities that faces of (n,) scores are the people ``named`` (n,)."""
        return self.confidence.of(scores, np.bincount(self.labels)[named], prior)

    def to_dict(self) -> dict[str, Any]:
        """As plain values; of what grows with the photos naming a face reads only ``left_out``."""
        params, sure = self.scorer.params, self.confidence
        return {
            "templates": self.scorer.gallery.vectors,
            "near": [self.scorer.near.who, self.scorer.near.cosine],
            "photos_near": [self.near.who, self.near.cosine],
            "params": [params.rivals, params.hub, params.mean, params.floor],
            "center": params.center,
            "left_out": self.left_out,
            "strangers": self.strangers,
            "confidence": [sure.grid, sure.photos, sure.log_ratio, sure.misnamed],
        }

    @classmethod
    def from_dict(
        cls, data: dict[str, Any], labels: np.ndarray, people: Sequence[str], space: str
    ) -> OpenSetRule:
        """The inverse of ``to_dict``. Raises KeyError or TypeError for anything else."""
        rivals, hub, mean, floor = data["params"]
        params = openset.ScoreParams(rivals, hub, mean, floor, data["center"])
        gallery = ExactGallery.of(space, people, data["templates"])
        scorer = Scorer(gallery, Near(*data["near"]), params)
        near, sure = Near(*data["photos_near"]), Confidence(*data["confidence"])
        return cls(scorer, labels, near, data["left_out"], data["strangers"], sure, space)


def above(value: float) -> float:
    """Just above a score that is not to be accepted: it varies a little with the batch it is in."""
    return value + _ROUNDING if math.isfinite(value) else value
