"""The outermost part: limits on bodies, headers of every answer, errors of any kind."""

from __future__ import annotations

import time
from collections.abc import MutableMapping
from typing import TYPE_CHECKING, Any

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect

from openfaceplus.server import problems
from openfaceplus.server.problems import Refused, busy
from openfaceplus.server.rights import WEBSOCKET

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from openfaceplus.server.metrics import Metrics
    from openfaceplus.server.rights import Table
    from openfaceplus.server.settings import Limits

HEADERS = {
    "Cache-Control": "no-store",
    "Content-Security-Policy": "default-src 'none'; script-src 'self'; style-src 'self'; "
    "img-src 'self' blob: data:; media-src 'self' blob:; font-src 'self'; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(self), microphone=(), geolocation=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
}
"""Of every answer that does not say otherwise itself."""

ROUTE = "openfaceplus.route"
"""Where in a scope the ``Route`` is that was asked for, None if there is no such."""


class Edge:
    """Wraps an app: whatever happens in it, the answer is whole, safe and of the usual shape."""

    def __init__(self, app: ASGIApp, table: Table, limits: Limits, metrics: Metrics) -> None:
        self._app, self._table, self._limits, self._metrics = app, table, limits, metrics
        self._in_hand = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        route = self._table.find(scope.get("method", WEBSOCKET), scope["path"])
        scope[ROUTE] = route
        if scope["type"] == "websocket":
            await self._app(scope, receive, send)
            return
        most = (route and route.most_bytes) or self._limits.body
        exchange = _Exchange(self, most, scope, receive, send)
        began = time.perf_counter()
        try:
            length = Headers(scope=scope).get("content-length", "")
            if length.isdigit() and int(length) > most:
                raise _too_large(most)
            await self._app(scope, exchange.receive, exchange.send)
        except Refused as refusal:
            await exchange.answer(refusal)
        except ClientDisconnect:
            pass
        except Exception as error:  # noqa: BLE001 - said in the usual shape, and logged
            await exchange.answer(problems.internal(error))
        finally:
            self._in_hand -= min(exchange.bytes, self._limits.body)
            self._metrics.answered(
                scope["method"], route.path if route else "none", exchange.status,
                time.perf_counter() - began,
            )  # fmt: skip

    def take(self, exchange: _Exchange, count: int) -> None:
        """Count bytes of a body. Raises Refused for too many, of one request or of all."""
        # More of a body than this goes to the disk.
        before = min(exchange.bytes, self._limits.body)
        exchange.bytes += count
        self._in_hand += min(exchange.bytes, self._limits.body) - before
        if exchange.bytes > exchange.most:
            raise _too_large(exchange.most)
        if self._in_hand > self._limits.bodies:
            raise busy("too much is being sent to the server just now")


class _Exchange:
    """One request and its answer."""

    def __init__(self, edge: Edge, most: int, scope: Scope, receive: Receive, send: Send) -> None:
        self._edge, self._scope, self._receive, self._send = edge, scope, receive, send
        self._refusal: Refused | None = None
        self.most = most
        self.bytes = 0
        self.status = 0

    async def receive(self) -> Message:
        message = await self._receive()
        if message["type"] == "http.request":
            try:
                self._edge.take(self, len(message.get("body", b"")))
            except Refused as refusal:
                # What reads the body may make another error of it.
                self._refusal = refusal
                raise
        return message

    async def send(self, message: Message) -> None:
        if message["type"] == "http.response.start" and message["status"] >= 400:
            headers = Headers(raw=message["headers"])
            if headers.get("content-type", "").startswith("text/plain"):  # not one of ours
                kept = {key: headers[key] for key in ("content-range",) if key in headers}
                self._refusal = problems.of_status(message["status"], kept)
        if self._refusal is not None:  # in place of what the app makes of it
            if message["type"] == "http.response.start" and not self.status:
                await self.answer(self._refusal)
            return
        if message["type"] == "http.response.start":
            self.status = message["status"]
        await self._send_with_headers(message)

    async def answer(self, refusal: Refused) -> None:
        """Say why not, unless an answer has begun."""
        if not self.status:
            self.status = refusal.status
            response = refusal.answer()
            response.headers["Connection"] = "close"  # the rest of the body is not read
            await response(self._scope, self._receive, self._send_with_headers)

    async def _send_with_headers(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            _add_headers(message)
        await self._send(message)


def _too_large(most: int) -> Refused:
    return Refused(
        413, "too_large", f"a request may have {most / (1 << 20):.0f} MiB here",
        "send fewer or smaller files at once",
    )  # fmt: skip


def _add_headers(message: MutableMapping[str, Any]) -> None:
    headers = MutableHeaders(scope=message)
    for name, value in HEADERS.items():
        headers.setdefault(name, value)
    if "server" in headers:
        del headers["server"]
