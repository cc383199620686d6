"""Which score makes two sequences one person.

The score is that of ``openset``, cos(a, b) - 0.3 (c(a) + c(b)), where c is a vector's typicality;
it is shared evenly, since neither of the two was enrolled. On the scale used here a pair of
strangers usually scores 0, and sequences above 1 are one person wherever they were filmed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from openfaceplus.classify import calibrate, openset
from openfaceplus.classify.calibrate import Calibration
from openfaceplus.classify.cohort import Cohort
from openfaceplus.classify.rule import FAR, above

_TYPICALITY = 0.3
_RARE = 1e-6  # pairs of strangers so much alike
_ONE_ROOM = 0.09  # of the scale: how much more alike people of one room are (docs/video.md)
_BLOCK = 1024


@dataclass(frozen=True, eq=False)
class SequenceRule:
    """Scores pairs of unit vectors, and says which score suffices for a rate of strangers.

    ``typical`` (k, dimensions) are typical faces; ``strangers`` (n, dimensions), their typicality
    ``of_strangers`` (n,) and ``data``, which says who they are, are a cohort's. ``far`` is the
    share of strangers' sequences that may be joined to somebody. ``zero`` and ``one`` are the raw
    scores that the scale calls 0 and 1.
    """

    typical: np.ndarray
    strangers: np.ndarray
    of_strangers: np.ndarray
    data: str
    far: float
    zero: float
    one: float

    @classmethod
    def of(cls, cohorts: Sequence[Cohort], dimensions: int, far: float = FAR) -> SequenceRule:
        """By cohorts as ``cohort.find`` gives them, best first.

        Without one that is large enough for the rate nobody is joined to anybody. Raises UsageError
        for a rate that makes no sense.
        """
        needed = calibrate.needed(far)
        nobody = np.zeros((0, dimensions), np.float32)
        typical = max((each.typical for each in cohorts), key=len, default=nobody)
        for each in cohorts:
            if len(each.vectors) >= needed:
                of_strangers = each.typicality_by(typical)
                usual, rare = _pairs(each.vectors, of_strangers)
                one = rare + _ONE_ROOM * (rare - usual)
                return cls(typical, each.vectors, of_strangers, each.data, far, usual, one)
        return cls(typical, nobody, np.zeros(0, np.float32), "", far, 0.0, 1.0)

    @property
    def usable(self) -> bool:
        """Whether there are strangers enough to join anybody."""
        return len(self.strangers) > 0

    def typicality(self, x: np.ndarray) -> np.ndarray:
        """(n,) of unit vectors (n, dimensions)."""
        return openset.typicality(x, self.typical)

    def score(self, cosines: np.ndarray, of_a: np.ndarray, of_b: np.ndarray) -> np.ndarray:
        """The scores of cosines between vectors of such typicalities."""
        raw: np.ndarray = _raw(cosines, of_a, of_b)
        return (raw - self.zero) / (self.one - self.zero)

    def scores(
        self, a: np.ndarray, of_a: np.ndarray, b: np.ndarray, of_b: np.ndarray
    ) -> np.ndarray:
        """(n, m) scores of unit vectors a (n, dimensions) and b (m, dimensions) of such
        typicalities."""
        return self.score(a @ b.T, of_a[:, None], of_b)

    def calibrate(self, people: np.ndarray, far: float | None = None) -> Calibration:
        """What accepts the share ``far`` of strangers' sequences, in view of unit vectors (people,
        dimensions) of those they might be taken for."""
        best = np.full(len(self.strangers), -np.inf)
        of_people = self.typicality(people)
        for start in range(0, len(best), _BLOCK):
            part = slice(start, start + _BLOCK)
            table = self.scores(self.strangers[part], self.of_strangers[part], people, of_people)
            best[part] = table.max(axis=1, initial=-np.inf)
        return calibrate.from_scores(best, self.far if far is None else far)

    def threshold(self, people: np.ndarray, far: float | None = None) -> float:
        """The score above which that share is accepted; inf where there are no strangers."""
        return above(self.calibrate(people, far).threshold)


def _raw(cosines: np.ndarray, of_a: np.ndarray, of_b: np.ndarray) -> np.ndarray:
    raw: np.ndarray = cosines - _TYPICALITY * (of_a + of_b)
    return raw


def _pairs(vectors: np.ndarray, typicality: np.ndarray) -> tuple[float, float]:
    """The raw scores that half of the pairs of strangers reach, and that one in a million does, or
    would, by how their scores fall off, where there are fewer."""
    n = len(vectors)
    pairs = n * (n - 1)
    share = min(max(_RARE, 10 / pairs), 0.1)
    most = [max(1, round(each * pairs)) for each in (share, min(10 * share, 0.5))]
    top = np.zeros(0, np.float32)
    medians = []
    for start in range(0, n, _BLOCK):
        part = slice(start, start + _BLOCK)
        table = _raw(vectors[part] @ vectors.T, typicality[part, None], typicality)
        table[np.arange(len(table)), np.arange(start, start + len(table))] = -np.inf
        medians.append(np.median(table[:, :: max(1, n // 500)]))
        top = np.concatenate([top, table.ravel()])
        top = np.partition(top, -most[1])[-most[1] :] if len(top) > most[1] else top
    high, low = (float(np.sort(top)[-each]) for each in most)
    fall = (high - low) / math.log10(most[1] / most[0])
    return float(np.median(medians)), high + math.log10(share / _RARE) * fall
