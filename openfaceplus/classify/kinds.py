"""What gives a face its name: the linear SVM, or one of OpenFace's other classifiers.

All kinds answer which enrolled person is meant, never whether it is one of them: that is the
open-set rule's part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from openfaceplus.classify.names import KINDS as KINDS
from openfaceplus.classify.svm import LinearOvR
from openfaceplus.errors import TrainingError, UsageError
from openfaceplus.weights import safe


@dataclass(frozen=True, eq=False)
class Estimator:
    """A scikit-learn classifier, stored by skops."""

    kind: str
    estimator: Any

    @classmethod
    def fit(cls, kind: str, vectors: np.ndarray, labels: np.ndarray, lda_dim: int = 0) -> Estimator:
        """Train; ``lda_dim`` above 0 projects by linear discriminant analysis first."""
        estimator = _make(kind, vectors, labels)
        if lda_dim > 0:
            from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
            from sklearn.pipeline import Pipeline

            people = int(labels.max()) + 1
            if lda_dim >= people:
                raise UsageError(
                    f"{lda_dim} dimensions cannot be had from {people} people",
                    field="lda_dim",
                    remedy="ask for fewer dimensions than there are people",
                )
            lda = LinearDiscriminantAnalysis(n_components=lda_dim)
            if kind == "GMM":
                estimator = _make(kind, lda.fit(vectors, labels).transform(vectors), labels)
            estimator = Pipeline([("lda", lda), ("clf", estimator)])
        try:
            return cls(kind, estimator.fit(vectors, labels))
        except ValueError as error:
            raise TrainingError(f"{kind} cannot be trained on this data: {error}") from error

    def names(self, vectors: np.ndarray) -> np.ndarray:
        """(n,) numbers of the people named."""
        return np.asarray(self.estimator.predict(vectors), np.intp)


Namer = LinearOvR | Estimator
"""Has ``names(vectors)``: (n,) numbers of the people that (n, dimensions) vectors are named for."""


def to_dict(namer: Namer) -> dict[str, Any]:
    """As plain values."""
    if isinstance(namer, Estimator):
        return {"kind": namer.kind, "estimator": safe.dump_estimator(namer.estimator)}
    return {"kind": "LinearSvm", "coef": namer.coef, "intercept": namer.intercept}


def from_dict(data: dict[str, Any]) -> Namer:
    """The inverse of ``to_dict``. Raises KeyError, or UnsafeFile for a hostile estimator."""
    if "coef" in data:
        return LinearOvR(data["coef"], data["intercept"])
    return Estimator(data["kind"], safe.load_estimator(data["estimator"]))


def _make(kind: str, vectors: np.ndarray, labels: np.ndarray) -> Any:
    from sklearn.mixture import GaussianMixture
    from sklearn.model_selection import GridSearchCV
    from sklearn.naive_bayes import GaussianNB
    from sklearn.svm import SVC, LinearSVC
    from sklearn.tree import DecisionTreeClassifier

    people = int(labels.max()) + 1
    if kind == "LinearSvm":
        return LinearSVC(C=10, random_state=0)
    if kind == "GridSearchSvm":
        least = int(np.bincount(labels).min())
        if least < 2:
            raise TrainingError("GridSearchSvm needs at least two photos of every person")
        costs = [1, 10, 100, 1000]
        grid = [
            {"C": costs, "kernel": ["linear"]},
            {"C": costs, "gamma": [0.001, 0.0001], "kernel": ["rbf"]},
        ]
        return GridSearchCV(SVC(), grid, cv=min(5, least))
    if kind == "GMM":
        # A component starts at each person's mean, so that its number stays that person's.
        means = np.stack([vectors[labels == i].mean(axis=0) for i in range(people)])
        return GaussianMixture(
            people, covariance_type="diag", means_init=means, reg_covar=1e-3, random_state=0
        )
    if kind == "RadialSvm":
        return SVC(C=1, kernel="rbf", gamma=2)
    if kind == "DecisionTree":
        return DecisionTreeClassifier(max_depth=20, random_state=0)
    return GaussianNB()
