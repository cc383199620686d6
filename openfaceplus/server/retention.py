"""People and pictures that were kept long enough are forgotten, by a job that runs each hour."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from openfaceplus.server import consents

if TYPE_CHECKING:
    from openfaceplus.server.state import Server

_EVERY = 3600.0  # seconds
log = logging.getLogger(__name__)


class Retention:
    """Forgets who was enrolled here longer ago than ``period``, by the date of their consent.

    Who was trained from a folder has no such date, and stays.
    """

    def __init__(self, server: Server, period: timedelta) -> None:
        self._server, self._period = server, period
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin, in the running event loop."""
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """End, once what has begun is done."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    async def enforce(self) -> list[str]:
        """Forget whose time is over; their ids."""
        server = self._server
        limit = (datetime.now(UTC) - self._period).isoformat(timespec="seconds")
        known = await asyncio.to_thread(consents.read, server.current.folder)
        gone = []
        for number, consent in known.items():
            if consent.recorded >= limit:
                continue
            async with server.intents.change("retention", "remove", number):
                snapshot = server.current.known
                if snapshot is not None and number in snapshot.by_id:
                    await server.writer.remove(snapshot.by_id[number].name)
                    gone.append(number)
                    await server.current.refresh()
        if server.reviews is not None:
            await asyncio.to_thread(server.reviews.drop_older, self._period)
        return gone

    async def _run(self) -> None:
        while True:
            try:
                await self.enforce()
            except Exception:  # tried again in an hour
                log.exception("what was kept long enough could not be forgotten")
            await asyncio.sleep(_EVERY)
