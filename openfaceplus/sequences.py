"""The values that flow from a video: a face at a time, and one face's sequence of them.

Times are seconds of presentation from the start of the video, never numbers of frames.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple

from openfaceplus.faces import Box

if TYPE_CHECKING:
    import numpy as np


class Pose(NamedTuple):
    """Which way a head is turned, in degrees; zero looks straight into the camera.

    ``yaw`` rises as it turns to the right of the picture, ``pitch`` as it looks up, ``roll`` as it
    leans clockwise in the picture.
    """

    yaw: float
    pitch: float
    roll: float


@dataclass(frozen=True, slots=True, eq=False)
class Seen:
    """A face at one moment: ``time`` in seconds, its box in pixels of the upright frame at full
    size, the detector's score, (points, 2) float32 landmarks there, pose, and quality from 0 to 1
    (size, sharpness, pose, distance from the border)."""

    time: float
    box: Box
    score: float
    points: np.ndarray | None
    pose: Pose | None
    quality: float


@dataclass(frozen=True, slots=True, eq=False)
class Crop:
    """One of a sequence's best faces: when it was, its quality, and its aligned pixels, (size,
    size, 3) RGB uint8."""

    time: float
    quality: float
    pixels: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class FaceSequence:
    """One face followed through a video: ``seen`` in order of time, the best ``crops``, and their
    ``vectors`` (crops, dimensions) float32 of unit length.

    ``descriptor`` (dimensions,) float32 is their mean, weighted by quality, of unit length, and
    ``spread`` the mean distance, 1 - cosine, of the vectors from it. A face that cannot be judged
    has neither crops nor vectors, and a ``flaw``: ``too_short``, ``too_small``, ``turned_away``,
    ``too_blurred``, ``too_dark`` or ``unclear``.
    """

    seen: tuple[Seen, ...]
    crops: tuple[Crop, ...]
    vectors: np.ndarray
    descriptor: np.ndarray
    spread: float
    flaw: str | None = None

    @property
    def start(self) -> float:
        """Seconds at which it is first seen."""
        return self.seen[0].time

    @property
    def end(self) -> float:
        """Seconds at which it is last seen."""
        return self.seen[-1].time

    @property
    def evidence(self) -> float:
        """How much there is to tell whose it is: the sum of the crops' qualities."""
        return sum(crop.quality for crop in self.crops)

    @property
    def pose(self) -> Pose | None:
        """The mean pose, None where none is known."""
        known = [one.pose for one in self.seen if one.pose is not None]
        if not known:
            return None
        return Pose(*(sum(angles) / len(known) for angles in zip(*known, strict=True)))
