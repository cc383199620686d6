"""How far a face is from those enrolled, from typical faces and from strangers."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from openfaceplus import thresholds
from openfaceplus.classify import cohort
from openfaceplus.errors import OpenFacePlusError, PhotoError
from openfaceplus.faces import Decision, euclidean, unit_length
from openfaceplus.images import read_photo
from openfaceplus.model import Model
from openfaceplus.pipeline import Pipeline
from openfaceplus.verification import FAR

CLOSEST = 10
"""People who are listed."""


@dataclass(frozen=True, slots=True, eq=False)
class Near:
    """An enrolled person: the distance to them, and the score, 0 a usual stranger's and 1 that of
    somebody enrolled."""

    name: str
    distance: float
    score: float


@dataclass(frozen=True, slots=True, eq=False)
class Measured:
    """A face's embedding, (dimensions,) of unit length, and what is near it, in distances.

    ``people`` stand nearest first; ``template`` (dimensions,) is the embedding of ``compared``, the
    person the face was judged by, and ``chip`` one of their chips, both None without a model.
    ``limit`` is the distance up to which that person would be named, or any two photos be one
    person's without a model; None where nobody would be. ``typical`` and ``strangers`` are
    distances to such faces, (n,), of ``data``.
    """

    vector: np.ndarray
    people: Sequence[Near]
    compared: str | None
    template: np.ndarray | None
    chip: np.ndarray | None
    limit: float | None
    typical: np.ndarray
    strangers: np.ndarray
    data: str

    def to_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "vector": [round(x, 6) for x in self.vector.tolist()],
            "closest": [
                {"name": p.name, "distance": round(p.distance, 4), "score": round(p.score, 4)}
                for p in self.people
            ],
            "limit": self.limit and round(self.limit, 4),
            "nearest_typical_face": _least(self.typical),
            "nearest_stranger": _least(self.strangers),
        }


def measure(vector: np.ndarray, source: Pipeline | Model, decision: Decision | None) -> Measured:
    """What is near an embedding: whom a model enrolled, or only what is known of its space."""
    pipeline = source.pipeline if isinstance(source, Model) else source
    (vector,) = unit_length(vector[None])
    space = str(pipeline.space)
    cohorts: Sequence[cohort.Cohort] = ()
    with suppress(OpenFacePlusError):
        cohorts = cohort.find(space)
    nobody = np.zeros((0, len(vector)), np.float32)
    strangers = cohorts[0].vectors if cohorts else nobody
    data = cohorts[0].data if cohorts else ""
    if isinstance(source, Model) and decision is not None:
        typical = source.classifier.rule.scorer.typical
        people, name, template, chip, limit = _enrolled(vector, source, decision)
    else:
        typical = max((one.typical for one in cohorts), key=len, default=nobody)
        people, name, template, chip, limit = (), None, None, None, _limit_of_pairs(space)
    return Measured(
        vector, people, name, template, chip, limit, _distances(vector, typical),
        _distances(vector, strangers), data,
    )  # fmt: skip


def _enrolled(vector: np.ndarray, model: Model, decision: Decision) -> tuple[Any, ...]:
    """The people, whom the face was judged by, their template and chip, and the limit."""
    classifier = model.classifier
    rule = classifier.rule
    rows, cosines = rule.scorer.gallery.nearest(vector[None], CLOSEST)
    rows, cosines = rows[0][rows[0] >= 0], cosines[0][rows[0] >= 0]
    raw = rule.scorer.score(np.repeat(vector[None], len(rows), axis=0), rows)
    scores = rule.scaled(raw)
    people = [
        Near(classifier.people[row], euclidean(cosine), score)
        for row, cosine, score in zip(rows.tolist(), cosines.tolist(), scores.tolist(), strict=True)
    ]
    named = [i for i, near in enumerate(people) if near.name == decision.closest]
    best = max(named or range(len(people)), key=lambda i: people[i].score)
    needed = float(cosines[best] + rule.raw(decision.threshold) - raw[best])
    limit = euclidean(needed) if -1 <= needed <= 1 else None
    template = rule.scorer.gallery.vectors[rows[best]]
    return people, people[best].name, template, _chip(vector, model, int(rows[best])), limit


def _chip(vector: np.ndarray, model: Model, person: int) -> np.ndarray | None:
    """The person's enrolled chip that is most like the face, if it is still there."""
    mine = np.flatnonzero(model.classifier.labels == person)
    best = mine[np.argmax(model.classifier.vectors[mine] @ vector)]
    with suppress(PhotoError):
        return read_photo(model.classifier.chips[best]).pixels
    return None


def _limit_of_pairs(space: str) -> float | None:
    with suppress(OpenFacePlusError):
        return euclidean(thresholds.load(space).cosine_at(FAR))
    return None


def _distances(vector: np.ndarray, others: np.ndarray) -> np.ndarray:
    found: np.ndarray = np.sqrt(np.maximum(0, 2 - 2 * (others @ vector)))
    return found


def _least(values: np.ndarray) -> float | None:
    return round(float(values.min()), 4) if len(values) else None
