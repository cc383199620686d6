"""Sessions of browsers: a key in, a cookie out."""

from __future__ import annotations

import asyncio
from typing import Annotated, Any

from fastapi import Form, Request
from starlette.responses import JSONResponse, Response

from openfaceplus.server import answers
from openfaceplus.server.access import NOBODY, Principal
from openfaceplus.server.keys import Role
from openfaceplus.server.rights import Route
from openfaceplus.server.sessions import COOKIE, SECONDS
from openfaceplus.server.state import Here, Who


async def begin(
    server: Here, request: Request, key: Annotated[str, Form(min_length=1, max_length=200)]
) -> Response:
    """Log in with a key: sets a cookie, and says which token writing requests have to bear."""
    known = await server.access.check(key.strip(), request.client.host if request.client else "")
    token, session = await asyncio.to_thread(server.access.sessions.begin, known.id)
    who = Principal(known.name, known.rank, session)
    response = JSONResponse(_about(who))
    response.set_cookie(
        COOKIE, token, max_age=SECONDS, httponly=True, samesite="strict",
        secure=request.url.scheme == "https",
    )  # fmt: skip
    await server.record(who, "log in")
    return response


async def about(who: Who) -> dict[str, Any]:
    """Say who asks, what they may do, and which token their writing requests have to bear."""
    return _about(who)


async def end(server: Here, request: Request) -> Response:
    """Log out."""
    await asyncio.to_thread(server.access.sessions.end, request.cookies.get(COOKIE, ""))
    response = Response(status_code=204)
    response.delete_cookie(COOKIE, httponly=True, samesite="strict")
    return response


def _about(who: Principal) -> dict[str, Any]:
    return {
        "name": None if who is NOBODY else who.name,
        "role": str(who.role),
        "csrf": None if who.session is None else who.session.csrf,
    }


ROUTES = (
    Route("POST", "/v1/session", Role.PUBLIC, begin, gives=answers.Session, asks=True),
    Route("GET", "/v1/session", Role.PUBLIC, about, gives=answers.Session),
    Route("DELETE", "/v1/session", Role.PUBLIC, end, asks=True, more={"status_code": 204}),
)
