"""What is odd about the photos that people are enrolled with."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import numpy as np

from openfaceplus.classify import openset
from openfaceplus.words import counted

if TYPE_CHECKING:
    from openfaceplus.classify.classifier import Classifier

DUPLICATE = 0.9975
"""Cosine from which two embeddings are of the same photo, perhaps saved again; on lfw-dev no two
different photos of one person come that close."""

_BLOCK = 2048


def check(
    vectors: np.ndarray,
    labels: np.ndarray,
    people: Sequence[str],
    photos: Sequence[str],
    *,
    unlike: float | None = None,
) -> list[str]:
    """Remarks, one sentence each, on (n, dimensions) unit vectors of the people in ``labels`` (n,).

    A photo closer to another person, or below the cosine ``unlike`` to the mean of its person's
    other photos; photos that are there twice.
    """
    remarks = [*_duplicates(vectors, labels, people, photos)]
    return [*remarks, *_unlike(vectors, labels, people, photos, unlike)]


def _duplicates(
    vectors: np.ndarray, labels: np.ndarray, people: Sequence[str], photos: Sequence[str]
) -> Iterator[str]:
    for start, cosines in _blocks(vectors, vectors):
        # Each photo beside the first that it repeats, however many there are.
        for row, line in enumerate(cosines > DUPLICATE):
            j = start + row
            i = int(line[: j + 1].argmax())
            if i == j:
                continue
            if labels[i] == labels[j]:
                yield f"{people[labels[i]]}: {photos[i]} and {photos[j]} are the same photo"
            else:
                yield (
                    f"{people[labels[i]]} and {people[labels[j]]} have the same photo: {photos[i]} "
                    f"and {photos[j]}; one of the two names is wrong"
                )


def _unlike(
    vectors: np.ndarray,
    labels: np.ndarray,
    people: Sequence[str],
    photos: Sequence[str],
    unlike: float | None,
) -> Iterator[str]:
    several, rest = openset.templates_without(vectors, labels)
    own = np.full(len(vectors), np.nan)  # a photo must not speak for itself
    own[several] = np.einsum("nd,nd->n", vectors[several], rest)
    for start, cosines in _blocks(vectors, openset.templates(vectors, labels)):
        rows = np.arange(len(cosines))
        cosines[rows, labels[start + rows]] = -2
        other = cosines.argmax(axis=1)
        for i in np.flatnonzero(np.isfinite(own[start + rows])).tolist():
            name, photo, mine = people[labels[start + i]], photos[start + i], own[start + i]
            if cosines[i, other[i]] > mine:
                yield f"{photo} is more like {people[other[i]]} than {name}'s other photos"
            elif unlike is not None and mine < unlike:
                yield f"{photo} is unlike {name}'s other photos; is it {name}?"


def look_alikes(classifier: Classifier) -> Iterator[str]:
    """Remarks on pairs of people who come closer than strangers do: at the classifier's threshold
    half of one's photos or more would be taken for the other."""
    rule, labels, people = classifier.rule, classifier.labels, classifier.people
    who, scores = rule.scorer.left_out(classifier.vectors, labels)
    taken = rule.scaled(scores) >= classifier.calibrate().value
    pairs = Counter(zip(labels[taken].tolist(), who[taken].tolist(), strict=True))
    said = set()
    for (one, other), count in sorted(pairs.items()):
        if 2 * count < rule.photos[one] or (other, one) in said:
            continue
        said.add((one, other))
        photos = counted(int(rule.photos[one]), "photo")
        yield (
            f"{people[one]} and {people[other]} look alike: {count:,} of {people[one]}'s {photos} "
            f"would be taken for {people[other]}. Are they one person? If not, faces that may be "
            "either get no name"
        )


def _blocks(rows: np.ndarray, columns: np.ndarray) -> Iterator[tuple[int, np.ndarray]]:
    for start in range(0, len(rows), _BLOCK):
        yield start, rows[start : start + _BLOCK] @ columns.T
