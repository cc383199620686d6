"""One connection to a database, and what is asked of it."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from openfaceplus import extras
from openfaceplus.database import is_url
from openfaceplus.database.migrate import prepare
from openfaceplus.database.problems import translated
from openfaceplus.errors import DatabaseError, SpaceMismatch
from openfaceplus.faces import Space
from openfaceplus.files import shown

if TYPE_CHECKING:
    import psycopg

    from openfaceplus.database.commands import Commands
    from openfaceplus.database.reading import Reader
    from openfaceplus.database.rows import Appearance, Receipt
    from openfaceplus.database.videos import Videos

_PATIENCE = 30.0
"""Seconds in which a server that is starting up, or recovering, is asked again."""


_FAREWELL = (
    "SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5; SET tcp_keepalives_count = 3"
)
"""So that a server soon sees that a machine has gone, and what it had claimed is free again."""


class Database:
    """A database that is open until ``close``, or the end of a ``with`` block.

    It is one connection, of one thread at a time; each process opens its own. ``where`` is what was
    given, ``url`` what it is reached by, and ``place`` what messages call it, without the password.
    Of several hosts in a URL it is the one that may be written; for ``reading`` any replica of it.
    All methods raise DatabaseError if the server is lost: then open it again.
    """

    def __init__(self, where: str | os.PathLike[str], reading: bool = False) -> None:
        extras.require("psycopg", "video", "a database")
        extras.require("pgvector", "video", "a database")
        self.where = os.fspath(where)
        self._open = ExitStack()
        with ExitStack() as stack:
            if is_url(where):
                self.url, self.place = self.where, _without_password(self.where)
            else:
                from openfaceplus.database.embedded import Server

                server = Server(Path(where))
                stack.callback(server.close)
                self.url, self.place = server.url, self.where
            with translated(self.place):
                self.connection = _connected(self.url, reading)
                stack.callback(self.connection.close)
                prepare(self.connection, shown(self.place))
                _register(self.connection)
            self._open = stack.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Leave the database; its own server stops with the last that leaves."""
        self._open.close()

    @cached_property
    def videos(self) -> Videos:
        """What was seen in videos: written once, read by ``read``."""
        from openfaceplus.database.videos import Videos

        return Videos(self)

    @cached_property
    def commands(self) -> Commands:
        """Who is who: all that changes it."""
        from openfaceplus.database.commands import Commands

        return Commands(self)

    @cached_property
    def read(self) -> Reader:
        """Who is who, and was where when."""
        from openfaceplus.database.reading import Reader

        return Reader(self)

    def search(
        self, vector: Any, space: Space | str, k: int = 10, video: int | None = None
    ) -> list[Appearance]:
        """The k sequences, in all videos or one, most like a (dimensions,) vector, best first, with
        their ``likeness``, the cosine. Raises UsageError for a space that nothing is in."""
        from openfaceplus.database.search import search

        return search(self, vector, space, k, video)

    @cached_property
    def replica(self) -> Database:
        """Of several hosts one that is only read and may be some seconds behind; else this."""
        if not is_url(self.where) or not _hosts(self.url):
            return self
        replica = Database(self.where, reading=True)
        self._open.callback(replica.close)
        return replica

    def index(self) -> list[str]:
        """Make the indexes for searching that are worth their while by now and are missing, which
        takes minutes; returns their names. Without them all vectors are looked at."""
        from openfaceplus.database.search import index

        return index(self)

    def forget(self, person: int) -> Receipt:
        """Remove a person with their sequences, templates, crops and vectors, whoever was merged
        into them, and what the log says of them. Raises UsageError if there is nobody."""
        from openfaceplus.database.erasing import Erasing

        return Erasing(self).forget(person)

    def purge(self, older_than: timedelta) -> Receipt:
        """Remove what was seen in videos recorded, or if that is unknown indexed, before that."""
        from openfaceplus.database.erasing import Erasing

        return Erasing(self).older(older_than)

    @contextmanager
    def transaction(self) -> Iterator[psycopg.Connection[Any]]:
        """All that the block does, or nothing."""
        with translated(self.place), self.connection.transaction():
            yield self.connection

    def rows(self, sql: str, values: Sequence[Any] | dict[str, Any] = ()) -> list[tuple[Any, ...]]:
        """What a query finds."""
        with translated(self.place):
            return self.connection.execute(sql.encode(), values, binary=True).fetchall()

    def run(self, sql: str, values: Sequence[Any] | dict[str, Any] = ()) -> int:
        """Carry out a statement; returns how many rows it concerned."""
        with translated(self.place):
            return self.connection.execute(sql.encode(), values).rowcount

    def space(self, space: Space | str, dimensions: int | None = None) -> int | None:
        """The number of a space; it is made if ``dimensions`` are given, else None if unknown.

        Raises SpaceMismatch if its vectors have other dimensions.
        """
        name = str(space)
        found = self.rows("SELECT id, dimensions FROM space WHERE name = %s", (name,))
        if not found and dimensions is not None:
            self.run(
                "INSERT INTO space (name, dimensions) VALUES (%s, %s) ON CONFLICT DO NOTHING",
                (name, dimensions),
            )
            found = self.rows("SELECT id, dimensions FROM space WHERE name = %s", (name,))
        if not found:
            return None
        number, known = found[0]
        if dimensions not in (None, known):
            raise SpaceMismatch(
                f"{shown(self.place)}: vectors of {name} have {known} numbers there, not "
                f"{dimensions}",
                remedy="embed with the network that the database was made with",
            )
        return int(number)


def _connected(url: str, reading: bool) -> psycopg.Connection[Any]:
    import psycopg

    chosen: dict[str, Any] = {}
    if _hosts(url):
        attributes = "prefer-standby" if reading else "read-write"
        chosen = {"target_session_attrs": attributes, "load_balance_hosts": "random"}
    end = time.monotonic() + _PATIENCE
    while True:
        try:
            made = psycopg.connect(
                url,
                autocommit=True,
                connect_timeout=10,
                application_name="openfaceplus",
                **chosen,
            )
            made.execute(_FAREWELL)
            return made
        except psycopg.OperationalError as error:
            if "starting up" not in str(error) and "recovery" not in str(error):
                raise
            if time.monotonic() > end:
                raise
            time.sleep(0.1)


def _hosts(url: str) -> bool:
    """Whether a URL names several hosts."""
    from psycopg.conninfo import conninfo_to_dict

    return "," in str(conninfo_to_dict(url).get("host", ""))


def _register(connection: psycopg.Connection[Any]) -> None:
    from pgvector.psycopg import register_vector

    register_vector(connection)


def _without_password(url: str) -> str:
    import psycopg
    from psycopg.conninfo import conninfo_to_dict

    try:
        parts = conninfo_to_dict(url)
    except psycopg.Error as error:
        raise DatabaseError(
            "the database's URL cannot be read",
            remedy="write it as postgresql://user@host:5432/database",
            field="db",
        ) from error
    host = ":".join(str(parts[key]) for key in ("host", "port") if parts.get(key))
    return f"postgresql://{host or 'localhost'}/{parts.get('dbname', '')}"
