"""The open-set classifier as scikit-learn knows estimators."""

from __future__ import annotations

import math
import warnings
from dataclasses import replace
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data

from openfaceplus.classify import cohort, openset, svm
from openfaceplus.classify.confidence import PRIOR
from openfaceplus.classify.rule import FAR, OpenSetRule, Strangers
from openfaceplus.errors import UnsupportedRate
from openfaceplus.words import percent


class OpenSetClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """A linear one-vs-rest SVM that may answer that a sample belongs to no class it knows.

    ``predict`` answers ``unknown`` (-1 if classes are numbers) for what scores below the threshold
    that accepts the share ``far`` of samples of other classes, one in a hundred unless told
    otherwise. The threshold is calibrated by leaving classes out in turn, or on ``strangers`` given
    to ``fit``; where they are too few for the rate it is that of the smallest rate which they
    support, and ``UnsupportedRate`` is warned of. With ``far=None`` every sample gets a class.

    Of very many classes (classes times samples above ``svm.MOST``) the nearest mean decides in
    place of the SVM, which would take minutes and is no better on faces.

    Parameters
    ----------
    far : float or None
        Share of strangers accepted; None accepts everybody.
    confidence_level : float or None
        Confidence with which the rate is met; None meets it on average.
    C : float
        Cost of margin errors.
    space : str
        What made the samples, as ``Classifier.space`` and ``embed`` say it, such as
        ``dlib-resnet-v1/2v@55533b28a958``. Where there is a cohort for it that gives score and
        threshold; samples are then its vectors of unit length. Empty for samples of any other
        kind, which are centred, scaled and compared by their cosine.
    unknown : str or int
        The label of strangers, which is no class's; a string stands for -1 where classes are
        numbers.
    """

    def __init__(
        self,
        far: float | None = FAR,
        confidence_level: float | None = None,
        C: float = 10.0,
        space: str = "",
        unknown: str | int = "unknown",
    ) -> None:
        self.far = far
        self.confidence_level = confidence_level
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
        classes = [f"{number}" for number in range(len(self.classes_))]
        unit = _unit(vectors)[0]
        if svm.fits(labels):
            self.machine_ = svm.fit(vectors, labels, self.C)
        else:  # means are a linear machine too
            means = openset.templates(unit, labels)
            self.machine_ = svm.LinearOvR(means, np.zeros(len(means), np.float32))
        if self.space:
            self.rule_ = OpenSetRule.fit(
                unit, labels, classes, self.space,
                cohorts=cohort.find(self.space), namer=self.machine_,
            )  # fmt: skip
        else:
            left_out = _left_out(vectors, labels) if len(classes) > 1 else None
            self.rule_ = OpenSetRule.fit(unit, labels, classes, "", left_out=left_out)
        self.threshold_ = -np.inf
        if self.far is not None:
            if strangers is not None:
                scores = self.open_set_score(strangers)
                given = Strangers("strangers", "samples given", scores)
                self.rule_ = replace(self.rule_, strangers=(given, *self.rule_.strangers))
            self.threshold_ = self._threshold(self.far)
        return self

    def _threshold(self, far: float) -> float:
        found = self.rule_.threshold(far, self.confidence_level)
        made = found.calibration
        if made.met:
            return found.value
        value = self.rule_.loosest(made)
        what = "classes left out in turn" if made.estimate else "strangers"
        then = f"the threshold is that of {percent(made.supported)}"
        warnings.warn(
            f"{made.n} {what} support a rate of {percent(made.supported)} at best, not "
            f"{percent(far)}: {then if math.isfinite(value) else 'nobody is accepted'}; give fit "
            "strangers, or more classes",
            UnsupportedRate,
            stacklevel=3,
        )
        return value

    def decision_function(self, X: Any) -> np.ndarray:
        """Margins (samples, classes), or (samples,) of the second of two classes."""
        margins = self._margins(X)
        return np.asarray(margins[:, 1] - margins[:, 0]) if len(self.classes_) == 2 else margins

    def open_set_score(self, X: Any) -> np.ndarray:
        """(samples,) scores of the classes named, accepted at or above ``threshold_``."""
        check_is_fitted(self, "machine_")
        vectors = self._scaled(validate_data(self, X, reset=False, dtype=np.float64))
        unit, blank = _unit(vectors)
        named = self.machine_.names(vectors)
        scores = self.rule_.scaled(self.rule_.scorer.score(unit, named))
        return np.asarray(np.where(blank, -np.inf, scores))

    def predict(self, X: Any) -> np.ndarray:
        """(samples,) classes, or the unknown label."""
        named = self._margins(X).argmax(axis=1)
        labels = self.classes_[named]
        if self.far is None:
            return np.asarray(labels)
        if labels.dtype.kind in "bu":  # which cannot hold -1
            labels = labels.astype(np.int64)
        known = self.open_set_score(X) >= self.threshold_
        return np.asarray(np.where(known, labels, self._unknown))

    def predict_proba(self, X: Any) -> np.ndarray:
        """(samples, classes) probabilities.

        Closed-set rows sum to one. With ``far`` a row holds the confidence that the sample is of
        the class named, and what is missing to one is that of a stranger.
        """
        margins = self._margins(X)
        if self.far is None:
            grown = np.exp(2 * (margins - margins.max(axis=1, keepdims=True)))
            return np.asarray(grown / grown.sum(axis=1, keepdims=True))
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


def _unit(vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """At length one, float32; and which had no length, in whose place some vector stands."""
    norms = np.linalg.norm(vectors, axis=1, keepdims=True)
    blank = norms[:, 0] < 1e-12
    unit = np.divide(vectors, norms, where=~blank[:, None], out=np.zeros_like(vectors))
    unit[blank, 0] = 1
    return unit, blank


def _left_out(vectors: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(samples,) cosines to the nearest mean of another class, of centred samples.

    Each is as if its class had not helped to find the centre either: a stranger does not, and with
    few classes that is the difference between a rate and twice that.
    """
    counts = np.bincount(labels)
    means = np.zeros((len(counts), vectors.shape[1]), np.float32)
    np.add.at(means, labels, vectors)
    means /= counts[:, None]
    shifts = (counts / (len(labels) - counts))[:, None].astype(np.float32) * means
    scores = np.empty(len(labels))
    for number, shift in enumerate(shifts):
        mine = labels == number
        others = _unit(np.delete(means, number, axis=0) + shift)[0]
        scores[mine] = (_unit(vectors[mine] + shift)[0] @ others.T).max(axis=1)
    return scores
