"""Groups of sequences that are merged, the two most alike first."""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from openfaceplus.classify.sequence_rule import SequenceRule
from openfaceplus.faces import unit_length

_BLOCK = 1024
_NEIGHBOURS = 64  # others, the nearest, with which a group may be merged


class Pair(NamedTuple):
    """Two groups, i < j, and their score."""

    score: float
    i: int
    j: int


class Groups:
    """Groups of unit vectors (n, dimensions), by number. Two that are merged give a new one.

    ``members`` are each group's rows and ``counts`` (groups,) how many, ``sums`` (groups,
    dimensions) their plain sums, ``mean`` (groups, dimensions) their weighted means of unit length,
    ``alive`` (groups,) those that are not merged, ``parts`` what a merged one was made of, and
    ``apart`` which others are kept apart.
    """

    def __init__(
        self,
        vectors: np.ndarray,
        weights: np.ndarray,
        members: Sequence[np.ndarray],
        rule: SequenceRule,
    ) -> None:
        m, dimensions = len(members), vectors.shape[1]
        room = 3 * m  # all merged, undone, and merged in another way
        self.vectors, self.rule = vectors, rule
        self.members = list(members)
        self.sums = np.zeros((room, dimensions), np.float32)
        self._weighted = np.zeros((room, dimensions))
        for i, rows in enumerate(self.members):
            self.sums[i] = vectors[rows].sum(axis=0)
            self._weighted[i] = weights[rows] @ vectors[rows]
        self.mean = np.zeros((room, dimensions), np.float32)
        self.mean[:m] = unit_length(self._weighted[:m])
        self.typicality = np.zeros(room, np.float32)
        self.typicality[:m] = rule.typicality(self.mean[:m])
        self.alive = np.arange(room) < m
        self.counts = np.zeros(room, int)
        self.counts[:m] = [len(rows) for rows in self.members]
        self.apart: list[set[int]] = [set() for _ in range(m)]
        self.parts: dict[int, tuple[int, int]] = {}

    def keep_apart(self, i: int, j: int) -> None:
        """Never merge groups i and j."""
        if i != j:
            self.apart[i].add(j)
            self.apart[j].add(i)

    def living(self) -> np.ndarray:
        """The numbers of the groups that are not merged."""
        return np.flatnonzero(self.alive)

    def numbers(self) -> np.ndarray:
        """(n,) each vector's group."""
        made = np.full(len(self.vectors), -1)
        for i in self.living():
            made[self.members[i]] = i
        return made

    def may(self, i: int, j: int) -> bool:
        """Whether the two are there and not kept apart."""
        return bool(self.alive[i] and self.alive[j]) and j not in self.apart[i]

    def pairs(self, floor: float) -> list[Pair]:
        """Pairs of groups that score above ``floor``, each group with its nearest, best first."""
        living = self.living()
        found: set[Pair] = set()
        k = min(_NEIGHBOURS, len(living))
        mean, of = self.mean[living], self.typicality[living]
        for start in range(0, len(living), _BLOCK):
            part = slice(start, start + _BLOCK)
            table = self.rule.scores(mean[part], of[part], mean, of)
            table[np.arange(len(table)), np.arange(start, start + len(table))] = -np.inf
            near = np.argpartition(-table, k - 1, axis=1)[:, :k]
            top = np.take_along_axis(table, near, axis=1)
            for row, column in zip(*np.nonzero(top > floor), strict=True):
                i, j = sorted((int(living[start + row]), int(living[near[row, column]])))
                found.add(Pair(float(top[row, column]), i, j))
        return sorted((each for each in found if self.may(each.i, each.j)), reverse=True)

    def merge(self, i: int, j: int) -> int:
        """The number of the group that two become."""
        new = len(self.members)
        self.members.append(np.concatenate([self.members[i], self.members[j]]))
        self.sums[new] = self.sums[i] + self.sums[j]
        self._weighted[new] = self._weighted[i] + self._weighted[j]
        one = slice(new, new + 1)
        self.mean[one] = unit_length(self._weighted[one])
        self.typicality[one] = self.rule.typicality(self.mean[one])
        self.counts[new] = self.counts[i] + self.counts[j]
        self.alive[[i, j, new]] = False, False, True
        self.apart.append(self.apart[i] | self.apart[j])
        for other in self.apart[new]:
            self.apart[other].add(new)
        self.parts[new] = i, j
        return new

    def part(self, group: int) -> tuple[int, int]:
        """Undo a merger: the two that are there again."""
        i, j = self.parts[group]
        self.alive[[i, j, group]] = True, True, False
        return i, j

    def rejoin(self, group: int) -> None:
        """Take back that a merger was undone."""
        self.alive[[*self.parts[group], group]] = False, False, True

    def grow(self, floor: float) -> list[Pair]:
        """Merge the two that score best while that is above ``floor``. What was merged, in order;
        the n-th made the n-th new group."""
        near: dict[int, set[int]] = {}
        heap = []
        for score, i, j in self.pairs(floor):
            near.setdefault(i, set()).add(j)
            near.setdefault(j, set()).add(i)
            heap.append((-score, i, j))
        heapq.heapify(heap)
        merged = []
        while heap:
            lost, i, j = heapq.heappop(heap)
            if not self.may(i, j):
                continue
            new = self.merge(i, j)
            merged.append(Pair(-lost, i, j))
            near[new] = {k for k in near.pop(i) | near.pop(j) if self.alive[k]}
            others = np.array(sorted(near[new]), int)
            for k, score in zip(others.tolist(), self._with(new, others).tolist(), strict=True):
                near[k].add(new)
                if score > floor:
                    heapq.heappush(heap, (-score, k, new))
        return merged

    def _with(self, i: int, others: np.ndarray) -> np.ndarray:
        """(m,) scores of a group with others (m,)."""
        one = slice(i, i + 1)
        made: np.ndarray = self.rule.scores(
            self.mean[one], self.typicality[one], self.mean[others], self.typicality[others]
        )[0]
        return made
