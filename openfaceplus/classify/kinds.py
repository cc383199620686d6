"""What gives a face its name: the linear SVM, or one of OpenFace's other classifiers.

All kinds answer which enrolled person is meant, never whether it is one of them: that is the
open-set rule's part.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from openfaceplus.classify import svm
from openfaceplus.classify.machines import (
    FORMS,
    Gaussians,
    Linear,
    Machine,
    Projected,
    Tree,
    Votes,
)
from openfaceplus.classify.names import KINDS
from openfaceplus.classify.svm import LinearOvR
from openfaceplus.errors import TrainingError, UsageError

Namer = LinearOvR | Machine
"""Has ``names(vectors)``: (n,) numbers of the people that (n, dimensions) vectors are named for."""


def fit(kind: str, vectors: np.ndarray, labels: np.ndarray, lda_dim: int = 0) -> Namer | None:
    """What names a face, trained on (n, dimensions) vectors with labels 0..people-1; None where the
    nearest template does: for one person, and for more people than a linear machine pays for.

    ``lda_dim`` above 0 projects by linear discriminant analysis first.

    Raises UsageError for an unknown kind, TrainingError if the data do not suffice for it.
    """
    if kind not in KINDS:
        raise UsageError(
            f"there is no classifier {kind!r}", field="kind", remedy=f"known are {', '.join(KINDS)}"
        )
    people = int(labels.max()) + 1
    if people == 1:
        return None
    if kind == "LinearSvm" and lda_dim <= 0:
        return svm.fit(vectors, labels) if svm.fits(labels) else None
    if lda_dim >= people:
        raise UsageError(
            f"{lda_dim} dimensions cannot tell {people} people apart",
            field="lda_dim",
            remedy=f"at most {people - 1} make sense",
        )
    try:
        if lda_dim <= 0:
            return _trained(kind, vectors, labels)
        from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

        lda = LinearDiscriminantAnalysis(n_components=lda_dim).fit(vectors, labels)
        return Projected.of(lda, _trained(kind, lda.transform(vectors), labels))
    except ValueError as error:
        raise TrainingError(f"{kind} cannot be trained on this data: {error}") from error


def to_dict(namer: Namer) -> dict[str, Any]:
    """As plain values."""
    if type(namer) is LinearOvR:
        return {"kind": "LinearSvm", "coef": namer.coef, "intercept": namer.intercept}
    parts = {
        name: to_dict(part) if isinstance(part, Machine) else part
        for name, part in vars(namer).items()
    }
    return {"form": type(namer).__name__, **parts}


def from_dict(data: dict[str, Any] | None, people: int, dimensions: int) -> Namer | None:
    """The inverse of ``to_dict``, for so many people and dimensions; None of None.

    Raises KeyError, TypeError, AttributeError or ValueError for anything else.
    """
    if data is None:
        return None
    namer = _made(data)
    if isinstance(namer, Machine):
        namer.check(people, dimensions)
    return namer


def _made(data: dict[str, Any], nested: bool = False) -> Namer:
    parts = {name: part for name, part in data.items() if name not in {"form", "kind"}}
    form = FORMS[data["form"]] if "form" in data else LinearOvR
    if form is Projected and not nested:
        parts["machine"] = _made(parts["machine"], nested=True)
    return form(**parts)


def _trained(kind: str, vectors: np.ndarray, labels: np.ndarray) -> Machine:
    """The classifier that scikit-learn makes of them, as arrays."""
    from sklearn.mixture import GaussianMixture
    from sklearn.model_selection import GridSearchCV
    from sklearn.naive_bayes import GaussianNB
    from sklearn.svm import SVC, LinearSVC
    from sklearn.tree import DecisionTreeClassifier

    people = int(labels.max()) + 1
    if kind == "LinearSvm":
        return Linear.of(LinearSVC(C=10, random_state=0).fit(vectors, labels))
    if kind == "GridSearchSvm":
        least = int(np.bincount(labels).min())
        if least < 2:
            raise TrainingError(
                "GridSearchSvm cannot be trained on a person with one photo",
                remedy="it needs at least two of each",
            )
        costs = [1, 10, 100, 1000]
        grid = [
            {"C": costs, "kernel": ["linear"]},
            {"C": costs, "gamma": [0.001, 0.0001], "kernel": ["rbf"]},
        ]
        search = GridSearchCV(SVC(), grid, cv=min(5, least)).fit(vectors, labels)
        return Votes.of(search.best_estimator_)
    if kind == "GMM":
        # A component starts at each person's mean, so that its number stays that person's.
        means = np.stack([vectors[labels == i].mean(axis=0) for i in range(people)])
        mixture = GaussianMixture(
            people, covariance_type="diag", means_init=means, reg_covar=1e-3, random_state=0
        )
        return Gaussians.of(mixture.fit(vectors))
    if kind == "RadialSvm":
        return Votes.of(SVC(C=1, kernel="rbf", gamma=2).fit(vectors, labels))
    if kind == "DecisionTree":
        tree = DecisionTreeClassifier(max_depth=20, random_state=0)
        return Tree.of(tree.fit(vectors, labels))
    return Gaussians.of(GaussianNB().fit(vectors, labels))
