"""OpenFace's other classifiers as plain arrays, evaluated here: scikit-learn only trains them.

Each names people by number, exactly as the scikit-learn estimator that it was taken from would,
equal votes and likelihoods included. ``check`` raises ValueError where the arrays of a loaded file
do not fit each other; afterwards no index in them leads outside.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from openfaceplus.classify.svm import LinearOvR, sides

_ENTRIES = 2**22  # numbers of a block of photos; 32 MB


class Linear(LinearOvR):
    """The person whose linear machine gives most."""

    @classmethod
    def of(cls, model: Any) -> Linear:
        """Of a LinearSVC."""
        return cls(*sides(model))

    def check(self, people: int, dimensions: int) -> None:
        _floats(self.coef, (people, dimensions))
        _floats(self.intercept, (people,))


@dataclass(frozen=True, eq=False)
class Votes:
    """A support vector machine a pair of people; whom most pairs are for is named (libsvm's SVC).

    ``support`` (m, dimensions) are the support vectors, those of each person together and
    ``counts`` (people,) how many each has; ``dual`` (people - 1, m) their weights in each pair and
    ``intercept`` (pairs,) the offsets. ``gamma`` (1,) is that of the radial kernel, or 0 for the
    linear one.
    """

    support: np.ndarray
    counts: np.ndarray
    dual: np.ndarray
    intercept: np.ndarray
    gamma: np.ndarray

    @classmethod
    def of(cls, svc: Any) -> Votes:
        gamma = np.array([svc._gamma if svc.kernel == "rbf" else 0.0], float)
        counts = svc._n_support.astype(np.int64)
        return cls(svc.support_vectors_, counts, svc._dual_coef_, svc._intercept_, gamma)

    def check(self, people: int, dimensions: int) -> None:
        pairs = people * (people - 1) // 2
        _floats(self.support, (*self.support.shape[:1], dimensions))
        _floats(self.dual, (people - 1, len(self.support)))
        _floats(self.intercept, (pairs,))
        _floats(self.gamma, (1,))
        counts = self.counts
        each = counts.dtype == np.int64 and counts.shape == (people,)
        if not each or not 0 <= counts.min() <= counts.max() <= len(self.support):
            raise ValueError("support vectors of people who are not there")
        if counts.sum() != len(self.support):
            raise ValueError("support vectors of nobody")

    def names(self, x: np.ndarray) -> np.ndarray:
        people = len(self.counts)
        x = np.asarray(x, np.float64)
        step = max(1, _ENTRIES // max(len(self.support), people * people))
        blocks = [self._votes(x[i : i + step]).argmax(1) for i in range(0, len(x), step)]
        return np.concatenate([np.zeros(0, np.intp), *blocks])

    def _votes(self, x: np.ndarray) -> np.ndarray:
        """(photos, people) pairs that each person wins."""
        people = len(self.counts)
        kernel = x @ self.support.T
        if self.gamma[0]:
            norms = (x**2).sum(1)[:, None] + (self.support**2).sum(1)
            kernel = np.exp(-self.gamma[0] * np.maximum(norms - 2 * kernel, 0))
        ends = np.cumsum(self.counts)
        parts = [
            kernel[:, end - count : end] @ self.dual[:, end - count : end].T
            for end, count in zip(ends.tolist(), self.counts.tolist(), strict=True)
        ]  # (photos, people - 1) each: against the others, itself left out
        votes = np.zeros((len(x), people), np.intp)
        done = 0
        for one in range(people - 1):
            rivals = range(one + 1, people)
            sums = np.stack([parts[other][:, one] for other in rivals], 1) + parts[one][:, one:]
            won = sums + self.intercept[done : done + len(rivals)] > 0
            votes[:, one] += won.sum(1)
            votes[:, one + 1 :] += ~won
            done += len(rivals)
        return votes


@dataclass(frozen=True, eq=False)
class Gaussians:
    """The person under whose normal distribution a photo is likeliest.

    ``means`` and ``variances`` are (people, dimensions), ``weights`` (people,) prior probabilities.
    """

    means: np.ndarray
    variances: np.ndarray
    weights: np.ndarray

    @classmethod
    def of(cls, model: Any) -> Gaussians:
        """Of a GaussianNB, or of a GaussianMixture whose covariances are diagonal."""
        if hasattr(model, "theta_"):
            return cls(model.theta_, model.var_, model.class_prior_)
        parts = (model.means_, model.covariances_, model.weights_)
        return cls(*(np.asarray(part, np.float64) for part in parts))

    def check(self, people: int, dimensions: int) -> None:
        _floats(self.means, (people, dimensions))
        _floats(self.variances, (people, dimensions))
        _floats(self.weights, (people,))

    def names(self, x: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            base = np.log(self.weights) - 0.5 * np.log(2 * np.pi * self.variances).sum(1)
            named = np.empty(len(x), np.intp)
            step = max(1, _ENTRIES // self.means.size)
            for i in range(0, len(x), step):
                squares = (x[i : i + step, None] - self.means) ** 2 / self.variances
                named[i : i + step] = (base - 0.5 * squares.sum(2)).argmax(1)
        return named


@dataclass(frozen=True, eq=False)
class Tree:
    """A decision tree of n nodes, the root first.

    ``left`` and ``right`` (n,) are the nodes for numbers up to the ``threshold`` (n,) and above it,
    -1 at a leaf; ``feature`` (n,) says which number is looked at, ``label`` (n,) whom a leaf names.
    """

    left: np.ndarray
    right: np.ndarray
    feature: np.ndarray
    threshold: np.ndarray
    label: np.ndarray

    @classmethod
    def of(cls, model: Any) -> Tree:
        tree = model.tree_
        nodes = (tree.children_left, tree.children_right, tree.feature)
        labels = tree.value[:, 0].argmax(1)
        left, right, feature = (part.astype(np.int64) for part in nodes)
        return cls(left, right, feature, tree.threshold.copy(), labels)

    def check(self, people: int, dimensions: int) -> None:
        nodes = (len(self.left),)
        _floats(self.threshold, nodes)
        for part in (self.left, self.right, self.feature, self.label):
            if part.dtype != np.int64 or part.shape != nodes:
                raise ValueError("a decision tree's sizes disagree")
        inner = self.left != -1
        children = np.concatenate([self.left[inner], self.right[inner]])
        own = np.tile(np.flatnonzero(inner), 2)
        # A child stands behind its parent, so nothing goes round; every node but the root is one.
        whole = nodes[0] and np.array_equal(np.sort(children), np.arange(1, nodes[0]))
        if not whole or (children <= own).any():
            raise ValueError("a decision tree's nodes make no tree")
        for part, limit in ((self.feature[inner], dimensions), (self.label, people)):
            if part.size and not 0 <= part.min() <= part.max() < limit:
                raise ValueError("a decision tree's nodes point outside it")

    def names(self, x: np.ndarray) -> np.ndarray:
        x, node, photos = np.asarray(x, np.float32), np.zeros(len(x), np.intp), np.arange(len(x))
        while (inner := self.left[node] != -1).any():
            asked = x[photos, np.where(inner, self.feature[node], 0)]
            low = asked <= self.threshold[node]
            node = np.where(inner, np.where(low, self.left[node], self.right[node]), node)
        return self.label[node]


@dataclass(frozen=True, eq=False)
class Projected:
    """A machine behind a projection (linear discriminant analysis).

    ``center`` is (dimensions,), ``directions`` (dimensions, fewer).
    """

    center: np.ndarray
    directions: np.ndarray
    machine: Machine

    @classmethod
    def of(cls, lda: Any, machine: Machine) -> Projected:
        return cls(lda.xbar_, lda.scalings_[:, : lda._max_components], machine)

    def check(self, people: int, dimensions: int) -> None:
        _floats(self.center, (dimensions,))
        kept = self.directions.size // dimensions
        _floats(self.directions, (dimensions, kept))
        self.machine.check(people, kept)

    def names(self, x: np.ndarray) -> np.ndarray:
        return self.machine.names((x - self.center) @ self.directions)


Machine = Linear | Votes | Gaussians | Tree | Projected
FORMS: dict[str, type[Machine]] = {
    form.__name__: form for form in (Linear, Votes, Gaussians, Tree, Projected)
}


def _floats(array: np.ndarray, shape: tuple[int, ...]) -> None:
    if array.dtype.kind != "f" or array.shape != shape:
        raise ValueError(f"{array.dtype} {array.shape} where numbers {shape} belong")
