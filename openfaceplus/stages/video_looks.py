"""What a video shows, frame by frame, and close views of the faces that are to be compared."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from functools import cache
from typing import Any, Protocol

import numpy as np

from openfaceplus.pipeline import Pipeline
from openfaceplus.sequences import Seen
from openfaceplus.stages.video_faces import found_faces, patch_of, unfit
from openfaceplus.track.tracker import Track, Tracker
from openfaceplus.video.frames import Frame
from openfaceplus.video.parts import Part
from openfaceplus.video.shots import Shots
from openfaceplus.video.source import VideoSource


@dataclass(frozen=True, slots=True, eq=False)
class Look:
    """A frame's faces, whether it begins a shot, and what a track keeps of a face, by its number
    among them."""

    time: float
    faces: Sequence[Seen]
    cut: bool
    kept: Callable[[int], Any]


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """A face seen closely: aligned pixels, (size, size, 3) RGB uint8, and its vector; or neither,
    and the ``flaw`` for which it says nothing."""

    pixels: np.ndarray | None
    vector: np.ndarray | None
    flaw: str | None = None


class Sight(Protocol):
    """Where a video is looked at: in this process, or in others."""

    def looks(self, executor: Executor) -> Iterator[Look]:
        """What its frames show, in order. To be walked through once."""

    def views(self, kept: Sequence[tuple[Seen, Any]]) -> list[View]:
        """Views of what a track has kept, in that order."""


class Here:
    """An open video, or a part of it, looked at in this process."""

    def __init__(
        self,
        video: VideoSource,
        pipeline: Pipeline,
        every: int = 1,
        seconds: float | None = None,
        part: Part | None = None,
    ) -> None:
        self.shots = Shots()
        self._pipeline = pipeline
        self._frames = video.frames(every, seconds, part=part)

    def looks(self, executor: Executor) -> Iterator[Look]:
        """What its frames show, while later ones are searched."""
        for frame, faces in found_faces(self._frames, self._pipeline, executor):
            yield Look(frame.time, faces, self.shots.begins(frame.pixels), _patches(frame, faces))

    def views(self, kept: Sequence[tuple[Seen, Any]]) -> list[View]:
        """Views of patches."""
        return views_of(self._pipeline, kept)


def views_of(pipeline: Pipeline, kept: Sequence[tuple[Seen, Any]]) -> list[View]:
    """Views of faces, each with its patch (see ``patch_of``), embedded together."""
    found = pipeline.look(
        [patch for _, (patch, _) in kept], known=[[face] for _, (_, face) in kept], chips=True
    )
    views = []
    for one in found:
        pixels = one.or_raise().chips[0].pixels
        flaw = one.flaws[0] or unfit(one.faces[0], pixels)
        views.append(View(None, None, flaw) if flaw else View(pixels, one.vectors[0]))
    return views


def follow(tracker: Tracker, look: Look) -> list[Track]:
    """Give a frame's faces to their tracks, which keep the best; returns tracks that ended."""
    tracks = tracker.update(look.time, look.faces, look.cut)
    for number, (seen, track) in enumerate(zip(look.faces, tracks, strict=True)):
        if track.wants(seen):
            track.keep(seen, look.kept(number))
    return tracker.ended()


def _patches(frame: Frame, faces: Sequence[Seen]) -> Callable[[int], Any]:
    full = cache(frame.full)
    return lambda number: patch_of(full(), faces[number])
