"""What a server needs again after it was stopped or killed: answers, sessions, names in hand."""

from __future__ import annotations

import contextlib
import os
import sqlite3
import threading
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from openfaceplus.encryption import on, seal, unseal
from openfaceplus.errors import StorageError
from openfaceplus.files import make_folder, shown, unwritable

_TABLES = """
CREATE TABLE IF NOT EXISTS answer (
    place BLOB PRIMARY KEY, request TEXT, at REAL, about TEXT, content BLOB
) WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS answer_at ON answer (at);
CREATE TABLE IF NOT EXISTS session (
    token BLOB PRIMARY KEY, key TEXT, ends REAL
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS naming (change TEXT PRIMARY KEY, name BLOB) WITHOUT ROWID;
"""


class Kept:
    """A SQLite file of its owner's alone; one server uses it, whose threads may share it.

    Of tokens and keys it holds hashes, what tells of people is sealed where files are, and what is
    deleted is overwritten. Raises StorageError if
    it cannot be used, here and whenever it is asked.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        try:
            make_folder(path.parent)
            flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
            file = os.open(path, flags, 0o600)
            os.fchmod(file, 0o600)  # however others' files are shared
            os.close(file)
        except OSError as error:
            raise unwritable(path, error) from error
        with self._errors():
            self._db = sqlite3.connect(path, check_same_thread=False, isolation_level=None)
            self._db.execute("PRAGMA secure_delete = ON")
            self._db.executescript(_TABLES)

    def close(self) -> None:
        """Let the file go."""
        with self._lock:
            self._db.close()

    def answer(self, place: bytes, since: float) -> tuple[str, bytes] | None:
        """The request that was sent with a key, and what it was answered, if not before that."""
        query = "SELECT request, content FROM answer WHERE place = ? AND at >= ?"
        found = self._ask(query, place, since)
        return (found[0][0], unseal(found[0][1], shown(self._path))) if found else None

    def keep(self, place: bytes, request: str, about: str, content: bytes) -> None:
        """Keep what a request was answered, which is ``about`` somebody or something."""
        row = (place, request, time.time(), about, seal(content) if on() else content)
        self._ask("INSERT OR REPLACE INTO answer VALUES (?, ?, ?, ?, ?)", *row)

    def drop_answers(self, before: float, most: int) -> None:
        """Delete the answers from before a time, and of the rest all but so many."""
        self._ask("DELETE FROM answer WHERE at < ?", before)
        rest = "SELECT place FROM answer ORDER BY at DESC LIMIT -1 OFFSET ?"
        self._ask(f"DELETE FROM answer WHERE place IN ({rest})", most)

    def forget(self, about: str) -> None:
        """Delete the answers about somebody or something."""
        self._ask("DELETE FROM answer WHERE about = ?", about)

    def begin_session(self, token: bytes, key: str, ends: float, most: int) -> None:
        """Add a session, by the hash of its token; only the last so many stay."""
        self._ask("DELETE FROM session WHERE ends < ?", time.time())
        self._ask("INSERT INTO session VALUES (?, ?, ?)", token, key, ends)
        rest = "SELECT token FROM session ORDER BY ends DESC LIMIT -1 OFFSET ?"
        self._ask(f"DELETE FROM session WHERE token IN ({rest})", most)

    def session(self, token: bytes) -> tuple[str, float] | None:
        """Whose key a session was opened with, and its end."""
        found = self._ask("SELECT key, ends FROM session WHERE token = ?", token)
        return found[0] if found else None

    def end_session(self, token: bytes) -> None:
        """Delete a session."""
        self._ask("DELETE FROM session WHERE token = ?", token)

    def begin_naming(self, change: str, name: str) -> None:
        """Keep the name that a change gives somebody, until it is known what came of it."""
        raw = name.encode()
        self._ask("INSERT OR REPLACE INTO naming VALUES (?, ?)", change, seal(raw) if on() else raw)

    def naming(self, change: str) -> str | None:
        """The name that a change was to give."""
        found = self._ask("SELECT name FROM naming WHERE change = ?", change)
        return unseal(found[0][0], shown(self._path)).decode() if found else None

    def end_naming(self, change: str) -> None:
        """Delete that name."""
        self._ask("DELETE FROM naming WHERE change = ?", change)

    def _ask(self, query: str, *values: object) -> Sequence[Any]:
        with self._lock, self._errors():
            return self._db.execute(query, values).fetchall()

    @contextlib.contextmanager
    def _errors(self) -> Iterator[None]:
        try:
            yield
        except sqlite3.Error as error:
            raise StorageError(
                f"{shown(self._path)}: cannot be used ({error})",
                remedy="free some space, or move it: sessions end, and repeats are not known",
            ) from error
