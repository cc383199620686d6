"""Who is who follows from a log of events; pure functions, without a database.

An event lists what it changed: (what, key, before, after), None for what is not there. ``replay``
makes everything from the log alone. Undoing an event puts back what it changed, as far as nothing
else has changed it since; that is an event as well, and undoing it does the former again.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

WHAT = ("person", "name", "key", "cohesion", "template", "assignment", "refusal", "suggestion")
"""What a change may be of. Its key is a person, template, sequence, or sequence and person."""

State = dict[str, dict[Any, Any]]


class Change(NamedTuple):
    """One thing that an event changed. Keys and values are numbers, text or tuples."""

    what: str
    key: Any
    before: Any
    after: Any


class Assignment(NamedTuple):
    """The value of an assignment: whose a sequence is, and by what."""

    person: int
    score: float | None = None
    before: float | None = None
    after: float | None = None
    fixed: bool = False


@dataclass(frozen=True, slots=True)
class Event:
    """A decision: by whom (None: automatic), which command, and what it changed."""

    id: int
    at: datetime | None
    author: str | None
    command: str
    undoes: int | None
    changes: tuple[Change, ...]


def empty() -> State:
    """The state before the first event."""
    return {what: {} for what in WHAT}


def replay(events: Iterable[Event]) -> State:
    """What stands after the events: for each of ``WHAT`` its values by key."""
    state = empty()
    for event in events:
        for change in event.changes:
            put(state, change.what, change.key, change.after)
    return state


def undone(events: Sequence[tuple[int, int | None]]) -> set[int]:
    """The ids of the events that later ones took back; given all in order, and what they undo."""
    found: set[int] = set()
    for event, undoes in reversed(events):
        if undoes is not None and event not in found:
            found.add(undoes)
    return found


def whom(what: str, key: Any, value: Any) -> int:
    """The person whom a value concerns."""
    if what == "assignment":
        return int(value.person)
    if what == "template":
        return int(value)
    return int(key[1] if what in ("refusal", "suggestion") else key)


def put(state: State, what: str, key: Any, value: Any) -> None:
    if value is None:
        state[what].pop(key, None)
    else:
        state[what][key] = value


def to_json(changes: Iterable[Change]) -> list[list[Any]]:
    """For the log."""
    return [list(change) for change in changes]


def from_json(rows: Iterable[Sequence[Any]]) -> tuple[Change, ...]:
    """From the log."""
    return tuple(
        Change(what, _key(key), _value(what, a), _value(what, b)) for what, key, a, b in rows
    )


def _key(key: Any) -> Any:
    return tuple(key) if isinstance(key, list) else key


def _value(what: str, value: Any) -> Any:
    return Assignment(*value) if what == "assignment" and value is not None else value
