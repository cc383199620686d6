"""What is written to a database about a video, and what is read of one."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np


@dataclass(frozen=True, slots=True)
class VideoFile:
    """A video to be indexed: the hash of its content, the settings it is indexed with, and the
    space of the vectors, of ``dimensions`` numbers. The rest is as the file says: seconds, frames
    a second, pixels, and when it was recorded."""

    hash: str
    settings: str
    space: str
    dimensions: int
    path: str
    duration: float | None = None
    rate: float | None = None
    width: int | None = None
    height: int | None = None
    recorded_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Video:
    """A video in the database, and how many sequences of faces it has. ``done`` is false while it
    is being indexed, and after an indexer was killed."""

    id: int
    path: str
    hash: str
    settings: str
    space: str
    duration: float | None
    rate: float | None
    width: int | None
    height: int | None
    recorded_at: datetime | None
    indexed_at: datetime
    indexed_by: str
    done: bool
    sequences: int


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody, perhaps without a name: in how many sequences of how many videos, for how many
    seconds, and how well these hold together (mean silhouette, -1 to 1). ``key`` is their id in the
    model that they came from, with that many ``templates``."""

    person: int
    name: str | None
    sequences: int
    videos: int
    seconds: float
    cohesion: float | None
    key: str | None
    templates: int

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {k: v for k, v in asdict(self).items() if k not in ("key", "templates")}


@dataclass(frozen=True, slots=True)
class Appearance:
    """A sequence: who, where, when in seconds, how many faces, and the mean pose in degrees.

    ``score`` is what joined it to the person, None for their first sequence and where a user
    decided (``fixed``); ``evidence`` how much there is to tell whose it is, the sum of its crops'
    qualities; ``likeness`` the cosine to what was searched for. Who is None where nothing was
    decided.
    """

    person: int | None
    name: str | None
    video: str
    sequence: int
    start: float
    end: float
    faces: int
    score: float | None
    yaw: float | None
    pitch: float | None
    roll: float | None
    video_id: int
    fixed: bool
    evidence: float
    likeness: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        left_out = {"video_id", "fixed", "evidence"}
        if self.likeness is None:
            left_out.add("likeness")
        return {k: v for k, v in asdict(self).items() if k not in left_out}


@dataclass(frozen=True, slots=True, eq=False)
class Descriptors:
    """Sequences with (n, dimensions) float32 vectors of unit length, and per sequence: its video's
    id, when it starts and ends, its person (0: nobody yet), whether a user decided that, how much
    there is to tell (the sum of its crops' qualities) and how far its vectors are spread."""

    sequences: np.ndarray
    vectors: np.ndarray
    videos: np.ndarray
    starts: np.ndarray
    ends: np.ndarray
    people: np.ndarray
    fixed: np.ndarray
    evidence: np.ndarray
    spread: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class StoredCrop:
    """One of a sequence's best faces: seconds, quality, JPEG, and its vector, of unit length."""

    sequence: int
    time: float
    quality: float
    jpeg: bytes
    vector: np.ndarray


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A sequence that may be of a person: too unsure to be joined, too like to be passed over."""

    sequence: int
    person: int
    name: str | None
    score: float
    video: str
    start: float
    end: float

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class Join:
    """Linking put a sequence to a person; a negative number is a person new in this run.

    ``score`` is what it was accepted with, ``before`` and ``after`` the person's cohesion without
    and with it.
    """

    sequence: int
    person: int
    score: float | None = None
    before: float | None = None
    after: float | None = None


@dataclass(frozen=True, slots=True)
class Suggest:
    """Linking found a sequence like a person, but not enough to join it."""

    sequence: int
    person: int
    score: float


@dataclass(frozen=True, slots=True)
class Recorded:
    """What became of a run's decisions: the event, the numbers that new people were given, and the
    sequences whose joins were left out, for a user had decided otherwise."""

    event: int | None
    people: dict[int, int]
    left_out: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Receipt:
    """What was forgotten: rows by table, how many of those were found afterwards (0), and what may
    remain where this program cannot reach."""

    rows: dict[str, int]
    left: int
    remarks: tuple[str, ...]

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)
