"""A process of ``Workers``, seen from the parent, and what runs in it."""

from __future__ import annotations

import logging
import os
import pickle
import subprocess
import sys
import threading
import traceback
import warnings
from multiprocessing.connection import Connection, Pipe
from queue import SimpleQueue
from typing import Any

from openfaceplus import memory, threads
from openfaceplus.hosts import Died

_PROGRAM = (
    "import sys; sys.path[:] = sys.argv[6:]; "
    "from openfaceplus.stages.worker_process import serve; serve()"
)


class Here:
    """This machine as a host."""

    tries, local = 2, True

    def count(self) -> int:
        """One process a core."""
        return threads.cores()

    def start(self) -> Process:
        """A new process. Raises Died."""
        return Process()

    def speeds(self) -> dict[str, float]:
        """Not asked here."""
        return {}


class Process:
    """A fresh Python that answers one message after the other.

    It is in a session of its own, so that Ctrl-C reaches the parent only, which alone decides what
    it means. It keeps to the same ceiling on memory. Raises Died, here and when asked.
    """

    def __init__(self) -> None:
        self._line = 0
        try:
            self._ledger = memory.ledger()
            self._line = self._ledger.line()
            self._connection, theirs = Pipe()
            with theirs:
                file, ledger = theirs.fileno(), self._ledger.file
                numbers = file, os.getpid(), self._ledger.ceiling, ledger, self._line
                command = [sys.executable, "-c", _PROGRAM, *map(str, numbers), *sys.path]
                self._popen = subprocess.Popen(
                    command, stdin=subprocess.DEVNULL, pass_fds=[file, ledger],
                    start_new_session=True,
                )  # fmt: skip
        except OSError as error:
            if self._line:
                self._ledger.drop(self._line)
            raise Died(error.strerror) from error

    def ready(self, seconds: float) -> bool:
        """It runs at once."""
        return True

    def ask(self, message: bytes, items: int = 0) -> bytes:
        """The reply to a message, for ``answer``."""
        try:
            self._connection.send_bytes(message)
            return self._connection.recv_bytes()
        except (EOFError, OSError) as error:
            raise Died("it died, perhaps for lack of memory") from error

    def alive(self) -> bool:
        return self._popen.poll() is None

    def kill(self) -> None:
        self._popen.kill()
        self._popen.wait()
        if self._line:
            self._ledger.drop(self._line)
            self._line = 0


def answer(reply: bytes) -> Any:
    """What a reply holds; an exception in the process is raised here."""
    value, error, trace = pickle.loads(reply)
    if error is not None:
        error.add_note(f"in a worker process:\n{trace}")
        raise error
    return value


class Answering:
    """Makes a worker as its first message says, and gives each further one the worker's reply, for
    ``answer``. This process is then one of a pool."""

    def __init__(self) -> None:
        self._worker: Any = None
        threads.share_cores()
        logging.getLogger().addHandler(logging.NullHandler())
        if not sys.warnoptions:  # what libraries say of one photo among many
            warnings.simplefilter("ignore")

    def __call__(self, message: bytes) -> bytes:
        try:
            value, result = pickle.loads(message), None
            if self._worker is None:
                make_worker, arguments = value
                self._worker = make_worker(*arguments)
            else:
                result = self._worker(value)
            return pickle.dumps((result, None, ""))
        except Exception as error:  # noqa: BLE001 - the parent raises it
            return pickle.dumps((None, _portable(error), traceback.format_exc()))


def serve() -> None:
    """Answer one message after the other.

    The program's arguments are the number of the connection's file, the parent's process, and the
    ceiling on memory with its ledger's file and this process's line there.
    """
    file, parent, ceiling, ledger, line = map(int, sys.argv[1:6])
    del sys.argv[1:]
    for inherited in (file, ledger):
        os.set_inheritable(inherited, False)
    memory.join(ceiling, ledger, line)
    answering = Answering()
    connection: Connection[Any, Any] = Connection(file)
    messages: SimpleQueue[bytes] = SimpleQueue()
    threading.Thread(target=_listen, args=(connection, parent, messages), daemon=True).start()
    while True:
        connection.send_bytes(answering(messages.get()))


def _listen(connection: Connection[Any, Any], parent: int, messages: SimpleQueue[bytes]) -> None:
    """Hand on messages, and end the process once its parent is gone, whatever it is doing."""
    try:
        while True:
            # A child that the parent forked may hold the other end open.
            while not connection.poll(1):
                if os.getppid() != parent:
                    os._exit(1)
            messages.put(connection.recv_bytes())
    except (EOFError, OSError):
        os._exit(0)


def _portable(error: Exception) -> Exception:
    """The error, or one that says the same where it does not survive pickling."""
    try:
        pickle.loads(pickle.dumps(error))
    except Exception:  # noqa: BLE001 - whatever its pickling raises
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error
