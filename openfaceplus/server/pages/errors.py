"""Errors as pages, for browsers that asked for a page."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import Headers
from starlette.requests import Request

from openfaceplus.server.access import NOBODY
from openfaceplus.server.guard import WHO
from openfaceplus.server.pages import views

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_KNOWN = (403, 404, 429, 503)


class ErrorPages:
    """Wraps an app: in place of an error's JSON a browser that looks for a page gets one."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _looks_for_page(scope):
            await self._app(scope, receive, send)
            return
        failed: Message | None = None

        async def changed(message: Message) -> None:
            nonlocal failed
            if message["type"] == "http.response.start" and message["status"] >= 400:
                failed = message
            elif failed is None:
                await send(message)
            elif not message.get("more_body"):
                await _answer(scope, receive, send, failed)

        await self._app(scope, receive, changed)


def _looks_for_page(scope: Scope) -> bool:
    accepted = Headers(scope=scope).get("accept", "")
    page = scope["method"] == "GET" and not scope["path"].startswith(("/v1/", "/static/"))
    return page and "text/html" in accepted


async def _answer(scope: Scope, receive: Receive, send: Send, failed: Message) -> None:
    """The page about an error, with the headers of its answer."""
    request, status = Request(scope), failed["status"]
    shown = str(status) if status in _KNOWN else "other"
    response = views.show(
        request, scope.get(WHO, NOBODY), scope["app"].state.server, "error", status, shown=shown
    )
    own = set(response.headers) | {"content-length"}
    kept = [
        (name, value)
        for name, value in failed.get("headers", [])
        if name.decode("latin-1").lower() not in own
    ]
    response.raw_headers = [*kept, *response.raw_headers]
    await response(scope, receive, send)
