"""A server's API in Python, for programs that do not hold the model themselves.

with Client("http://127.0.0.1:8000", key) as client:
    for answer in client.identify("a.jpg", "b.jpg"):
        print(answer.file, [face.name for face in answer.faces])
"""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from openfaceplus.errors import OpenFacePlusError, UnreadablePhoto
from openfaceplus.extras import require
from openfaceplus.faces import Box
from openfaceplus.files import shown

if TYPE_CHECKING:
    import httpx
    import numpy as np

Photo = str | os.PathLike[str] | bytes
"""A path, or the bytes of an image file."""


class ServerError(OpenFacePlusError):
    """A server refused a request, or could not be reached. ``status`` is that of HTTP, 0 where
    there was no answer; ``code``, ``problem``, ``field`` and ``remedy`` are what it said."""

    code = "server"

    def __init__(
        self, problem: str, *, remedy: str = "", field: str | None = None, status: int = 0,
        code: str = "server", retry_after: float | None = None,
    ) -> None:  # fmt: skip
        super().__init__(problem, remedy=remedy, field=field)
        self.status, self.retry_after = status, retry_after
        self.__dict__["code"] = code  # of this one: what the server said


@dataclass(frozen=True, slots=True)
class Face:
    """A face and who it is, as ``faces.Decision`` says it; ``unsure_between`` are two names.

    ``liveness`` is a hint, where it was asked for: its ``kind``, ``hint`` and ``score``.
    """

    box: Box
    person: str | None
    name: str | None
    closest: str
    confidence: float | None
    score: float
    threshold: float | None
    note: str | None
    unsure_between: tuple[str, ...] = ()
    liveness: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What was found in one photo: ``status`` is ``ok``, ``no_face`` or what is wrong with it."""

    file: str
    status: str
    faces: tuple[Face, ...]
    more_faces: int
    problem: str | None


@dataclass(frozen=True, slots=True)
class Verified:
    """Whether two faces are one person's: their distance, and the greatest that is accepted."""

    same: bool
    distance: float
    limit: float
    far: float


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody enrolled, with how many photos, and how they agreed to that, if it is recorded."""

    id: str
    name: str
    enrolled_photos: int
    consent: Mapping[str, str] | None


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether a photo was, or would be, taken: ``ok`` or what is wrong with it; ``like`` is the id
    of the person it looks like."""

    file: str
    verdict: str
    usable: bool
    like: str | None
    faces: int


@dataclass(frozen=True, slots=True)
class Enrolled:
    """A person after photos were given, and the verdict on each of these."""

    person: Person
    photos: tuple[Verdict, ...]


class Client:
    """Asks a server. All methods raise ServerError; writing ones may be sent again by who sends
    them with the same ``again``, a text of the caller's, and are then carried out once."""

    def __init__(self, url: str, key: str | None = None, *, timeout: float = 60.0) -> None:
        require("httpx", "serve", "a client")
        import httpx

        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        self._http = httpx.Client(base_url=url, headers=headers, timeout=timeout)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let the connections go."""
        self._http.close()

    def identify(
        self, *photos: Photo, far: float | None = None, largest: bool = False,
        liveness: bool = False,
    ) -> list[Answer]:  # fmt: skip
        """Who is in each of some photos, at a rate of strangers accepted if one is given; with
        ``liveness`` also how live they look, where the server has a network for that."""
        data = {"far": far, "largest": largest, "liveness": liveness}
        found = self._ask("POST", "identify", data, photos)
        return [_answer(one) for one in found["photos"]]

    def verify(
        self, photo: Photo, other: Photo | None = None, *, person: str | None = None,
        far: float = 0.001,
    ) -> Verified:  # fmt: skip
        """Whether two photos show one person, or whether one shows the person of an id."""
        photos = [photo] if other is None else [photo, other]
        found = self._ask("POST", "verify", {"person": person, "far": far}, photos)
        return Verified(*(found[key] for key in ("same", "distance", "limit", "far")))

    def embed(self, photo: Photo, *, largest: bool = False) -> np.ndarray:
        """(faces, dimensions) float32 vectors of unit length, of the faces of a photo."""
        import numpy as np

        (found,) = self._ask("POST", "embed", {"largest": largest}, [photo])["photos"]
        if found["error"] is not None:
            raise ServerError(found["error"]["problem"], code=found["error"]["code"], status=200)
        rows = [face["vector"] for face in found["faces"]]
        return np.array(rows, np.float32).reshape(len(rows), -1)

    def people(self) -> Iterator[Person]:
        """Who is enrolled, by name."""
        after: str | None = None
        while True:
            page = self._ask("GET", "people", {"limit": 500, "after": after})
            yield from map(_person, page["people"])
            after = page["next"]
            if after is None:
                return

    def add(
        self, name: str, photos: Sequence[Photo], *, consent: str, purpose: str,
        anyway: bool = False, again: str | None = None,
    ) -> Enrolled:  # fmt: skip
        """Enrol a new person; with ``anyway`` also from photos of several, or that look like
        somebody else."""
        data = {"name": name, "consent": consent, "purpose": purpose, "anyway": anyway}
        return _enrolled(self._ask("POST", "people", data, photos, again))

    def add_photos(
        self,
        person: str,
        photos: Sequence[Photo],
        *,
        anyway: bool = False,
        again: str | None = None,
    ) -> Enrolled:
        """Give the person of an id more photos."""
        where = f"people/{person}/photos"
        return _enrolled(self._ask("POST", where, {"anyway": anyway}, photos, again))

    def check(self, *photos: Photo, person: str | None = None) -> list[Verdict]:
        """Whether photos would do to enrol somebody; nothing is changed."""
        found = self._ask("POST", "people/check", {"person": person}, photos)
        return [Verdict(**one) for one in found["photos"]]

    def rename(self, person: str, name: str) -> Person:
        """Give the person of an id another name."""
        return _person(self._ask("PATCH", f"people/{person}", {"name": name}))

    def remove(self, person: str) -> dict[str, Any]:
        """Forget the person of an id; what was deleted."""
        found: dict[str, Any] = self._ask("DELETE", f"people/{person}")
        return found

    def get(self, path: str, **query: Any) -> Any:
        """What another address below ``/v1/`` gives, such as ``appearances``, as JSON."""
        return self._ask("GET", path, query)

    def _ask(
        self, method: str, path: str, data: Mapping[str, Any] | None = None,
        photos: Sequence[Photo] = (), again: str | None = None,
    ) -> Any:  # fmt: skip
        import httpx

        given = {key: _text(value) for key, value in (data or {}).items() if value is not None}
        reads = method == "GET"
        files = [("photo", _file(photo, number)) for number, photo in enumerate(photos, 1)]
        headers = {"Idempotency-Key": again or uuid.uuid4().hex} if not reads else {}
        try:
            answer = self._http.request(
                method, f"/v1/{path}", headers=headers, files=files or None,
                params=given if reads else None, data=None if reads else given,
            )  # fmt: skip
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise ServerError(
                f"{shown(str(self._http.base_url))}: no answer ({shown(str(error))})",
                remedy="check the address, and that the server runs",
            ) from error
        if not answer.is_success:
            raise _refused(answer)
        return answer.json()


def _refused(answer: httpx.Response) -> ServerError:
    try:
        said = answer.json()
        problem, code = str(said["problem"]), str(said["code"])
    except (ValueError, TypeError, KeyError):  # a proxy's
        said, problem, code = {}, f"the server answered {answer.status_code}", "server"
    wait = answer.headers.get("retry-after", "")
    return ServerError(
        problem, remedy=said.get("remedy") or "", field=said.get("field"),
        status=answer.status_code, code=code, retry_after=float(wait) if wait.isdigit() else None,
    )  # fmt: skip


def _file(photo: Photo, number: int) -> tuple[str, bytes]:
    if isinstance(photo, bytes):
        return f"photo {number}", photo
    try:
        return os.path.basename(photo), Path(photo).read_bytes()
    except OSError as error:
        raise UnreadablePhoto(
            f"{shown(photo)}: {error.strerror or error}", remedy="check the name"
        ) from error


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _answer(one: Mapping[str, Any]) -> Answer:
    error = one["error"]
    return Answer(
        one["file"], one["status"], tuple(_face(face) for face in one["faces"]),
        one["more_faces"], None if error is None else error["problem"],
    )  # fmt: skip


def _face(one: Mapping[str, Any]) -> Face:
    keys = ("person", "name", "closest", "confidence", "score", "threshold", "note")
    unsure = tuple(one["unsure_between"] or ())
    return Face(
        box=Box(*one["box"]), unsure_between=unsure, liveness=one.get("liveness"),
        **{key: one[key] for key in keys},
    )  # fmt: skip


def _person(one: Mapping[str, Any]) -> Person:
    return Person(*(one[key] for key in ("id", "name", "enrolled_photos", "consent")))


def _enrolled(one: Mapping[str, Any]) -> Enrolled:
    return Enrolled(_person(one), tuple(Verdict(**photo) for photo in one["photos"]))
