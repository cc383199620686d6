"""Vectors and names -> a classifier -> decisions."""

from __future__ import annotations

from typing import Any

__all__ = ["Classifier", "OpenSetClassifier"]


def __getattr__(name: str) -> Any:
    # Inference needs neither scikit-learn nor what trains, so nothing is imported before its use.
    if name == "OpenSetClassifier":
        from openfaceplus.classify.estimator import OpenSetClassifier

        return OpenSetClassifier
    if name == "Classifier":
        from openfaceplus.classify.classifier import Classifier

        return Classifier
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
