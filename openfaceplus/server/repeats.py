"""Requests that are sent again are not carried out again: idempotency keys, kept for a day."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import logging
import re
import time
from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from openfaceplus.errors import StorageError
from openfaceplus.server.access import Principal
from openfaceplus.server.edge import ROUTE
from openfaceplus.server.guard import WHO
from openfaceplus.server.problems import Refused

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

    from openfaceplus.server.kept import Kept
    from openfaceplus.server.rights import Route

_DAY = 86_400
_MOST = 10_000  # answers kept
_MOST_BYTES = 1 << 20  # of one
_BYTES = "latin-1"
log = logging.getLogger(__name__)


class Repeats:
    """Gives a repeated request that changes something the first one's answer.

    Answers are on the disk before they are sent, and go with whom or what they are about.
    """

    def __init__(self, app: ASGIApp, kept: Kept) -> None:
        self._app, self._kept = app, kept
        self._in_hand: dict[bytes, str] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        route: Route | None = scope.get(ROUTE)
        if scope["type"] != "http" or route is None or not route.changes:
            await self._app(scope, receive, send)
            return
        given = Headers(scope=scope).get("idempotency-key")
        answer = _Answer(send)
        if given is None:
            await self._app(scope, receive, answer.take)
            await self._finish(scope, None, answer)
            return
        place, request = _place(scope, given), f"{scope['method']} {scope['path']}"
        if place in self._in_hand:
            _same(self._in_hand[place], request)
            raise Refused(
                409, "in_progress", "this very request is being carried out",
                "ask again in 1 s", headers={"Retry-After": "1"},
            )  # fmt: skip
        self._in_hand[place] = request
        try:
            found = await asyncio.to_thread(self._kept.answer, place, time.time() - _DAY)
            if found is not None:
                _same(found[0], request)
                await _Answer(send).again(found[1])
                return
            await self._app(scope, receive, answer.take)
            await self._finish(scope, place, answer)
        finally:
            self._in_hand.pop(place, None)

    async def _finish(self, scope: Scope, place: bytes | None, answer: _Answer) -> None:
        """Keep an answer, forget those about what is gone, and only then send it."""
        about, request = _about(scope, answer), f"{scope['method']} {scope['path']}"

        def write() -> None:
            if scope["method"] == "DELETE" and answer.status < 400:
                self._kept.forget(about)
            if place is not None and answer.may_be_kept:
                self._kept.drop_answers(time.time() - _DAY, _MOST - 1)
                self._kept.keep(place, request, about, answer.packed())

        try:
            await asyncio.to_thread(write)
        except StorageError as error:  # what was asked for is done all the same
            log.error("an answer could not be kept: %s", error)
        await answer.give()


class _Answer:
    """An answer that is held back until it is whole, unless it is a long one."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self._messages: list[Message] = []
        self._bytes = 0
        self.status = 500

    async def take(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
        self._bytes += len(message.get("body", b""))
        self._messages.append(message)
        if self._bytes > _MOST_BYTES:
            await self.give()

    async def give(self) -> None:
        messages, self._messages = self._messages, []
        for message in messages:
            await self._send(message)

    @property
    def may_be_kept(self) -> bool:
        # What was refused changed nothing, and may go well if sent again.
        return self.status < 400 and bool(self._messages) and self._bytes <= _MOST_BYTES

    @property
    def body(self) -> bytes:
        return b"".join(message.get("body", b"") for message in self._messages[1:])

    def packed(self) -> bytes:
        headers = [[part.decode(_BYTES) for part in pair] for pair in self._messages[0]["headers"]]
        return json.dumps([self.status, headers, self.body.decode(_BYTES)]).encode()

    async def again(self, packed: bytes) -> None:
        status, headers, body = json.loads(packed)
        pairs = [(name.encode(_BYTES), value.encode(_BYTES)) for name, value in headers]
        pairs.append((b"idempotent-replayed", b"true"))
        await self._send({"type": "http.response.start", "status": status, "headers": pairs})
        await self._send({"type": "http.response.body", "body": body.encode(_BYTES)})


def _place(scope: Scope, given: str) -> bytes:
    """What an answer is kept by: a hash of whose request it is and of its key."""
    if not re.fullmatch(r"[\x21-\x7e]{1,200}", given):
        raise Refused(
            422, "invalid", "this idempotency key is none",
            "give up to 200 letters, digits and signs", field="Idempotency-Key",
        )  # fmt: skip
    who: Principal = scope[WHO]
    return hashlib.sha256(f"{who.key or who.name} {given}".encode()).digest()


def _same(before: str, request: str) -> None:
    if before != request:
        raise Refused(
            422, "key_reused", "this idempotency key was used for another request",
            "use a new one for each", field="Idempotency-Key",
        )  # fmt: skip


def _about(scope: Scope, answer: _Answer) -> str:
    """What a request is about, as in ``people/ID``; of one that makes something, its answer says
    it."""
    parts: list[str] = scope["path"].split("/")[2:4]
    if len(parts) == 1:
        with contextlib.suppress(ValueError, TypeError, KeyError):
            parts.append(str(json.loads(answer.body)["id"]))
    return "/".join(parts)
