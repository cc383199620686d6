"""What gives a face its name: the linear SVM, or one of OpenFace's other classifiers.

All kinds answer which enrolled person is meant, never whether it is one of them: that is the
open-set rule's part.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from openfaceplus.classify.names import KINDS
from openfaceplus.errors import StorageError, TrainingError, UsageError
from openfaceplus.weights import safe


@dataclass(frozen=True, eq=False)
class LinearSvm:
    """One-vs-rest linear machines: ``coef`` (people, dimensions), ``intercept`` (people,)."""

    coef: np.ndarray
    intercept: np.ndarray

    @classmethod
    def fit(cls, vectors: np.ndarray, labels: np.ndarray) -> LinearSvm:
        """Train on (n, dimensions) vectors with labels 0..people-1."""
        from sklearn.svm import LinearSVC

        if labels.max() == 0:
            return cls(np.zeros((1, vectors.shape[1]), np.float32), np.zeros(1, np.float32))
        machine = LinearSVC(C=10, random_state=0).fit(vectors, labels)
        coef, intercept = machine.coef_, machine.intercept_
        if labels.max() == 1:
            # For two people scikit-learn keeps one machine only.
            coef, intercept = np.vstack([-coef, coef]), np.concatenate([-intercept, intercept])
        return cls(coef.astype(np.float32), intercept.astype(np.float32))

    def names(self, vectors: np.ndarray) -> np.ndarray:
        """(n,) numbers of the people named."""
        return (vectors @ self.coef.T + self.intercept).argmax(axis=1)

    def to_dict(self) -> dict[str, Any]:
        return {"kind": "LinearSvm", "coef": self.coef, "intercept": self.intercept}


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
                raise UsageError(f"--ldaDim must be below the number of people, {people}")
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

    def to_dict(self) -> dict[str, Any]:
        return {"kind": self.kind, "estimator": safe.dump_estimator(self.estimator)}


Namer = LinearSvm | Estimator


def fit(kind: str, vectors: np.ndarray, labels: np.ndarray, lda_dim: int = 0) -> Namer:
    """Train a kind on (n, dimensions) vectors with labels 0..people-1.

    Raises UsageError for an unknown kind, TrainingError if the data do not suffice for it.
    """
    if kind not in KINDS:
        raise UsageError(f"there is no classifier {kind!r}; known are: {', '.join(KINDS)}")
    if labels.max() == 0 or (kind == "LinearSvm" and lda_dim <= 0):
        return LinearSvm.fit(vectors, labels)
    return Estimator.fit(kind, vectors, labels, lda_dim)


def from_dict(data: dict[str, Any]) -> Namer:
    """The inverse of ``to_dict``. Raises StorageError, or UnsafeFile for a hostile estimator."""
    try:
        if "coef" in data:
            return LinearSvm(data["coef"], data["intercept"])
        return Estimator(data["kind"], safe.load_estimator(data["estimator"]))
    except KeyError as error:
        raise StorageError(f"the classifier file lacks {error}; train again") from error


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
