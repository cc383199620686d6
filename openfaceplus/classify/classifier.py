"""A trained classifier: who is enrolled, what names a face, and what rejects a stranger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from openfaceplus.classify import kinds
from openfaceplus.classify.confidence import PRIOR
from openfaceplus.classify.rule import FAR, OpenSetRule, Threshold
from openfaceplus.classify.svm import LinearOvR, fit_ovr
from openfaceplus.errors import SpaceMismatch, StorageError, TrainingError
from openfaceplus.faces import Decision
from openfaceplus.version import __version__
from openfaceplus.weights import safe

FORMAT = "openfaceplus classifier"
FORMAT_VERSION = 3
_TRAINED_ANEW = 2  # the version whose stored machines are not read, but its vectors are


@dataclass(frozen=True, slots=True)
class Settings:
    """How a classifier is trained.

    ``kind`` and ``lda_dim`` choose what names a face. ``far`` is the share of strangers accepted,
    met on average or with the confidence ``sure``.
    """

    kind: str = "LinearSvm"
    lda_dim: int = 0
    far: float = FAR
    sure: float | None = None


@dataclass(frozen=True, eq=False)
class Classifier:
    """What ``classifier.pkl`` holds.

    ``vectors`` (n, dimensions) float32 of unit length are the enrolled photos' embeddings,
    ``labels`` (n,) say whose they are as indices into ``people``, ``chips`` where they came from.
    ``strangers`` (k, dimensions) are embeddings of people who are not to be accepted, if any.
    ``recipe`` and ``space`` pin how vectors are made and which may be compared.
    """

    people: tuple[str, ...]
    vectors: np.ndarray
    labels: np.ndarray
    chips: tuple[str, ...]
    strangers: np.ndarray | None
    recipe: dict[str, Any]
    space: str
    settings: Settings
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
        settings: Settings | None = None,
        strangers: np.ndarray | None = None,
    ) -> Classifier:
        """Train on (n, dimensions) vectors of unit length and the n names of the people they show.

        ``strangers`` are one vector a person. One person with one photo is enough. Raises
        TrainingError if there is no vector.
        """
        if not len(vectors):
            raise TrainingError(
                "there is no usable photo to train on; each person needs a folder with at least "
                "one photo in which a face is found (alignment.csv says what was wrong with others)"
            )
        settings = settings or Settings()
        people, labels = np.unique(np.array(names), return_inverse=True)
        labels = labels.astype(np.int32)
        vectors = np.ascontiguousarray(vectors, np.float32)
        machine, left_named = fit_ovr(vectors, labels, leave_out=True)
        namer = kinds.fit(settings.kind, machine, vectors, labels, settings.lda_dim)
        rule = OpenSetRule.fit(vectors, labels, space, left_named)
        if strangers is not None:
            rule = rule.with_strangers(rule.gallery.score(strangers, namer.names(strangers)))
        made = cls(
            tuple(people.tolist()),
            vectors,
            labels,
            tuple(chips),
            strangers,
            recipe,
            space,
            settings,
            namer,
            rule,
        )
        made.calibrate()
        return made

    def without(self, name: str) -> Classifier:
        """The same, trained anew without one person."""
        keep = self.labels != self.people.index(name)
        # So many people have at most one dimension fewer to tell them apart.
        lda_dim = max(0, min(self.settings.lda_dim, len(self.people) - 2))
        return self.train(
            self.vectors[keep],
            [self.people[label] for label in self.labels[keep].tolist()],
            [chip for chip, kept in zip(self.chips, keep.tolist(), strict=True) if kept],
            recipe=self.recipe,
            space=self.space,
            settings=replace(self.settings, lda_dim=lda_dim),
            strangers=self.strangers,
        )

    def score(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For (n, dimensions) unit vectors the numbers of the people named (n,) and scores (n,)."""
        named = self.namer.names(vectors)
        return named, self.rule.gallery.score(vectors, named)

    def calibrate(self, far: float | None = None, sure: float | None = None) -> Threshold:
        """The threshold for a rate of strangers; without one for that it was trained with."""
        if far is None:
            return self.rule.threshold(self.settings.far, self.settings.sure)
        return self.rule.threshold(far, sure)

    def confidence(self, scores: np.ndarray, named: np.ndarray, prior: float = PRIOR) -> np.ndarray:
        """(n,) probabilities that faces of (n,) scores are the people ``named`` (n,)."""
        return self.rule.confidences(scores, named, prior)

    def decide(
        self, vectors: np.ndarray, threshold: float | None = None, prior: float = PRIOR
    ) -> list[Decision]:
        """Who each of (n, dimensions) vectors is, or that it is a stranger."""
        if threshold is None:
            threshold = self.calibrate().value
        if not len(vectors):
            return []
        named, scores = self.score(vectors)
        confidences = self.confidence(scores, named, prior)
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
        """Raises SpaceMismatch if vectors of ``space`` cannot be compared with those enrolled."""
        if space != self.space:
            raise SpaceMismatch(
                f"the classifier holds embeddings of {self.space}, the photos give {space}; "
                "use the network it was trained with, or train again"
            )

    def save(self, path: Path) -> None:
        """Write ``classifier.pkl``, whole or not at all."""
        settings = self.settings
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
                "strangers": self.strangers,
                "recipe": self.recipe,
                "space": self.space,
                "settings": [settings.kind, settings.lda_dim, settings.far, settings.sure],
                "namer": kinds.to_dict(self.namer),
                "rule": self.rule.to_dict(),
            },
        )

    @classmethod
    def load(cls, path: Path) -> Classifier:
        """Read ``classifier.pkl``. Raises UnsafeFile if it would run code, StorageError if it is
        not a classifier of this version."""
        data = safe.load(path)
        version = data.get("format_version")
        if data.get("format") != FORMAT or version not in {FORMAT_VERSION, _TRAINED_ANEW}:
            raise StorageError(
                f"{path}: not a classifier of this version of openfaceplus", remedy="train again"
            )
        try:
            return cls._trained_anew(data) if version == _TRAINED_ANEW else cls._from_dict(data)
        except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
            raise StorageError(
                f"{path}: the classifier is incomplete or altered ({error})", remedy="train again"
            ) from error

    @classmethod
    def _from_dict(cls, data: dict[str, Any]) -> Classifier:
        made = cls(
            tuple(data["people"]),
            data["vectors"],
            data["labels"],
            tuple(data["chips"]),
            data["strangers"],
            data["recipe"],
            data["space"],
            Settings(*data["settings"]),
            kinds.from_dict(data["namer"], len(data["people"]), data["vectors"].shape[1]),
            OpenSetRule.from_dict(data["rule"], data["labels"], data["space"]),
        )
        made.check_whole()
        return made

    @classmethod
    def _trained_anew(cls, data: dict[str, Any]) -> Classifier:
        """From the vectors that a file of an older format holds."""
        vectors, people, strangers = data["vectors"], data["people"], data["strangers"]
        for values in (vectors, strangers):
            if values is not None and (values.ndim != 2 or not np.isfinite(values).all()):
                raise ValueError("vectors that are none")
        if data["labels"].shape != (len(vectors),) or data["labels"].min(initial=0) < 0:
            raise ValueError("labels that do not belong to the vectors")
        return cls.train(
            vectors,
            [people[label] for label in data["labels"].tolist()],
            data["chips"],
            recipe=data["recipe"],
            space=data["space"],
            settings=Settings(*data["settings"]),
            strangers=strangers,
        )

    def check_whole(self) -> None:
        """Raises ValueError if the parts do not fit each other."""
        photos, dimensions = self.vectors.shape
        people = len(self.people)
        sure = self.rule.confidence
        shapes = {
            "labels": (self.labels.shape, (photos,)),
            "left-out scores": (self.rule.left_out.shape, (photos,)),
            "templates": (self.rule.gallery.templates.shape, (people, dimensions)),
            "hub": (self.rule.gallery.hub.shape, (people,)),
            "confidence": (sure.log_ratio.shape, (len(sure.photos), len(sure.grid))),
        }
        if type(self.namer) is LinearOvR:
            shapes["machine"] = (self.namer.coef.shape, (people, dimensions))
            shapes["intercepts"] = (self.namer.intercept.shape, (people,))
        for name, (found, expected) in shapes.items():
            if found != expected:
                raise ValueError(f"{name} {found} where {expected} belong")
        if photos and not (self.labels.min() >= 0 and self.labels.max() < people):
            raise ValueError("labels of people who are not there")
