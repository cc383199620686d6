"""When two sequences are alike enough to be one person: scores, and thresholds for a rate.

    score(a, b) = cos(a, b) - 0.3 (c(a) + c(b))

c is the typicality of ``openset``, shared evenly between the two, since neither of them is the one
that was enrolled.
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

_SHARE = 0.3
_BLOCK = 2048


@dataclass(frozen=True, eq=False)
class SequenceRule:
    """Scores pairs of unit vectors, and says which score suffices.

    ``typical`` (k, dimensions) are typical faces; ``strangers`` (n, dimensions), their typicality
    ``of_strangers`` (n,) and ``data`` are a cohort's, and ``far`` is the share of strangers'
    sequences that may be joined to somebody. Above ``strict`` two are one person anywhere.
    """

    typical: np.ndarray
    strangers: np.ndarray
    of_strangers: np.ndarray
    data: str
    far: float
    strict: float = 0.4

    @classmethod
    def of(cls, cohorts: Sequence[Cohort], dimensions: int, far: float = FAR) -> SequenceRule:
        """By cohorts as ``cohort.find`` gives them, best first; without any nothing is joined.

        Raises UsageError for a rate that makes no sense.
        """
        needed = calibrate.needed(far)
        nobody = np.zeros((0, dimensions), np.float32)
        typical = max((each.typical for each in cohorts), key=len, default=nobody)
        for each in cohorts:
            if len(each.vectors) >= needed:
                return cls(typical, each.vectors, each.typicality_by(typical), each.data, far)
        return cls(typical, nobody, np.zeros(0, np.float32), "", far)

    def typicality(self, x: np.ndarray) -> np.ndarray:
        """(n,) of unit vectors (n, dimensions)."""
        return openset.typicality(x, self.typical)

    def scores(
        self, a: np.ndarray, of_a: np.ndarray, b: np.ndarray, of_b: np.ndarray
    ) -> np.ndarray:
        """(n, m) scores of unit vectors a (n, dimensions) and b (m, dimensions), given their
        typicalities."""
        return self.score(a @ b.T, of_a[:, None], of_b)

    def score(self, cosines: np.ndarray, of_a: np.ndarray, of_b: np.ndarray) -> np.ndarray:
        """The scores that cosines of vectors of such typicalities make."""
        made: np.ndarray = cosines - _SHARE * (of_a + of_b)
        return made

    def calibrate(self, templates: np.ndarray) -> Calibration:
        """The threshold at which the share ``far`` of the strangers is joined to one of the people
        with such templates (people, dimensions)."""
        best = np.full(len(self.strangers), -np.inf)
        of_templates = self.typicality(templates)
        for start in range(0, len(best), _BLOCK):
            part = slice(start, start + _BLOCK)
            table = self.scores(
                self.strangers[part], self.of_strangers[part], templates, of_templates
            )
            best[part] = table.max(axis=1, initial=-np.inf)
        return calibrate.from_scores(best, self.far)

    def threshold(self, templates: np.ndarray) -> float:
        """Scores above it join, inf where there are no strangers to tell."""
        if not len(templates):
            return math.inf
        return above(self.calibrate(templates).threshold)
