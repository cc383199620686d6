"""Videos in, their sequences in a database: followed, written once, and linked to people."""

from __future__ import annotations

import hashlib
import json
import os
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openfaceplus.database import connect
from openfaceplus.database.rows import VideoFile
from openfaceplus.errors import DatabaseError, OpenFacePlusError, VideoClaimed, VideoError
from openfaceplus.files import shown
from openfaceplus.hosts import elsewhere
from openfaceplus.pipeline import Pipeline
from openfaceplus.recipe import Recipe
from openfaceplus.stages.reidentify import FAR, reidentify
from openfaceplus.stages.video_faces import video_recipe
from openfaceplus.stages.video_segments import LENGTH, Segment, Shared, Watched, Watcher
from openfaceplus.stages.video_sequences import VideoReport, VideoSequences
from openfaceplus.stages.workers import Workers
from openfaceplus.threads import processes
from openfaceplus.track.settings import SequenceSettings
from openfaceplus.video.opening import fetched, is_live, stored, walk_videos
from openfaceplus.video.source import VideoSource, open_video

if TYPE_CHECKING:
    from openfaceplus.database.connection import Database
    from openfaceplus.sequences import FaceSequence

_BATCH = 64  # sequences that are written at once
_RESTART, _RESTARTS = 60.0, 2  # seconds in which a server must be back, and how often a video
_LIVE = 20.0  # seconds after which those of a camera are written, and linked

Watch = Callable[[str, int, "int | None"], object]
"""Told the video, how many of its frames are done, and of how many, None where that is unknown."""


@dataclass(frozen=True, slots=True)
class IndexOptions:
    """How videos are indexed: one of ``every`` so many frames, of the first ``seconds``; which
    faces make sequences; and at which rate ``far`` strangers may be taken for somebody. With
    ``again`` what is there of a video is removed first, and what was said of it."""

    recipe: Recipe
    settings: SequenceSettings = field(default_factory=SequenceSettings)
    every: int = 1
    seconds: float | None = None
    far: float = FAR
    commercial: bool = False
    again: bool = False

    def key(self) -> str:
        """What decides which sequences come out, but for the space of their vectors."""
        made = {"detector": self.recipe.detector, "every": self.every, "seconds": self.seconds}
        return json.dumps(made | asdict(self.settings), sort_keys=True)


@dataclass(frozen=True, slots=True)
class Indexed:
    """What became of a video. ``status`` is ``ok``, ``no_face``, ``kept`` (it was indexed before),
    or the code of its ``error``."""

    video: str
    status: str
    report: VideoReport = field(default_factory=VideoReport)
    error: OpenFacePlusError | None = None
    sequences: int = 0

    @property
    def failed(self) -> bool:
        return self.error is not None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        report = self.report
        return {
            "video": self.video, "status": self.status, "sequences": self.sequences,
            "frames": report.frames, "seconds": round(report.seconds, 3), "faces": report.faces,
            "shots": report.shots, "left_out": report.left_out, "remarks": report.remarks,
            "error": None if self.error is None else self.error.to_dict(),
        }  # fmt: skip


def videos_of(sources: Sequence[str]) -> list[str]:
    """The videos that arguments name, folders among them, each once.

    Raises VideoError for a folder without videos.
    """
    found: list[str] = []
    for source in sources:
        place = stored(source) or Path(source)
        if not place.is_dir():
            found.append(source)
            continue
        inside = [str(path) for path in walk_videos(place)]
        if not inside:
            raise VideoError(f"{shown(source)}: holds no videos", remedy="name a folder of videos")
        found += inside
    return list(dict.fromkeys(found))


def index(
    sources: Sequence[str],
    where: str | os.PathLike[str] | None,
    options: IndexOptions,
    *,
    jobs: int | None = None,
    watch: Watch | None = None,
    tell: Callable[[Indexed], object] = lambda _: None,
) -> list[Indexed]:
    """Index videos into the database ``where``, then decide who is in them.

    A video that was indexed before, by its content, is kept. ``jobs`` processes (default: one for
    each two cores) look at segments; where there is one, this process does all. ``tell`` is called
    with each result as it is known. A video that cannot be used is a result with an error; what a
    killed run left half done is done again. Raises DatabaseError if the database cannot be used,
    ModelError if a network is missing.
    """
    if jobs is None and elsewhere() is None:
        jobs = max(1, processes(None) // 2)
    jobs = processes(jobs, _segments(sources, processes(jobs)))
    results = []
    with connect(where), ExitStack() as stack:
        pool = None
        if jobs > 1 or elsewhere() is not None:
            arguments = (
                video_recipe(options.recipe), options.commercial, options.settings, options.every,
                options.seconds,
            )  # fmt: skip
            pool = Workers[Segment, Watched](Watcher, arguments, jobs)
        in_hand = 1 if pool is None else min(jobs, len(sources))
        indexer = _Indexer(where, options, pool, watch if in_hand == 1 else None)
        if in_hand == 1:
            found: Iterator[Indexed] = map(indexer, sources)
        else:
            executor = ThreadPoolExecutor(in_hand)
            stack.callback(executor.shutdown, cancel_futures=True)
            found = executor.map(indexer, sources)
        if pool is not None:
            stack.callback(pool.close)
        stack.callback(indexer.stop)
        for one in found:
            results.append(one)
            tell(one)
        with connect(where, patience=_RESTART) as db:
            reidentify(db, indexer.space, options.far)
            db.index()
    return results


def _segments(sources: Sequence[str], enough: int) -> int:
    """How many segments there are to look at, or enough of them."""
    count = len(sources)
    for source in sources:
        if count >= enough or stored(source):
            return enough  # how long a video in storage is, is known when it is here
        with suppress(VideoError):
            if os.path.isfile(source):
                with open_video(source) as video:
                    count += int((video.info.duration or 0.0) // LENGTH)
    return count


class _Indexer:
    """Indexes videos, over a connection each: several threads may have one in hand each."""

    def __init__(
        self,
        where: Any,
        options: IndexOptions,
        pool: Workers[Segment, Watched] | None,
        watch: Watch | None,
    ) -> None:
        self._where, self._options, self._pool, self._watch = where, options, pool, watch
        recipe = video_recipe(options.recipe)
        self._pipeline = Pipeline(recipe, commercial=options.commercial)
        self.space = str(self._pipeline.space)
        self._stopped = False

    def stop(self) -> None:
        """Interrupt the threads at their next frame."""
        self._stopped = True

    def __call__(self, source: str) -> Indexed:
        lost = 0
        while True:
            try:
                with (
                    fetched(source) as file,
                    connect(self._where, patience=_RESTART if lost else 0.0) as db,
                ):
                    return self._index(db, source, file)
            except (VideoError, VideoClaimed) as error:
                return Indexed(source, error.code, error=error)
            except DatabaseError as error:
                # The server may have been stopped, and be started again.
                if lost == _RESTARTS:
                    return Indexed(source, error.code, error=error)
                lost += 1

    def _index(self, db: Database, source: str, file: str) -> Indexed:
        """``file`` is where the source can be read from."""
        live = is_live(source)
        content = f"live-{uuid.uuid4().hex}" if live else _hash(file)
        known = db.videos.find(content, self.space)
        if known is not None and known.done and not self._options.again:
            report = VideoReport()
            if known.settings != self._options.key():
                report.remarks.append(f"{shown(source)}: was indexed with other settings")
            return Indexed(source, "kept", report, None, known.sequences)
        with open_video(file, name=source) as video:
            info = video.info
            row = VideoFile(
                content, self._options.key(), self.space, self._pipeline.embedder.dim, source,
                info.duration, info.rate, info.width, info.height,
            )  # fmt: skip
            if known is not None and known.done:
                db.videos.remove(known.id)
            number = db.videos.begin(row)
            if number is None:  # another process finished it just now
                return Indexed(source, "kept")
            try:
                report = self._follow(db, video, number)
            except VideoError:
                db.videos.abandon(number)
                raise
            db.videos.finish(number)
        return Indexed(source, "ok" if report.faces else "no_face", report, None, report.sequences)

    def _follow(self, db: Database, video: VideoSource, number: int) -> VideoReport:
        options, source, live = self._options, video.info.path, video.info.live
        sight = None
        if self._pool is not None and os.path.isfile(video.file):  # nothing else can be read twice
            sight = Shared(video, self._pool, self._pipeline, options.seconds)
        sequences = VideoSequences(
            video, self._pipeline, options.settings, every=options.every, seconds=options.seconds,
            progress=partial(self._progress, source),
            sight=sight,
        )  # fmt: skip
        batch: list[FaceSequence] = []
        written = time.monotonic()
        try:
            for one in sequences:
                batch.append(one)
                late = live and time.monotonic() - written > _LIVE
                if len(batch) >= _BATCH or late:
                    self._write(db, number, batch, live)
                    written = time.monotonic()
        except KeyboardInterrupt:
            if not live:
                raise
            # A camera has no other end; what was seen is kept.
        self._write(db, number, batch, False)
        return sequences.report

    def _progress(self, source: str, done: int, of: int | None) -> None:
        if self._stopped:
            raise KeyboardInterrupt
        if self._watch is not None:
            self._watch(source, done, of)

    def _write(self, db: Database, number: int, batch: list[FaceSequence], link: bool) -> None:
        db.videos.add(number, batch)
        batch.clear()
        if link:
            reidentify(db, self.space, self._options.far)


def _hash(source: str) -> str:
    """The sha256 of a file's content. Raises VideoError for what cannot be read."""
    try:
        if not Path(source).is_file():
            # An address, a folder, what is not there: what opening it says is clearer.
            return f"source-{source}"
        with open(source, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise VideoError(
            f"{shown(source)}: {error.strerror or error}", remedy="check the file"
        ) from error
