"""A trained classifier: who is enrolled, what names a face, and what rejects a stranger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from openfaceplus.classify import kinds
from openfaceplus.classify.openset import OpenSetRule
from openfaceplus.errors import SpaceMismatch, StorageError, TrainingError
from openfaceplus.faces import Decision
from openfaceplus.version import __version__
from openfaceplus.weights import safe

FORMAT = "openfaceplus classifier"
FORMAT_VERSION = 1


@dataclass(frozen=True, eq=False)
class Classifier:
    """What ``classifier.pkl`` holds.

    ``vectors`` (n, dimensions) float32 of unit length are the enrolled photos' embeddings,
    ``labels`` (n,) say whose they are as indices into ``people``, ``chips`` where they came from.
    ``recipe`` and ``space`` pin how vectors are made and which may be compared.
    """

    people: tuple[str, ...]
    vectors: np.ndarray
    labels: np.ndarray
    chips: tuple[str, ...]
    recipe: dict[str, Any]
    space: str
    namer: kinds.Namer
    rule: OpenSetRule

    @classmethod
    def train(
        cls,
        vectors: np.ndarray,
        names: Sequence[str],
        chips: Sequence[str],
        *,
        recipe: dict[str, Any],
        space: str,
        kind: str = "LinearSvm",
        lda_dim: int = 0,
    ) -> Classifier:
        """Train on (n, dimensions) vectors of unit length and the n names of the people they show.

        One person with one photo is enough. Raises TrainingError if there is no vector.
        """
        if not len(vectors):
            raise TrainingError(
                "there is no usable photo to train on; each person needs a folder with at least "
                "one photo in which a face is found (alignment.csv says what was wrong with others)"
            )
        people, labels = np.unique(np.array(names), return_inverse=True)
        vectors = np.ascontiguousarray(vectors, np.float32)
        return cls(
            tuple(people.tolist()),
            vectors,
            labels.astype(np.int32),
            tuple(chips),
            recipe,
            space,
            kinds.fit(kind, vectors, labels, lda_dim),
            OpenSetRule.fit(vectors, labels),
        )

    def decide(self, vectors: np.ndarray, threshold: float | None = None) -> list[Decision]:
        """Who each of (n, dimensions) vectors is, or that it is a stranger."""
        threshold = self.rule.threshold if threshold is None else threshold
        if not len(vectors):
            return []
        named = self.namer.names(vectors)
        scores = self.rule.score(vectors, named)
        confidences = self.rule.confidence(scores)
        return [
            Decision(
                self.people[who] if score >= threshold else None,
                self.people[who],
                float(confidence),
                float(score),
                float(threshold),
            )
            for who, score, confidence in zip(named, scores, confidences, strict=True)
        ]

    def check_space(self, space: str) -> None:
        """Raises SpaceMismatch if vectors of ``space`` cannot be compared with the enrolled ones."""
        if space != self.space:
            raise SpaceMismatch(
                f"the classifier holds embeddings of {self.space}, the photos give {space}; "
                "use the network it was trained with, or train again"
            )

    def save(self, path: Path) -> None:
        """Write ``classifier.pkl``, whole or not at all."""
        safe.dump(
            path,
            {
                "format": FORMAT,
                "format_version": FORMAT_VERSION,
                "version": __version__,
                "people": list(self.people),
                "vectors": self.vectors,
                "labels": self.labels,
                "chips": list(self.chips),
                "recipe": self.recipe,
                "space": self.space,
                "namer": self.namer.to_dict(),
                "rule": self.rule.to_dict(),
            },
        )

    @classmethod
    def load(cls, path: Path) -> Classifier:
        """Read ``classifier.pkl``. Raises UnsafeFile if it would run code, StorageError if it is
        not a classifier of this version."""
        data = safe.load(path)
        if data.get("format") != FORMAT or data.get("format_version") != FORMAT_VERSION:
            raise StorageError(f"{path}: not a classifier of this version of openfaceplus; train again")
        try:
            classifier = cls(
                tuple(data["people"]),
                data["vectors"],
                data["labels"],
                tuple(data["chips"]),
                data["recipe"],
                data["space"],
                kinds.from_dict(data["namer"]),
                OpenSetRule.from_dict(data["rule"]),
            )
        except (KeyError, TypeError) as error:
            raise StorageError(f"{path}: the classifier is incomplete ({error}); train again") from error
        return classifier
