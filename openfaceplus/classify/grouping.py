"""Groups of sequences that grow together, the two most alike first."""

from __future__ import annotations

import heapq
from collections.abc import Iterable

import numpy as np

from openfaceplus.classify.sequence_rule import SequenceRule

_BLOCK = 1024
_NEIGHBOURS = 64
"""With how many of the others, the nearest, a group may be merged."""


class Groups:
    """Groups of sequences, by number; a merged one gets a new number.

    ``members`` are the sequences of each, ``mean`` (groups, dimensions) their weighted unit means,
    ``typicality`` (groups,) these means', ``person`` the number that a user gave it, or -1, and
    ``alive`` those that were not merged.
    """

    def __init__(
        self, vectors: np.ndarray, weights: np.ndarray, start: Iterable[np.ndarray],
        rule: SequenceRule,
    ) -> None:  # fmt: skip
        self.rule = rule
        self.members = list(start)
        m, d = len(self.members), vectors.shape[1]
        self._sums = np.zeros((2 * m, d))
        for i, rows in enumerate(self.members):
            self._sums[i] = weights[rows] @ vectors[rows]
        self.mean = np.zeros((2 * m, d), np.float32)
        self.mean[:m] = _unit(self._sums[:m])
        self.typicality = np.zeros(2 * m, np.float32)
        self.typicality[:m] = rule.typicality(self.mean[:m])
        self.alive = np.zeros(2 * m, bool)
        self.alive[:m] = True
        self.apart: list[set[int]] = [set() for _ in range(m)]
        self.parts: dict[int, tuple[int, int]] = {}

    def keep_apart(self, i: int, j: int) -> None:
        """Groups i and j never become one."""
        if i != j:
            self.apart[i].add(j)
            self.apart[j].add(i)

    def living(self) -> np.ndarray:
        """The numbers of the groups that were not merged."""
        return np.flatnonzero(self.alive)

    def scores(self, i: int, others: np.ndarray) -> np.ndarray:
        """(m,) scores of a group with some others (m,)."""
        one = slice(i, i + 1)
        made: np.ndarray = self.rule.scores(
            self.mean[one], self.typicality[one], self.mean[others], self.typicality[others]
        )[0]
        return made

    def nearest(self, floor: float) -> list[tuple[float, int, int]]:
        """Pairs of living groups whose score is above ``floor``, each with its nearest ones:
        (score, i, j), i < j."""
        living = self.living()
        found: set[tuple[float, int, int]] = set()
        k = min(_NEIGHBOURS, len(living))
        mean, of = self.mean[living], self.typicality[living]
        for start in range(0, len(living), _BLOCK):
            part = slice(start, start + _BLOCK)
            table = self.rule.scores(mean[part], of[part], mean, of)
            table[np.arange(len(table)), np.arange(start, start + len(table))] = -np.inf
            best = np.argpartition(-table, k - 1, axis=1)[:, :k]
            top = np.take_along_axis(table, best, axis=1)
            for row, column in zip(*np.nonzero(top > floor), strict=True):
                i, j = int(living[start + row]), int(living[best[row, column]])
                found.add((float(top[row, column]), min(i, j), max(i, j)))
        return sorted(found, reverse=True)

    def merge(self, i: int, j: int) -> int:
        """The number of the group that two become."""
        new = len(self.members)
        self.members.append(np.concatenate([self.members[i], self.members[j]]))
        self._sums[new] = self._sums[i] + self._sums[j]
        self.mean[new : new + 1] = _unit(self._sums[new : new + 1])
        self.typicality[new : new + 1] = self.rule.typicality(self.mean[new : new + 1])
        self.alive[[i, j]], self.alive[new] = False, True
        self.apart.append(self.apart[i] | self.apart[j])
        for other in self.apart[new]:
            self.apart[other] |= {new}
        self.parts[new] = (i, j)
        return new

    def grow(self, floor: float) -> None:
        """Merge the two groups that score best, again and again, while that is above ``floor``."""
        near: dict[int, set[int]] = {}
        heap = []
        for score, i, j in self.nearest(floor):
            near.setdefault(i, set()).add(j)
            near.setdefault(j, set()).add(i)
            heap.append((-score, i, j))
        heapq.heapify(heap)
        while heap:
            _, i, j = heapq.heappop(heap)
            if not (self.alive[i] and self.alive[j]) or j in self.apart[i]:
                continue
            new = self.merge(i, j)
            around = {k for k in near.pop(i) | near.pop(j) if self.alive[k]}
            near[new] = around
            others = np.array(sorted(around), int)
            for k, score in zip(others.tolist(), self.scores(new, others).tolist(), strict=True):
                near[k] = (near[k] - {i, j}) | {new}
                if score > floor:
                    heapq.heappush(heap, (-score, k, new))


def _unit(totals: np.ndarray) -> np.ndarray:
    made: np.ndarray = totals / np.maximum(np.linalg.norm(totals, axis=1, keepdims=True), 1e-12)
    return made
