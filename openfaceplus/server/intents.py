"""Changes of who is enrolled, in the log before they are made and once it is known what came of
them: a server that is killed between the two looks, when it is started anew."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from openfaceplus.audit import begun
from openfaceplus.changes import changing
from openfaceplus.server import consents

if TYPE_CHECKING:
    from openfaceplus.server.current import Current
    from openfaceplus.server.kept import Kept
    from openfaceplus.server.recorder import Recorder


class Intents:
    """Writes two lines of the same ``change`` to the log: ``begun``, and then ``done``, or what the
    model folder says of one that failed or was cut off: ``found done`` or ``not done``."""

    def __init__(self, audit: Recorder, current: Current, kept: Kept) -> None:
        self._audit, self._current, self._kept = audit, current, kept

    @asynccontextmanager
    async def change(
        self, who: str, what: str, person: str, *, name: str | None = None,
        consent: consents.Consent | None = None,
    ) -> AsyncIterator[dict[str, Any]]:  # fmt: skip
        """The block makes a change (``enrol``, ``rename``, ``remove``) of a person, by their id.

        What it puts into the dict goes into the log with the outcome. ``name`` is a new one;
        ``consent`` is recorded before anybody can see the person.
        """
        known = self._current.known
        line = {"who": who, "what": what, "person": person, "change": secrets.token_hex(8)}
        intent = line | {"photos": 0 if known is None else known.photos.get(person, 0)}
        if name is not None:  # which the log must not hold
            await asyncio.to_thread(self._kept.begin_naming, line["change"], name)
        await self._audit.write(intent | {"state": "begun"})
        outcome: dict[str, Any] = {}
        try:
            if consent is not None:
                await asyncio.to_thread(consents.write, self._current.folder, person, consent)
            yield outcome
            if what == "remove":
                await self._forget(person)
        except Exception:
            await self._settle(intent)
            raise
        await self._end(line | outcome, "done")

    async def settle(self) -> None:
        """Say of all changes that a killed server had begun what came of them."""
        for intent in await asyncio.to_thread(begun, self._audit.path):
            await self._settle(intent)

    async def _settle(self, intent: dict[str, Any]) -> None:
        await asyncio.to_thread(self._wait)
        await self._current.refresh()
        person, known = intent["person"], self._current.known
        there = known is not None and person in known.by_id
        if known is None or not there:
            done = intent["what"] == "remove"
            await self._forget(person)
        elif intent["what"] == "rename":
            name = await asyncio.to_thread(self._kept.naming, intent["change"])
            done = known.by_id[person].name == name
        else:
            done = intent["what"] == "enrol" and known.photos[person] > intent["photos"]
        line = {key: intent[key] for key in ("who", "what", "person", "change")}
        await self._end(line, "found done" if done else "not done")

    async def _forget(self, person: str) -> None:
        await asyncio.to_thread(consents.forget, self._current.folder, person)
        await asyncio.to_thread(self._kept.forget, f"people/{person}")

    async def _end(self, line: dict[str, Any], state: str) -> None:
        await self._audit.write(line | {"state": state})
        await asyncio.to_thread(self._kept.end_naming, line["change"])

    def _wait(self) -> None:
        """Until a writer that outlived its server by a moment is done, or what it left is."""
        folder = self._current.folder.embeddings
        if folder.is_dir():
            with changing(folder, keep=True):
                pass
