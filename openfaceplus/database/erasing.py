"""Forgetting: rows, vectors, crops and index entries go, and what the log says of them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence, Set
from datetime import timedelta
from typing import TYPE_CHECKING

from openfaceplus.database.history import Change, Event, to_json
from openfaceplus.database.ledger import Ledger
from openfaceplus.database.rows import Receipt
from openfaceplus.errors import DatabaseError, UsageError

if TYPE_CHECKING:
    from openfaceplus.database.connection import Database

_BY_SEQUENCE = ("face", "crop", "assignment", "refusal", "suggestion", "vector")
_VACUUMED = ("vector", "template", "crop", "face", "sequence", "video", "person", "assignment",
             "refusal", "suggestion", "event")  # fmt: skip
_OTHER_NAMES = "SELECT unnest(ARRAY[name, key]) FROM person WHERE id <> ALL(%s::integer[])"
_SMALL = 1 << 30
"""Bytes up to which a table is written anew, so that nothing is left in its free space."""

_SMALL_INDEX = 64 << 20
"""The same for vectors, whose index takes long to make anew."""

_TURN = "10s"
"""How long to wait until nobody uses a table, to write it anew."""


class Erasing:
    """Removes sequences and people, also from the log, and checks that they are gone."""

    def __init__(self, database: Database) -> None:
        self._db = database
        self._ledger = Ledger(database)
        self._rows: dict[str, int] = {}
        self._gone: list[tuple[str, str, list[int]]] = []
        self._sequences: set[int] = set()
        self._people: set[int] = set()

    def video(self, video: int) -> None:
        """Remove a video with all that was seen in it, within a transaction of the caller's."""
        self._erase_video(video)
        self._scrub()

    def forget_videos(self, videos: Sequence[int]) -> Receipt:
        """Remove videos with all that was seen in them, and people of whom then nothing is left."""
        with self._ledger.one_at_a_time():
            for video in videos:
                self._erase_video(video)
            self._scrub()
            self._log()
        return self._receipt()

    def older(self, than: timedelta) -> Receipt:
        """Remove the videos recorded, or if that is unknown indexed, longer ago than that."""
        rows = self._db.rows(
            "SELECT id FROM video WHERE done AND coalesce(recorded_at, indexed_at) < now() - %s",
            (than,),
        )
        return self.forget_videos([row[0] for row in rows])

    def forget(self, person: int) -> Receipt:
        """Remove a person with all their sequences and templates, and those merged into them."""
        with self._ledger.one_at_a_time():
            if not self._db.rows("SELECT 1 FROM person WHERE id = %s", (person,)):
                raise UsageError(f"there is no person {person}", field="person")
            people = self._merged_into(person)
            rows = self._db.rows("SELECT sequence FROM assignment WHERE person = %s", (person,))
            sequences = [row[0] for row in rows]
            templates = self._db.rows("SELECT id FROM template WHERE person = %s", (person,))
            self._erase_templates([row[0] for row in templates])
            self._erase_sequences(sequences)
            self._erase_people(people)
            self._scrub()
            self._log()
        return self._receipt()

    def _merged_into(self, person: int) -> list[int]:
        """The person, and whoever became one with them."""
        found = {person}
        merges = self._db.rows("SELECT id FROM event WHERE command = 'merge'")
        for event in reversed(self._ledger.events([row[0] for row in merges])):
            went = {c.key for c in event.changes if c.what == "person" and c.after is None}
            to = {c.after.person for c in event.changes if c.what == "assignment" and c.after}
            to |= {c.after for c in event.changes if c.what == "template"}
            found |= went if to & found else set()
        living = {row[0] for row in self._db.rows("SELECT id FROM person")}
        return sorted(p for p in found if p == person or p not in living)

    def _erase_video(self, video: int) -> None:
        rows = self._db.rows("SELECT id FROM sequence WHERE video = %s", (video,))
        self._erase_sequences([row[0] for row in rows])
        self._delete("video", "id", [video])

    def _erase_sequences(self, sequences: list[int]) -> None:
        owners = self._db.rows(
            "SELECT DISTINCT person FROM assignment WHERE sequence = ANY(%s)", (sequences,)
        )
        self._sequences.update(sequences)
        for table in _BY_SEQUENCE:
            self._delete(table, "sequence", sequences)
        self._delete("sequence", "id", sequences)
        self._erase_people(
            row[0]
            for row in self._db.rows(
                "SELECT id FROM person p WHERE id = ANY(%s) AND name IS NULL AND key IS NULL "
                "AND NOT EXISTS (SELECT 1 FROM assignment a WHERE a.person = p.id) "
                "AND NOT EXISTS (SELECT 1 FROM template t WHERE t.person = p.id)",
                ([row[0] for row in owners],),
            )
        )

    def _erase_templates(self, templates: list[int]) -> None:
        self._delete("vector", "template", templates)
        self._delete("template", "id", templates)

    def _erase_people(self, people: Iterable[int]) -> None:
        gone = sorted(set(people))
        self._people.update(gone)
        for table in ("refusal", "suggestion", "assignment"):
            self._delete(table, "person", gone)
        self._delete("person", "id", gone)

    def _delete(self, table: str, column: str, ids: Sequence[int]) -> None:
        gone = self._db.run(f"DELETE FROM {table} WHERE {column} = ANY(%s)", (list(ids),))
        self._rows[table] = self._rows.get(table, 0) + gone
        self._gone.append((table, column, list(ids)))

    def _scrub(self) -> None:
        """Take out of the log what it says of the sequences and people that are erased."""
        sequences, people = self._sequences, self._people
        if not sequences and not people:
            return
        log = self._ledger.events()
        others = self._db.rows(_OTHER_NAMES, ([*people],))
        names = _names_of(log, people) - {row[0] for row in others}
        self._db.run("SET LOCAL openfaceplus.forgetting = 'on'")
        for event in log:
            shown = (_without(change, people, names) for change in event.changes)
            kept = tuple(change for change in shown if not _about(change, sequences, people))
            if kept != event.changes:
                self._db.run(
                    "UPDATE event SET changes = %s WHERE id = %s",
                    (json.dumps(to_json(kept)), event.id),
                )
                self._rows["event"] = self._rows.get("event", 0) + 1
        self._db.run("SET LOCAL openfaceplus.forgetting = 'off'")

    def _log(self) -> None:
        """That something was forgotten, and no word of what."""
        self._db.run("INSERT INTO event (command, changes) VALUES ('forget', '[]')")

    def _receipt(self) -> Receipt:
        """Vacuum, count what is left, and say what may be."""
        remarks = [
            f"bytes of deleted rows may lie in the free space of the table {table} until others "
            f"take it, for it is large or in use; VACUUM FULL {table} writes it anew"
            for table in _VACUUMED
            if self._rows.get(table) and not self._vacuumed(table)
        ]
        left = 0
        for table, column, ids in self._gone:
            query = f"SELECT count(*) FROM {table} WHERE {column} = ANY(%s)"
            left += self._db.rows(query, (ids,))[0][0]
        remarks.append(self._flush())
        remarks.append("backups and copies of the database, and the videos, are not touched")
        rows = {table: count for table, count in self._rows.items() if count}
        return Receipt(rows, left, tuple(remarks))

    def _vacuumed(self, table: str) -> bool:
        """Vacuum a table and its indexes; whether it was written anew."""
        import psycopg

        size = self._db.rows("SELECT pg_total_relation_size(%s::regclass)", (table,))[0][0]
        if size <= (_SMALL_INDEX if table == "vector" else _SMALL):
            try:
                self._db.run(f"SET lock_timeout = '{_TURN}'")
                self._db.run(f"VACUUM (FULL, ANALYZE) {table}")
                return True
            except DatabaseError as error:
                if not isinstance(error.__cause__, psycopg.errors.LockNotAvailable):
                    raise
            finally:
                self._db.run("RESET lock_timeout")
        self._db.run(f"VACUUM (ANALYZE) {table}")
        return False

    def _flush(self) -> str:
        """Let the server drop its log of earlier writing, which holds copies of rows."""
        try:
            self._db.rows("SELECT pg_switch_wal()")
            self._db.run("CHECKPOINT")
        except DatabaseError:
            return "the server's log of writing holds copies of rows until its next checkpoints"
        return "the server's log of writing was closed; it deletes its earlier files by itself"


def _names_of(log: Iterable[Event], people: Set[int]) -> set[str]:
    """What people were ever called."""
    of_theirs = (c for e in log for c in e.changes if c.what in ("name", "key") and c.key in people)
    return {name for change in of_theirs for name in (change.before, change.after) if name}


def _about(change: Change, sequences: Set[int], people: Set[int]) -> bool:
    """Whether it tells of what is forgotten, or of nothing any more."""
    what, key, before, after = change
    if before is None and after is None:
        return True
    if what == "assignment":
        return key in sequences
    if what in ("refusal", "suggestion"):
        return key[0] in sequences or key[1] in people
    return what != "template" and key in people


def _without(change: Change, people: Set[int], names: Set[str]) -> Change:
    """A change, without the people that are forgotten and what they were called."""
    what, key, *values = change
    if what == "assignment":
        values = [None if value is None or value.person in people else value for value in values]
    elif what == "template":
        values = [None if value in people else value for value in values]
    elif what in ("name", "key"):
        values = [None if value in names else value for value in values]
    return Change(what, key, *values)
