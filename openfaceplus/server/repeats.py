"""Requests that are sent again are not carried out again: idempotency keys, kept for a day."""

from __future__ import annotations

import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from openfaceplus.server.access import Principal
from openfaceplus.server.guard import WHO
from openfaceplus.server.problems import Refused

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

_DAY = 86_400
_MOST = 10_000  # answers kept
_MOST_BYTES = 1 << 20  # of one
_NOT_KEPT = {401, 403, 408, 413, 421, 429}  # what may go well if sent again, and all from 500 up


@dataclass(slots=True)
class _Kept:
    request: tuple[str, str]
    at: float
    messages: list[Message] = field(default_factory=list)
    bytes: int = 0
    done: bool = False


class Repeats:
    """Gives a repeated writing request the first one's answer. In memory, until the server ends."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app
        self._kept: dict[tuple[str, str], _Kept] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        given = Headers(scope=scope).get("idempotency-key") if scope["type"] == "http" else None
        writes = scope.get("method") in ("POST", "PATCH", "DELETE")
        if given is None or not writes or scope["path"] == "/v1/session":
            await self._app(scope, receive, send)
            return
        if not re.fullmatch(r"[\x21-\x7e]{1,200}", given):
            raise Refused(
                422, "invalid", "this idempotency key is none",
                "give up to 200 letters, digits and signs", field="Idempotency-Key",
            )  # fmt: skip
        who: Principal = scope[WHO]
        self._forget_old()
        place, request = (who.name, given), (scope["method"], scope["path"])
        kept = self._kept.get(place)
        if kept is not None:
            await _again(kept, request, send)
            return
        kept = self._kept[place] = _Kept(request, time.monotonic())

        async def remember(message: Message) -> None:
            kept.bytes += len(message.get("body", b""))
            if kept.bytes <= _MOST_BYTES:
                kept.messages.append(message)
            await send(message)

        try:
            await self._app(scope, receive, remember)
            status = kept.messages[0]["status"] if kept.messages else 500
            kept.done = status < 500 and status not in _NOT_KEPT and kept.bytes <= _MOST_BYTES
        finally:
            if not kept.done:
                self._kept.pop(place, None)

    def _forget_old(self) -> None:
        now = time.monotonic()
        for place, kept in list(self._kept.items()):
            if now - kept.at < _DAY and len(self._kept) < _MOST:
                break
            if kept.done:
                del self._kept[place]


async def _again(kept: _Kept, request: tuple[str, str], send: Send) -> None:
    if kept.request != request:
        raise Refused(
            422, "key_reused", "this idempotency key was used for another request",
            "use a new one for each", field="Idempotency-Key",
        )  # fmt: skip
    if not kept.done:
        raise Refused(
            409, "in_progress", "this very request is being carried out",
            "ask again in 1 s", headers={"Retry-After": "1"},
        )  # fmt: skip
    start, *rest = kept.messages
    replayed = (b"idempotent-replayed", b"true")
    await send({**start, "headers": [*start["headers"], replayed]})
    for message in rest:
        await send(message)
