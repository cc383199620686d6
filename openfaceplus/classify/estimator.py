"""The open-set classifier as scikit-learn knows estimators."""

from __future__ import annotations

from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from openfaceplus.classify.confidence import PRIOR
from openfaceplus.classify.rule import OpenSetRule
from openfaceplus.classify.svm import fit_ovr


class OpenSetClassifier(ClassifierMixin, BaseEstimator):
    """A linear one-vs-rest SVM that may answer that a sample belongs to no class it knows.

    Closed-set by default. With ``far`` it rejects: ``predict`` answers ``unknown`` (-1 if classes
    are numbers) for what scores below the threshold that accepts the share ``far`` of samples of
    other classes, met on average or with the confidence ``sure``. The threshold is calibrated by
    leaving classes out in turn, or on ``strangers`` given to ``fit``.

    Parameters
    ----------
    far : float or None
        Share of strangers accepted; None accepts everybody.
    sure : float or None
        Confidence with which the rate is met; None meets it on average.
    C : float
        Cost of margin errors.
    space : str
        Name of the embedding, if factory numbers ship for it; samples are then its unit vectors.
    unknown : str or int
        The label of strangers, which is no class's; a string stands for -1 where classes are
        numbers.
    """

    def __init__(
        self,
        far: float | None = None,
        sure: float | None = None,
        C: float = 10.0,
        space: str = "",
        unknown: str | int = "unknown",
    ) -> None:
        self.far = far
        self.sure = sure
        self.C = C
        self.space = space
        self.unknown = unknown

    def fit(self, X: Any, y: Any, strangers: Any = None) -> OpenSetClassifier:
        """Train on X (samples, features) with classes y (samples,).

        ``strangers`` (k, features) are samples of no class, one of each stranger.
        """
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_, labels = np.unique(y, return_inverse=True)
        if self.far is not None and (self.classes_ == self._unknown).any():
            raise ValueError(
                f"{self._unknown!r} is a class and the label of strangers too; set unknown="
            )
        # The machine works in single precision; a common shift and scale keep it exact.
        self.shift_ = np.zeros(X.shape[1]) if self.space else X.mean(axis=0)
        spread = np.linalg.norm(X - self.shift_, axis=1).mean()
        self.scale_ = 1.0 if self.space or spread == 0 else float(spread)
        vectors = self._scaled(X)
        self.machine_, left_named = fit_ovr(vectors, labels, c=self.C, leave_out=True)
        self.rule_ = OpenSetRule.fit(_unit(vectors), labels, self.space, left_named)
        self.threshold_ = -np.inf
        if self.far is not None:
            rule = self.rule_
            if strangers is not None:
                others = self._scaled(validate_data(self, strangers, reset=False))
                scores = rule.gallery.score(_unit(others), self.machine_.names(others))
                rule = rule.with_strangers(scores)
            self.threshold_ = rule.threshold(self.far, self.sure).value
        return self

    def decision_function(self, X: Any) -> np.ndarray:
        """Margins (samples, classes), or (samples,) of the second of two classes."""
        margins = self._margins(X)
        return margins[:, 1] - margins[:, 0] if len(self.classes_) == 2 else margins

    def open_set_score(self, X: Any) -> np.ndarray:
        """(samples,) scores of the classes named, accepted at or above ``threshold_``."""
        check_is_fitted(self)
        vectors = self._scaled(validate_data(self, X, reset=False, dtype=np.float64))
        return self.rule_.gallery.score(_unit(vectors), self.machine_.names(vectors))

    def predict(self, X: Any) -> np.ndarray:
        """(samples,) classes, or the unknown label."""
        named = self._margins(X).argmax(axis=1)
        labels = self.classes_[named]
        if self.far is None:
            return labels
        if labels.dtype.kind in "bu":  # which cannot hold -1
            labels = labels.astype(np.int64)
        return np.where(self.open_set_score(X) >= self.threshold_, labels, self._unknown)

    def predict_proba(self, X: Any) -> np.ndarray:
        """(samples, classes) probabilities.

        Closed-set rows sum to one. With ``far`` a row holds the confidence that the sample is of
        the class named, and what is missing to one is that of a stranger.
        """
        margins = self._margins(X)
        if self.far is None:
            grown = np.exp(2 * (margins - margins.max(axis=1, keepdims=True)))
            return grown / grown.sum(axis=1, keepdims=True)
        shares = np.zeros(margins.shape)
        named = margins.argmax(axis=1)
        sure = self.rule_.confidences(self.open_set_score(X), named, PRIOR)
        shares[np.arange(len(shares)), named] = sure
        return shares

    @property
    def _unknown(self) -> Any:
        numbers = self.classes_.dtype.kind not in "OUS"
        return -1 if numbers and isinstance(self.unknown, str) else self.unknown

    def _margins(self, X: Any) -> np.ndarray:
        check_is_fitted(self)
        vectors = self._scaled(validate_data(self, X, reset=False, dtype=np.float64))
        return self.machine_.decision_function(vectors).astype(np.float64)

    def _scaled(self, X: np.ndarray) -> np.ndarray:
        return np.ascontiguousarray((X - self.shift_) / self.scale_, np.float32)


def _unit(vectors: np.ndarray) -> np.ndarray:
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors / np.maximum(norms, 1e-12)
