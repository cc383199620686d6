"""How a classifier is trained: its settings, and the rule that follows from vectors and names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from openfaceplus.classify import cohort, kinds
from openfaceplus.classify.cohort import Cohort
from openfaceplus.classify.rule import FAR, OpenSetRule


@dataclass(frozen=True, slots=True)
class Settings:
    """How a classifier is trained.

    ``kind`` and ``lda_dim`` choose what names a face: ``LinearSvm`` stands for the linear machine
    while training it takes about a second (``svm.MOST``), and for the nearest template beyond.
    ``far`` is the share of strangers accepted, met on average or with ``confidence_level``.
    """

    kind: str = "LinearSvm"
    lda_dim: int = 0
    far: float = FAR
    confidence_level: float | None = None


def fit_rule(
    vectors: np.ndarray,
    labels: np.ndarray,
    ids: Sequence[str],
    space: str,
    settings: Settings,
    strangers: np.ndarray | None,
    cohorts: Sequence[Cohort] | None = None,
) -> OpenSetRule:
    """What names a face and rejects strangers.

    The parameters are those of ``Classifier.train``, which says what it raises.
    """
    cohorts = cohort.find(space) if cohorts is None else cohorts
    if strangers is not None:
        numbers = np.arange(len(strangers))
        cohorts = [Cohort.of(strangers, numbers, "photos given", "strangers"), *cohorts]
    namer = kinds.fit(settings.kind, vectors, labels, settings.lda_dim)
    rule = OpenSetRule.fit(vectors, labels, ids, space, cohorts=cohorts, namer=namer)
    rule.threshold(settings.far, settings.confidence_level)  # refuses rates that make no sense
    return rule
