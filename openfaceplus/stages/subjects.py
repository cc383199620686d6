"""Whom to look for: their photos as references, and when a face is one of theirs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from openfaceplus import thresholds
from openfaceplus.errors import PhotoError, UsageError
from openfaceplus.faces import Match
from openfaceplus.files import shown
from openfaceplus.gallery import Gallery
from openfaceplus.gallery.exact import DistanceGallery
from openfaceplus.images import PhotoFile, walk
from openfaceplus.remote import Location
from openfaceplus.verification import Comparer

ONE_SUBJECT = "subject"
"""The name of the person whose photos lie in ``knowns/`` itself."""


@dataclass(frozen=True, slots=True)
class Rule:
    """How the distances of a face to the references of one subject decide.

    ``any``: one reference is within the limit. ``votes``: so many are. ``mean``: their mean is.
    """

    name: str = "any"
    votes: int = 1

    @classmethod
    def parse(cls, text: str) -> Rule:
        """From ``any``, ``mean`` or ``votes:K``. Raises UsageError for anything else."""
        name, _, number = text.partition(":")
        if text in ("any", "mean"):
            return cls(text)
        if name == "votes" and number.isdecimal() and int(number) >= 1:
            return cls("votes", int(number))
        raise UsageError(
            f"a rule is any, mean or votes:K with K from 1 up, not {text!r}", field="rule"
        )

    def comparisons(self, references: int) -> float:
        """How many comparisons' part of the rate each comparison gets.

        So that a face of somebody else is accepted at most at the rate: of n references any may
        err (union bound); for K votes K must (Markov's bound). A mean errs no more than one does.
        """
        return 1.0 if self.name == "mean" else max(1.0, references / self.votes)

    def accepts(self, distances: np.ndarray, limit: float) -> bool:
        """Whether a face at (n,) distances from the references is the subject's."""
        if self.name == "mean":
            return bool(distances.mean() <= limit)
        return bool((distances <= limit).sum() >= self.votes)


@dataclass(frozen=True, slots=True, eq=False)
class References:
    """A gallery by distance of the subjects' photos, template i of photo i, and their limits."""

    gallery: Gallery
    photos: Sequence[str]
    subjects: Sequence[str]
    limits: dict[str, float]
    rule: Rule

    @classmethod
    def of(
        cls, vectors: np.ndarray, photos: Sequence[str], subjects: Sequence[str],
        limits: dict[str, float], rule: Rule, space: str = "",
    ) -> References:  # fmt: skip
        """Of (n, dimensions) vectors of n photos, and whom they show."""
        gallery = DistanceGallery(space, vectors.shape[1])
        gallery.add(subjects, vectors)
        return cls(gallery, photos, subjects, limits, rule)

    def judge(self, vector: np.ndarray) -> tuple[Match, bool]:
        """The reference nearest to a (dimensions,) vector, and whether its subject accepts it.

        Subjects that do come before those that do not.
        """
        matches = self.gallery.search(vector, len(self.gallery))[0]
        distances: dict[str, list[float]] = {name: [] for name in self.limits}
        for match in matches:
            distances[match.person].append(-match.score)
        for match in matches:
            if self.rule.accepts(np.array(distances[match.person]), self.limits[match.person]):
                return match, True
        return matches[0], False


def load_references(
    folder: Location, comparer: Comparer, rule: Rule, table: Path | None = None
) -> tuple[References, list[str]]:
    """The references in a folder of photos, or of a folder per subject, and what to say of them.

    Raises UsageError if no photo can be used, or if a subject has fewer than the rule's votes.
    """
    remarks: list[str] = []
    vectors: list[np.ndarray] = []
    used: list[PhotoFile] = []
    for file in walk(folder):
        try:
            vectors.append(comparer.embed(file.path, single=True)[0])
            used.append(file)
        except PhotoError as error:
            remarks.append(f"reference left out: {error}")
    if not used:
        why = "; ".join(remarks) or "it is empty"
        raise UsageError(
            f"{shown(folder)}: no usable photo of the person to look for ({why})",
            remedy="put photos there that show that face alone",
        )
    subjects = [file.person or ONE_SUBJECT for file in used]
    counts = Counter(subjects)
    limits = {name: _limit(comparer, rule, name, counts[name], table, remarks) for name in counts}
    stacked = np.stack(vectors)
    photos = [file.relative for file in used]
    single = comparer.limit()
    for name in counts:
        theirs = [i for i, subject in enumerate(subjects) if subject == name]
        remarks += _disagreements(name, stacked[theirs], [photos[i] for i in theirs], single)
    return References.of(stacked, photos, subjects, limits, rule, comparer.space), remarks


def _limit(
    comparer: Comparer, rule: Rule, name: str, count: int, table: Path | None, remarks: list[str]
) -> float:
    if rule.votes > count:
        raise UsageError(
            f"votes:{rule.votes} needs as many references of {shown(name)}; {count} can be used",
            field="rule",
            remedy="add photos or ask for fewer votes",
        )
    if comparer.far is None:
        return comparer.limit()
    comparer.limit()  # says what is wrong with the rate as it was given
    lowest = thresholds.load(str(comparer.pipeline.space), table).fars[-1]
    most = comparer.far / lowest * (1 - 1e-9)
    wanted = rule.comparisons(count)
    if wanted > most:
        remarks.append(
            f"{shown(name)}: with {count} references a rate of {lowest * wanted:.2g} is sure, not "
            f"{comparer.far:g}: nothing below {lowest:g} a reference was measured"
        )
    return comparer.limit(min(wanted, most))


def _disagreements(
    name: str, vectors: np.ndarray, photos: Sequence[str], limit: float
) -> list[str]:
    """References that none of the subject's others is like."""
    if len(photos) < 2:
        return []
    apart = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    np.fill_diagonal(apart, np.inf)
    nearest = apart.min(axis=1)
    odd = np.flatnonzero(nearest > limit).tolist()
    if len(odd) == len(photos):
        return [
            f"the references of {shown(name)} disagree with one another (nearest pair "
            f"{nearest.min():.3f} apart, limit {limit:.3f}): do they show one person?"
        ]
    return [
        f"reference {shown(photos[i])} disagrees with the others of {shown(name)} (nearest "
        f"{nearest[i]:.3f}, limit {limit:.3f}): is it the same person? It is used all the same"
        for i in odd
    ]
