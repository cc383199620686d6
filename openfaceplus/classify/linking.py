"""Which sequences are of one person, over all videos.

Groups of sequences are merged, the two most alike first, while their score suffices: one person's
sequences are compared together, so the order in which they came matters little. Two that can never
be one person (on screen at once, or refused by a user) are never in one group.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from openfaceplus.classify import adapting, openset
from openfaceplus.classify.cohesion import cohesion
from openfaceplus.classify.grouping import Groups
from openfaceplus.classify.sequence_rule import SequenceRule
from openfaceplus.faces import unit_length

NEW = -1
"""The person of a sequence that nobody was asked about yet."""
_BAND = 5.0  # times as many strangers may be among those that are suggested


@dataclass(frozen=True, eq=False)
class Sequences:
    """n sequences and what is known of them.

    ``vectors`` (n, dimensions) are descriptors of unit length, ``weights`` (n,) say how much each
    counts in a person's mean (its number of good faces, say), and ``person`` (n,) whose it is now,
    ``NEW`` where that is not decided. Those that are ``fixed`` (n,) a user has put right: they
    never move. ``apart`` (p, 2) are pairs of sequences that are never one person, ``refused``
    (r, 2) a sequence and a person that it is not. ``videos`` (n,) number what they are from: one
    person's in one video say no more of how people vary than one of them does. Without, each is
    from a video of its own.
    """

    vectors: np.ndarray
    weights: np.ndarray
    person: np.ndarray
    fixed: np.ndarray
    apart: np.ndarray
    refused: np.ndarray
    videos: np.ndarray | None = None


class Suggestion(NamedTuple):
    """A sequence that may be of another ``person`` than the one it is given to, with its score."""

    sequence: int
    person: int
    score: float


@dataclass(frozen=True, eq=False)
class Linked:
    """Whose each of n sequences is.

    ``person`` (n,) are numbers: known ones where they are, new ones counted on from the largest.
    ``score`` (n,) is that of the sequence and the rest of its person, NaN where it is alone.
    ``before`` and ``after`` (n,) are the cohesion (mean silhouette) of its person as it was given
    and as it is now, NaN where there is none. ``suggestions`` come best first.
    """

    person: np.ndarray
    score: np.ndarray
    before: np.ndarray
    after: np.ndarray
    suggestions: tuple[Suggestion, ...]


def link(sequences: Sequences, rule: SequenceRule) -> Linked:
    """Join new sequences to known people or to each other, and known people where later sequences
    show that they are one; nobody is split.

    Where two people become one, the number of the one that a user has put right stays, else that of
    the one with more sequences. Two that a user has put right are never joined.
    """
    return _linked(sequences, rule, sequences.person)


def recluster(sequences: Sequences, rule: SequenceRule) -> Linked:
    """Who would be whom if it were all decided afresh, except for what a user has put right.

    People keep the numbers under which most of their sequences were known.
    """
    start = np.where(sequences.fixed, sequences.person, NEW)
    return _linked(sequences, rule, start)


def _linked(sequences: Sequences, rule: SequenceRule, start: np.ndarray) -> Linked:
    groups = _start(sequences, rule, start)
    if rule.usable:
        videos = np.arange(len(start)) if sequences.videos is None else sequences.videos
        adapting.join(groups, videos)
    living = groups.living()
    person = _numbers(groups, living, sequences)
    before = cohesion(sequences.vectors, sequences.person)
    after = cohesion(sequences.vectors, person)
    suggestions = _suggestions(groups, person) if rule.usable else ()
    score = _scores(sequences, person, rule)
    return Linked(person, score, before, after, suggestions)


def _start(sequences: Sequences, rule: SequenceRule, start: np.ndarray) -> Groups:
    """A group a person and one for each sequence that is new, and who is kept apart."""
    n = len(start)
    new = np.flatnonzero(start == NEW)
    known = [np.flatnonzero(start == number) for number in np.unique(start[start != NEW])]
    groups = Groups(sequences.vectors, sequences.weights, [*known, *new[:, None]], rule)
    where = np.empty(n, int)
    for i, rows in enumerate(groups.members):
        where[rows] = i
    for a, b in sequences.apart:
        groups.keep_apart(int(where[a]), int(where[b]))
    for sequence, number in sequences.refused:
        for other in _of_person(sequences, int(number)):
            if other != sequence:
                groups.keep_apart(int(where[sequence]), int(where[other]))
    named = sorted({int(where[i]) for i in np.flatnonzero(sequences.fixed)})
    for at, i in enumerate(named):
        for j in named[:at]:
            groups.keep_apart(i, j)
    return groups


def _of_person(sequences: Sequences, number: int) -> np.ndarray:
    """The sequences that stand for a person: those that a user put right, else all."""
    mine = sequences.person == number
    sure = mine & sequences.fixed
    return np.flatnonzero(sure if sure.any() else mine)


def _numbers(groups: Groups, living: np.ndarray, sequences: Sequences) -> np.ndarray:
    """(n,) the number of each sequence's person: of those that its group had, the one that a user
    put right, else that of most of its sequences, else a new one."""
    n = len(sequences.person)
    person = np.full(n, NEW)
    claims = []
    for i in living:
        rows = groups.members[i]
        had = sequences.person[rows]
        fixed = sequences.fixed[rows]
        for number in np.unique(had[had != NEW]).tolist():
            mine = had == number
            sure = bool(fixed[mine].any())
            claims.append((not sure, -int(mine.sum()), number, int(i)))
    given: dict[int, int] = {}
    taken: set[int] = set()
    for _, _, number, i in sorted(claims):
        if i not in given and number not in taken:
            given[i] = number
            taken.add(number)
    following = int(max(sequences.person.max(initial=0), 0)) + 1
    for i in sorted(living.tolist(), key=lambda i: int(groups.members[i].min())):
        if i not in given:
            given[i] = following
            following += 1
        person[groups.members[i]] = given[i]
    return person


def _suggestions(groups: Groups, person: np.ndarray) -> tuple[Suggestion, ...]:
    """Pairs of people, who are not kept apart, that more strangers would pass for one."""
    rule = groups.rule
    floor = rule.threshold(groups.mean[groups.living()], min(_BAND * rule.far, 0.5))
    found = []
    for score, i, j in groups.pairs(floor):
        small, large = sorted((i, j), key=lambda k: len(groups.members[k]))
        sequence = int(groups.members[small].min())
        found.append(Suggestion(sequence, int(person[groups.members[large][0]]), score))
    return tuple(found)


def _scores(sequences: Sequences, person: np.ndarray, rule: SequenceRule) -> np.ndarray:
    """(n,) scores of sequences with the rest of their people."""
    x, weights = sequences.vectors, np.asarray(sequences.weights, float)[:, None]
    _, whose, counts = np.unique(person, return_inverse=True, return_counts=True)
    if not len(x):
        return np.zeros(0)
    rest = openset.sums(weights * x, whose)[whose] - weights * x
    rest = unit_length(rest)
    cosines = np.einsum("nd,nd->n", x, rest)
    scores = rule.score(cosines, rule.typicality(x), rule.typicality(rest.astype(np.float32)))
    return np.where(counts[whose] > 1, scores, np.nan)
