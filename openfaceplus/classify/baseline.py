"""OpenFace's own recipe, for comparison only: Platt probabilities of a linear SVM."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, eq=False)
class OpenFaceSvc:
    """``SVC(kernel="linear", C=1, probability=True)``: its probability is the score."""

    people: tuple[str, ...]
    machine: Any

    @classmethod
    def train(cls, vectors: np.ndarray, names: Sequence[str]) -> OpenFaceSvc:
        """Train on (n, dimensions) vectors and n names; takes minutes for hundreds of people."""
        from sklearn.svm import SVC

        people, labels = np.unique(np.array(names), return_inverse=True)
        with warnings.catch_warnings():
            # scikit-learn deprecates probability=True; it is what OpenFace does.
            warnings.simplefilter("ignore", FutureWarning)
            machine = SVC(C=1, kernel="linear", probability=True, random_state=0)
            machine.fit(vectors, labels)
        return cls(tuple(people.tolist()), machine)

    def score(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n,) indices of the people named and (n,) their probabilities."""
        probabilities = self.machine.predict_proba(vectors)
        named = probabilities.argmax(axis=1)
        return named, probabilities[np.arange(len(named)), named]
