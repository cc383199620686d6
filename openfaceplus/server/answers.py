"""What the routes answer, as the OpenAPI document describes it; nothing else is in an answer.

It describes only: nothing is checked while the server runs. A test compares many answers with it.
"""

from __future__ import annotations

from typing import (
    Any,
    NotRequired,  # what pydantic takes before Python 3.12
    TypeVar,
)

from pydantic import ConfigDict, with_config
from typing_extensions import TypedDict

from openfaceplus.server.reviews import Review

Answer = TypeVar("Answer", bound=type)
Box = tuple[int, int, int, int]


def whole(answer: Answer) -> Answer:
    """A description of all that an answer holds."""
    described: Answer = with_config(ConfigDict(extra="forbid"))(answer)
    return described


@whole
class Problem(TypedDict):
    code: str
    problem: str
    field: str | None
    remedy: str | None


@whole
class Liveness(TypedDict):
    kind: str
    hint: str
    score: float


@whole
class Face(TypedDict):
    box: Box | None
    person: str | None
    name: str | None
    closest: str
    unsure_between: list[str] | None
    confidence: float | None
    score: float
    raw_score: float | None
    threshold: float | None
    note: str | None
    liveness: NotRequired[Liveness | None]


@whole
class FaceAtRate(TypedDict):
    name: str | None
    unsure_between: list[str] | None


@whole
class AtRate(TypedDict):
    far: float
    threshold: float | None
    faces: list[FaceAtRate]


@whole
class Photo(TypedDict):
    file: str
    status: str
    error: Problem | None
    more_faces: int
    faces: list[Face]
    rates: NotRequired[list[AtRate]]


@whole
class Identified(TypedDict):
    model: str
    photos: list[Photo]


@whole
class Verified(TypedDict):
    same: bool
    distance: float
    measure: str
    limit: float
    far: float
    person: str | None
    boxes: list[Box]


@whole
class EmbeddedFace(TypedDict):
    box: Box
    note: str | None
    vector: list[float]


@whole
class EmbeddedPhoto(TypedDict):
    file: str
    error: Problem | None
    faces: list[EmbeddedFace]


@whole
class Embedded(TypedDict):
    space: str
    photos: list[EmbeddedPhoto]


@whole
class Consent(TypedDict):
    recorded: str
    by: str
    consent: str
    purpose: str


@whole
class Person(TypedDict):
    id: str
    name: str
    enrolled_photos: int
    consent: Consent | None


@whole
class People(TypedDict):
    people: list[Person]
    total: int
    next: str | None


@whole
class Verdict(TypedDict):
    file: str
    verdict: str
    usable: bool
    like: str | None
    faces: int


@whole
class Verdicts(TypedDict):
    photos: list[Verdict]


@whole
class Enrolled(TypedDict):
    id: str
    name: str
    enrolled_photos: int
    consent: Consent | None
    photos: list[Verdict]


@whole
class Removed(TypedDict):
    removed: str
    vectors: int
    rows: int
    files: int
    photos_left: int


@whole
class Health(TypedDict):
    status: str
    version: str
    enrolled: bool


@whole
class Rate(TypedDict):
    far: float
    threshold: float | None
    uses: str
    supported: bool


@whole
class Model(TypedDict):
    hash: str
    people: int
    photos: int
    kind: str
    space: str
    far: float
    threshold: float | None
    rates: list[Rate]


@whole
class Models(TypedDict):
    models: list[Model]


@whole
class Session(TypedDict):
    name: str | None
    role: str
    csrf: str | None


@whole
class Reviews(TypedDict):
    reviews: list[Review]
    total: int
    next: str | None


@whole
class Reviewed(TypedDict):
    id: str
    person: str | None
    enrolled: bool


@whole
class Job(TypedDict):
    id: str
    video: str
    by: str
    asked: str
    state: str
    frames: int
    of: int | None
    result: dict[str, Any] | None
    error: dict[str, Any] | None


@whole
class Jobs(TypedDict):
    jobs: list[Job]
