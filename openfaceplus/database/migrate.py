"""Bringing a database's tables to what this program knows, by numbered steps."""

from __future__ import annotations

import re
from contextlib import suppress
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from openfaceplus.errors import DatabaseError

if TYPE_CHECKING:
    import psycopg

SCHEMA = "openfaceplus"
EXTENSION = "vector"
"""What pgvector is called in a database."""

_LOCK = "SELECT pg_advisory_xact_lock(0x6F667020)"
"""Lets one process migrate at a time."""

OLDEST = (0, 8, 4)
"""pgvector's version below which vacuuming may damage an index."""

_MANAGE = f"""
CREATE SCHEMA IF NOT EXISTS {SCHEMA};
CREATE TABLE IF NOT EXISTS {SCHEMA}.migration (
    number integer PRIMARY KEY, name text NOT NULL, at timestamptz NOT NULL DEFAULT now()
)
"""


def migrations() -> list[tuple[int, str, str]]:
    """(number, name, SQL) of each step, in order; the first has the number 1."""
    found = []
    for file in files("openfaceplus.database").joinpath("migrations").iterdir():
        if match := re.fullmatch(r"(\d{4})_(\w+)\.sql", file.name):
            found.append((int(match[1]), match[2], file.read_text(encoding="utf-8")))
    return sorted(found)


def prepare(connection: psycopg.Connection[Any], place: str) -> None:
    """Take the steps that are missing, each in a transaction of its own; one process at a time.

    Sets the search path. Raises DatabaseError for a server without pgvector or with an old one, and
    for a database of a later version of this program.
    """
    known = migrations()
    if _number(connection) != known[-1][0]:
        with connection.transaction():
            connection.execute(_LOCK)
            _extend(connection, place)
            connection.execute(_MANAGE)
        for number, name, sql in known:
            with connection.transaction():
                connection.execute(_LOCK)
                _set_path(connection)
                if number > _number(connection):
                    connection.execute(sql.encode())
                    connection.execute(
                        f"INSERT INTO {SCHEMA}.migration (number, name) VALUES (%s, %s)",
                        (number, name),
                    )
    there = _number(connection)
    if there > known[-1][0]:
        raise DatabaseError(
            f"{place}: the database is of a later version of this program (step {there}, known "
            f"are {known[-1][0]})",
            remedy="update this program, or choose another database",
            field="db",
        )
    _check_version(connection, place)
    _set_path(connection)


def _number(connection: psycopg.Connection[Any]) -> int:
    """The last step taken, 0 for none."""
    row = connection.execute(f"SELECT to_regclass('{SCHEMA}.migration')").fetchone()
    if row is None or row[0] is None:
        return 0
    row = connection.execute(f"SELECT coalesce(max(number), 0) FROM {SCHEMA}.migration").fetchone()
    assert row is not None
    return int(row[0])


def _set_path(connection: psycopg.Connection[Any]) -> None:
    """Look for our tables first, then for pgvector, wherever its owner put it."""
    row = connection.execute(
        "SELECT extnamespace::regnamespace::text FROM pg_extension WHERE extname = %s", (EXTENSION,)
    ).fetchone()
    place = "public" if row is None else row[0]
    connection.execute(f"SET search_path = {SCHEMA}, {place}")


def _versions(connection: psycopg.Connection[Any]) -> tuple[str | None, str] | None:
    """pgvector's version in the database, None if it is not in it, and the server's newest."""
    return connection.execute(
        "SELECT installed_version, default_version FROM pg_available_extensions WHERE name = %s",
        (EXTENSION,),
    ).fetchone()


def _extend(connection: psycopg.Connection[Any], place: str) -> None:
    """Add pgvector to the database. Raises DatabaseError if that cannot be."""
    import psycopg

    found = _versions(connection)
    if found is None:
        raise DatabaseError(
            f"{place}: the server has no pgvector",
            remedy="install pgvector on it, or choose another server",
            field="db",
        )
    try:
        if found[0] is None:
            with connection.transaction():
                connection.execute(f"CREATE EXTENSION IF NOT EXISTS {EXTENSION}")
    except psycopg.errors.InsufficientPrivilege as error:
        raise DatabaseError(
            f"{place}: this user may not add pgvector to the database",
            remedy=f"let an administrator run in it: CREATE EXTENSION {EXTENSION}",
            field="db",
        ) from error


def _check_version(connection: psycopg.Connection[Any], place: str) -> None:
    """Raises DatabaseError for a pgvector that is too old, unless it can be updated here."""
    import psycopg

    installed, newest = _versions(connection) or (None, "")
    if _version(installed) < OLDEST <= _version(newest):
        with suppress(psycopg.errors.InsufficientPrivilege):
            connection.execute(f"ALTER EXTENSION {EXTENSION} UPDATE")
            return
    if _version(installed) < OLDEST:
        wanted = ".".join(map(str, OLDEST))
        raise DatabaseError(
            f"{place}: its pgvector is {installed}, and {wanted} or later is needed",
            remedy=f"update it on the server; in the database: ALTER EXTENSION {EXTENSION} UPDATE",
            field="db",
        )


def _version(text: str | None) -> tuple[int, ...]:
    return tuple(map(int, re.findall(r"\d+", text or "")))
