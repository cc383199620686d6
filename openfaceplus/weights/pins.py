"""Trust on first use: the sha256 of a file without a published hash is recorded and then held to.

``pins.json`` in the cache folder maps resolved paths to sha256. It is replaced whole, under a
lock, so that processes that start at once do not lose each other's pins.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from openfaceplus.errors import ModelCorrupt, ModelMissing, StorageError
from openfaceplus.files import atomic_write, make_folder, opener, shown, user_folder
from openfaceplus.weights.source import open_regular


def cache_folder() -> Path:
    """The folder for downloads and pins (see ``fetch``); it need not exist."""
    return user_folder("OPENFACEPLUS_CACHE", "XDG_CACHE_HOME", "~/.cache", "the cache")


def sha256_of(path: str | os.PathLike[str]) -> str:
    """The file's sha256 in hex, computed once a process for each (path, size, time)."""
    stat = os.stat(path)
    return _sha256(os.fspath(path), stat.st_size, stat.st_mtime_ns)


def pin(path: str | os.PathLike[str], *, renew: bool = False) -> str:
    """The file's sha256 in hex, recorded at first use and compared ever after.

    ``renew`` accepts the file as it is now. Raises ``ModelMissing`` where there is no such file,
    ``ModelCorrupt`` where it changed, ``StorageError`` where nothing can be recorded.
    """
    try:
        open_regular(path)[0].close()
        found = sha256_of(path)
    except OSError as error:
        raise ModelMissing(
            f"{shown(path)}: cannot be read ({error.strerror})", remedy="check the path"
        ) from error
    key = str(Path(path).resolve())
    pinned = None if renew else _read(_register()).get(key)
    if pinned is None:
        with _locked(_register()) as pins:
            pinned = found if renew else pins.get(key, found)
            pins[key] = pinned
    if pinned != found:
        raise ModelCorrupt(
            f"{shown(path)}: changed since it was first used (sha256 was {pinned}, is {found})",
            remedy=f"if you replaced it yourself, run: openfaceplus models pin {shown(path)}",
        )
    return found


def passed(trial: str) -> bool:
    """Whether ``record`` was called with it; see ``weights.trial``."""
    return trial in _read(_register())


def record(trial: str) -> None:
    """Remember a trial that a file passed. Raises StorageError where nothing can be recorded."""
    with _locked(_register()) as pins:
        pins[trial] = "passed"


@lru_cache(maxsize=256)
def _sha256(path: str, size: int, mtime_ns: int) -> str:
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _register() -> Path:
    return cache_folder() / "pins.json"


def _read(register: Path) -> dict[str, str]:
    try:
        pins = json.loads(register.read_text("utf-8"))
    except (FileNotFoundError, NotADirectoryError):
        return {}
    except (OSError, ValueError, RecursionError) as error:
        pins = error
    if not isinstance(pins, dict):
        raise StorageError(
            f"{shown(register)}: cannot be read as the register of pinned files ({pins})",
            remedy="restore it, or remove it to pin each file anew",
        )
    return pins


@contextmanager
def _locked(register: Path) -> Iterator[dict[str, str]]:
    """The pins, to be changed in the block and written at its end, by one process at a time."""
    try:
        make_folder(register.parent)
        with open(register.with_suffix(".lock"), "w", opener=opener) as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            pins = _read(register)
            yield pins
            with atomic_write(register, ours=True) as file:
                file.write(json.dumps(pins, indent=1, sort_keys=True).encode())
    except OSError as error:
        raise StorageError(
            f"{shown(register)}: cannot be written ({error.strerror}), so no file can be pinned",
            remedy="set OPENFACEPLUS_CACHE to a folder that can",
        ) from error
