"""A camera's frames in, decisions out, over a WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Annotated, Any

from fastapi import Query, WebSocket, WebSocketDisconnect

from openfaceplus.errors import OpenFacePlusError
from openfaceplus.liveness.passive import hints
from openfaceplus.model import Policy
from openfaceplus.server import problems
from openfaceplus.server.keys import Role
from openfaceplus.server.problems import Refused
from openfaceplus.server.rights import WEBSOCKET, Route
from openfaceplus.server.state import Here, Server, Who, answered
from openfaceplus.track.agreement import STRANGER, Agreement, Followed

_TOO_BIG, _POLICY, _AGAIN_LATER = 1009, 1008, 1013  # of RFC 6455
_MOST = 32  # cameras at a time


async def frames(
    socket: WebSocket,
    server: Here,
    who: Who,
    far: Annotated[float | None, Query(gt=0, lt=1)] = None,
    largest: bool = False,
    agree: Annotated[int, Query(ge=1, le=30)] = 3,
    liveness: bool = False,
) -> None:
    """Name the faces of a camera's JPEG frames as they come; of frames that wait the newest is
    taken. `agree` frames in a row have to say the same before a face is `agreed` on."""
    await socket.accept()
    if server.cameras >= _MOST:
        await socket.close(_AGAIN_LATER, "too many cameras")
        return
    server.cameras += 1
    newest = _Newest()
    receiving = asyncio.create_task(_receive(socket, newest, server.settings.limits.frame))
    try:
        agreement = Agreement(agree)
        while (frame := await newest.take()) is not None:
            if not server.access.stands(who):
                await socket.close(_POLICY, "the key was taken back")
                break
            await socket.send_json(
                await _answer(server, who, agreement, frame, far, largest, liveness)
            )
    except (WebSocketDisconnect, RuntimeError):
        pass  # it has gone
    finally:
        server.cameras -= 1
        receiving.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await receiving


class _Newest:
    """Holds one frame: the newest that was not taken yet."""

    def __init__(self) -> None:
        self._frame: bytes | None = None
        self._changed = asyncio.Event()
        self.number, self._ended = 0, False

    def put(self, frame: bytes | None) -> None:
        """Put a frame in place of one that waits; None says that there are no more."""
        self._ended = frame is None
        self._frame = frame
        self.number += 1
        self._changed.set()

    async def take(self) -> tuple[int, bytes] | None:
        """Wait for a frame; its number, counted from 1, and its bytes."""
        await self._changed.wait()
        self._changed.clear()
        return None if self._ended or self._frame is None else (self.number, self._frame)


async def _receive(socket: WebSocket, newest: _Newest, limit: int) -> None:
    try:
        while True:
            frame = await socket.receive_bytes()
            if len(frame) > limit:
                await socket.close(_TOO_BIG, "the frame is too large")
                break
            newest.put(frame)
    except (WebSocketDisconnect, KeyError, RuntimeError):
        pass  # it has gone, or sent text
    finally:
        newest.put(None)


async def _answer(
    server: Server, who: Who, agreement: Agreement, frame: tuple[int, bytes],
    far: float | None, largest: bool, live: bool,
) -> dict[str, Any]:  # fmt: skip
    number, data = frame
    try:
        snapshot, (found,) = await server.look([data], largest=largest, live=live)
        decisions = await asyncio.to_thread(snapshot.model.judge, found, Policy(far))
        followed = agreement.see(decisions)
        server.metrics.decided(decisions)
        for one in followed:
            if one.new:
                about = answered(one.decision) | {"track": one.track}
                await server.record(who, "frames", model=snapshot.hash[:16], **about)
        names = {person.id: person.name for person in snapshot.people}
        faces = [_described(one, names) for one in followed]
        if live:
            said = hints(found)
            for face, one in zip(faces, followed, strict=True):
                face["liveness"] = said.get(one.decision.box)
        return {"frame": number, "error": None, "faces": faces}
    except (Refused, OpenFacePlusError) as error:
        refusal = error if isinstance(error, Refused) else problems.of(error)
    except Exception as error:  # noqa: BLE001 - said in the usual shape, and logged
        refusal = problems.internal(error)
    return {"frame": number, "error": refusal.body(), "faces": []}


def _described(one: Followed, names: dict[str, str]) -> dict[str, Any]:
    stranger = one.agreed == STRANGER
    person = None if stranger else one.agreed
    return one.decision.to_dict() | {
        "track": one.track,
        "agreed": None if one.agreed is None else "stranger" if stranger else "known",
        "agreed_person": person,
        "agreed_name": names.get(person) if person else None,
    }


ROUTES = (Route(WEBSOCKET, "/v1/frames", Role.VIEWER, frames),)
