"""What was seen in videos: claimed by one process, written once, found by content."""

from __future__ import annotations

import io
import os
import socket
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from openfaceplus.database import user_name
from openfaceplus.database.erasing import Erasing
from openfaceplus.database.rows import Receipt, Video, VideoFile
from openfaceplus.encryption import on, seal
from openfaceplus.errors import UsageError, VideoClaimed
from openfaceplus.files import shown
from openfaceplus.sequences import Crop, FaceSequence, Pose, Seen

if TYPE_CHECKING:
    import numpy as np

    from openfaceplus.database.connection import Database

_CLAIM = "hashtextextended(%s, 0x6f6670)"
_QUALITY = 90  # of JPEGs
_ROUNDING = 0.01

_VIDEO = """
SELECT v.id, v.path, v.hash, v.settings, p.name, v.duration, v.rate, v.width, v.height,
    v.recorded_at, v.indexed_at, v.indexed_by, v.done,
    (SELECT count(*) FROM sequence s WHERE s.video = v.id)
FROM video v JOIN space p ON p.id = v.space
"""
_SEQUENCE = "id, video, starts, ends, faces, yaw, pitch, roll, evidence, spread"
_FACE = 'sequence, at, "left", top, "right", bottom, points, yaw, pitch, roll, score, quality'
_CROP = "sequence, at, quality, jpeg, vector"
_VECTOR = "space, video, sequence, value"


class Videos:
    """The videos of a database."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._claims: dict[int, str] = {}

    def all(self) -> list[Video]:
        """All videos, in the order in which their indexing began."""
        return [_video(row) for row in self._db.rows(f"{_VIDEO} ORDER BY v.id")]

    def find(self, hash: str, space: object = None, settings: str | None = None) -> Video | None:
        """The video of that content, if it is there; with ``space`` and ``settings``, indexed so.

        ``done`` says whether it was indexed to its end.
        """
        rows = self._db.rows(
            f"{_VIDEO} WHERE v.hash = %s AND p.name = coalesce(%s, p.name) "
            "AND v.settings = coalesce(%s, v.settings) ORDER BY v.done DESC, v.id LIMIT 1",
            (hash, None if space is None else str(space), settings),
        )
        return _video(rows[0]) if rows else None

    def begin(self, file: VideoFile, by: str | None = None) -> int | None:
        """Claim a video for this connection, to index it; returns its id.

        None if it was indexed to its end before. What a killed run left of it is removed. The claim
        ends with ``finish``, ``abandon`` or the connection. Raises VideoClaimed if another has it.
        """
        claim = "\n".join((file.hash, file.space, file.settings))
        if not self._db.rows(f"SELECT pg_try_advisory_lock({_CLAIM})", (claim,))[0][0]:
            raise VideoClaimed(
                f"{shown(file.path)}: another process is indexing it",
                remedy="wait until that is done",
            )
        video = None
        try:
            with self._db.transaction():
                video = self._row_for(file, by or f"{user_name()}@{socket.gethostname()}")
        finally:
            if video is None:
                self._release(claim)
        if video is not None:
            self._claims[video] = claim
        return video

    def _row_for(self, file: VideoFile, by: str) -> int | None:
        space = self._db.space(file.space, file.dimensions)
        known = self._db.rows(
            "SELECT id, done FROM video WHERE hash = %s AND space = %s AND settings = %s",
            (file.hash, space, file.settings),
        )
        if known and known[0][1]:
            return None
        if known:
            Erasing(self._db).video(known[0][0])
        return int(
            self._db.rows(
                "INSERT INTO video (space, settings, hash, path, duration, rate, width, height, "
                "recorded_at, indexed_by) VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) "
                "RETURNING id",
                (
                    space, file.settings, file.hash, os.fsencode(file.path), file.duration,
                    file.rate, file.width, file.height, file.recorded_at, by,
                ),
            )[0][0]
        )  # fmt: skip

    def add(self, video: int, sequences: Sequence[FaceSequence]) -> list[int]:
        """Write sequences of a claimed video, all or none; returns their numbers, in order.

        Raises UsageError if the video is not claimed here, or vectors are not of its space.
        """
        self._need_claim(video)
        if not sequences:
            return []
        with self._db.transaction() as connection:
            space, dimensions = self._db.rows(
                "SELECT space, dimensions FROM video JOIN space ON space.id = space "
                "WHERE video.id = %s", (video,),
            )[0]  # fmt: skip
            _check(sequences, dimensions)
            numbers = [
                row[0]
                for row in self._db.rows(
                    "SELECT nextval(pg_get_serial_sequence('sequence', 'id')) "
                    "FROM generate_series(1, %s)", (len(sequences),),
                )
            ]  # fmt: skip
            both = list(zip(numbers, sequences, strict=True))
            copy(connection, "sequence", _SEQUENCE, "int8 int4 float8 float8 int4 float4 float4 "
                 "float4 float4 float4", (_sequence_row(n, video, s) for n, s in both))  # fmt: skip
            copy(connection, "face", _FACE, "int8 float8 float4 float4 float4 float4 float4[] "
                 "float4 float4 float4 float4 float4",
                 (_face_row(n, seen) for n, s in both for seen in s.seen))  # fmt: skip
            copy(connection, "crop", _CROP, "int8 float8 float4 bytea halfvec",
                 (_crop_row(n, crop, vector) for n, s in both
                  for crop, vector in zip(s.crops, s.vectors, strict=True)))  # fmt: skip
            copy(connection, "vector", _VECTOR, "int4 int4 int8 halfvec",
                 ((space, video, n, halfvec(s.descriptor)) for n, s in both))  # fmt: skip
        return numbers

    def finish(self, video: int) -> None:
        """Say that a claimed video was indexed to its end, and let it go."""
        self._need_claim(video)
        with self._db.transaction():
            self._db.run("UPDATE video SET done = true, indexed_at = now() WHERE id = %s", (video,))
        self._release(self._claims.pop(video))

    def abandon(self, video: int) -> None:
        """Remove what was written of a claimed video, and let it go."""
        self._need_claim(video)
        with self._db.transaction():
            Erasing(self._db).video(video)
        self._release(self._claims.pop(video))

    def remove(self, video: int) -> Receipt:
        """Remove a video with all that was seen in it, as if it had never been there."""
        return Erasing(self._db).forget_videos([video])

    def _need_claim(self, video: int) -> None:
        if video not in self._claims:
            raise UsageError(f"video {video} was not begun here", remedy="begin it first")

    def _release(self, claim: str) -> None:
        self._db.rows(f"SELECT pg_advisory_unlock({_CLAIM})", (claim,))


def copy(connection: Any, table: str, columns: str, types: str, rows: Iterable[Any]) -> None:
    """Write rows by binary COPY, the fastest way in."""
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY {table} ({columns}) FROM STDIN (FORMAT BINARY)".encode()) as into,
    ):
        into.set_types(types.split())
        for row in rows:
            into.write_row(row)


def halfvec(vector: np.ndarray) -> Any:
    """A vector of (n,) numbers as the database keeps it: with 16 bits for each."""
    from pgvector import HalfVector

    return HalfVector(vector)


def _check(sequences: Sequence[FaceSequence], dimensions: int) -> None:
    import numpy as np

    for one in sequences:
        if one.descriptor.shape != (dimensions,) or one.vectors.shape[1:] != (dimensions,):
            raise UsageError(f"vectors of this video have {dimensions} numbers", field="sequences")
        lengths = np.linalg.norm([one.descriptor, *one.vectors], axis=1)
        if not (np.abs(lengths - 1) < _ROUNDING).all():
            raise UsageError("vectors are of unit length", field="sequences")


def _sequence_row(number: int, video: int, sequence: FaceSequence) -> tuple[Any, ...]:
    return (number, video, float(sequence.start), float(sequence.end), len(sequence.seen),
            *_angles(sequence.pose), float(sequence.evidence), float(sequence.spread))  # fmt: skip


def _face_row(number: int, seen: Seen) -> tuple[Any, ...]:
    box = seen.box
    points = None if seen.points is None else seen.points.ravel().tolist()
    return (number, float(seen.time), float(box.left), float(box.top), float(box.right),
            float(box.bottom), points, *_angles(seen.pose), float(seen.score),
            float(seen.quality))  # fmt: skip


def _crop_row(number: int, crop: Crop, vector: np.ndarray) -> tuple[Any, ...]:
    from PIL import Image

    file = io.BytesIO()
    Image.fromarray(crop.pixels).save(file, "jpeg", quality=_QUALITY)
    jpeg = seal(file.getvalue()) if on() else file.getvalue()
    return number, float(crop.time), float(crop.quality), jpeg, halfvec(vector)


def _angles(pose: Pose | None) -> tuple[float | None, ...]:
    return (None, None, None) if pose is None else tuple(map(float, pose))


def _video(row: tuple[Any, ...]) -> Video:
    number, path, *rest = row
    return Video(number, os.fsdecode(path), *rest)
