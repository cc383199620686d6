"""Who is who: what linking found, and what a user puts right, each an event that can be undone."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from openfaceplus.database import draft as drafts
from openfaceplus.database import history, user_name
from openfaceplus.database.draft import Draft
from openfaceplus.database.history import Assignment, Event
from openfaceplus.database.ledger import Ledger
from openfaceplus.database.rows import Join, Recorded, Suggest
from openfaceplus.errors import UsageError

if TYPE_CHECKING:
    from openfaceplus.database.connection import Database

USER = ("name", "merge", "split", "refuse", "accept")
"""The commands of a user, which ``undo`` takes back."""

_FINAL = ("import", "forget")
"""What cannot be undone: the vectors are not in the log."""


class Commands:
    """Each method is one transaction, all of which is in the log or nothing.

    ``author`` is who says so, by default the user of this process. Raises UsageError for people and
    sequences that are not there, and where two sequences on screen at once would be one person.
    """

    def __init__(self, database: Database) -> None:
        self._db = database
        self._ledger = Ledger(database)

    def record(
        self,
        joins: Sequence[Join],
        suggestions: Sequence[Suggest] = (),
        cohesion: Mapping[int, float] | None = None,
    ) -> Recorded:
        """Write what a run of linking decided: whose each sequence is, and what to suggest.

        People new in this run have negative numbers of the caller's choice. ``cohesion`` is the
        mean silhouette, -1 to 1, of each person whose sequences the caller compared; without it
        that of the last join counts. A sequence that is somebody's moves. What a user decided
        stays: a join against that is left out, and so is a suggestion.
        """
        cohesion = cohesion or {}
        new = sorted({j.person for j in joins if j.person < 0}, reverse=True)
        with self._ledger.one_at_a_time():
            given = dict(zip(new, self._ledger.new_people(len(new)), strict=True))
            unknown = {p for p in (*(s.person for s in suggestions), *cohesion) if p < 0} - {*given}
            if unknown:
                raise UsageError(f"nobody new has the number {max(unknown)}", field="joins")
            people = {given.get(p, p) for p in (*(j.person for j in joins), *cohesion)}
            people |= {given.get(s.person, s.person) for s in suggestions}
            sequences = [j.sequence for j in joins] + [s.sequence for s in suggestions]
            draft = self._ledger.draft(people, sequences)
            self._need(sequences)
            for person in given.values():
                draft.set("person", person, True)
            for person in people:
                draft.need(person)
            left_out = _join(draft, joins, given)
            for person, value in cohesion.items():
                if draft.get("person", given.get(person, person)):
                    draft.set("cohesion", given.get(person, person), _finite(value))
            for one in suggestions:
                _suggest(draft, one, given.get(one.person, one.person))
            # All sequences of somebody new may have been left out.
            draft.sweep(given.values())
            kept = {key: person for key, person in given.items() if draft.get("person", person)}
            event = self._ledger.append("record", draft.changes)
        return Recorded(event, kept, tuple(left_out))

    def name(self, person: int, name: str | None, author: str | None = None) -> int | None:
        """Call a person by a name, which nobody else may have; None takes it away."""
        text = _proper(name)
        with self._ledger.one_at_a_time():
            draft = self._ledger.draft([person])
            drafts.name(draft, person, text)
            return self._ledger.append("name", draft.changes, author or user_name())

    def merge(self, kept: int, gone: int, author: str | None = None) -> int | None:
        """Make two people one, with the number, and if both have one the name, of the first."""
        with self._ledger.one_at_a_time():
            draft = self._ledger.draft([kept, gone])
            drafts.merge(draft, kept, gone)
            return self._ledger.append("merge", draft.changes, author or user_name())

    def split(self, person: int, sequences: Iterable[int], author: str | None = None) -> int:
        """Take sequences out of a person; returns the number of the new person that they are."""
        with self._ledger.one_at_a_time():
            (new,) = self._ledger.new_people(1)
            draft = self._ledger.draft([person])
            drafts.split(draft, person, list(sequences), new)
            self._ledger.append("split", draft.changes, author or user_name())
        return new

    def refuse(self, sequence: int, person: int, author: str | None = None) -> int | None:
        """A sequence is not that person, and never will be; if it was, it is somebody new, whose
        number is returned."""
        with self._ledger.one_at_a_time():
            self._need([sequence])
            (new,) = self._ledger.new_people(1)
            draft = self._ledger.draft([person], [sequence])
            drafts.refuse(draft, sequence, person, new)
            self._ledger.append("refuse", draft.changes, author or user_name())
            return new if draft.get("person", new) else None

    def accept(self, sequence: int, person: int, author: str | None = None) -> int | None:
        """A sequence is that person, suggested or not."""
        with self._ledger.one_at_a_time():
            self._need([sequence])
            draft = self._ledger.draft([person], [sequence])
            drafts.accept(draft, sequence, person)
            return self._ledger.append("accept", draft.changes, author or user_name())

    def undo(self, event: int | None = None, author: str | None = None) -> Event:
        """Take back an event, by default a user's last that still stands; returns that event.

        What was changed since by others stays. To undo what ``undo`` wrote, name that event: it is
        done again.
        """
        with self._ledger.one_at_a_time():
            target = self._to_undo(event)
            draft = self._ledger.draft(*_concerned(target))
            drafts.undo(draft, target.changes)
            self._ledger.append("undo", draft.changes, author or user_name(), target.id)
        return target

    def events(self) -> list[Event]:
        """The log, oldest first; ``history.replay`` makes from it who is who."""
        return self._ledger.events()

    def rebuild(self) -> None:
        """Make from the log alone who is who, in place of what the tables say."""
        with self._ledger.one_at_a_time():
            state = history.replay(self._ledger.events())
            now = self._ledger.draft(row[0] for row in self._db.rows("SELECT id FROM person"))
            for what in history.WHAT:
                for key in {*now.state[what], *state[what]}:
                    now.set(what, key, state[what].get(key))
            self._ledger.apply(now.changes)

    def _to_undo(self, event: int | None) -> Event:
        log = dict(self._ledger.commands())
        gone = history.undone([(e, undoes) for e, (_, undoes) in log.items()])
        if event is None:
            standing = [e for e, (command, _) in log.items() if command in USER and e not in gone]
            if not standing:
                raise UsageError("there is nothing to undo")
            event = standing[-1]
        elif event not in log:
            raise UsageError(f"event {event} is not in the log", field="event")
        elif event in gone or log[event][0] in _FINAL:
            raise UsageError(f"event {event} cannot be undone", field="event")
        return self._ledger.events([event])[0]

    def _need(self, sequences: Iterable[int]) -> None:
        """Raises UsageError if a sequence is not there."""
        wanted = set(sequences)
        found = self._db.rows("SELECT id FROM sequence WHERE id = ANY(%s)", (sorted(wanted),))
        if missing := wanted - {row[0] for row in found}:
            raise UsageError(f"there is no sequence {min(missing)}", field="sequence")


def _join(draft: Draft, joins: Sequence[Join], given: Mapping[int, int]) -> list[int]:
    """Draft the joins; returns the sequences of those that a user's decisions forbid."""
    left_out, left = [], set()
    for join in joins:
        person = given.get(join.person, join.person)
        old = draft.get("assignment", join.sequence)
        if draft.get("refusal", (join.sequence, person)) or (old is not None and old.fixed):
            if old is None or old.person != person:
                left_out.append(join.sequence)
            continue
        if old is not None and old.person != person:
            left.add(old.person)
        score, before, after = map(_finite, (join.score, join.before, join.after))
        new = Assignment(person, score, before, after)
        if new != old:
            draft.assign(join.sequence, new)
            draft.set("cohesion", person, after)
    draft.sweep(left)
    return left_out


def _suggest(draft: Draft, one: Suggest, person: int) -> None:
    """Draft a suggestion, unless it is settled or the joins left nothing of the person."""
    old = draft.get("assignment", one.sequence)
    settled = old is not None and (old.fixed or old.person == person)
    refused = draft.get("refusal", (one.sequence, person))
    if draft.get("person", person) and not (refused or settled):
        draft.set("suggestion", (one.sequence, person), float(one.score))


def _concerned(event: Event) -> tuple[set[int], set[int]]:
    """The people and sequences that undoing an event may concern."""
    people: set[int] = set()
    sequences: set[int] = set()
    for what, key, before, after in event.changes:
        if what == "assignment":
            sequences.add(key)
            people |= {value.person for value in (before, after) if value is not None}
        elif what in ("refusal", "suggestion"):
            sequences.add(key[0])
            people.add(key[1])
        elif what == "template":
            people |= {value for value in (before, after) if value is not None}
        else:
            people.add(key)
    return people, sequences


def _finite(value: float | None) -> float | None:
    """A number for the log, which holds no NaN."""
    return None if value is None or not math.isfinite(value) else float(value)


def _proper(name: str | None) -> str | None:
    if name is None:
        return None
    text = name.strip()
    if not text or not text.isprintable():
        raise UsageError(
            f"{text!r} is no name", field="name", remedy="give one of printable letters"
        )
    return text
