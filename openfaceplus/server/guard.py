"""Who asks, and may they: between the edge and the routes."""

from __future__ import annotations

import secrets
from typing import TYPE_CHECKING
from urllib.parse import quote, urlsplit

from starlette.datastructures import Headers
from starlette.responses import RedirectResponse

from openfaceplus.errors import OpenFacePlusError
from openfaceplus.server import problems
from openfaceplus.server.access import NOBODY, Access, Principal
from openfaceplus.server.edge import ROUTE
from openfaceplus.server.problems import Refused
from openfaceplus.server.rates import Rate
from openfaceplus.server.rights import WEBSOCKET, Route, Table
from openfaceplus.server.settings import is_loopback

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

    from openfaceplus.server.settings import Settings

WHO = "openfaceplus.who"
"""Where in a scope the ``Principal`` is."""


class Guard:
    """Lets a request pass that its key, or the lack of keys on this machine alone, allows."""

    def __init__(self, app: ASGIApp, settings: Settings, access: Access, table: Table) -> None:
        self._app, self._settings, self._access = app, settings, access
        self._table = table
        self._asked = Rate(settings.limits.rate)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        try:
            gone = await self._examine(scope)
        except (Refused, OpenFacePlusError) as error:
            if scope["type"] == "http":
                raise error if isinstance(error, Refused) else problems.of(error) from error
            await send({"type": "websocket.close", "code": 1008, "reason": str(error)[:100]})
            return
        if gone is not None:
            await gone(scope, receive, send)
            return
        await self._app(scope, receive, send)

    async def _examine(self, scope: Scope) -> RedirectResponse | None:
        """Put into the scope who asks; where to send them instead, if to log in. Raises Refused."""
        headers = Headers(scope=scope)
        route: Route | None = scope[ROUTE]
        self._check_host(headers)
        if scope.get("method", WEBSOCKET) not in ("GET", "HEAD"):
            _check_origin(headers)
        address = scope["client"][0] if scope.get("client") else ""
        who = await self._access.who(headers, address)
        self._asked.hold(address if who is NOBODY else who.name, "requests")
        scope[WHO] = who
        if route is None:
            if methods := self._table.methods(scope["path"]):
                raise problems.of_status(405, {"Allow": ", ".join(methods)})
            return None  # the router says that there is nothing
        if who.role < route.role:
            if route.page and who is NOBODY:
                return RedirectResponse(f"/login?next={quote(scope['path'])}", 303)
            raise _forbidden(who, route)
        if who.session is not None and route.writes:
            given = headers.get("x-csrf-token", "")
            if not secrets.compare_digest(given.encode(), who.session.csrf.encode()):
                raise Refused(
                    403, "csrf", "the session's token is missing",
                    "send what /v1/session says in the header X-CSRF-Token",
                )  # fmt: skip
        return None

    def _check_host(self, headers: Headers) -> None:
        """On this machine alone, only its own names: else a page of some site could have its name
        lead here (DNS rebinding)."""
        host = urlsplit(f"//{headers.get('host', '')}").hostname or ""
        if self._settings.local and not (is_loopback(host) or host == self._settings.host):
            raise Refused(
                421, "wrong_host", "this server is not called so", "ask for it as localhost"
            )


def _forbidden(who: Principal, route: Route) -> Refused:
    if who is NOBODY:
        return Refused(
            401, "no_key", "this needs a key", "send it as Authorization: Bearer KEY",
            headers={"WWW-Authenticate": "Bearer"},
        )  # fmt: skip
    return Refused(
        403, "forbidden", f"a key of a {who.role} may not do this", f"it takes one of {route.role}"
    )


def _check_origin(headers: Headers) -> None:
    """Raises Refused for what a page of another site makes a browser send."""
    origin, site = headers.get("origin"), headers.get("sec-fetch-site", "none")
    same = origin is None or urlsplit(origin).netloc == headers.get("host", "")
    if not same or site not in ("none", "same-origin"):
        raise Refused(
            403, "wrong_origin", "a page of another site asked for this", "use this server's pages"
        )
