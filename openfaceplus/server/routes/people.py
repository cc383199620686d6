"""Who is enrolled, and changing that."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

from fastapi import Form, Query
from starlette.responses import JSONResponse, Response

from openfaceplus.classify.classifier import id_from, new_id
from openfaceplus.errors import SeveralFaces, UsageError
from openfaceplus.model import Policy
from openfaceplus.model_folder import Person
from openfaceplus.pipeline import PhotoFaces
from openfaceplus.server import answers, consents, thumbnails
from openfaceplus.server.contract import files
from openfaceplus.server.current import Snapshot
from openfaceplus.server.keys import Role
from openfaceplus.server.problems import Refused, missing
from openfaceplus.server.rights import Route
from openfaceplus.server.routes import forms
from openfaceplus.server.state import Here, Server, Who
from openfaceplus.server.writer import files_of
from openfaceplus.stages.people import check_name

Name = Annotated[str, Form(min_length=1, max_length=100, description="of the person")]
Consent = Annotated[
    str, Form(min_length=1, max_length=500, description="how and when the person agreed")
]
Purpose = Annotated[str, Form(min_length=1, max_length=500, description="what it is for")]
Search = Annotated[str, Query(max_length=100, description="part of the names")]
Anyway = Annotated[
    bool, Form(description="take photos of several faces, or that look like somebody else's")
]


async def people(
    server: Here, limit: forms.Limit = 50, after: forms.After = None, search: Search = ""
) -> dict[str, Any]:
    """List who is enrolled, by name, a page at a time."""
    snapshot = server.current.known
    if snapshot is None:
        return {"people": [], "total": 0, "next": None}
    part = search.strip().casefold()
    wanted = [person for person in snapshot.people if part in person.name.casefold()]
    keys = [(person.name.casefold(), person.id) for person in wanted]
    chosen, cursor = forms.page(wanted, keys, after, limit)
    known = await asyncio.to_thread(consents.read, server.current.folder)
    return {
        "people": [_described(snapshot, person, known.get(person.id)) for person in chosen],
        "total": len(keys),
        "next": cursor,
    }


async def person(server: Here, id: str) -> dict[str, Any]:
    """Describe one person."""
    snapshot, found = _find(server, id)
    known = await asyncio.to_thread(consents.read, server.current.folder)
    return _described(snapshot, found, known.get(id))


async def thumbnail(server: Here, id: str) -> Response:
    """Show the face of a person that is most like all of theirs, as PNG."""
    snapshot, found = _find(server, id)
    data = await asyncio.to_thread(thumbnails.read, server.current.folder, found, snapshot.chip(id))
    if data is None:
        raise missing("picture")
    return Response(data, media_type="image/png")


async def add(
    server: Here, who: Who, name: Name, consent: Consent, purpose: Purpose, photo: forms.Photos,
    anyway: Anyway = False,
) -> JSONResponse:  # fmt: skip
    """Enrol a new person from photos, with a verdict on each; needs one good photo."""
    name = _proper(name)
    known = server.current.known
    if name in server.adding or (known and name in [person.name for person in known.people]):
        raise _taken(name)
    given = consents.Consent.now(who.name, consent, purpose)
    server.adding.add(name)
    try:
        return JSONResponse(await _enrol(server, who, name, photo, anyway, given), 201)
    finally:
        server.adding.discard(name)


async def add_photos(
    server: Here, who: Who, id: str, photo: forms.Photos, anyway: Anyway = False
) -> dict[str, Any]:
    """Give a person more photos, with a verdict on each."""
    _, found = _find(server, id)
    return await _enrol(server, who, found.name, photo, anyway, None)


async def check(
    server: Here, photo: forms.Photos, anyway: Anyway = False,
    person: Annotated[str | None, Form(max_length=40, description="whose they are, by id")] = None,
) -> dict[str, Any]:  # fmt: skip
    """Say of photos whether they would do to enrol a person, and change nothing."""
    data = await forms.read(photo, server.settings.limits)
    found = await server.faces(data)
    verdicts = await asyncio.to_thread(_verdicts, server.current.known, found, person, anyway)
    return {"photos": _said(photo, verdicts)}


async def rename(server: Here, who: Who, id: str, name: Name) -> dict[str, Any]:
    """Give a person another name."""
    snapshot, found = _find(server, id)
    name = _proper(name)
    if name != found.name:
        if name in [person.name for person in snapshot.people]:
            raise _taken(name)
        async with server.intents.change(who.name, "rename", id, name=name):
            await server.writer.rename(found.name, name)
            await server.current.refresh()
    return await person(server, id)


async def remove(server: Here, who: Who, id: str) -> dict[str, Any]:
    """Forget a person, and say what was deleted."""
    _, found = _find(server, id)
    async with server.intents.change(who.name, "remove", id):
        receipt = await server.writer.remove(found.name)
        await server.current.refresh()
    return {
        "removed": found.id,
        "vectors": receipt.vectors,
        "rows": receipt.rows,
        "files": len(receipt.files),
        "photos_left": len(receipt.photos_left),
    }


async def _enrol(
    server: Server, who: Who, name: str, photo: forms.Photos, anyway: bool,
    given: consents.Consent | None,
) -> dict[str, Any]:  # fmt: skip
    data = await forms.read(photo, server.settings.limits)
    found = await server.faces(data)
    snapshot = server.current.known
    enrolled = () if snapshot is None else snapshot.people
    known = next((person.id for person in enrolled if person.name == name), None)
    verdicts = await asyncio.to_thread(_verdicts, snapshot, found, known, anyway)
    good = [one for one, verdict in zip(data, verdicts, strict=True) if verdict["usable"]]
    if not good:
        why = "; ".join(f"{one['file']}: {one['verdict']}" for one in _said(photo, verdicts))
        raise Refused(
            422, "no_usable_photo", f"none of the photos can be used ({why})",
            "give photos of the person alone, large and sharp", field="photo",
        )  # fmt: skip
    # The first of a model has the id that training gives.
    id = known or (new_id() if enrolled else id_from(name))
    async with server.intents.change(who.name, "enrol", id, consent=given) as outcome:
        added = await server.writer.add(name, files_of(good), id)
        await server.current.refresh()
        for sent, verdict in zip(data, verdicts, strict=True):
            (file,) = files_of([sent])
            if verdict["usable"] and file in added.refused:
                verdict |= {"verdict": added.refused[file], "usable": False}
        fresh = server.current.now
        one = fresh.by_id.get(id)
        if one is None:  # another program enrolled somebody of that name meanwhile
            raise _taken(name)
        outcome["model"] = fresh.hash[:16]
        outcome["answer"] = [verdict["verdict"] for verdict in verdicts]
        outcome["purpose"] = None if given is None else given.purpose
    return _described(fresh, one, given) | {"photos": _said(photo, verdicts)}


def _verdicts(
    snapshot: Snapshot | None, found: Sequence[PhotoFaces], person: str | None, anyway: bool
) -> list[dict[str, Any]]:
    return [_verdict(snapshot, one, person, anyway) for one in found]


def _verdict(
    snapshot: Snapshot | None, found: PhotoFaces, person: str | None, anyway: bool
) -> dict[str, Any]:
    """What to say of a photo: ``ok`` or what is wrong with it, and whether it is taken."""

    def said(verdict: str, usable: bool = False, like: str | None = None) -> dict[str, Any]:
        return {"verdict": verdict, "usable": usable, "like": like, "faces": len(found.faces)}

    if found.error is not None:
        return said(found.error.status)
    if not found.faces:
        return said("no_face")
    if found.flaws[0] is not None:
        return said(found.flaws[0])
    if len(found.faces) > 1:
        return said(SeveralFaces.status, anyway)
    if snapshot is None:
        return said("ok", True)
    (decision,) = snapshot.model.judge(found, Policy())
    if decision.person is not None and decision.person != person:
        return said("looks_like_another", anyway, decision.person)
    return said("ok", True)


def _said(photo: forms.Photos, verdicts: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {"file": forms.name(one, number), **verdict}
        for number, (one, verdict) in enumerate(zip(photo, verdicts, strict=True))
    ]


def _find(server: Server, id: str) -> tuple[Snapshot, Person]:
    snapshot = server.current.now
    if id not in snapshot.by_id:
        raise missing("person", "id")
    return snapshot, snapshot.by_id[id]


def _described(
    snapshot: Snapshot, person: Person, consent: consents.Consent | None
) -> dict[str, Any]:
    return {
        "id": person.id,
        "name": person.name,
        "enrolled_photos": snapshot.photos.get(person.id, 0),
        "consent": None if consent is None else consent.to_dict(),
    }


def _proper(name: str) -> str:
    name = name.strip()
    try:
        check_name(name)
        if name.isprintable() and len(name.encode()) <= 200:  # what a folder's name may have
            return name
    except (UsageError, UnicodeEncodeError):
        pass
    raise UsageError(
        "this cannot be a person's name", remedy="use letters, and no / or leading dot",
        field="name",
    )  # fmt: skip


def _taken(name: str) -> Refused:
    return Refused(
        409, "name_taken", f"{name} is enrolled already", "add photos to that person", field="name"
    )


ROUTES = (
    Route("GET", "/v1/people", Role.VIEWER, people, gives=answers.People),
    Route(
        "POST", "/v1/people", Role.ENROLLER, add, gives=answers.Enrolled, more={"status_code": 201}
    ),
    Route("POST", "/v1/people/check", Role.ENROLLER, check, gives=answers.Verdicts, asks=True),
    Route("GET", "/v1/people/{id}", Role.VIEWER, person, gives=answers.Person),
    Route("PATCH", "/v1/people/{id}", Role.ENROLLER, rename, gives=answers.Person),
    Route("DELETE", "/v1/people/{id}", Role.ADMIN, remove, gives=answers.Removed),
    Route("POST", "/v1/people/{id}/photos", Role.ENROLLER, add_photos, gives=answers.Enrolled),
    Route("GET", "/v1/people/{id}/thumbnail", Role.VIEWER, thumbnail, more=files("image/png")),
)
