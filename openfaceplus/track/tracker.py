"""Following faces from frame to frame by where they are.

Each face is expected where its motion leads. Faces found are given to those followed so that
together they overlap most (``linear_sum_assignment``), with boxes enlarged by half: fast faces in
few frames a second hardly overlap. Who they are is not asked here: see ``joining``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from scipy.optimize import linear_sum_assignment

from openfaceplus.sequences import Seen
from openfaceplus.track.settings import SequenceSettings

_ENLARGED = 0.5  # of a side, by which boxes are larger when compared
_OVERLAP = 0.15  # IoU of enlarged boxes from which it may be the same face
_SMOOTH = 0.5  # share of the newest step in a face's speed
_SURE = 0.2  # seconds out of sight after which it is half as sure that it is the same face
_BETTER = 1.05  # times the quality that is worth another crop


@dataclass(slots=True, eq=False)
class Track:
    """A face followed: where it was seen, and how surely it was the same face each time (``ease``,
    0 to 1). ``kept`` are its best faces, one a span of time, each with what the caller keeps."""

    settings: SequenceSettings
    seen: list[Seen] = field(default_factory=list)
    ease: list[float] = field(default_factory=list)
    kept: dict[int, tuple[Seen, Any]] = field(default_factory=dict)
    _span: float = 0.0
    _box: np.ndarray = field(default_factory=lambda: np.zeros(4))
    _speed: np.ndarray = field(default_factory=lambda: np.zeros(4))

    def add(self, seen: Seen, ease: float = 1.0) -> None:
        """Go on with a later face."""
        box = _array(seen)
        if self.seen:
            passed = seen.time - self.seen[-1].time
            self._speed += _SMOOTH * ((box - self._box) / passed - self._speed)
        self._box = box
        self.seen.append(seen)
        self.ease.append(ease)

    def expected(self, time: float) -> np.ndarray:
        """Left, top, right and bottom where its motion leads."""
        return self._box + self._speed * (time - self.seen[-1].time)

    def wants(self, seen: Seen) -> bool:
        """Whether a face just added is to be kept: the best of its span that may be judged."""
        settings = self.settings
        turned = 0.0 if seen.pose is None else abs(seen.pose.yaw)
        if seen.box.side < settings.min_size or turned > settings.max_yaw:
            return False
        before = self.kept.get(self._place(seen))
        return before is None or seen.quality > _BETTER * before[0].quality

    def keep(self, seen: Seen, what: Any) -> None:
        """Keep a face that it wants, and no more in all than the settings say."""
        self.kept[self._place(seen)] = seen, what
        while len(self.kept) > self.settings.crops:
            self._span = 2 * (self._span or self.settings.apart)
            before, self.kept = self.kept, {}
            for one in before.values():
                place = self._place(one[0])
                if place not in self.kept or one[0].quality > self.kept[place][0].quality:
                    self.kept[place] = one

    def _place(self, seen: Seen) -> int:
        return int((seen.time - self.seen[0].time) / (self._span or self.settings.apart))


class Tracker:
    """Told the faces of frame after frame, follows each of them."""

    def __init__(self, settings: SequenceSettings) -> None:
        self._settings = settings
        self._tracks: list[Track] = []
        self._ended: list[Track] = []

    @property
    def active(self) -> Sequence[Track]:
        """Those that may still go on."""
        return tuple(self._tracks)

    def update(self, time: float, faces: Sequence[Seen], cut: bool = False) -> list[Track]:
        """The tracks of a frame's faces, in their order; with ``cut`` it begins a shot."""
        lost = [
            one for one in self._tracks if cut or time - one.seen[-1].time > self._settings.lost
        ]
        self._ended += lost
        self._tracks = [one for one in self._tracks if one not in lost]
        found = np.array([_array(face) for face in faces]).reshape(-1, 4)
        given: dict[int, tuple[Track, float]] = {}
        if len(found) and self._tracks:
            expected = np.array([one.expected(time) for one in self._tracks])
            overlap = _overlap(_enlarged(expected), _enlarged(found))
            crowd = _overlap(found, found) - np.eye(len(found))
            for i, j in zip(*linear_sum_assignment(-overlap), strict=True):
                if overlap[i, j] < _OVERLAP:
                    continue
                passed = time - self._tracks[i].seen[-1].time
                ease = overlap[i, j] * (1 - crowd[j].max()) / (1 + passed / _SURE)
                given[j] = self._tracks[i], float(ease)
        tracks = []
        for number, face in enumerate(faces):
            track, ease = given.get(number, (None, 1.0))
            if track is None:
                track = Track(self._settings)
                self._tracks.append(track)
            track.add(face, ease)
            tracks.append(track)
        return tracks

    def ended(self, all_of_them: bool = False) -> list[Track]:
        """Those that ended since this was last asked, or all where the video ends."""
        if all_of_them:
            self._ended += self._tracks
            self._tracks = []
        ended, self._ended = self._ended, []
        return ended


def _array(seen: Seen) -> np.ndarray:
    box = seen.box
    return np.array((box.left, box.top, box.right, box.bottom))


def _enlarged(boxes: np.ndarray) -> np.ndarray:
    more = _ENLARGED / 2 * (boxes[:, 2:] - boxes[:, :2])
    return np.hstack([boxes[:, :2] - more, boxes[:, 2:] + more])


def _overlap(some: np.ndarray, others: np.ndarray) -> np.ndarray:
    """(n, m) IoU of (n, 4) and (m, 4) boxes."""
    low = np.maximum(some[:, None, :2], others[None, :, :2])
    high = np.minimum(some[:, None, 2:], others[None, :, 2:])
    common = np.prod(np.maximum(high - low, 0), axis=2)
    areas = [np.prod(np.maximum(one[:, 2:] - one[:, :2], 0), axis=1) for one in (some, others)]
    both: np.ndarray = common / np.maximum(areas[0][:, None] + areas[1] - common, 1e-9)
    return both
