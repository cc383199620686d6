"""How alike two groups of sequences must be to be one person, judged by the people who are here.

Two people filmed in one room are as alike as two press photos of one person, so no threshold suits
both. The silhouette does: of the levels down to which groups may be merged, the lowest being what
strangers allow, the one is taken at which people hang together, and apart from the others, best.
"""

from __future__ import annotations

import numpy as np

from openfaceplus.classify.cohesion import silhouette, silhouettes
from openfaceplus.classify.grouping import Groups, Pair

COHESION = 0.0
"""The least mean silhouette of a person after a join; a sequence alone counts as much."""
ENOUGH = 16
"""How often people must have been seen, once a video, before it is known how alike they are."""
_PEOPLE = 3  # without whom neither is it
_ABOVE_USUAL = 0.25  # of the scale: how much more alike than two people here two must be
_LEVELS, _SAMPLE = 30, 2000


def join(groups: Groups, videos: np.ndarray) -> None:
    """Merge the groups that are one person, of sequences from ``videos`` (n,)."""
    groups.grow(1.0)
    living = groups.living()
    seen = np.unique(np.stack([groups.numbers(), videos]), axis=1).shape[1]
    if seen < ENOUGH or len(living) < _PEOPLE:
        return
    floor = max(groups.rule.threshold(groups.mean[living]), _usual(groups) + _ABOVE_USUAL)
    floor = min(floor, 1.0)
    first = len(groups.members)
    _to_best_level(groups, groups.grow(floor), floor, first)
    _part_loose(groups, first)
    while _join_left(groups, floor):
        pass


def _usual(groups: Groups) -> float:
    """The score of half of the pairs of groups."""
    some = _some(groups.living())
    mean, of = groups.mean[some], groups.typicality[some]
    return float(np.median(groups.rule.scores(mean, of, mean, of)[np.triu_indices(len(some), 1)]))


def _some(rows: np.ndarray) -> np.ndarray:
    """All rows, or as many of them as say enough."""
    if len(rows) <= _SAMPLE:
        return rows
    return np.sort(np.random.default_rng(0).choice(rows, _SAMPLE, replace=False))


def _to_best_level(groups: Groups, merged: list[Pair], floor: float, first: int) -> None:
    """Undo mergers, of which the first made the group ``first``, down to where the mean silhouette
    is largest."""
    below = np.array([each.score for each in merged])
    levels = np.linspace(1.0, floor, _LEVELS)
    kept = sorted({int(np.append(below < level, True).argmax()) for level in levels}, reverse=True)
    best, chosen, now = -np.inf, 0, len(merged)
    rows = _some(np.arange(len(groups.vectors)))
    for length in kept:
        for number in range(now, length, -1):
            groups.part(first + number - 1)
        now = length
        single = silhouettes(groups.vectors, groups.numbers(), rows)
        value = float(np.where(np.isnan(single), COHESION, single).mean())
        if value > best:
            best, chosen = value, length
    for number in range(now, chosen):
        groups.rejoin(first + number)
    for number in range(now, chosen, -1):
        groups.part(first + number - 1)


def _part_loose(groups: Groups, first: int) -> None:
    """Undo what was merged, since the group ``first``, at the cost of a person's cohesion."""
    looked_at = [i for i in groups.living().tolist() if i >= first]
    while looked_at:
        group = looked_at.pop()
        i, j = groups.parts[group]
        _, after = _apart_and_joined(groups, i, j, group)
        if after.mean() < COHESION:
            looked_at += [each for each in groups.part(group) if each >= first]


def _join_left(groups: Groups, floor: float) -> bool:
    """Merge groups that score above ``floor`` where that makes their silhouettes larger; whether
    there were any."""
    found = False
    for _, i, j in groups.pairs(floor):
        if groups.may(i, j):
            before, after = _apart_and_joined(groups, i, j)
            if after.sum() > before.sum() and after.mean() >= COHESION:
                groups.merge(i, j)
                found = True
    return found


def _apart_and_joined(groups: Groups, i: int, j: int, *but: int) -> tuple[np.ndarray, np.ndarray]:
    """The silhouettes of the sequences of two groups, as two people and as one, all others ``but``
    some being as they are."""
    alive = groups.alive.copy()
    alive[[i, j, *but]] = False
    others = np.flatnonzero(alive)
    rows = np.concatenate([groups.members[i], groups.members[j]])
    x = groups.vectors[rows]
    means = groups.sums[others] @ x.T / groups.counts[others, None]
    nearest = means.max(axis=0, initial=-1.0)
    m, n = int(groups.counts[i]), int(groups.counts[j])
    first = np.arange(m + n) < m
    to_i, to_j = x @ groups.sums[i], x @ groups.sums[j]
    own, count = np.where(first, to_i, to_j), np.where(first, m, n)
    other = np.where(first, to_j / n, to_i / m)
    apart = silhouette(own, count, np.maximum(nearest, other))
    joined = silhouette(to_i + to_j, np.full(m + n, m + n), nearest)
    return np.where(np.isnan(apart), COHESION, apart), joined
