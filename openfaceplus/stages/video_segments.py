"""A video shared out among processes, a segment at a time, and followed here as if in one piece.

A process finds a segment's faces and follows them within it, since what it would keep of them is
mostly what the whole sequence keeps. Which faces that are is known here alone, where all segments
are followed in their order; views of those that no process has kept are made then.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np

from openfaceplus.errors import VideoError
from openfaceplus.hosts import elsewhere
from openfaceplus.pipeline import Pipeline
from openfaceplus.recipe import Recipe
from openfaceplus.sequences import Seen
from openfaceplus.stages.video_faces import patch_of
from openfaceplus.stages.video_looks import Here, Look, View, follow, views_of
from openfaceplus.stages.workers import Lost, Workers
from openfaceplus.threads import thread_count
from openfaceplus.track.settings import SequenceSettings
from openfaceplus.track.tracker import Track, Tracker
from openfaceplus.video.opening import fetched
from openfaceplus.video.parts import Part
from openfaceplus.video.shots import begins_between
from openfaceplus.video.source import VideoSource, open_video

LENGTH = 30.0
"""Seconds of a segment, and a little more: what is done again where a process dies."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A part of a video to look at; ``source`` is a file or what is in storage."""

    source: str
    part: Part


@dataclass(frozen=True, slots=True, eq=False)
class Watched:
    """What was seen in a segment: of each frame its time, faces, whether a shot begins there, and a
    view of each face, if there is one. ``ends`` are small copies of the first and last frame."""

    frames: Sequence[tuple[float, Sequence[Seen], bool, Sequence[View | None]]]
    ends: Sequence[np.ndarray]
    skipped: int
    remarks: Sequence[str]


class Watcher:
    """A worker that looks at one segment after the other, as ``video_index`` does at videos."""

    def __init__(
        self,
        recipe: Recipe,
        commercial: bool,
        settings: SequenceSettings,
        every: int,
        seconds: float | None,
    ) -> None:
        self._pipeline = Pipeline(recipe, commercial=commercial)
        self._settings, self._every, self._seconds = settings, every, seconds
        self._source, self._file, self._held = "", "", ExitStack()

    def __call__(self, task: Segment) -> Watched:
        if task.source != self._source:  # a copy is kept until another video comes
            self._held.close()
            self._source, self._file = "", self._held.enter_context(fetched(task.source))
            self._source = task.source
        with (
            open_video(self._file, name=task.source) as video,
            ThreadPoolExecutor(thread_count(None) + 1) as executor,
        ):
            return self._watch(video, task.part, executor)

    def _watch(self, video: VideoSource, part: Part, executor: Executor) -> Watched:
        sight = Here(video, self._pipeline, self._every, self._seconds, part)
        tracker = Tracker(self._settings)
        frames: list[tuple[float, Sequence[Seen], bool]] = []
        waiting: list[tuple[list[Seen], Future[list[View]]]] = []

        def embed(tracks: list[Track]) -> None:
            for kept in (list(track.kept.values()) for track in tracks):
                waiting.append(([seen for seen, _ in kept], executor.submit(sight.views, kept)))

        for look in sight.looks(executor):
            frames.append((look.time, look.faces, look.cut))
            embed(follow(tracker, look))
        embed(tracker.ended(True))
        views = {
            id(seen): view
            for faces, future in waiting
            for seen, view in zip(faces, future.result(), strict=True)
        }
        return Watched(
            [(*frame, [views.get(id(seen)) for seen in frame[1]]) for frame in frames],
            sight.shots.ends,
            video.decoder.skipped,
            video.remarks,
        )


class Shared:
    """The sight of an open video through the processes of a pool of ``Watcher``, and of what they
    did not keep through this one."""

    def __init__(
        self,
        video: VideoSource,
        pool: Workers[Segment, Watched],
        pipeline: Pipeline,
        seconds: float | None = None,
        length: float = LENGTH,
    ) -> None:
        self._video, self._pool, self._pipeline = video, pool, pipeline
        self._source = video.file if elsewhere() is None else video.info.path
        self._parts = video.parts(length, seconds)

    def looks(self, executor: Executor) -> Iterator[Look]:
        """What its frames show, segment after segment. Raises VideoError if processes died at one
        again and again."""
        last, skipped = None, 0
        for watched in self._pool.map(Segment(self._source, one) for one in self._parts.parts):
            if isinstance(watched, Lost):
                raise VideoError(f"{self._video.name}: the process that read it died")
            for number, (time, faces, cut, views) in enumerate(watched.frames):
                if number == 0 and last is not None:
                    cut = begins_between(last, watched.ends[0])
                yield Look(time, faces, cut, views.__getitem__)
            if watched.ends:
                last = watched.ends[-1]
            skipped += watched.skipped
            self._video.remarks += watched.remarks
        self._video.lacks(skipped)

    def views(self, kept: Sequence[tuple[Seen, Any]]) -> list[View]:
        """Views of faces, made here where no process has."""
        rest = iter(self._made([seen for seen, view in kept if view is None]))
        return [next(rest) if view is None else view for _, view in kept]

    def _made(self, faces: Sequence[Seen]) -> list[View]:
        """Views of faces in order of time. Not asked of the pool, where they would wait for all the
        segments that were given out, while nothing is followed and so no more are."""
        if not faces:
            return []
        with open_video(self._video.file, name=self._video.name) as video:
            frames = video.frames_at([seen.time for seen in faces], self._parts.keyframes)
            kept = [
                (seen, patch_of(frame.full(), seen))
                for seen, frame in zip(faces, frames, strict=True)
            ]
        return views_of(self._pipeline, kept)
