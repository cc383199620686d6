"""The values that flow from photo to decision.

Images are RGB uint8, height x width x 3. Coordinates are pixels of the upright
photo at its full size, x to the right and y down. Every score rises with likeness.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class Box:
    """A face's rectangle in pixels; it may reach beyond the photo's edge."""

    left: float
    top: float
    right: float
    bottom: float

    @property
    def width(self) -> float:
        return self.right - self.left

    @property
    def height(self) -> float:
        return self.bottom - self.top

    @property
    def side(self) -> float:
        """Mean of width and height in pixels."""
        return (self.width + self.height) / 2

    def scaled(self, factor: float) -> Box:
        """The same rectangle in a photo enlarged by ``factor``."""
        return Box(self.left * factor, self.top * factor, self.right * factor, self.bottom * factor)

    def rounded(self) -> tuple[int, int, int, int]:
        """Left, top, right, bottom as whole pixels."""
        return round(self.left), round(self.top), round(self.right), round(self.bottom)

    def away_from_centre(self, width: float, height: float) -> float:
        """How far its middle is from that of a photo of that size: 0, to 1 in a corner."""
        across = (self.left + self.right) / width - 1
        down = (self.top + self.bottom) / height - 1
        return float(min(1.0, ((across**2 + down**2) / 2) ** 0.5))

    def iou(self, other: Box) -> float:
        """Intersection over union, 0 to 1."""
        width = min(self.right, other.right) - max(self.left, other.left)
        height = min(self.bottom, other.bottom) - max(self.top, other.top)
        if width <= 0 or height <= 0:
            return 0.0
        common = width * height
        return common / (self.width * self.height + other.width * other.height - common)


@dataclass(frozen=True, slots=True, eq=False)
class Face:
    """A detected face: box, detector score, and (points, 2) float32 landmarks once known.

    ``points`` are (5, 2), from detectors that give them: eyes, tip of the nose, corners of the
    mouth, left before right as in a face that is upright.
    """

    box: Box
    score: float
    landmarks: np.ndarray | None = None
    points: np.ndarray | None = None

    @property
    def prominence(self) -> float:
        """What ranks faces for "the" face of a photo: score times size.

        Size alone picks wrong: a HOG detector may give a weak false alarm of a true face's size.
        """
        return self.score * self.box.side

    def scaled(self, factor: float) -> Face:
        """The same face in a photo enlarged by ``factor``."""
        if factor == 1:
            return self
        landmarks = None if self.landmarks is None else self.landmarks * factor
        points = None if self.points is None else self.points * factor
        return Face(self.box.scaled(factor), self.score, landmarks, points)


@dataclass(frozen=True, slots=True)
class ChipSpec:
    """What aligned pixels an embedder wants.

    ``template`` names a row of ``openfaceplus.alignment.TEMPLATES``; ``padding`` is dlib's, the
    border round the face as a share of its size, for templates that take one.
    """

    size: int
    template: str
    padding: float | None = None

    def __str__(self) -> str:
        padding = "" if self.padding is None else f"+{self.padding:g}"
        return f"{self.template}{padding}@{self.size}"


@dataclass(frozen=True, slots=True, eq=False)
class Chip:
    """Aligned pixels of one face, (size, size, 3) RGB uint8, and where they came from."""

    pixels: np.ndarray
    spec: ChipSpec
    photo: str | None = None
    face: Face | None = None


@dataclass(frozen=True, slots=True)
class Space:
    """What embeddings may be compared with: network, weights and how the chips were made."""

    name: str
    weights: str

    def __str__(self) -> str:
        return f"{self.name}@{self.weights[:12]}"


@dataclass(frozen=True, slots=True)
class Match:
    """One candidate of a search: a person's id, the template's number and how like the probe."""

    person: str
    template: int
    score: float


@dataclass(frozen=True, slots=True)
class Decision:
    """Who a face is: ``person``, an id, and ``name``, both None for a stranger.

    ``closest`` is the name of the nearest person. ``score`` is accepted at or above ``threshold``;
    0 is where strangers usually lie and 1 where enrolled people do, and ``raw`` is the same score
    as it was measured. ``confidence`` is the probability that the face is ``closest``, None where a
    distance decides, as among photos: the score is then minus the ``distance``, accepted up to
    ``limit``. ``second`` is the name of another person whom it may as well be: then neither is
    named. ``note`` says why a face was not judged (too small, too blurred).
    """

    person: str | None
    name: str | None
    closest: str
    confidence: float | None
    score: float
    threshold: float
    box: Box | None = None
    note: str | None = None
    second: str | None = None
    raw: float | None = None

    @property
    def distance(self) -> float | None:
        """How far ``closest`` is, where a distance decides."""
        return -self.score if self.confidence is None else None

    @property
    def limit(self) -> float | None:
        """The greatest distance accepted, where a distance decides."""
        return -self.threshold if self.confidence is None else None

    def to_dict(self) -> dict[str, Any]:
        """For JSON, which has no infinity: the threshold is None where nobody is accepted."""
        return {
            "box": self.box and self.box.rounded(),
            "person": self.person,
            "name": self.name,
            "closest": self.closest,
            "unsure_between": self.second and [self.closest, self.second],
            "confidence": self.confidence and round(self.confidence, 4),
            "score": round(self.score, 4),
            "raw_score": self.raw and round(self.raw, 5),
            "threshold": round(self.threshold, 4) if math.isfinite(self.threshold) else None,
            "note": self.note,
        }

    def __repr__(self) -> str:
        how = f"distance {-self.score:.3f}"
        if self.confidence is not None:
            how = f"confidence {self.confidence:.2f}"
        who = f"unknown, closest {self.closest}" if self.name is None else self.name
        if self.second is not None:
            who = f"unsure between {self.closest} and {self.second}"
        return f"<{who}, {how}{'' if self.note is None else f', {self.note}'}>"


def unit_length(vectors: np.ndarray) -> np.ndarray:
    """(n, dimensions) vectors, each divided by its length; what is 0 stays so."""
    import numpy as np

    unit: np.ndarray = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return unit


def euclidean(cosine: float) -> float:
    """The Euclidean distance of two vectors of unit length, from their cosine."""
    return math.sqrt(max(0.0, 2 - 2 * cosine))
