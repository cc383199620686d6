"""The people of videos: what linking found, and what a user puts right; all of it can be undone."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import Form
from pydantic import Field
from starlette.responses import Response

from openfaceplus.server import video_answers
from openfaceplus.server.contract import files
from openfaceplus.server.keys import Role
from openfaceplus.server.problems import missing
from openfaceplus.server.rights import Route
from openfaceplus.server.routes import forms
from openfaceplus.server.routes.videos import archive
from openfaceplus.server.state import Here, Server, Who

Sequence = Annotated[int, Form(ge=0, lt=1 << 53, description="a sequence's number")]
Other = Annotated[int, Form(ge=0, lt=1 << 31, description="a person's number")]


async def people(
    server: Here, limit: forms.Limit = 50, after: forms.After = None
) -> dict[str, Any]:
    """List the people of all videos, those most seen first."""
    found = await archive(server).ask(lambda db: db.read.people())
    keys = [(-one.sequences, one.person) for one in found]
    chosen, cursor = forms.page(found, keys, after, limit)
    return {"people": [one.to_dict() for one in chosen], "total": len(found), "next": cursor}


async def person(server: Here, id: forms.Number) -> dict[str, Any]:
    """Describe one of them."""
    found = await archive(server).ask(
        lambda db: [one for one in db.read.people() if one.person == id]
    )
    if not found:
        raise missing("person", "id")
    return found[0].to_dict()


async def thumbnail(server: Here, id: forms.Number) -> Response:
    """Show the face of one of them that tells most, as JPEG."""
    seen = await archive(server).ask(lambda db: db.read.appearances(id))
    best = max(seen, key=lambda one: one.evidence, default=None)
    crops = (
        [] if best is None else await archive(server).ask(lambda db: db.read.crops(best.sequence))
    )
    if not crops:
        raise missing("picture")
    return Response(crops[0].jpeg, media_type="image/jpeg")


async def name(
    server: Here, who: Who, id: forms.Number,
    name: Annotated[str, Form(max_length=100, description="empty: none")] = "",
) -> dict[str, Any]:  # fmt: skip
    """Give one a name, which nobody else may have, or take it away."""
    await _there(server, id)
    event = await archive(server).ask(lambda db: db.commands.name(id, name or None, who.name))
    return await person(server, id) | {"event": event}


async def merge(server: Here, who: Who, id: forms.Number, other: Other) -> dict[str, Any]:
    """Say that another is this person too."""
    await _there(server, id, other)
    event = await archive(server).ask(lambda db: db.commands.merge(id, other, who.name))
    return await person(server, id) | {"event": event}


async def split(
    server: Here,
    who: Who,
    id: forms.Number,
    sequence: Annotated[list[Annotated[int, Field(ge=0, lt=1 << 53)]], Form(min_length=1)],
) -> dict[str, Any]:
    """Say that some sequences of this person are somebody else, who is new."""
    await _there(server, id)
    new = await archive(server).ask(lambda db: db.commands.split(id, sequence, who.name))
    return await person(server, new)


async def not_this(server: Here, who: Who, id: forms.Number, sequence: Sequence) -> dict[str, Any]:
    """Say that a sequence is not this person and never will be."""
    await _there(server, id)
    new = await archive(server).ask(lambda db: db.commands.refuse(sequence, id, who.name))
    return {"sequence": sequence, "not": id, "new": new}


async def undo(
    server: Here, who: Who, event: Annotated[int | None, Form(ge=0, lt=1 << 53)] = None
) -> dict[str, Any]:
    """Take back the last that a user put right, or an event of a number."""
    undone = await archive(server).ask(lambda db: db.commands.undo(event, who.name))
    return {"undone": undone.id, "command": undone.command}


async def forget(server: Here, who: Who, id: forms.Number) -> dict[str, Any]:
    """Forget a person of videos: sequences, faces, vectors, and what the log of changes says."""
    await _there(server, id)
    await server.record(who, "forget video person", person=id)
    receipt = await archive(server).ask(lambda db: db.forget(id))
    return receipt.to_dict()


async def suggestions(
    server: Here, person: forms.Numbered = None, limit: forms.Limit = 50, after: forms.After = None
) -> dict[str, Any]:
    """List the sequences that may be somebody's, the surest first."""
    found = await archive(server).ask(lambda db: db.read.suggestions(person))
    keys = [(-one.score, one.sequence, one.person) for one in found]
    order = sorted(range(len(keys)), key=keys.__getitem__)
    chosen, cursor = forms.page([found[i] for i in order], [keys[i] for i in order], after, limit)
    return {
        "suggestions": [
            one.to_dict() | {"video": archive(server).called(one.video)} for one in chosen
        ],
        "total": len(found), "next": cursor,
    }  # fmt: skip


async def accept(server: Here, who: Who, sequence: Sequence, person: Other) -> dict[str, Any]:
    """Say that a sequence is a person, suggested or not."""
    await _there(server, person)
    event = await archive(server).ask(lambda db: db.commands.accept(sequence, person, who.name))
    return {"sequence": sequence, "person": person, "event": event}


async def refuse(server: Here, who: Who, sequence: Sequence, person: Other) -> dict[str, Any]:
    """Say that a suggested sequence is not that person."""
    return await not_this(server, who, person, sequence)


async def _there(server: Server, *people: int) -> None:
    """Raises Refused if one of these is nobody."""
    found = await archive(server).ask(lambda db: [db.read.person(one) for one in people])
    if None in found:
        raise missing("person")


ROUTES = (
    Route("GET", "/v1/video-people", Role.VIEWER, people, gives=video_answers.VideoPeople),
    Route("POST", "/v1/video-people/undo", Role.ENROLLER, undo, gives=video_answers.Undone),
    Route("GET", "/v1/video-people/{id}", Role.VIEWER, person, gives=video_answers.VideoPerson),
    Route("GET", "/v1/video-people/{id}/thumbnail", Role.VIEWER, thumbnail,
          more=files("image/jpeg")),
    Route("PATCH", "/v1/video-people/{id}", Role.ENROLLER, name, gives=video_answers.ChangedPerson),
    Route("POST", "/v1/video-people/{id}/merge", Role.ENROLLER, merge,
          gives=video_answers.ChangedPerson),
    Route("POST", "/v1/video-people/{id}/split", Role.ENROLLER, split,
          gives=video_answers.VideoPerson),
    Route("POST", "/v1/video-people/{id}/not", Role.ENROLLER, not_this,
          gives=video_answers.Refused),
    Route("DELETE", "/v1/video-people/{id}", Role.ADMIN, forget, gives=video_answers.Receipt),
    Route("GET", "/v1/suggestions", Role.VIEWER, suggestions, gives=video_answers.Suggestions),
    Route("POST", "/v1/suggestions/accept", Role.ENROLLER, accept, refuses=(404,),
          gives=video_answers.Accepted),
    Route("POST", "/v1/suggestions/refuse", Role.ENROLLER, refuse, refuses=(404,),
          gives=video_answers.Refused),
)  # fmt: skip
