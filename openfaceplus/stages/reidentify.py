"""Whose the sequences in a database are: linked to each other and to known people."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from openfaceplus.classify import cohort
from openfaceplus.classify.linking import NEW, Linked, Sequences, link
from openfaceplus.classify.linking import recluster as link_afresh
from openfaceplus.classify.sequence_rule import SequenceRule
from openfaceplus.database.rows import Descriptors, Join, Suggest

if TYPE_CHECKING:
    from openfaceplus.database.connection import Database

FAR = 0.01
"""Of a hundred strangers' sequences one may be taken for somebody known, unless told otherwise."""
MOST = 20_000
"""Sequences that are linked all together; of more, the new ones with those most like them."""
FOUNDING = 0.6
"""The evidence, a sum of crops' qualities, that makes somebody new: one blurred face does not."""
_NEIGHBOURS = 20  # most like each new one, whose people are then looked at whole


@dataclass(frozen=True, slots=True)
class Move:
    """A sequence whose person changes: from ``before`` (None: nobody's yet) to ``after``, a new
    person where that is negative, with its ``score`` for that person."""

    sequence: int
    before: int | None
    after: int
    score: float | None

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return asdict(self)


def reidentify(db: Database, space: str, far: float = FAR) -> list[Move]:
    """Decide whose the sequences are that nobody was asked about yet, and say so in the database.

    Known people are joined too where the new sequences show that they are one. Nobody is split.
    Raises UsageError for a rate that makes no sense.
    """
    return _decide(db, space, far, link, _concerned(db, space))


def recluster(
    db: Database, far: float = FAR, *, dry_run: bool = False
) -> list[Move]:  # fmt: skip
    """Decide afresh whose all sequences are, but for what a user has put right; what moves.

    With ``dry_run`` nothing is written. Raises UsageError for a rate that makes no sense.
    """
    moves = []
    for space in sorted({video.space for video in db.videos.all()}):
        moves += _decide(db, space, far, link_afresh, db.read.sequences(space), dry_run)
    return moves


def _concerned(db: Database, space: str) -> Descriptors:
    """All sequences if they are few, else the new ones and all of the people most like them."""
    if db.read.count(space) <= MOST:
        return db.read.sequences(space)
    new = db.read.sequences(space, undecided=True)
    near = {found.sequence for x in new.vectors for found in db.search(x, space, k=_NEIGHBOURS)}
    people = {one.person for one in db.read.appearances(sequences=near)} - {None}
    theirs = {one.sequence for person in people for one in db.read.appearances(person=person)}
    return db.read.sequences(space, ids={*near, *theirs, *new.sequences.tolist()})


def _decide(
    db: Database, space: str, far: float, how: Callable[[Sequences, SequenceRule], Linked],
    held: Descriptors, dry_run: bool = False,
) -> list[Move]:  # fmt: skip
    if not len(held.sequences):
        return []
    rule = SequenceRule.of(cohort.find(space), held.vectors.shape[1], far)
    given = _given(db, held)
    linked = how(given, rule)
    founded = _founded(linked.person, held)
    moved = np.flatnonzero((linked.person != given.person) & founded)
    numbers = held.sequences.tolist()
    # What linking counts on from the largest number is new, and negative until it is written.
    known = {*held.people.tolist()}
    people = [number if number in known else -number for number in linked.person.tolist()]
    moves = [
        Move(numbers[i], held.people[i].item() or None, people[i], _finite(linked.score[i]))
        for i in moved.tolist()
    ]
    if dry_run:
        return moves
    values = np.stack([linked.score, linked.before, linked.after], axis=1)
    joins = [Join(numbers[i], people[i], *map(_finite, values[i])) for i in moved.tolist()]
    there = np.flatnonzero(np.isfinite(linked.after) & founded).tolist()
    cohesion = {people[i]: float(linked.after[i]) for i in there}
    shown = {int(linked.person[i]): people[i] for i in np.flatnonzero(founded).tolist()}
    suggestions = [
        Suggest(numbers[one.sequence], shown[one.person], one.score)
        for one in linked.suggestions
        if one.person in shown
    ]
    recorded = db.commands.record(joins, suggestions, cohesion)
    return [
        Move(one.sequence, one.before, recorded.people.get(one.after, one.after), one.score)
        for one in moves
        if one.sequence not in recorded.left_out
    ]


def _given(db: Database, held: Descriptors) -> Sequences:
    person = np.where(held.people > 0, held.people, NEW)
    row = {number: i for i, number in enumerate(held.sequences.tolist())}
    refused = [(row[s], p) for s, p in db.read.pairs_apart() if s in row]
    return Sequences(
        held.vectors,
        held.evidence,
        person,
        held.fixed | _standing_for_names(db, held),
        together(held.videos, held.starts, held.ends),
        np.array(refused, int).reshape(-1, 2),
        held.videos,
    )


def _founded(person: np.ndarray, held: Descriptors) -> np.ndarray:
    """(n,) whether the person that a sequence is given to is known, or there is enough to tell that
    they are somebody."""
    _, whose = np.unique(person, return_inverse=True)
    enough = np.bincount(whose, held.evidence) >= FOUNDING
    founded: np.ndarray = enough[whose] | np.isin(person, held.people[held.people > 0])
    return founded


def _standing_for_names(db: Database, held: Descriptors) -> np.ndarray:
    """(n,) the best sequence of each person with a name: with that, whoever has been named keeps
    their number, and two of different names never become one."""
    chosen = np.zeros(len(held.people), bool)
    for one in db.read.people():
        mine = np.flatnonzero(held.people == one.person)
        if one.name is not None and len(mine):
            chosen[mine[held.evidence[mine].argmax()]] = True
    return chosen


def together(videos: np.ndarray, starts: np.ndarray, ends: np.ndarray) -> np.ndarray:
    """(p, 2) pairs of n sequences that are on screen at once, whose videos and seconds are (n,)."""
    pairs: list[tuple[int, int]] = []
    order = np.lexsort((starts, videos)).tolist()
    open_: list[int] = []
    for i in order:
        open_ = [j for j in open_ if videos[j] == videos[i] and ends[j] >= starts[i]]
        pairs += [(j, i) for j in open_]
        open_.append(i)
    return np.array(pairs, int).reshape(-1, 2)


def _finite(value: Any) -> float | None:
    return float(value) if np.isfinite(value) else None
