"""What is odd about the photos that people are enrolled with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from openfaceplus.classify import openset
from openfaceplus.words import counted

if TYPE_CHECKING:
    from openfaceplus.classify.classifier import Classifier

DUPLICATE = 0.9975
"""Cosine from which two embeddings are of the same photo, perhaps saved again; on lfw-dev no two
different photos of one person come that close."""

MARGIN = 0.4
"""A photo is taken for another person's if it is nearer to them than to its own folder by this
share of what the cosine ``alike`` leaves to 1. Set on all of lfw-dev; cross-validation over people
chooses from 0 to 0.8, and what it chooses does about as well: benchmarks/doctor.py."""

_BLOCK = 2048


@dataclass(frozen=True, slots=True)
class Stray:
    """A photo, by its number, that may be of somebody else: of the person ``other``, by number, or
    of nobody here. ``own`` is its cosine to the mean of its person's other photos and ``likeness``
    that to the mean of the other person's."""

    photo: int
    own: float
    other: int | None
    likeness: float


def check(
    vectors: np.ndarray,
    labels: np.ndarray,
    people: Sequence[str],
    photos: Sequence[str],
    *,
    unlike: float | None = None,
    alike: float | None = None,
) -> list[str]:
    """Remarks, one sentence each, on (n, dimensions) unit vectors of the people in ``labels`` (n,):
    photos that are there twice, and those that ``strays`` gives."""
    remarks = []
    for i, j in repeats(vectors, labels):
        if labels[i] == labels[j]:
            remarks.append(f"{people[labels[i]]}: {photos[i]} and {photos[j]} are the same photo")
        else:
            remarks.append(
                f"{people[labels[i]]} and {people[labels[j]]} have the same photo: {photos[i]} "
                f"and {photos[j]}; one of the two names is wrong"
            )
    for stray in strays(vectors, labels, unlike, alike):
        name, photo = people[labels[stray.photo]], photos[stray.photo]
        if stray.other is None:
            remarks.append(f"{photo} is unlike {name}'s other photos; is it {name}?")
        else:
            remarks.append(f"{photo} is more like {people[stray.other]} than {name}'s other photos")
    return remarks


def repeats(vectors: np.ndarray, labels: np.ndarray) -> Iterator[tuple[int, int]]:
    """Each photo that is there twice, or saved again, after the first that it repeats."""
    for start, cosines in _blocks(vectors, vectors):
        for row, line in enumerate(cosines > DUPLICATE):
            j = start + row
            i = int(line[: j + 1].argmax())
            if i != j:
                yield i, j


def strays(
    vectors: np.ndarray,
    labels: np.ndarray,
    unlike: float | None = None,
    alike: float | None = None,
) -> list[Stray]:
    """Photos closer to another person than to their own's other photos, by ``MARGIN`` and with a
    cosine of ``alike``, or below the cosine ``unlike`` to their own's. Without ``alike`` any that
    is closer counts.

    Of each person the worst counts, and what is left is judged anew without it: a good photo is not
    to be blamed for the wrong one beside it.
    """
    found: list[Stray] = []
    kept = np.ones(len(vectors), bool)
    doubtful = np.unique(labels)
    while len(doubtful):
        worst: dict[int, Stray] = {}
        numbers = np.flatnonzero(kept)
        asked = np.isin(labels[numbers], doubtful)
        for one in _strays(vectors[kept], labels[kept], asked, unlike, alike):
            stray = replace(one, photo=int(numbers[one.photo]))
            person = int(labels[stray.photo])
            worst[person] = min(worst.get(person, stray), stray, key=_goodness)
        found += worst.values()
        kept[[stray.photo for stray in worst.values()]] = False
        doubtful = np.array(list(worst), np.intp)
    return sorted(found, key=lambda stray: stray.photo)


def _goodness(stray: Stray) -> tuple[bool, float]:
    """Least for a photo that most surely is somebody else's."""
    return stray.other is None, stray.own - (0 if stray.other is None else stray.likeness)


def _strays(
    vectors: np.ndarray,
    labels: np.ndarray,
    asked: np.ndarray,
    unlike: float | None,
    alike: float | None,
) -> Iterator[Stray]:
    """Those among the photos ``asked`` (n,) for, each judged beside all others."""
    least, margin = (-2.0, 0.0) if alike is None else (alike, MARGIN * (1 - alike))
    several, rest = openset.templates_without(vectors, labels)
    own = np.full(len(vectors), np.nan)  # a photo must not speak for itself
    own[several] = np.einsum("nd,nd->n", vectors[several], rest)
    rows = np.flatnonzero(asked & np.isfinite(own))
    for start, cosines in _blocks(vectors[rows], openset.templates(vectors, labels)):
        here = rows[start : start + len(cosines)]
        places = np.arange(len(here))
        cosines[places, labels[here]] = -2
        others = cosines.argmax(axis=1)
        likenesses = cosines[places, others]
        for photo, mine, other, likeness in zip(
            here.tolist(), own[here].tolist(), others.tolist(), likenesses.tolist(), strict=True
        ):
            if likeness - mine > margin and likeness >= least:
                yield Stray(photo, mine, other, likeness)
            elif unlike is not None and mine < unlike:
                yield Stray(photo, mine, None, likeness)


def look_alikes(classifier: Classifier) -> Iterator[str]:
    """Remarks on the pairs of people that ``pairs_alike`` gives."""
    for one, other, count in pairs_alike(classifier):
        first, second = classifier.people[one], classifier.people[other]
        photos = counted(int(classifier.rule.photos[one]), "photo")
        yield (
            f"{first} and {second} look alike: {count:,} of {first}'s {photos} would be taken for "
            f"{second}. Are they one person? If not, faces that may be either get no name"
        )


def pairs_alike(classifier: Classifier) -> Iterator[tuple[int, int, int]]:
    """Pairs of people, by number, who come closer than strangers do, and how many of the first's
    photos would be taken for the second at the classifier's threshold: half of them or more."""
    rule, labels = classifier.rule, classifier.labels
    who, scores = rule.scorer.left_out(classifier.vectors, labels)
    taken = rule.scaled(scores) >= classifier.calibrate().value
    pairs = Counter(zip(labels[taken].tolist(), who[taken].tolist(), strict=True))
    said = set()
    for (one, other), count in sorted(pairs.items()):
        if 2 * count >= rule.photos[one] and (other, one) not in said:
            said.add((one, other))
            yield one, other, count


def _blocks(rows: np.ndarray, columns: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    for start in range(0, len(rows), _BLOCK):
        yield start, rows[start : start + _BLOCK] @ columns.T
