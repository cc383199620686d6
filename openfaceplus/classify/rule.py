"""Which open-set score is enough: the threshold for a rate, and what it rests on."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from openfaceplus.classify import calibrate, confidence, factory, openset
from openfaceplus.classify.calibrate import Calibration
from openfaceplus.classify.confidence import Confidence

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

    ``left_out`` (photos,) are the enrolled photos' scores had their people not been enrolled, and
    ``labels`` (photos,) whose they are; ``strangers`` (k,) the scores of strangers, if any were
    given. Thresholds for any rate follow from these.
    """

    gallery: openset.Gallery
    labels: np.ndarray
    left_out: np.ndarray
    strangers: np.ndarray | None
    confidence: Confidence
    space: str

    @classmethod
    def fit(
        cls,
        vectors: np.ndarray,
        labels: np.ndarray,
        space: str,
        left_named: np.ndarray,
    ) -> OpenSetRule:
        """From unit vectors (photos, dimensions) and the people they would have been named for had
        theirs not been enrolled (photos,)."""
        made = factory.load(space)
        # Without measured numbers the score is the plain cosine.
        plain = openset.ScoreParams(rivals=0.0, hub=0.0, mean=0.0)
        gallery = openset.enrol(vectors, labels, plain if made is None else made.params)
        left = openset.left_out(gallery, vectors, labels, left_named)
        if made is None:
            finite = left[np.isfinite(left)]
            middle = float(np.quantile(finite, 0.99)) if len(finite) else math.inf
            sure = confidence.plain(left, middle)
        else:
            sure = confidence.fit(made, labels, left)
        return cls(gallery, labels, left, None, sure, space)

    def with_strangers(self, scores: np.ndarray) -> OpenSetRule:
        """The same with the scores (k,) of strangers, which thresholds then rest on."""
        return replace(self, strangers=scores)

    def threshold(self, far: float = FAR, sure: float | None = None) -> Threshold:
        """The threshold that accepts the share ``far`` of strangers, on average or with ``sure``.

        Raises UsageError for rates that make no sense.
        """
        people = int(self.labels.max()) + 1
        if self.strangers is not None:
            made = calibrate.from_strangers(self.strangers, far, sure)
        else:
            made = calibrate.from_left_out(self.left_out, self.labels, far, sure)
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
            loosest = self._loosest(made)
            stricter = math.isfinite(loosest) and loosest > floor
            uses, value = ("stricter", loosest) if stricter else ("factory", floor)
        elif sure is not None or people < SMALL:
            uses, value = "stricter", max(own, floor)
        elif own > floor + _MUCH_STRICTER:
            uses, value = "people", own
        else:
            rank = far * (made.n + 1)
            uses, value = "blend", (rank * own + _FACTORY_RANKS * floor) / (rank + _FACTORY_RANKS)
        return Threshold(_above(value), uses, made, floor, data)

    def _loosest(self, made: Calibration) -> float:
        """The threshold for the smallest rate that the data do support."""
        far = min(max(made.supported * (1 + 1e-9), made.asked), 1 - 1e-9)
        if self.strangers is not None:
            return calibrate.from_strangers(self.strangers, far, made.sure).threshold
        return calibrate.from_left_out(self.left_out, self.labels, far, made.sure).threshold

    def confidences(self, scores: np.ndarray, named: np.ndarray, prior: float) -> np.ndarray:
        """(n,) probabilities that faces of (n,) scores are the people ``named`` (n,)."""
        return self.confidence.of(scores, np.bincount(self.labels)[named], prior)

    def to_dict(self) -> dict[str, Any]:
        params = self.gallery.params
        return {
            "templates": self.gallery.templates,
            "hub": self.gallery.hub,
            "params": [params.rivals, params.hub, params.mean, params.floor],
            "center": params.center,
            "left_out": self.left_out,
            "strangers": self.strangers,
            "confidence_grid": self.confidence.grid,
            "confidence_photos": self.confidence.photos,
            "confidence_log_ratio": self.confidence.log_ratio,
            "misnamed": self.confidence.misnamed,
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any], labels: np.ndarray, space: str) -> OpenSetRule:
        """The inverse of ``to_dict``. Raises KeyError or TypeError for anything else."""
        params = openset.ScoreParams(*data["params"], data["center"])
        sure = Confidence(
            data["confidence_grid"],
            data["confidence_photos"],
            data["confidence_log_ratio"],
            data["misnamed"],
        )
        gallery = openset.Gallery(data["templates"], data["hub"], params)
        return cls(gallery, labels, data["left_out"], data["strangers"], sure, space)


def _above(value: float) -> float:
    """Just above a score that is not to be accepted: it varies a little with the batch it is in."""
    return value + _ROUNDING if math.isfinite(value) else value
