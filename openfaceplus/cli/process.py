"""What a process does round its command: standard streams, Ctrl-C, readers that have left.

Until this is imported Python itself answers to Ctrl-C, with a traceback: it imports little.
"""

from __future__ import annotations

import io
import os
import signal
import sys

OK, SOME_FAILED, CANNOT, INTERRUPTED = 0, 1, 2, 130
WAS_INTERRUPTED = "interrupted", "the same command goes on where it stopped"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any, TextIO

_MEANWHILE = 0.02  # seconds that an import is given before an interruption is tried again


_asked_to_end = False


def whole(command: Callable[[], int]) -> int:
    """Run a command as all that this process is for, and return its exit status.

    Standard streams that are closed become empty ones, and what cannot be said on standard error is
    not said. Ctrl-C gives a line and the status 130, whenever it comes.
    """
    heeded = signal.getsignal(signal.SIGINT) is signal.default_int_handler
    try:
        if heeded:
            signal.signal(signal.SIGALRM, _interrupt)
            signal.signal(signal.SIGINT, _interrupt)
        _as_utf8()
        _open_streams()
        status = command()
    except SystemExit as stop:  # argparse's
        status = stop.code if isinstance(stop.code, int) else CANNOT
    except BrokenPipeError:
        status = OK
    except (Exception, KeyboardInterrupt) as error:  # noqa: BLE001 - said in one line
        status = _told(error)
    if heeded:  # Python ends now, and says what happens to it amid that
        signal.signal(signal.SIGALRM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    return _flushed(status)


def interrupted() -> bool:
    """Whether Ctrl-C came: whatever a library raised then, that is what stopped the command."""
    return _asked_to_end


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt; amid an import, where it may get lost, once that is done."""
    global _asked_to_end
    _asked_to_end = True
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            signal.setitimer(signal.ITIMER_REAL, _MEANWHILE)
            return
        frame = frame.f_back
    raise KeyboardInterrupt


def _told(error: BaseException) -> int:
    if "--debug" in sys.argv and not interrupted():
        raise error
    import argparse

    from openfaceplus.cli.problems import stop

    return stop(argparse.ArgumentParser("openfaceplus"), error, as_json=False)


def _as_utf8() -> None:
    """Start Python again in its UTF-8 mode where file names would be in another encoding: tables
    and manifests hold them in UTF-8, and they must be found in any locale."""
    if sys.getfilesystemencoding() != "utf-8" and not sys.flags.utf8_mode:
        os.environ["PYTHONUTF8"] = "1"  # of worker processes
        os.execv(sys.executable, [sys.executable, "-X", "utf8", *sys.orig_argv[1:]])


class _Output(io.FileIO):
    """Standard output. That it cannot be written is an error once; what follows is thrown away."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError as error:
            with open(os.devnull, "wb") as nothing:
                os.dup2(nothing.fileno(), 1)
            if isinstance(error, BrokenPipeError):  # its reader, such as head, has seen enough
                raise
            from openfaceplus.errors import StorageError

            raise StorageError(
                f"standard output: cannot be written ({error.strerror})",
                remedy="run it again with its output elsewhere",
            ) from error


class _Errors(io.FileIO):
    """Standard error, on which no failure is one."""

    def write(self, data: Any) -> int:
        try:
            return super().write(data)
        except OSError:
            return len(data)


def _open_streams() -> None:
    for number, mode in enumerate((os.O_RDONLY, os.O_WRONLY, os.O_WRONLY)):
        try:
            os.fstat(number)
        except OSError:  # else the next file that is opened would be taken for it
            os.open(os.devnull, mode)
    if sys.stdin is None:
        sys.stdin = open(0, closefd=False)  # noqa: SIM115 - until the process ends
    sys.stdout = _text(_Output(1, "w", closefd=False), sys.stdout)
    sys.stderr = _text(_Errors(2, "w", closefd=False), sys.stderr)


def _text(raw: io.FileIO, before: TextIO | None) -> io.TextIOWrapper:
    """A text stream in the encoding of the one before, which takes whatever it is given: a name
    with bytes that are not UTF-8 must not stop the run that prints it."""
    return io.TextIOWrapper(
        io.BufferedWriter(raw),
        encoding=before.encoding if before is not None else None,
        errors="backslashreplace",
        line_buffering=raw.fileno() == 2 or raw.isatty(),
    )


def _flushed(status: int) -> int:
    """The exit status, once standard output has what was printed."""
    try:
        sys.stdout.flush()
    except BrokenPipeError:
        pass
    except Exception as error:  # noqa: BLE001 - said in one line
        return _told(error)
    return status
