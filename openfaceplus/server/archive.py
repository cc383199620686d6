"""The database of videos, for many who ask at once, and the videos that were sent here."""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from openfaceplus.errors import DatabaseError
from openfaceplus.files import inside, make_folder, opener, unwritable

if TYPE_CHECKING:
    from openfaceplus.database.connection import Database

Result = TypeVar("Result")

_BLOCK = 1 << 20


class Archive:
    """One connection to a database; threads take turns, and a lost one is made anew."""

    def __init__(self, where: str, uploads: Path) -> None:
        from openfaceplus.database import connect

        self.where, self.uploads = where, uploads
        self._connect = connect
        self._lock = threading.Lock()
        self._db: Database = connect(where)

    async def ask(self, question: Callable[[Database], Result]) -> Result:
        """What a question gives; it must do its work in one call, for it may be put twice."""
        return await asyncio.to_thread(self._ask, question)

    def _ask(self, question: Callable[[Database], Result]) -> Result:
        with self._lock:
            try:
                return question(self._db)
            except DatabaseError:
                if not self._db.connection.closed and not self._db.connection.broken:
                    raise
                with contextlib.suppress(DatabaseError):
                    self._db.close()
                self._db = self._connect(self.where)
                return question(self._db)

    async def keep(self, upload: Any, name: str) -> Path:
        """Write a video that was sent to the disk, its owner's alone; where it lies."""
        safe = "".join(c if c.isalnum() or c in "-_. " else "_" for c in name)[-80:].lstrip(".")
        path = self.uploads / f"{secrets.token_hex(4)}-{safe or 'video'}"

        try:
            make_folder(self.uploads)
            with open(path, "xb", opener=opener) as file:
                while data := await upload.read(_BLOCK):
                    await asyncio.to_thread(file.write, data)
        except OSError as error:
            with contextlib.suppress(OSError):
                path.unlink()
            raise unwritable(path, error) from error
        return path

    def called(self, path: str) -> str:
        """What a video is called: of one that was sent, the name that it was sent with."""
        name = os.path.basename(path) or path
        return name if inside(self.uploads, path) is None else name.partition("-")[2]

    def drop(self, path: str) -> bool:
        """Delete a video if it was sent here; whether it was."""
        found = inside(self.uploads, path)
        if found is None:
            return False
        with contextlib.suppress(OSError):
            os.unlink(found)
        return True

    def close(self) -> None:
        """Let the database go."""
        with contextlib.suppress(DatabaseError):
            self._db.close()
