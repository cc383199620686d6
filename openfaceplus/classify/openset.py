"""The open-set score: is this face the person it was named for, or somebody never enrolled?

    score(x, t) = cos(x, t) - 0.4 c(x) - 0.2 c(t)

t is the person's template (the unit mean of unit embeddings) and c(v), the typicality of v, its
cosine to the nearest of some typical faces: centroids of many people each, nobody's own. A face
that is like many others (blurred, young, seen from the side) resembles everybody a little; what it
has in common with many must not speak for one. Without typical faces it is the plain cosine.

The score of a face and a person does not depend on who else is enrolled.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from openfaceplus.classify.kinds import Namer
from openfaceplus.faces import unit_length
from openfaceplus.gallery.exact import ExactGallery

CANDIDATES = 10
"""How many of the nearest people a face may be named for."""
_FACE, _TEMPLATE = 0.4, 0.2  # how much typicality counts; chosen on lfw-dev (docs/accuracy.md)
_BLOCK = 4096


class Named(NamedTuple):
    """Of each of n faces the person named and the best of the others: numbers ``who`` and
    ``second`` (n,), and their scores ``score`` and ``second_score`` (n,).

    -1 and -inf where there is nobody.
    """

    who: np.ndarray
    score: np.ndarray
    second: np.ndarray
    second_score: np.ndarray


@dataclass(frozen=True, eq=False)
class Scorer:
    """Names faces and scores them against a gallery of one template a person.

    ``typical`` (k, dimensions) are typical faces of unit length, k 0 for the plain cosine, and
    ``lowered`` (people,) is what the templates' typicality takes from each person's scores.
    ``namer`` is None where the best score names.
    """

    gallery: ExactGallery
    typical: np.ndarray
    lowered: np.ndarray
    namer: Namer | None = None

    @classmethod
    def of(
        cls, space: str, people: Sequence[str], templates: np.ndarray, typical: np.ndarray,
        namer: Namer | None = None,
    ) -> Scorer:  # fmt: skip
        """Of the people's ids and (people, dimensions) templates, in the same order."""
        gallery = ExactGallery.of(space, people, templates)
        return cls(gallery, typical, _TEMPLATE * typicality(templates, typical), namer)

    def name(self, x: np.ndarray, known: np.ndarray | None = None) -> Named:
        """Who unit vectors (n, dimensions) are, and who else they might be.

        ``known`` (n,) are the vectors' typicalities where they are known better than the typical
        faces say. What the namer answers holds for the ten nearest people.
        """
        among, cosines = self.gallery.nearest(x, CANDIDATES)
        there = among >= 0
        scores = np.where(there, cosines - self.lowered[among], -np.inf)
        scores -= self._own(x, known)[:, None]
        rows = np.arange(len(x))
        chosen = scores.argmax(axis=1)
        if self.namer is not None and len(x):
            meant = among == self.namer.names(x)[:, None]
            chosen = np.where(meant.any(axis=1), meant.argmax(axis=1), chosen)
        best = scores[rows, chosen]
        scores[rows, chosen] = -np.inf
        next_ = scores.argmax(axis=1)
        found = np.isfinite(scores[rows, next_])
        second = np.where(found, among[rows, next_], -1)
        return Named(among[rows, chosen], best, second, scores[rows, next_])

    def score(self, x: np.ndarray, who: np.ndarray) -> np.ndarray:
        """(n,) scores of unit vectors (n, dimensions) for the people ``who`` (n,)."""
        cosines = np.einsum("nd,nd->n", x, self.gallery.vectors[who], dtype=float)
        scores: np.ndarray = cosines - self.lowered[who] - self._own(x)
        return scores

    def left_out(self, x: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Whom enrolled photos of the people ``labels`` (n,) would be named for, were these not
        enrolled, (n,), and with which scores (n,); -inf where nobody else is."""
        who, scores = np.zeros(len(x), np.intp), np.full(len(x), -np.inf)
        for start in range(0, len(x), _BLOCK):
            part = slice(start, start + _BLOCK)
            table = x[part] @ self.gallery.vectors.T - self.lowered
            table[np.arange(len(table)), labels[part]] = -np.inf
            who[part], scores[part] = table.argmax(axis=1), table.max(axis=1)
        return who, scores - self._own(x)

    def unseen(self, x: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Which enrolled photos (m,) are of people ``labels`` (n,) with several, and the scores
        (m,) that these would have had for their own people, had they not been enrolled."""
        several, rest = templates_without(x, labels)
        of_rest = typicality(rest, self.typical)
        return several, pair_score(x[several], rest, typicality(x[several], self.typical), of_rest)

    def _own(self, x: np.ndarray, known: np.ndarray | None = None) -> np.ndarray:
        own: np.ndarray = _FACE * (typicality(x, self.typical) if known is None else known)
        return own


def typicality(x: np.ndarray, typical: np.ndarray) -> np.ndarray:
    """(n,) cosines of unit vectors (n, dimensions) to the nearest of (k, dimensions) typical
    faces; 0 where there are none."""
    return (x @ typical.T).max(axis=1) if len(typical) else np.zeros(len(x), np.float32)


def pair_score(x: np.ndarray, t: np.ndarray, of_x: np.ndarray, of_t: np.ndarray) -> np.ndarray:
    """(n,) scores of faces x and templates t, both (n, dimensions) of unit length, whose
    typicalities (n,) are given."""
    scores: np.ndarray = np.einsum("nd,nd->n", x, t) - _FACE * of_x - _TEMPLATE * of_t
    return scores


def templates(vectors: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(people, dimensions) float32 unit means of each person's unit vectors."""
    return unit_length(sums(vectors, labels)).astype(np.float32)


def templates_without(vectors: np.ndarray, labels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Which photos (m,) are of people with several, and the templates (m, dimensions) that these
    would have without that photo."""
    several = np.flatnonzero(np.bincount(labels)[labels] > 1)
    return several, unit_length(sums(vectors, labels)[labels[several]] - vectors[several])


def sums(vectors: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(people, dimensions) sums of each person's vectors."""
    counts = np.bincount(labels)
    inorder = vectors[np.argsort(labels, kind="stable")]
    totals: np.ndarray = np.add.reduceat(inorder, np.cumsum(counts) - counts, axis=0, dtype=float)
    return totals
