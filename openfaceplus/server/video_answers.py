"""The same as ``answers`` for what is about videos."""

from __future__ import annotations

from typing_extensions import TypedDict

from openfaceplus.server.answers import whole


@whole
class Video(TypedDict):
    id: int
    name: str
    seconds: float | None
    rate: float | None
    width: int | None
    height: int | None
    recorded_at: str | None
    indexed_at: str | None
    done: bool
    sequences: int


@whole
class Videos(TypedDict):
    videos: list[Video]
    total: int
    next: str | None


@whole
class Receipt(TypedDict):
    rows: dict[str, int]
    left: int
    remarks: list[str]


@whole
class RemovedVideo(TypedDict):
    rows: dict[str, int]
    left: int
    remarks: list[str]
    file_deleted: bool


@whole
class Appearance(TypedDict):
    person: int | None
    name: str | None
    video: str
    video_id: int
    sequence: int
    start: float
    end: float
    faces: int
    score: float | None
    yaw: float | None
    pitch: float | None
    roll: float | None
    fixed: bool


@whole
class Appearances(TypedDict):
    appearances: list[Appearance]
    total: int
    next: str | None


@whole
class VideoPerson(TypedDict):
    person: int
    name: str | None
    sequences: int
    videos: int
    seconds: float
    cohesion: float | None


@whole
class VideoPeople(TypedDict):
    people: list[VideoPerson]
    total: int
    next: str | None


@whole
class ChangedPerson(TypedDict):
    person: int
    name: str | None
    sequences: int
    videos: int
    seconds: float
    cohesion: float | None
    event: int


@whole
class Accepted(TypedDict):
    sequence: int
    person: int
    event: int


# ``not`` is no name in Python.
Refused = TypedDict("Refused", {"sequence": int, "not": int, "new": int})


@whole
class Undone(TypedDict):
    undone: int
    command: str


@whole
class Suggestion(TypedDict):
    sequence: int
    person: int
    name: str | None
    score: float
    video: str
    start: float
    end: float


@whole
class Suggestions(TypedDict):
    suggestions: list[Suggestion]
    total: int
    next: str | None
