"""One writer at a time changes a folder, and a change of several files is one commit.

New content is written to a hidden folder beside the old. A commit lists in a journal what takes the
place of what and what goes, and then does it: a process killed before the journal is there has
changed nothing, and what one killed after it left undone is done by the next that opens the folder.
Nothing is synced to the disk: this protects from a killed process, not from a power cut.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import re
import shutil
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from openfaceplus.encrypted_files import read_text
from openfaceplus.errors import InTheWay, StorageError
from openfaceplus.files import (
    STAGING,
    atomic_write,
    inside,
    make_folder,
    opener,
    shown,
    spare,
    unwritable,
)

LOCK = ".lock"
LIMIT = 600.0
"""Seconds that a writer waits for another."""

Waiting = Callable[[str], object]
"""Called once, with a sentence, when a writer has to wait."""

_NEW, _JOURNAL = f"{STAGING}/new", f"{STAGING}/commit.json"


class Change:
    """A folder that this process alone writes to, until the ``with`` block of ``changing`` ends."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.staging = folder / _NEW
        self._new: set[str] = set()
        self._gone: set[str] = set()

    def staged(self, name: str, *, ours: bool = False) -> Path:
        """Where to write the new content of the file ``name``, which may lie in a folder below.

        At the commit it replaces that file, if it was written. Raises InTheWay for a name that
        leads out of the folder, and as ``spare`` does unless the file is known to be ``ours``.
        """
        _check(self.folder, [name])
        if not ours:
            spare(self.folder / name)
        self._new.add(name)
        self._gone.discard(name)
        return self.staging / name

    def remove(self, name: str) -> None:
        """Delete a file at the commit, and its folder if nothing else is in it.

        What is not there, or lies outside the folder or behind a link, is left alone.
        """
        if inside(self.folder, self.folder / name) is not None:
            self._gone.add(name)

    def commit(self) -> None:
        """Put everything in place. What is staged after that belongs to the next commit."""
        new = sorted(n for n in self._new if os.path.lexists(self.staging / n))
        gone = sorted(n for n in self._gone if (self.folder / n).is_file())
        if new or gone:
            with atomic_write(self.folder / _JOURNAL, "w") as file:
                json.dump({"new": new, "gone": gone}, file)
            finish(self.folder)
        self.discard()

    def discard(self) -> None:
        """Forget what was staged and not committed."""
        self._new.clear()
        self._gone.clear()
        shutil.rmtree(self.folder / STAGING, ignore_errors=True)


@contextlib.contextmanager
def changing(
    folder: Path, *, waiting: Waiting | None = None, limit: float = LIMIT, keep: bool = False
) -> Iterator[Change]:
    """Keep other writers out of a folder, which is made if needed, and finish what one left.

    With ``keep``, what an interrupted run staged stays staged, and so does what this one does not
    commit. Raises StorageError, which names the other, if it still writes after ``limit`` seconds.
    """
    missing = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        with _locked(folder, waiting, limit):
            finish(folder)
            change = Change(folder)
            if not keep:
                change.discard()
            try:
                yield change
            finally:
                if not keep:
                    change.discard()
    finally:
        for path in missing:  # unless something is in it now
            with contextlib.suppress(OSError):
                path.rmdir()


@contextlib.contextmanager
def unchanging(folder: Path, *, waiting: Waiting | None = None) -> Iterator[None]:
    """Keep writers out of a folder while it is read; one that cannot be written to has none."""
    with contextlib.ExitStack() as stack:
        if folder.is_dir() and os.access(folder, os.W_OK):
            stack.enter_context(changing(folder, waiting=waiting, keep=True))
        yield


def finish(folder: Path) -> None:
    """Do what a commit that was begun has left to do. Only for who keeps other writers out."""
    new, gone = _committed(folder)
    if new is None:
        return
    _check(folder, (*new, *(f"{_NEW}/{name}" for name in new), *gone))
    try:
        for name in new:
            if os.path.lexists(folder / _NEW / name):
                make_folder((folder / name).parent)
                os.replace(folder / _NEW / name, folder / name)
        for name in gone:
            (folder / name).unlink(missing_ok=True)
        for emptied in {(folder / name).parent for name in gone} - {folder}:
            with contextlib.suppress(OSError):
                emptied.rmdir()
        (folder / _JOURNAL).unlink()
    except OSError as error:
        at = error.filename2 or error.filename or folder  # of a rename, where it goes
        raise unwritable(Path(os.fsdecode(at)), error) from error
    shutil.rmtree(folder / STAGING, ignore_errors=True)


def current(folder: Path, name: str) -> Path:
    """Where the content of a file lies: a commit that was begun may not have moved it yet."""
    new, gone = _committed(folder)
    staged = folder / _NEW / name
    if name in gone or (name in (new or ()) and staged.exists()):
        return staged
    return folder / name


def state(folder: Path, names: Iterable[str]) -> list[tuple[int, int, int] | None]:
    """What changes whenever one of the files does, or a commit begins or ends."""
    found: list[tuple[int, int, int] | None] = []
    for name in (_JOURNAL, *names):
        try:
            status = os.stat(folder / name)
            found.append((status.st_ino, status.st_mtime_ns, status.st_size))
        except OSError:
            found.append(None)
    return found


def _committed(folder: Path) -> tuple[list[str] | None, list[str]]:
    """The names of files that a commit that was begun replaces (None: no such) and deletes."""
    path = folder / _JOURNAL
    try:
        data = json.loads(read_text(path))
        return [str(name) for name in data["new"]], [str(name) for name in data["gone"]]
    except (FileNotFoundError, NotADirectoryError):
        return None, []
    except (OSError, ValueError, TypeError, KeyError, RecursionError) as error:
        raise StorageError(
            f"{shown(path)}: not a list of changes ({error})", remedy="delete it"
        ) from error


def _check(folder: Path, names: Iterable[str]) -> None:
    for name in names:
        if inside(folder, folder / name) is None:
            raise InTheWay(
                f"{shown(folder / name)}: leads out of {shown(folder)}, perhaps by a symbolic link",
                remedy="nothing was changed there; take the link away",
            )


@contextlib.contextmanager
def _locked(folder: Path, waiting: Waiting | None, limit: float) -> Iterator[None]:
    path, end = folder / LOCK, time.monotonic() + limit
    while (descriptor := _try_lock(path)) is None:
        holder = _holder(path)
        if holder and time.monotonic() >= end:
            raise StorageError(
                f"{shown(folder)}: is being written by {holder}",
                remedy="wait until that is done, or stop it",
            )
        if holder and waiting is not None:
            waiting(f"{shown(folder)}: waiting for {holder}")
            waiting = None
        time.sleep(0.01)
    try:
        yield
    finally:
        # Whoever waits for this very file finds another, or none, of its name and tries again.
        with contextlib.suppress(OSError):
            path.unlink()
        os.close(descriptor)


def _try_lock(path: Path) -> int | None:
    """The open, locked file, with who holds it written to it; None if another process does."""
    _refuse_lock(path)
    try:
        make_folder(path.parent)
        descriptor = opener(os.fspath(path), os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW)
    except FileNotFoundError:  # who held it took the empty folder away
        return None
    except OSError as error:
        raise unwritable(path.parent, error) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            if error.errno in (errno.EWOULDBLOCK, errno.EACCES, errno.EINTR):
                raise
            # Not every network disk can lock.
        status = os.fstat(descriptor)
        if os.path.samestat(status, os.stat(path)):
            with contextlib.suppress(OSError):  # a full disk
                os.ftruncate(descriptor, 0)
                # Only the command's first words: the rest may name people.
                words = " ".join(map(os.path.basename, sys.argv[:2]))
                text = f"process {os.getpid()} ({shown(words)})"
                os.write(descriptor, text.encode(errors="replace"))
            return descriptor
    except OSError:
        pass
    os.close(descriptor)
    return None


def _refuse_lock(path: Path) -> None:
    """Raises InTheWay if there is a file of that name that no writer left."""
    with contextlib.suppress(OSError):
        if path.is_symlink() or not re.match(rb"process \d+ \(|\Z", path.read_bytes()[:200]):
            raise InTheWay(
                f"{shown(path)}: is there and was not made here",
                remedy="move it, or choose another folder",
            )


def _holder(path: Path) -> str:
    """What the one who holds the lock wrote; "" if it was given back meanwhile."""
    with contextlib.suppress(OSError):
        return shown(path.read_bytes()[:200].decode(errors="replace")) or "another process"
    return ""
