"""A trained classifier: who is enrolled, what names a face, and what rejects a stranger."""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from openfaceplus.classify import kinds
from openfaceplus.classify.confidence import PRIOR
from openfaceplus.classify.rule import FAR, OpenSetRule, Threshold
from openfaceplus.classify.stored import ALTERED, check_whole, pack, unpack, version_of
from openfaceplus.errors import SpaceMismatch, StorageError, TrainingError
from openfaceplus.faces import Decision
from openfaceplus.files import shown
from openfaceplus.version import __version__
from openfaceplus.weights import safe

FORMAT = "openfaceplus classifier"
FORMAT_VERSION = 3


def new_id() -> str:
    """A person's id, of twelve random hex digits."""
    return secrets.token_hex(6)


def id_from(name: str) -> str:
    """An id that is the same each time for a name."""
    return hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()[:12]


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


@dataclass(frozen=True, eq=False, repr=False)
class Classifier:
    """What ``classifier.pkl`` holds.

    ``people`` are names and ``ids`` the ids that go with them. ``vectors`` (n, dimensions) float32
    of unit length are the enrolled photos' embeddings, ``labels`` (n,) say whose they are as
    indices into ``people``, ``chips`` where they came from. ``strangers`` (k, dimensions) are
    embeddings of people who are not to be accepted, if any. ``recipe`` and ``space`` pin how
    vectors are made and which may be compared. ``namer`` is None where the nearest template names.
    """

    people: tuple[str, ...]
    ids: tuple[str, ...]
    vectors: np.ndarray
    labels: np.ndarray
    packed_chips: np.ndarray
    strangers: np.ndarray | None
    recipe: dict[str, Any]
    space: str
    settings: Settings
    namer: kinds.Namer | None
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
        ids: Sequence[str] | None = None,
        settings: Settings | None = None,
        strangers: np.ndarray | None = None,
    ) -> Classifier:
        """Train on (n, dimensions) vectors of unit length and the n names of the people they show.

        ``ids`` (n,) tell people of one name apart and stay through changes; without them each name
        is a person and gets a random one. ``strangers`` are one vector a person. People are
        numbered as they first come; one with one photo is enough. Raises TrainingError if there is
        no vector.
        """
        if not len(vectors):
            raise TrainingError(
                "there is no usable photo to train on",
                remedy="each person needs a folder with at least one photo in which a face is "
                "found (alignment.csv says what was wrong with others)",
            )
        settings = settings or Settings()
        called = dict(zip(names if ids is None else ids, names, strict=True))
        numbers = {key: number for number, key in enumerate(called)}
        labels = np.array([numbers[key] for key in (names if ids is None else ids)], np.int32)
        people = tuple(called) if ids is not None else tuple(new_id() for _ in called)
        vectors = np.ascontiguousarray(vectors, np.float32)
        rule = OpenSetRule.fit(vectors, labels, people, space)
        return cls(
            tuple(called.values()), people, vectors, labels, pack(chips), strangers, recipe, space,
            settings, None, rule,
        )._finished()  # fmt: skip

    def _finished(self) -> Classifier:
        """With what names a face, and thresholds that rest on the strangers if there are any."""
        settings = self.settings
        namer = kinds.fit(settings.kind, self.vectors, self.labels, settings.lda_dim)
        made = replace(self, namer=namer)
        if self.strangers is not None:
            made = replace(made, rule=self.rule.with_strangers(made.score(self.strangers)[1]))
        made.calibrate()  # refuses rates that make no sense
        return made

    def with_person(
        self, person: str, name: str, vectors: np.ndarray, chips: Sequence[str]
    ) -> Classifier:
        """The same with (n, dimensions) more vectors of the person of that id, new or enrolled.

        It is what training anew with these photos last would give, in a fraction of the time.
        """
        ids, people = self.ids, self.people
        if person not in ids:
            ids, people = (*ids, person), (*people, name)
        number = ids.index(person)
        people = (*people[:number], name, *people[number + 1 :])
        labels = np.append(self.labels, np.full(len(vectors), number, np.int32))
        vectors = np.concatenate([self.vectors, np.asarray(vectors, np.float32)])
        return replace(
            self, people=people, ids=ids, vectors=vectors, labels=labels,
            packed_chips=pack([*self.chips, *chips]),
            rule=self.rule.with_photos(vectors, labels, ids, number),
        )._finished()  # fmt: skip

    def without(self, person: str) -> Classifier:
        """The same without the person of that id, as if they had never been enrolled."""
        number = self.ids.index(person)
        keep = self.labels != number
        vectors, labels = self.vectors[keep], self.labels[keep]
        labels = labels - (labels > number)
        ids, people = (each[:number] + each[number + 1 :] for each in (self.ids, self.people))
        # So many people have at most one dimension fewer to tell them apart.
        lda_dim = max(0, min(self.settings.lda_dim, len(people) - 1))
        return replace(
            self, people=people, ids=ids, vectors=vectors, labels=labels,
            packed_chips=pack([self.chips[i] for i in np.flatnonzero(keep).tolist()]),
            settings=replace(self.settings, lda_dim=lda_dim),
            rule=self.rule.without(vectors, labels, ids, number),
        )._finished()  # fmt: skip

    @cached_property
    def chips(self) -> tuple[str, ...]:
        """Where the enrolled photos' vectors came from (n,)."""
        return unpack(self.packed_chips)

    def score(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For (n, dimensions) unit vectors the numbers of the people named (n,) and scores (n,).

        The classifier's answer holds if it is among the ten nearest people, else the nearest one.
        """
        scorer = self.rule.scorer
        among = scorer.candidates(vectors)
        named = among.who[:, 0]
        if self.namer is not None and len(vectors):
            answer = self.namer.names(vectors)
            named = np.where((among.who == answer[:, None]).any(axis=1), answer, named)
        return named, scorer.score(vectors, named, among)

    def calibrate(
        self, far: float | None = None, confidence_level: float | None = None
    ) -> Threshold:
        """The threshold for a rate of strangers; without one for that it was trained with."""
        if far is None:
            return self.rule.threshold(self.settings.far, self.settings.confidence_level)
        return self.rule.threshold(far, confidence_level)

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
                self.ids[who] if score >= threshold else None,
                self.people[who] if score >= threshold else None,
                self.people[who],
                confidence,
                score,
                float(threshold),
            )
            for who, score, confidence in zip(
                named.tolist(), scores.tolist(), confidences.tolist(), strict=True
            )
        ]

    def check_space(self, space: str) -> None:
        """Raises SpaceMismatch if vectors of ``space`` cannot be compared with those enrolled."""
        if space != self.space:
            raise SpaceMismatch(
                f"the classifier holds embeddings of {self.space}, the photos give {space}",
                remedy="use the network it was trained with, or train again",
            )

    def to_dict(self) -> dict[str, Any]:
        """As plain values. Texts are packed into arrays, so that many cost nothing to read."""
        settings = self.settings
        return {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "version": __version__,
            "people": pack(self.people),
            "ids": pack(self.ids),
            "vectors": self.vectors,
            "labels": self.labels,
            "chips": self.packed_chips,
            "strangers": self.strangers,
            "recipe": self.recipe,
            "space": self.space,
            "settings": [
                settings.kind, settings.lda_dim, settings.far, settings.confidence_level,
            ],
            "namer": None if self.namer is None else kinds.to_dict(self.namer),
            "rule": self.rule.to_dict(),
        }  # fmt: skip

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Classifier:
        """The inverse of ``to_dict``, of what version 2 wrote too: that is trained anew.

        Raises KeyError, TypeError or ValueError, among others, for anything else.
        """
        settings, recipe, space = Settings(*data["settings"]), data["recipe"], data["space"]
        labels, strangers = data["labels"], data["strangers"]
        if data["format_version"] == 2:
            for values in (data["vectors"], strangers):
                if values is not None and (values.ndim != 2 or not np.isfinite(values).all()):
                    raise ValueError("vectors that are none")
            if labels.shape != (len(data["vectors"]),) or labels.min(initial=0) < 0:
                raise ValueError("labels that do not belong to the vectors")
            names = [data["people"][label] for label in labels.tolist()]
            # The same ids each time that such a file is read.
            return cls.train(
                data["vectors"], names, data["chips"], recipe=recipe, space=space,
                ids=list(map(id_from, names)),
                settings=settings, strangers=strangers,
            )  # fmt: skip
        people, ids, vectors = unpack(data["people"]), unpack(data["ids"]), data["vectors"]
        namer = kinds.from_dict(data["namer"], len(people), vectors.shape[1])
        made = cls(
            people, ids, vectors, labels, data["chips"], strangers, recipe, space, settings, namer,
            OpenSetRule.from_dict(data["rule"], labels, ids, space),
        )  # fmt: skip
        check_whole(made)
        return made

    def save(self, path: Path) -> None:
        """Write ``classifier.pkl``, whole or not at all."""
        safe.dump(path, self.to_dict())

    @classmethod
    def load(cls, path: Path) -> Classifier:
        """Read ``classifier.pkl``. Raises UnsafeFile if it would run code, StorageError if it is
        not a classifier of this version."""
        data = safe.load(path)
        if version_of(data, FORMAT) not in (2, FORMAT_VERSION):
            raise StorageError(
                f"{shown(path)}: not a classifier of this version of openfaceplus",
                remedy="train again",
            )
        try:
            return cls.from_dict(data)
        except ALTERED as error:
            raise StorageError(
                f"{shown(path)}: the classifier is incomplete or altered ({shown(str(error))})",
                remedy="train again",
            ) from error

    def __repr__(self) -> str:
        photos = len(self.labels)
        return f"<Classifier: {len(self.people)} people, {photos} photos, {self.space}>"
