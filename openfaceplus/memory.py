"""One ceiling on memory for all processes of a command: large photos wait for their turn.

Each process has a line in a ledger, a file without a name that it shares with its parent. Who is to
decode a large photo writes down what that will take, once it fits beside what the others take, and
crosses it out after. One waits at a time, so that no large photo waits for ever behind small ones.
"""

from __future__ import annotations

import contextlib
import ctypes
import fcntl
import os
import struct
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from openfaceplus.errors import PhotoTooLarge, UsageError

SMALL = 48 << 20
"""Bytes that a photo may take without waiting for its turn."""

_LARGE = 256 << 20  # bytes; what is less stays with the process for the next photo
_SHARE = 0.5  # of what is free, by default
_LEAST = 256 << 20  # bytes that a process takes without a photo
_PATIENCE = 10.0  # seconds for processes without a large photo to need less
_LINE = struct.Struct("qq")  # process, and bytes that it takes while it decodes a large photo
_LINES = 1024
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Ledger:
    """What the processes of a command take in all, in bytes; ``ceiling`` is the most they may.

    ``file`` is the number of the parent's open file, and ``line`` this process's in it.
    """

    def __init__(self, ceiling: int, file: int | None = None, line: int = 0) -> None:
        self.ceiling, self.process = ceiling, os.getpid()
        self._file = _nameless() if file is None else open(file, "r+b", 0)  # noqa: SIM115
        self._file.truncate(_LINE.size * _LINES)
        self._line = line
        self._free = set(range(1, _LINES))
        self._gate, self._lock = threading.Lock(), threading.Lock()
        self._taken = self._base = 0
        self._write(line, os.getpid(), 0)

    @property
    def file(self) -> int:
        """The number of its open file."""
        return self._file.fileno()

    def line(self) -> int:
        """A line for a further process; ``drop`` gives it back."""
        with self._lock:
            return self._free.pop()

    def drop(self, line: int) -> None:
        """Cross out the line of a process that is gone, whatever it was doing."""
        if self._file.closed:
            return
        with self._lock:
            self._write(line, 0, 0)
            self._free.add(line)

    def close(self) -> None:
        """Use it no more."""
        self._file.close()

    @contextlib.contextmanager
    def reserved(self, size: int, photo: str) -> Iterator[None]:
        """Within the block ``size`` bytes are this thread's, for which others may be waited.

        Raises PhotoTooLarge if so many cannot be had.
        """
        with self._gate, self._alone():
            self._wait(size, photo)
            self._take(size)
        try:
            yield
        finally:
            self._take(-size)
            if size > _LARGE:
                _give_back()

    def _take(self, size: int) -> None:
        with self._lock:
            before, self._taken = self._taken, self._taken + size
            if not before:
                self._base = resident(os.getpid())
            self._write(self._line, os.getpid(), self._taken and self._base + self._taken)

    def _wait(self, size: int, photo: str) -> None:
        end = None
        while True:
            others, busy, least = self._others()
            mine = self._base + self._taken if self._taken else resident(os.getpid())
            if mine + others + size <= self.ceiling:
                return
            now = time.monotonic()
            end = None if busy or self._taken else end or now + _PATIENCE
            never = size + least + mine - self._taken > self.ceiling
            if never or (end is not None and now >= end):
                raise PhotoTooLarge(
                    f"{photo}: takes about {size / 1e6:,.0f} MB to decode, and so much is not free "
                    f"below the limit of {self.ceiling / 1e6:,.0f} MB",
                    remedy="save it smaller, allow more memory, or use fewer processes",
                    field="max_memory",
                )
            time.sleep(0.01)

    def _others(self) -> tuple[int, bool, int]:
        """What other processes take, whether one of them has a large photo, and their least."""
        data = os.pread(self.file, _LINE.size * _LINES, 0)
        total, busy, count = 0, False, 0
        for number, (process, size) in enumerate(_LINE.iter_unpack(data)):
            if process and number != self._line:
                total += size or resident(process)
                busy |= size > 0
                count += 1
        return total, busy, count * _LEAST

    def _write(self, line: int, process: int, size: int) -> None:
        os.pwrite(self.file, _LINE.pack(process, size), line * _LINE.size)

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        # The file is shared with the parent, where flock would be as well; this is a process's own.
        fcntl.lockf(self.file, fcntl.LOCK_EX, 1, 0)
        try:
            yield
        finally:
            fcntl.lockf(self.file, fcntl.LOCK_UN, 1, 0)


def _nameless() -> IO[bytes]:
    """A file that is gone with the last process that has it open; in memory where that can be."""
    if hasattr(os, "memfd_create"):
        return open(os.memfd_create("openfaceplus"), "r+b", 0)
    import tempfile

    return tempfile.TemporaryFile(buffering=0)


_ledger: Ledger | None = None
_making = threading.Lock()


def ledger() -> Ledger:
    """That of this process; after a fork the child has its own."""
    global _ledger
    with _making:
        if _ledger is None:
            _ledger = Ledger(int(_SHARE * free()))
        elif _ledger.process != os.getpid():
            _ledger = Ledger(_ledger.ceiling)
        return _ledger


def join(ceiling: int, file: int, line: int) -> None:
    """Use the ledger of the parent process."""
    global _ledger
    _ledger = Ledger(ceiling, file, line)


@contextlib.contextmanager
def limited(ceiling: int | None) -> Iterator[None]:
    """Within the block this process and those that it starts take ``ceiling`` bytes at most, or
    for None half of what is free, as far as large photos make the difference."""
    global _ledger
    before = _ledger
    _ledger = None if ceiling is None else Ledger(ceiling)
    try:
        yield
    finally:
        made, _ledger = _ledger, before
        if made is not None:
            made.close()


def allowed() -> int | None:
    """The ceiling that was set, if one was."""
    return None if _ledger is None else _ledger.ceiling


def reserved(size: int, photo: str) -> contextlib.AbstractContextManager[None]:
    """``Ledger.reserved`` of this process's ledger, for which ``SMALL`` photos do not wait."""
    return contextlib.nullcontext() if size <= SMALL else ledger().reserved(size, photo)


def bytes_of(text: str) -> int:
    """The bytes that a text such as ``800M``, ``2G`` or ``40%`` (of what is free) means.

    Raises UsageError for anything else, and for nothing.
    """
    number, unit = text.strip()[:-1], text.strip()[-1:].upper()
    units = {"K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
    with contextlib.suppress(ValueError):
        if unit == "%":
            size = float(number) / 100 * free()
        else:
            size = float(number) * units[unit] if unit in units else float(text)
        if 1 <= size < 1 << 60:
            return int(size)
    raise UsageError(
        f"{text!r} is no amount of memory",
        remedy="give bytes, such as 800M or 2G, or a share of what is free, such as 40%",
        field="max_memory",
    )


def free() -> int:
    """Bytes of memory that may still be taken here: of the machine, or of the container if less."""
    return min(_of_machine(), *_of_containers())


def _of_machine() -> int:
    with contextlib.suppress(OSError, ValueError, StopIteration):
        lines = Path("/proc/meminfo").read_text().splitlines()
        return 1024 * int(next(x for x in lines if x.startswith("MemAvailable:")).split()[1])
    pages = "SC_AVPHYS_PAGES" if "SC_AVPHYS_PAGES" in os.sysconf_names else "SC_PHYS_PAGES"
    return os.sysconf(pages) * _PAGE


def _of_containers() -> Iterator[int]:
    """What the limits of control groups leave, those of version 2 and of version 1."""
    for place, limit, used in (
        ("/sys/fs/cgroup", "memory.max", "memory.current"),
        ("/sys/fs/cgroup/memory", "memory.limit_in_bytes", "memory.usage_in_bytes"),
    ):
        with contextlib.suppress(OSError, ValueError, StopIteration):
            folder = Path(place)
            most = int((folder / limit).read_text())  # ValueError for "max"
            stat = (folder / "memory.stat").read_text().splitlines()
            # What files are cached in is given back when it is needed.
            cached = next(int(x.split()[1]) for x in stat if x.startswith("inactive_file "))
            yield max(0, most - int((folder / used).read_text()) + cached)
    yield 1 << 60


def resident(process: int) -> int:
    """Bytes of memory that a process fills; a usual number where that cannot be seen."""
    try:
        return int(Path(f"/proc/{process}/statm").read_bytes().split()[1]) * _PAGE
    except FileNotFoundError:
        return 0 if Path("/proc/self/statm").exists() else _LEAST
    except OSError:
        return _LEAST


def _give_back() -> None:
    """Let glibc return what it keeps of freed memory, or the next photo would add to it."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL(None).malloc_trim(0)
