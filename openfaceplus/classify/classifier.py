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
from openfaceplus.classify.cohort import Cohort
from openfaceplus.classify.confidence import PRIOR
from openfaceplus.classify.rule import UNSURE, OpenSetRule, Threshold
from openfaceplus.classify.stored import ALTERED, check_whole, pack, unpack, version_of
from openfaceplus.classify.training import Settings, fit_rule
from openfaceplus.errors import SpaceMismatch, StorageError, TrainingError
from openfaceplus.faces import Decision
from openfaceplus.files import shown
from openfaceplus.version import __version__
from openfaceplus.weights import safe

FORMAT = "openfaceplus classifier"
FORMAT_VERSION = 4


def new_id() -> str:
    """A person's id, of twelve random hex digits."""
    return secrets.token_hex(6)


def id_from(name: str) -> str:
    """An id that is the same each time for a name."""
    return hashlib.sha256(name.encode(errors="surrogateescape")).hexdigest()[:12]


@dataclass(frozen=True, eq=False, repr=False)
class Classifier:
    """What ``classifier.pkl`` holds.

    ``people`` are names and ``ids`` the ids that go with them. ``vectors`` (n, dimensions) float32
    of unit length are the enrolled photos' embeddings, ``labels`` (n,) say whose they are as
    indices into ``people``, ``chips`` where they came from. ``strangers`` (k, dimensions) are
    embeddings of people who are not to be accepted, if any. ``recipe`` and ``space`` pin how
    vectors are made and which may be compared.
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
        cohorts: Sequence[Cohort] | None = None,
    ) -> Classifier:
        """Train on (n, dimensions) vectors of unit length and the n names of the people they show.

        ``ids`` (n,) tell people of one name apart and stay through changes; without them each name
        is a person and gets a random one. ``strangers`` are one vector a person; they and then
        ``cohorts`` (None: those at hand for the space) say which scores are enough. People are
        numbered as they first come; one with one photo is enough. Raises TrainingError if there is
        no vector, UsageError for rates that make no sense.
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
        rule = fit_rule(vectors, labels, people, space, settings, strangers, cohorts)
        return cls(
            tuple(called.values()), people, vectors, labels, pack(chips), strangers, recipe, space,
            settings, rule,
        )  # fmt: skip

    def with_person(
        self, person: str, name: str, vectors: np.ndarray, chips: Sequence[str]
    ) -> Classifier:
        """The same with (n, dimensions) more vectors of the person of that id, new or enrolled.

        It is what training anew with these photos last would give.
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
            rule=fit_rule(vectors, labels, ids, self.space, self.settings, self.strangers),
        )  # fmt: skip

    def without(self, person: str) -> Classifier:
        """The same without the person of that id, as if they had never been enrolled."""
        number = self.ids.index(person)
        keep = self.labels != number
        vectors, labels = self.vectors[keep], self.labels[keep]
        labels = labels - (labels > number)
        ids, people = (each[:number] + each[number + 1 :] for each in (self.ids, self.people))
        # So many people have at most one dimension fewer to tell them apart.
        lda_dim = max(0, min(self.settings.lda_dim, len(people) - 1))
        settings = replace(self.settings, lda_dim=lda_dim)
        return replace(
            self, people=people, ids=ids, vectors=vectors, labels=labels,
            packed_chips=pack([self.chips[i] for i in np.flatnonzero(keep).tolist()]),
            settings=settings,
            rule=fit_rule(vectors, labels, ids, self.space, settings, self.strangers),
        )  # fmt: skip

    @property
    def namer(self) -> kinds.Namer | None:
        """What names a face; None where the best score does."""
        return self.rule.scorer.namer

    @cached_property
    def chips(self) -> tuple[str, ...]:
        """Where the enrolled photos' vectors came from (n,)."""
        return unpack(self.packed_chips)

    def score(self, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """For (n, dimensions) unit vectors the numbers of the people named (n,) and scores (n,), 0
        where strangers usually lie and 1 where enrolled people do."""
        found = self.rule.name(vectors)
        return found.who, found.score

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
        """Who each of (n, dimensions) vectors is, that it is a stranger, or that it may be either
        of two people who look alike."""
        if threshold is None:
            threshold = self.calibrate().value
        found = self.rule.name(vectors)
        known = found.score >= threshold
        unsure = known & (found.score - found.second_score < UNSURE)
        confidences = self.confidence(found.score, found.who, prior).tolist()
        decisions = []
        for i, (who, second, score) in enumerate(
            zip(found.who.tolist(), found.second.tolist(), found.score.tolist(), strict=True)
        ):
            named = bool(known[i] and not unsure[i])
            decisions.append(
                Decision(
                    self.ids[who] if named else None,
                    self.people[who] if named else None,
                    self.people[who],
                    confidences[i],
                    score,
                    float(threshold),
                    second=self.people[second] if unsure[i] else None,
                    raw=self.rule.raw(score),
                )
            )
        return decisions

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
        """The inverse of ``to_dict``, of what versions 2 and 3 wrote too: that is trained anew.

        Raises KeyError, TypeError or ValueError, among others, for anything else.
        """
        settings, recipe, space = Settings(*data["settings"]), data["recipe"], data["space"]
        vectors, labels, strangers = data["vectors"], data["labels"], data["strangers"]
        for values in (vectors, strangers):
            if values is not None and (values.ndim != 2 or not np.isfinite(values).all()):
                raise ValueError("vectors that are none")
        packed = data["format_version"] > 2
        people = unpack(data["people"]) if packed else tuple(data["people"])
        if labels.shape != (len(vectors),) or not (labels.size and labels.dtype.kind == "i"):
            raise ValueError("labels that do not belong to the vectors")
        if not 0 <= labels.min() <= labels.max() < len(people):
            raise ValueError("labels of people who are not there")
        # The same ids each time that a file without them is read.
        ids = unpack(data["ids"]) if packed else tuple(map(id_from, people))
        if data["format_version"] < FORMAT_VERSION:
            numbers = labels.tolist()
            return cls.train(
                vectors, [people[i] for i in numbers],
                unpack(data["chips"]) if packed else data["chips"],
                recipe=recipe, space=space, ids=[ids[i] for i in numbers], settings=settings,
                strangers=strangers,
            )  # fmt: skip
        namer = kinds.from_dict(data["namer"], len(people), vectors.shape[1])
        rule = OpenSetRule.from_dict(data["rule"], labels, ids, space, namer)
        made = cls(
            people, ids, vectors, labels, data["chips"], strangers, recipe, space, settings, rule
        )
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
        if version_of(data, FORMAT) not in range(2, FORMAT_VERSION + 1):
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
