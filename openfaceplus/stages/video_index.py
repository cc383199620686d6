"""Videos in, their sequences in a database: followed, written once, and linked to people."""

from __future__ import annotations

import hashlib
import json
import os
import time
import uuid
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openfaceplus.database import connect, is_url, place_of
from openfaceplus.database.rows import VideoFile
from openfaceplus.errors import (
    DatabaseError,
    OpenFacePlusError,
    UsageError,
    VideoClaimed,
    VideoError,
)  # fmt: skip
from openfaceplus.files import shown
from openfaceplus.hosts import clustered, elsewhere
from openfaceplus.pipeline import Pipeline
from openfaceplus.recipe import Recipe
from openfaceplus.stages.reidentify import FAR, reidentify
from openfaceplus.stages.video_faces import video_recipe
from openfaceplus.stages.video_sequences import VideoReport, VideoSequences
from openfaceplus.stages.workers import Lost, Workers
from openfaceplus.threads import processes
from openfaceplus.track.settings import SequenceSettings
from openfaceplus.video.opening import fetched, is_live, stored, walk_videos
from openfaceplus.video.source import VideoSource, open_video

if TYPE_CHECKING:
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

    A video that was indexed before, by its content, is kept. Of several, ``jobs`` processes
    (default: one for each two cores) take one at a time. ``tell`` is called with each result as it
    is known. A video that cannot be used is a result with an error; what a killed run left half
    done is done again. Raises DatabaseError if the database cannot be used,
    ModelError if a network is missing.
    """
    space = str(Pipeline(options.recipe, commercial=options.commercial).space)
    host = elsewhere()
    if host is not None and not host.local and not is_url(place_of(where)):
        raise UsageError(
            "a database in a folder can only be reached from its own machine",
            remedy="give all machines a server's postgresql:// URL",
            field="db",
        )
    if jobs is None and host is None:
        jobs = max(1, processes(None) // 2)
    jobs = processes(jobs, len(sources))
    results = []
    with connect(where), ExitStack() as stack:
        if jobs == 1 and host is None:
            worker = _Worker(where, options, watch)
            stack.callback(worker.close)
            found: Any = map(worker, sources)
        else:
            pool = stack.enter_context(Workers[str, Indexed](_Worker, (where, options), jobs))
            found = pool.map(sources)
        for source, one in zip(sources, found, strict=True):
            if isinstance(one, Lost):
                error = VideoError(f"{shown(source)}: the process that read it died")
                one = Indexed(source, error.code, error=error)
            results.append(one)
            tell(one)
        with connect(where, patience=_RESTART) as db:
            reidentify(db, space, options.far)
            db.index()
    return results


class _Worker:
    """Indexes one video after the other, over a connection of its own."""

    def __init__(
        self, where: Any, options: IndexOptions, watch: Watch | None = None
    ) -> None:  # fmt: skip
        self._where, self._options, self._watch = where, options, watch
        recipe = video_recipe(options.recipe)
        self._pipeline = Pipeline(recipe, commercial=options.commercial)
        self._db = connect(where)

    def close(self) -> None:
        """Let the database go."""
        self._db.close()

    def __call__(self, source: str) -> Indexed:
        end, lost = time.monotonic() + _RESTART, 0
        while True:
            try:
                with fetched(source) as file:
                    return self._index(source, file)
            except VideoClaimed as error:
                # Perhaps by a machine that is gone, which the server will notice.
                if not clustered() or time.monotonic() > end:
                    return Indexed(source, error.code, error=error)
                time.sleep(1)
            except VideoError as error:
                return Indexed(source, error.code, error=error)
            except DatabaseError as error:
                # The server may have been stopped, and be started again.
                if lost == _RESTARTS:
                    return Indexed(source, error.code, error=error)
                lost += 1
                self._db.close()
                try:
                    self._db = connect(self._where, patience=_RESTART)
                except DatabaseError as gone:
                    return Indexed(source, gone.code, error=gone)

    def _index(self, source: str, file: str) -> Indexed:
        """``file`` is where the source can be read from."""
        live = is_live(source)
        content = f"live-{uuid.uuid4().hex}" if live else _hash(file)
        space = str(self._pipeline.space)
        known = self._db.videos.find(content, space)
        if known is not None and known.done and not self._options.again:
            report = VideoReport()
            if known.settings != self._options.key():
                report.remarks.append(f"{shown(source)}: was indexed with other settings")
            return Indexed(source, "kept", report, None, known.sequences)
        with open_video(file, name=source) as video:
            info = video.info
            row = VideoFile(
                content, self._options.key(), space, self._pipeline.embedder.dim, source,
                info.duration, info.rate, info.width, info.height,
            )  # fmt: skip
            if known is not None and known.done:
                self._db.videos.remove(known.id)
            number = self._db.videos.begin(row)
            if number is None:  # another process finished it just now
                return Indexed(source, "kept")
            try:
                report = self._follow(video, number, live)
            except VideoError:
                self._db.videos.abandon(number)
                raise
            self._db.videos.finish(number)
        return Indexed(source, "ok" if report.faces else "no_face", report, None, report.sequences)

    def _follow(self, video: VideoSource, number: int, live: bool) -> VideoReport:
        options, watch = self._options, self._watch
        source = video.info.path
        sequences = VideoSequences(
            video, self._pipeline, options.settings, every=options.every, seconds=options.seconds,
            progress=None if watch is None else lambda done, of: watch(source, done, of),
        )  # fmt: skip
        batch: list[FaceSequence] = []
        written = time.monotonic()
        try:
            for one in sequences:
                batch.append(one)
                late = live and time.monotonic() - written > _LIVE
                if len(batch) >= _BATCH or late:
                    self._write(number, batch, live)
                    written = time.monotonic()
        except KeyboardInterrupt:
            if not live:
                raise
            # A camera has no other end; what was seen is kept.
        self._write(number, batch, False)
        return sequences.report

    def _write(self, number: int, batch: list[FaceSequence], link: bool) -> None:
        self._db.videos.add(number, batch)
        batch.clear()
        if link:
            reidentify(self._db, str(self._pipeline.space), self._options.far)


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
