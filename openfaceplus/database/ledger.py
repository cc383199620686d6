"""The event log and the tables that follow from it, in one transaction a command."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING, Any

from openfaceplus.database.draft import Draft
from openfaceplus.database.history import (
    Assignment,
    Change,
    Event,
    empty,
    from_json,
    to_json,
)
from openfaceplus.errors import UsageError

if TYPE_CHECKING:
    from openfaceplus.database.connection import Database

_COLUMNS = {"name": "text", "key": "text", "cohesion": "double precision"}
"""What is a column of a person, and its type."""

_TABLES = {
    "template": ("id", ("bigint", "integer")),
    "assignment": ("sequence", ("bigint", "integer", *["double precision"] * 3, "boolean")),
    "refusal": ("sequence, person", ("bigint", "integer")),
    "suggestion": ("sequence, person", ("bigint", "integer", "double precision")),
}
"""The key of each table of which a change is a row, and the types of its columns."""

_OVERLAPS = """
SELECT person, sequence, before FROM (
    SELECT a.person, s.id AS sequence, s.starts,
        max(s.ends) OVER earlier AS until, first_value(s.id) OVER earlier AS before
    FROM assignment a JOIN sequence s ON s.id = a.sequence
    WHERE a.person = ANY(%s)
    WINDOW earlier AS (
        PARTITION BY a.person, s.video ORDER BY s.starts, s.id
        ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING
    )
) AS ordered WHERE starts <= until LIMIT 1
"""


class Ledger:
    """Loads what a command concerns, and writes its event and what that changes."""

    def __init__(self, database: Database) -> None:
        self._db = database

    @contextmanager
    def one_at_a_time(self) -> Iterator[None]:
        """A transaction in which nobody else changes who is who; reading goes on."""
        with self._db.transaction() as connection:
            connection.execute("LOCK TABLE event IN SHARE ROW EXCLUSIVE MODE")
            yield

    def draft(self, people: Iterable[int], sequences: Iterable[int] = ()) -> Draft:
        """What stands of some people and sequences, to be changed; others are not in it."""
        state, rows = empty(), self._db.rows
        asked, few = sorted(set(people)), sorted(set(sequences))
        theirs = "SELECT sequence, person, score, cohesion_before, cohesion_after, fixed"
        owned = rows(
            f"{theirs} FROM assignment WHERE sequence = ANY(%s) OR person = ANY(%s)", (few, asked)
        )
        concerned = sorted({*asked, *(row[1] for row in owned)})
        if len(concerned) > len(asked):  # all of whoever a sequence belongs to
            owned = rows(f"{theirs} FROM assignment WHERE person = ANY(%s)", (concerned,))
        for sequence, *value in owned:
            state["assignment"][sequence] = Assignment(*value)
        for person, name, key, cohesion in rows(
            "SELECT id, name, key, cohesion FROM person WHERE id = ANY(%s)", (concerned,)
        ):
            state["person"][person] = True
            for what, value in (("name", name), ("key", key), ("cohesion", cohesion)):
                if value is not None:
                    state[what][person] = value
        involved = sorted({*few, *state["assignment"]})
        for what, column in (("refusal", "true"), ("suggestion", "score")):
            for sequence, person, found in rows(
                f"SELECT sequence, person, {column} FROM {what} "
                "WHERE sequence = ANY(%s) OR person = ANY(%s)", (involved, concerned),
            ):  # fmt: skip
                state[what][sequence, person] = found
        state["template"].update(
            rows("SELECT id, person FROM template WHERE person = ANY(%s)", (concerned,))
        )
        return Draft(state)

    def new_people(self, count: int) -> list[int]:
        """Numbers that no person has or had."""
        found = self._db.rows(
            "SELECT nextval('person_id')::integer FROM generate_series(1, %s)", (count,)
        )
        return [row[0] for row in found]

    def append(
        self,
        command: str,
        changes: Sequence[Change],
        author: str | None = None,
        undoes: int | None = None,
    ) -> int | None:
        """Write an event and do what it says; returns its id, None if it changes nothing.

        Raises UsageError if two sequences of one person would overlap in time, or two people have
        one name.
        """
        if not changes:
            return None
        self._check_names(changes)
        (found,) = self._db.rows(
            "INSERT INTO event (author, command, undoes, changes) VALUES (%s, %s, %s, %s) "
            "RETURNING id",
            (author, command, undoes, json.dumps(to_json(changes))),
        )
        self.apply(changes)
        self._check_overlaps(
            {c.after.person for c in changes if c.what == "assignment" and c.after}
        )
        return int(found[0])

    def events(self, ids: Sequence[int] | None = None) -> list[Event]:
        """The log, or some of it, in order."""
        chosen = "" if ids is None else "WHERE id = ANY(%s)"
        rows = self._db.rows(
            f"SELECT id, at, author, command, undoes, changes FROM event {chosen} ORDER BY id",
            () if ids is None else (list(ids),),
        )
        return [
            Event(number, at, author, command, undoes, from_json(changes))
            for number, at, author, command, undoes, changes in rows
        ]

    def commands(self) -> list[tuple[int, tuple[str, int | None]]]:
        """The ids of all events, in order, with the command and what it undoes."""
        rows = self._db.rows("SELECT id, command, undoes FROM event ORDER BY id")
        return [(number, (command, undoes)) for number, command, undoes in rows]

    def apply(self, changes: Iterable[Change]) -> None:
        """Make the tables say what an event says; people come first and go last."""
        by_what = {
            what: list(some)
            for what, some in groupby(sorted(changes, key=lambda c: c.what), lambda c: c.what)
        }
        gone = [c.key for c in by_what.get("person", []) if c.after is None]
        come = [c.key for c in by_what.get("person", []) if c.after is not None]
        self._db.run("INSERT INTO person (id) SELECT unnest(%s::integer[])", (come,))
        for column, kind in _COLUMNS.items():
            self._set(column, kind, by_what.get(column, []))
        for what, some in by_what.items():
            if what in ("template", "assignment", "refusal", "suggestion"):
                self._replace(what, some)
        self._db.run("DELETE FROM person WHERE id = ANY(%s)", (gone,))

    def _set(self, column: str, kind: str, changes: list[Change]) -> None:
        ids = [c.key for c in changes]
        # A name may go from one person to another: first it is nobody's.
        self._db.run(f"UPDATE person SET {column} = NULL WHERE id = ANY(%s)", (ids,))
        self._db.run(
            f"UPDATE person SET {column} = value "
            f"FROM unnest(%s::integer[], %s::{kind}[]) AS new (id, value) WHERE person.id = new.id",
            (ids, [c.after for c in changes]),
        )

    def _replace(self, what: str, changes: list[Change]) -> None:
        """Take away the rows of the changes' keys and write those that are there afterwards."""
        keys, types = _TABLES[what]
        width = len(keys.split(", "))
        # A template that goes from one person to another keeps its row: its vector hangs on it.
        gone = [_tuple(c.key) for c in changes if what != "template" or c.after is None]
        self._db.run(
            f"DELETE FROM {what} WHERE ({keys}) IN (SELECT * FROM {_unnest(types[:width])})",
            _columns(gone, width),
        )
        again = " ON CONFLICT (id) DO UPDATE SET person = excluded.person"
        come = [(*_tuple(c.key), *_tuple(c.after)) for c in changes if c.after is not None]
        self._db.run(
            f"INSERT INTO {what} SELECT * FROM {_unnest(types)}"
            + (again if what == "template" else ""),
            _columns(come, len(types)),
        )

    def _check_names(self, changes: Sequence[Change]) -> None:
        """Nobody else has a name, but for those who lose it in the same event."""
        new = [c.after for c in changes if c.what == "name" and c.after]
        own = [c.key for c in changes if c.what == "name"]
        for person, name in self._db.rows(
            "SELECT id, name FROM person WHERE name = ANY(%s) AND id <> ALL(%s)", (new, own)
        ):
            raise UsageError(
                f"{name} is the name of person {person}",
                remedy="merge the two, or choose another name",
                field="name",
            )

    def _check_overlaps(self, people: set[int]) -> None:
        for person, sequence, before in self._db.rows(_OVERLAPS, (sorted(people),)):
            raise UsageError(
                f"sequences {before} and {sequence} are on screen at once, so they cannot both be "
                f"person {person}",
                field="person",
            )


def _unnest(types: Sequence[str]) -> str:
    return f"unnest({', '.join(f'%s::{kind}[]' for kind in types)})"


def _columns(rows: Sequence[Sequence[Any]], count: int) -> list[list[Any]]:
    return [[row[i] for row in rows] for i in range(count)]


def _tuple(value: Any) -> tuple[Any, ...]:
    """A key or value as columns; that it is so is none."""
    if value is True:
        return ()
    return tuple(value) if isinstance(value, tuple) else (value,)
