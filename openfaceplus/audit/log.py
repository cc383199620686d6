"""Writing the log: by one process at a time, on the disk before anybody is answered."""

from __future__ import annotations

import contextlib
import fcntl
import os
import threading
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, Self

from openfaceplus.audit import chain
from openfaceplus.errors import StorageError
from openfaceplus.files import make_folder, opener, shown, unwritable

_BLOCK = 1 << 16


class AuditLog:
    """A log that is open for writing until ``close``.

    Threads may share it. What a killed process left half written is closed by a line that says so.
    Raises StorageError if another process writes it, or the file is no log.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._lock = threading.Lock()
        self._number, self._before, self._whole = 0, chain.START, True
        try:
            make_folder(self.path.parent)
            flags = os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW
            self._file = opener(os.fspath(self.path), flags)
        except OSError as error:
            raise unwritable(self.path, error) from error
        try:
            self._claim()
            self._take_up()
        except BaseException as error:
            os.close(self._file)
            if isinstance(error, OSError):
                raise unwritable(self.path, error) from error
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let another process write it."""
        with self._lock, contextlib.suppress(OSError):
            os.close(self._file)
            self._file = -1

    @property
    def head(self) -> str:
        """The hash of the last line: whoever knows it can tell that nothing before was changed."""
        return self._before

    def append(self, *entries: dict[str, Any]) -> None:
        """Write entries, with the time; when this returns they are on the disk.

        Raises StorageError if they cannot be written.
        """
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        with self._lock:
            try:
                if not self._whole:  # the disk was full amid a line
                    self._take_up()
                self._write([{"at": now, **entry} for entry in entries])
            except OSError as error:
                self._whole = False
                raise unwritable(self.path, error) from error

    def _write(self, entries: list[dict[str, Any]], first: bytes = b"") -> None:
        text, number, before = first, self._number, self._before
        for entry in entries:
            number += 1
            raw, before = chain.line(number, before, entry)
            text += raw
        view = memoryview(text)
        while view:
            view = view[os.write(self._file, view) :]
        os.fsync(self._file)
        self._number, self._before = number, before

    def _claim(self) -> None:
        try:
            fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise StorageError(
                f"{shown(self.path)}: another process writes this log",
                remedy="stop that, or name another log",
                field="audit",
            ) from error

    def _take_up(self) -> None:
        """Go on after the last whole line, and close what follows it."""
        *lines, rest = _last_lines(self._file, os.fstat(self._file).st_size).split(b"\n")
        self._number, self._before = 0, chain.START
        if chain.read(rest) is not None:  # only its end is missing
            lines, rest = [*lines, rest], b""
            os.write(self._file, b"\n")
        pieces = [rest] if rest else []
        while lines and not lines[-1].endswith(b"}"):  # killed again while it closed one
            pieces.insert(0, lines.pop())
        found = chain.read(lines[-1]) if lines else None
        if (lines and found is None) or not all(map(chain.begins, pieces)):
            raise StorageError(
                f"{shown(self.path)}: not a log, or its last line was changed",
                remedy="name another log, and keep this one",
                field="audit",
            )
        if found is not None:
            self._number, self._before = found["n"], found["hash"]
        self._whole = True
        if pieces:
            now = datetime.now(UTC).isoformat(timespec="milliseconds")
            closing = {"at": now, **chain.torn(b"\n".join(pieces))}
            self._write([closing], b"\n" if rest else b"")


def _last_lines(file: int, size: int) -> bytes:
    """The end of a file, with at least its last two whole lines and what follows them."""
    data = b""
    while size and data.count(b"\n") < 4:
        start = max(0, size - _BLOCK)
        data = os.pread(file, size - start, start) + data
        size = start
    if size:
        data = data[data.index(b"\n") + 1 :]
    return data
