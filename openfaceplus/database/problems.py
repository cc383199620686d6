"""What PostgreSQL and psycopg complain of, as errors of ours."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from openfaceplus.errors import DatabaseError
from openfaceplus.files import shown

if TYPE_CHECKING:
    import psycopg

_REMEDIES = {
    "53100": "free some space on the disk of the database",
    "53200": "give the database server more memory",
    "53300": "close other programs that use the database, or allow it more connections",
    "42501": "ask the database's owner for permission, or choose another database",
    "28P01": "check user and password",
    "28000": "check user and password",
    "3D000": "create the database, or check its name",
    "25006": "choose a server that may be written to",
    "57P01": "run the same again",
    "57P02": "run the same again",
    "57P03": "wait until it is up, then run the same again",
    "42P01": "choose another database, or restore it from a backup",
    "42703": "choose another database, or restore it from a backup",
}
"""What to do, by SQLSTATE."""

_WORDS = {
    "authentication failed": _REMEDIES["28P01"],
    "no password supplied": _REMEDIES["28P01"],
    'role "': _REMEDIES["28P01"],
    "does not exist": _REMEDIES["3D000"],
    "too many clients": _REMEDIES["53300"],
}
"""The same by what a server says that lets nobody in: that has no SQLSTATE."""

_LITTLE = 32 << 20
"""Bytes: two segments of the log that the server writes ahead. With less it stops."""


@contextmanager
def translated(place: str) -> Iterator[None]:
    """Raises DatabaseError for psycopg's errors within the block."""
    import psycopg

    try:
        yield
    except psycopg.Error as error:
        raise _described(error, place) from error


def _described(error: psycopg.Error, place: str) -> DatabaseError:
    import psycopg

    # A server may say much; its first line says what is wrong, and none has the password.
    why = shown(next(iter(str(error).strip().splitlines()), type(error).__name__))
    remedy = _REMEDIES.get(error.sqlstate or "")
    if remedy is None and error.sqlstate is None:
        remedy = next((what for words, what in _WORDS.items() if words in why), None)
    if remedy is None and isinstance(error, psycopg.OperationalError):
        remedy = "check that the server runs, then run the same again"
        if _is_full(place):
            why, remedy = f"its disk is full ({why})", _REMEDIES["53100"]
    return DatabaseError(
        f"{shown(place)}: {why}",
        remedy=remedy or "this should not happen: please report it",
        field="db",
    )


def _is_full(place: str) -> bool:
    """Whether hardly anything is free where the data of an embedded server lie."""
    try:
        return Path(place).is_dir() and shutil.disk_usage(place).free < _LITTLE
    except (OSError, ValueError):
        return False
