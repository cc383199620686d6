"""What a command changes of who is who, worked out before it is written; without a database."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Any

from openfaceplus.database.history import WHAT, Assignment, Change, State, put, whom
from openfaceplus.errors import UsageError


class Draft:
    """Changes to a state, or to that part of one which they concern."""

    def __init__(self, state: State) -> None:
        self.state = state
        self._before: dict[tuple[str, Any], Any] = {}
        self._keys: dict[tuple[str, int], dict[Any, None]] = defaultdict(dict)
        for what in WHAT:
            for key, value in state[what].items():
                for label in _labels(what, key, value):
                    self._keys[label][key] = None

    def get(self, what: str, key: Any) -> Any:
        """The value as it stands, None if there is none."""
        return self.state[what].get(key)

    def set(self, what: str, key: Any, value: Any) -> None:
        """Change a value; None takes it away."""
        old = self.get(what, key)
        self._before.setdefault((what, key), old)
        for label in _labels(what, key, old):
            self._keys[label].pop(key, None)
        for label in _labels(what, key, value):
            self._keys[label][key] = None
        put(self.state, what, key, value)

    @property
    def changes(self) -> tuple[Change, ...]:
        """What has changed."""
        made = (
            Change(what, key, before, self.get(what, key))
            for (what, key), before in self._before.items()
        )
        return tuple(change for change in made if change.before != change.after)

    def of(self, person: int) -> list[int]:
        """A person's sequences."""
        return list(self._keys["assignment", person])

    def photos(self, person: int) -> list[int]:
        """A person's templates."""
        return list(self._keys["template", person])

    def pairs(self, what: str, person: int) -> list[tuple[int, int]]:
        """The keys of refusals or suggestions that concern a person."""
        return list(self._keys[what, person])

    def need(self, person: int) -> None:
        """Raises UsageError if there is no such person."""
        if not self.get("person", person):
            raise UsageError(f"there is no person {person}", field="person")

    def assign(self, sequence: int, value: Assignment) -> None:
        """Put a sequence to a person, whatever was suggested for it or refused before."""
        self.set("assignment", sequence, value)
        self.set("refusal", (sequence, value.person), None)
        for key in list(self._keys["suggested", sequence]):
            self.set("suggestion", key, None)

    def known(self, person: int) -> bool:
        """Whether anything is known of a person but sequences: a name or photos of a model."""
        return bool(self.get("name", person) or self.get("key", person) or self.photos(person))

    def sweep(self, people: Iterable[int]) -> None:
        """Take away those who have neither name nor sequence nor photo."""
        for person in people:
            if not self.known(person) and not self.of(person):
                self.remove(person)

    def remove(self, person: int) -> None:
        """Take a person away, and what was refused or suggested of them."""
        for what in ("refusal", "suggestion"):
            for key in self.pairs(what, person):
                self.set(what, key, None)
        for what in ("person", "name", "key", "cohesion"):
            self.set(what, person, None)


def name(draft: Draft, person: int, text: str | None) -> None:
    """Give a person a name, or take it away."""
    draft.need(person)
    draft.set("name", person, text)


def merge(draft: Draft, kept: int, gone: int) -> None:
    """Make two people one, ``kept``. Where both have a name, that of ``kept`` stays."""
    draft.need(kept)
    draft.need(gone)
    if kept == gone:
        raise UsageError(f"person {kept} cannot be merged with themselves", field="person")
    for sequence in [*draft.of(kept), *draft.of(gone)]:  # later decisions part neither from it
        value = draft.get("assignment", sequence)
        draft.assign(sequence, value._replace(person=kept, fixed=True))
    for template in draft.photos(gone):
        draft.set("template", template, kept)
    for what in ("name", "key"):
        if not draft.get(what, kept):
            draft.set(what, kept, draft.get(what, gone))
    # What was said of the one holds of both, but for what the merge itself contradicts.
    own = set(draft.of(kept))
    for what in ("refusal", "suggestion"):
        for sequence, _ in draft.pairs(what, gone):
            if sequence not in own and draft.get(what, (sequence, kept)) is None:
                draft.set(what, (sequence, kept), draft.get(what, (sequence, gone)))
    for sequence in own:
        draft.set("refusal", (sequence, kept), None)
    draft.set("cohesion", kept, None)
    draft.remove(gone)


def split(draft: Draft, person: int, sequences: Sequence[int], new: int) -> None:
    """Take sequences out of a person: they are somebody new, and never that person again."""
    draft.need(person)
    others = set(sequences) - set(draft.of(person))
    if others or not sequences:
        which = f"has no sequence {min(others)}" if others else "is split by naming sequences"
        raise UsageError(f"person {person} {which}", field="sequences")
    if set(sequences) == set(draft.of(person)) and not draft.known(person):
        raise UsageError(f"those are all sequences of person {person}", field="sequences")
    draft.set("person", new, True)
    draft.set("cohesion", person, None)
    for sequence in sequences:
        draft.assign(sequence, Assignment(new, fixed=True))
        draft.set("refusal", (sequence, person), True)


def refuse(draft: Draft, sequence: int, person: int, new: int) -> None:
    """A sequence is not that person: if it was theirs it is somebody new."""
    draft.need(person)
    draft.set("suggestion", (sequence, person), None)
    value = draft.get("assignment", sequence)
    if value is not None and value.person == person:
        split(draft, person, [sequence], new)
    draft.set("refusal", (sequence, person), True)


def accept(draft: Draft, sequence: int, person: int) -> None:
    """A sequence is that person, whoever it was before."""
    draft.need(person)
    score = draft.get("suggestion", (sequence, person))
    value = draft.get("assignment", sequence)
    draft.assign(sequence, Assignment(person, score, fixed=True))
    draft.set("cohesion", person, None)
    if value is not None and value.person != person:
        draft.set("cohesion", value.person, None)
        draft.sweep([value.person])


def undo(draft: Draft, changes: Sequence[Change]) -> None:
    """Put back what the changes changed, as far as it stands as they left it.

    Raises UsageError if nothing of it does, or if whom it concerns has gone since.
    """
    for change in reversed(changes):
        if draft.get(change.what, change.key) == change.after:
            draft.set(change.what, change.key, change.before)
    put_back = draft.changes
    for what, key, before, after in put_back:
        if what == "person" and after is None and before:
            if draft.known(key) or draft.of(key):  # what has come since
                draft.set("person", key, True)
            else:
                draft.remove(key)
    for what, key, _, after in draft.changes:
        if (
            after is not None
            and what != "person"
            and not draft.get("person", whom(what, key, after))
        ):
            raise UsageError(
                f"that cannot be undone: person {whom(what, key, after)} has gone since",
                remedy="undo first what came after it",
            )
    if not draft.changes:
        raise UsageError("nothing of that is left to undo")


def _labels(what: str, key: Any, value: Any) -> list[tuple[str, int]]:
    """Under what the keys are found again: those of a person, or the suggestions of a sequence."""
    if value is None or what not in ("assignment", "template", "refusal", "suggestion"):
        return []
    labels = [(what, whom(what, key, value))]
    return [*labels, ("suggested", key[0])] if what == "suggestion" else labels
