"""The audit log, written by a thread of its own: all that waits goes to the disk at once."""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openfaceplus.audit import AuditLog


class Recorder:
    """Appends to a log without holding up the event loop."""

    def __init__(self, log: AuditLog) -> None:
        self._log = log
        self._thread = ThreadPoolExecutor(1, "audit")
        self._waiting: list[dict[str, Any]] = []
        self._next: asyncio.Future[None] | None = None

    @property
    def path(self) -> Path:
        """Where the log is."""
        return self._log.path

    async def write(self, *entries: dict[str, Any]) -> None:
        """Write entries; returns when they are on the disk. Raises StorageError if they are not."""
        self._waiting += entries
        if self._next is None:
            self._next = asyncio.ensure_future(self._flush())
        await asyncio.shield(self._next)

    async def _flush(self) -> None:
        # Whoever asks before the thread is free goes with the others.
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, lambda: None)
        entries, self._waiting, self._next = self._waiting, [], None
        await loop.run_in_executor(self._thread, lambda: self._log.append(*entries))

    def close(self) -> None:
        """Finish what waits, and let the log go."""
        self._thread.shutdown(wait=True)
        self._log.close()
