"""A linear one-vs-rest support vector machine, as arrays that need no library to name a face."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

MOST = 250_000
"""People times photos up to which it is trained: about a second on one core. On lfw-dev it names
no better than the nearest template (docs/accuracy.md), so beyond that the template names."""


@dataclass(frozen=True, eq=False)
class LinearOvR:
    """The fitted machine: ``coef`` (people, features) and ``intercept`` (people,), both float32."""

    coef: np.ndarray
    intercept: np.ndarray

    def decision_function(self, x: np.ndarray) -> np.ndarray:
        """Margins (photos, people) of vectors ``x`` (photos, features)."""
        margins: np.ndarray = np.asarray(x, np.float32) @ self.coef.T + self.intercept
        return margins

    def names(self, x: np.ndarray) -> np.ndarray:
        """(photos,) numbers of the people with the largest margins."""
        named: np.ndarray = self.decision_function(np.atleast_2d(x)).argmax(axis=1)
        return named


def fit(x: np.ndarray, labels: np.ndarray, c: float = 10.0) -> LinearOvR:
    """Train on (photos, features) vectors of two people or more, ``labels`` (photos,) 0..people-1.

    ``c`` is the cost of margin errors, whose squares are summed; scikit-learn's LinearSVC solves
    the primal, which takes a third of the dual's time on embeddings.
    """
    from sklearn.svm import LinearSVC

    coef, intercept = sides(LinearSVC(C=c, dual=False, random_state=0).fit(x, labels))
    return LinearOvR(coef.astype(np.float32), intercept.astype(np.float32))


def sides(made: Any) -> tuple[np.ndarray, np.ndarray]:
    """Coefficients (people, features) and intercepts (people,) of a LinearSVC, which keeps of two
    people only the second's."""
    coef, intercept = made.coef_, made.intercept_
    if len(coef) == 1:
        return np.concatenate([-coef, coef]), np.concatenate([-intercept, intercept])
    return coef, intercept


def fits(labels: np.ndarray) -> bool:
    """Whether so many photos (photos,) of so many people are few enough for ``fit``."""
    people = int(labels.max()) + 1
    return people > 1 and people * len(labels) <= MOST
