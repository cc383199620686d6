"""A camera's frames in, decisions out, over a WebSocket."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Query, WebSocket, WebSocketDisconnect

from openfaceplus.errors import OpenFacePlusError
from openfaceplus.liveness.active import SECONDS, Challenge, View, openness, possible, turn
from openfaceplus.liveness.passive import hints
from openfaceplus.model import Policy
from openfaceplus.server import problems
from openfaceplus.server.keys import Role
from openfaceplus.server.problems import Refused
from openfaceplus.server.rights import WEBSOCKET, Route
from openfaceplus.server.state import Here, Server, Who, answered
from openfaceplus.track.agreement import STRANGER, Agreement, Followed

if TYPE_CHECKING:
    from openfaceplus.faces import Box, Face
    from openfaceplus.pipeline import PhotoFaces
    from openfaceplus.server.access import Principal

_TOO_BIG, _POLICY, _AGAIN_LATER = 1009, 1008, 1013  # of RFC 6455
_MOST = 32  # cameras at a time

CHALLENGE = "liveness"
"""The text that a camera sends to have a movement asked of the face before it."""


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
        camera = _Camera(server, who, Policy(far), largest, liveness, Agreement(agree))
        while (frame := await newest.take()) is not None:
            if not server.access.stands(who):
                await socket.close(_POLICY, "the key was taken back")
                break
            if newest.challenged():
                camera.ask()
            await socket.send_json(await camera.answer(*frame))
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
        self._challenged = False

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

    def challenge(self) -> None:
        """Ask that a movement be asked for."""
        self._challenged = True

    def challenged(self) -> bool:
        """Whether this was asked since it was last looked at."""
        asked, self._challenged = self._challenged, False
        return asked


async def _receive(socket: WebSocket, newest: _Newest, limit: int) -> None:
    try:
        while True:
            message = await socket.receive()
            if message.get("text") == CHALLENGE:
                newest.challenge()
                continue
            frame = message["bytes"]
            if len(frame) > limit:
                await socket.close(_TOO_BIG, "the frame is too large")
                break
            newest.put(frame)
    except (WebSocketDisconnect, KeyError, TypeError, RuntimeError):
        pass  # it has gone, or sent other text
    finally:
        newest.put(None)


@dataclass
class _Camera:
    """What is known of the faces before one camera."""

    server: Server
    who: Principal
    policy: Policy
    largest: bool
    live: bool
    agreement: Agreement
    challenge: Challenge | None = None

    def ask(self) -> None:
        """Ask for a movement, unless one is waited for."""
        if self.challenge is None:
            asked = possible(self.server.current.pipeline.recipe.landmarks)
            self.challenge = Challenge(secrets.choice(asked), time.monotonic() + SECONDS)

    async def answer(self, number: int, data: bytes) -> dict[str, Any]:
        """What is said of a frame."""
        try:
            return {"frame": number, "error": None, **await self._seen(data)}
        except (Refused, OpenFacePlusError) as error:
            refusal = error if isinstance(error, Refused) else problems.of(error)
        except Exception as error:  # noqa: BLE001 - said in the usual shape, and logged
            refusal = problems.internal(error)
        return {"frame": number, "error": refusal.body(), "faces": []}

    async def _seen(self, data: bytes) -> dict[str, Any]:
        server, who = self.server, self.who
        snapshot, (found,) = await server.look([data], largest=self.largest, live=self.live)
        decisions = await asyncio.to_thread(snapshot.model.judge, found, self.policy)
        followed = self.agreement.see(decisions)
        server.metrics.decided(decisions)
        for one in followed:
            if one.new:
                about = answered(one.decision) | {"track": one.track}
                await server.record(who, "frames", model=snapshot.hash[:16], **about)
        names = {person.id: person.name for person in snapshot.people}
        faces = [_described(one, names) for one in followed]
        if self.live:
            said = hints(found)
            for face, one in zip(faces, followed, strict=True):
                face["liveness"] = said.get(one.decision.box)
        if self.challenge is None:
            return {"faces": faces}
        return {"faces": faces, "liveness": await self._challenged(found, followed)}

    async def _challenged(self, found: PhotoFaces, followed: list[Followed]) -> dict[str, Any]:
        """How far the movement is that was asked for; over, it is written to the log."""
        assert self.challenge is not None
        by_box: dict[Box | None, Face] = {face.box: face for face in found.faces}
        views = []
        for one in followed:
            face = by_box[one.decision.box]
            eyes, side = openness(face.landmarks), face.box.side
            views.append(View(one.track, one.decision.person, turn(face), eyes, side))
        now = time.monotonic()
        self.challenge.see(views, now)
        said = self.challenge.to_dict(now)
        if said["hint"] is not None:
            self.challenge = None
            about = {"asked": said["asked"], "answer": said["hint"], "track": said["track"]}
            await self.server.record(self.who, "liveness", **about)
        return said


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
