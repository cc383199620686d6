"""A video in, sequences of faces out: found, followed, and the best of each embedded."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from dataclasses import dataclass, field

import numpy as np

from openfaceplus import thresholds
from openfaceplus.errors import ModelMissing
from openfaceplus.pipeline import Pipeline
from openfaceplus.sequences import Crop, FaceSequence
from openfaceplus.stages.video_looks import Here, Sight, follow
from openfaceplus.threads import thread_count
from openfaceplus.track.joining import Joiner, Likeness, Piece, parted, sequence_of
from openfaceplus.track.settings import SequenceSettings
from openfaceplus.track.tracker import Track, Tracker
from openfaceplus.video.source import VideoSource

Progress = Callable[[int, int | None], object]
"""Told how many frames are done, and of how many, None where that is unknown."""

_SAME, _OTHER, _SINGLE = 1e-5, 1e-3, 0.05
"""Shares of pairs of strangers at whose cosines faces are joined or parted (see ``Likeness``)."""


@dataclass(slots=True)
class VideoReport:
    """What became of a video: frames looked at, seconds that they span, faces found in them, shots,
    sequences given, and how many faces followed gave none, by reason. ``remarks`` say what was odd
    in the file, or that no face was found."""

    frames: int = 0
    seconds: float = 0.0
    faces: int = 0
    shots: int = 1
    sequences: int = 0
    left_out: dict[str, int] = field(default_factory=dict)
    remarks: list[str] = field(default_factory=list)


class VideoSequences:
    """The sequences of an open video, given as they end; ``report`` grows meanwhile.

    To be walked through once. The pipeline's recipe is one of ``video_recipe``. One of ``every`` so
    many frames is looked at, of the first ``seconds``. With ``flawed`` faces that cannot be judged
    are given too, as sequences without vectors whose ``flaw`` says why. It is looked at here, or by
    another ``sight``, which then says at which frames.
    """

    def __init__(
        self,
        video: VideoSource,
        pipeline: Pipeline,
        settings: SequenceSettings | None = None,
        *,
        every: int = 1,
        seconds: float | None = None,
        flawed: bool = False,
        progress: Progress | None = None,
        sight: Sight | None = None,
    ) -> None:
        self.report = VideoReport()
        self._video = video
        self._settings = settings or SequenceSettings()
        self._flawed, self._progress = flawed, progress
        self._sight = sight or Here(video, pipeline, every, seconds)
        expected = video.info.frames
        if expected is not None and seconds is not None and video.info.duration:
            expected = round(expected * min(1.0, seconds / video.info.duration))
        self._expected = None if expected is None else max(1, expected // every)
        self._tracker = Tracker(self._settings)
        self._ended: deque[Future[list[Piece]]] = deque()
        self._joiner = Joiner(self._settings, likeness_of(pipeline))

    def __iter__(self) -> Iterator[FaceSequence]:
        report = self.report
        with ThreadPoolExecutor(thread_count(None) + 1) as executor:
            try:
                for look in self._sight.looks(executor):
                    self._embed(follow(self._tracker, look), executor)
                    report.shots += look.cut
                    yield from self._give(self._joined(look.time, everything=look.cut))
                    report.frames += 1
                    report.seconds = look.time
                    report.faces += len(look.faces)
                    if self._progress is not None:
                        self._progress(report.frames, self._expected)
                self._embed(self._tracker.ended(True), executor)
                yield from self._give(self._joined(report.seconds, everything=True))
            finally:
                executor.shutdown(wait=True, cancel_futures=True)
        report.remarks += self._video.remarks
        if not report.faces:
            report.remarks.append(f"{self._video.name}: no face was found")

    def _embed(self, tracks: list[Track], executor: Executor) -> None:
        """Embed tracks that ended while others are followed."""
        self._ended += [executor.submit(self._pieces, one) for one in tracks]

    def _joined(self, time: float, everything: bool) -> list[Piece]:
        """Pieces that are finished at a time, or all of a shot that is, which are waited for."""
        while self._ended and (everything or self._ended[0].done()):
            for piece in self._ended.popleft().result():
                self._joiner.add(piece)
        if everything:
            return self._joiner.all()
        starts = [one.seen[0].time for one in self._tracker.active]
        return [] if self._ended else self._joiner.ready(time, starts)

    def _give(self, pieces: list[Piece]) -> Iterator[FaceSequence]:
        for piece in pieces:
            flaw = self._flaw(piece)
            if flaw is None:
                self.report.sequences += 1
                yield sequence_of(piece)
                continue
            self.report.left_out[flaw] = self.report.left_out.get(flaw, 0) + 1
            if self._flawed:
                yield FaceSequence(
                    piece.seen, (), np.empty((0, 0), np.float32), np.empty(0, np.float32), 0.0, flaw
                )

    def _flaw(self, piece: Piece) -> str | None:
        """Why a piece makes no sequence that can be compared."""
        settings = self._settings
        if piece.end - piece.start < settings.min_seconds:
            return "too_short"
        if piece.crops:
            return None
        if all(one.box.side < settings.min_size for one in piece.seen):
            return "too_small"
        return piece.flaw or "turned_away"

    def _pieces(self, track: Track) -> list[Piece]:
        """A track with its best faces embedded, parted where it goes over to another person."""
        kept = sorted(track.kept.values(), key=lambda one: one[0].time)
        judged, flaw = [], None
        for (seen, _), view in zip(kept, self._sight.views(kept), strict=True):
            flaw = view.flaw
            if view.pixels is not None and view.vector is not None:
                judged.append((seen, view.pixels, view.vector))
        crops = tuple(Crop(seen.time, seen.quality, pixels) for seen, pixels, _ in judged)
        vectors = np.array([vector for *_, vector in judged], np.float32)
        piece = Piece(tuple(track.seen), tuple(track.ease), crops, vectors, flaw)
        return parted(piece, self._joiner.likeness)


def likeness_of(pipeline: Pipeline) -> Likeness:
    """What is alike in the space of a pipeline, by its table of pairs, if there is one."""
    try:
        table = thresholds.load(str(pipeline.space))
    except ModelMissing:
        return Likeness()
    least, most = table.fars[-1], table.fars[0]
    same, other, single = (
        table.cosine_at(min(most, max(least, far))) for far in (_SAME, _OTHER, _SINGLE)
    )
    return Likeness(same, other, single)
