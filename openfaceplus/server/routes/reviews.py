"""Decisions that were unsure: confirmed, corrected or ignored by somebody."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from typing import Annotated, Any

from fastapi import Form
from starlette.responses import Response

from openfaceplus.server import answers
from openfaceplus.server.contract import files
from openfaceplus.server.keys import Role
from openfaceplus.server.problems import Refused, missing
from openfaceplus.server.reviews import Reviews
from openfaceplus.server.rights import Route
from openfaceplus.server.routes import forms
from openfaceplus.server.state import Here, Server, Who
from openfaceplus.server.writer import files_of


async def reviews(
    server: Here, limit: forms.Limit = 50, after: forms.After = None
) -> dict[str, Any]:
    """List the faces to be looked at, the most unsure first."""
    found = await asyncio.to_thread(_kept(server).all)
    chosen, cursor = forms.page(found, [(one.unsure, one.id) for one in found], after, limit)
    return {"reviews": [asdict(one) for one in chosen], "total": len(found), "next": cursor}


async def picture(server: Here, id: str) -> Response:
    """Show one of them, as JPEG."""
    data = await asyncio.to_thread(_kept(server).picture, id)
    if data is None:
        raise missing("review", "id")
    return Response(data, media_type="image/jpeg")


async def answer(
    server: Here, who: Who, id: str,
    person: Annotated[str | None, Form(max_length=40, description="who it is, by id")] = None,
    enrol: Annotated[bool, Form(description="give the person this photo as well")] = False,
) -> dict[str, Any]:  # fmt: skip
    """Say who a face is, or without a person that it is nobody enrolled; its picture goes."""
    kept = _kept(server)
    review = await asyncio.to_thread(kept.find, id)
    photo = await asyncio.to_thread(kept.picture, id)
    if review is None or photo is None:
        raise missing("review", "id")
    refused = None
    if person is not None:
        known = server.current.now.by_id.get(person)
        if known is None:
            raise missing("person", "person")
        if enrol:
            async with server.intents.change(who.name, "enrol", person):
                added = await server.writer.add(known.name, files_of([photo]), person)
                await server.current.refresh()
            refused = next(iter(added.refused.values()), None)
    await server.record(
        who, "review", person=person, answer="nobody" if person is None else "known",
        was=review.person, enrolled=bool(enrol and person and refused is None),
    )  # fmt: skip
    await asyncio.to_thread(kept.drop, id)
    return {"id": id, "person": person, "enrolled": bool(enrol and person and refused is None)}


async def ignore(server: Here, who: Who, id: str) -> Response:
    """Leave a decision as it is; its picture goes."""
    if await asyncio.to_thread(_kept(server).find, id) is None:
        raise missing("review", "id")
    await server.record(who, "review", answer="ignored")
    await asyncio.to_thread(_kept(server).drop, id)
    return Response(status_code=204)


def _kept(server: Server) -> Reviews:
    if server.reviews is None:
        raise Refused(
            409, "nothing_kept", "this server keeps no photos to be looked at",
            "start it with a folder for unsure ones",
        )  # fmt: skip
    return server.reviews


ROUTES = (
    Route("GET", "/v1/reviews", Role.ENROLLER, reviews, gives=answers.Reviews),
    Route("GET", "/v1/reviews/{id}/picture", Role.ENROLLER, picture, more=files("image/jpeg")),
    Route("POST", "/v1/reviews/{id}", Role.ENROLLER, answer, gives=answers.Reviewed),
    Route("DELETE", "/v1/reviews/{id}", Role.ENROLLER, ignore, more={"status_code": 204}),
)  # fmt: skip
