"""The open-set score: is this face the person it was named for, or somebody never enrolled?

    score(x) = cos(x, t) - rivals * near(x) - hub * near(t) + mean * cos(x, m)

t is the named person's template (the unit mean of unit embeddings), near(v) the mean over the three
other templates closest to v of max(cosine, floor), and m the average face of a large population.
The floor fits the score to the gallery by itself: rivals count only once they are closer than
strangers usually come, so that with few people enrolled it is the plain cosine and with many the
rivals' margin. cos(x, m) is high for faces that the network sees well; a blurred face resembles
nobody and everybody.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from openfaceplus.gallery.exact import ExactGallery

CANDIDATES = 10
"""How many of the nearest people a face may be named for; its rivals are among them too."""
_TOP = 3
_KEPT = _TOP + 1  # the nearest one, and its rivals


@dataclass(frozen=True, slots=True, eq=False)
class ScoreParams:
    """The score's numbers; cosines, no unit. ``center`` (dimensions,) is the unit average face,
    None for an embedding without one: its term is then left out."""

    rivals: float = 0.5
    hub: float = 0.1
    mean: float = 0.15
    floor: float = 0.92
    center: np.ndarray | None = None


class Candidates(NamedTuple):
    """The people nearest to each of n faces, best first: their numbers ``who`` (n, k), -1 where
    there are fewer, and ``cosine`` (n, k), -inf there."""

    who: np.ndarray
    cosine: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Near:
    """Of each of n vectors the four nearest templates of other people: numbers ``who`` (n, 4), -1
    where there are fewer, and ``cosine`` (n, 4) float32, -inf there; best first.

    It is kept, so that one person more or fewer costs one comparison with each vector, and a
    search only for the vectors whose neighbour has changed.
    """

    who: np.ndarray
    cosine: np.ndarray

    @classmethod
    def of(cls, gallery: ExactGallery, vectors: np.ndarray, own: np.ndarray) -> Near:
        """Of unit vectors (n, dimensions) of people ``own`` (n,), among a template a person."""
        who, cosine = gallery.nearest(vectors, _KEPT + 1)
        mine = who == own[:, None]
        return cls._best(np.where(mine, -1, who), np.where(mine, -np.inf, cosine))

    @classmethod
    def _best(cls, who: np.ndarray, cosine: np.ndarray) -> Near:
        order = np.argsort(-cosine, axis=1, kind="stable")[:, :_KEPT]
        return cls(
            np.take_along_axis(who, order, 1).astype(np.int32), np.take_along_axis(cosine, order, 1)
        )

    def with_template(
        self, gallery: ExactGallery, vectors: np.ndarray, own: np.ndarray, number: int
    ) -> Near:
        """After the template ``number`` of ``gallery`` was added or changed.

        ``vectors`` and ``own`` are as for ``of``; those of whom nothing is known yet come last.
        """
        old = len(self.who)
        cosine = vectors[:old] @ gallery.vectors[number]
        joined = self._best(
            np.column_stack([self.who, np.full(old, number)]),
            np.column_stack([self.cosine, cosine]),
        )
        again = own == number
        again[:old] |= (self.who == number).any(axis=1)
        again[old:] = True
        return joined._searched(again, gallery, vectors, own)

    def without(
        self, gallery: ExactGallery, vectors: np.ndarray, own: np.ndarray, number: int,
        kept: np.ndarray,
    ) -> Near:  # fmt: skip
        """After person ``number`` has gone from ``gallery``, and all but the ``kept`` vectors."""
        who = self.who[kept]
        again = (who == number).any(axis=1)
        rest = Near(who - (who > number), self.cosine[kept])
        return rest._searched(again, gallery, vectors, own)

    def _searched(
        self, again: np.ndarray, gallery: ExactGallery, vectors: np.ndarray, own: np.ndarray
    ) -> Near:
        fresh = Near.of(gallery, vectors[again], own[again])
        who, cosine = np.empty((len(again), _KEPT), np.int32), np.empty((len(again), _KEPT), "f4")
        who[: len(self.who)], cosine[: len(self.who)] = self.who, self.cosine
        who[again], cosine[again] = fresh.who, fresh.cosine
        return Near(who, cosine)


@dataclass(frozen=True, eq=False)
class Scorer:
    """Scores faces against a gallery of one template a person, numbered as the people are.

    ``near`` says which other templates are nearest to each person's.
    """

    gallery: ExactGallery
    near: Near
    params: ScoreParams

    @classmethod
    def of(
        cls, vectors: np.ndarray, labels: np.ndarray, people: Sequence[str], params: ScoreParams,
        space: str = "",
    ) -> Scorer:  # fmt: skip
        """Of unit vectors (photos, dimensions) of the people, by id, that ``labels`` number."""
        gallery = ExactGallery.of(space, people, templates(vectors, labels))
        near = Near.of(gallery, gallery.vectors, np.arange(len(people)))
        return cls(gallery, near, params)

    def candidates(self, x: np.ndarray) -> Candidates:
        """The people nearest to unit vectors (faces, dimensions)."""
        who = np.full((len(x), CANDIDATES), -1)
        cosine = np.full((len(x), CANDIDATES), -np.inf)
        for i, matches in enumerate(self.gallery.search(x, CANDIDATES) if len(x) else ()):
            who[i, : len(matches)] = [match.template for match in matches]
            cosine[i, : len(matches)] = [match.score for match in matches]
        return Candidates(who, cosine)

    def score(
        self, x: np.ndarray, named: np.ndarray, among: Candidates | None = None
    ) -> np.ndarray:
        """(faces,) scores of unit vectors (faces, dimensions) for the people ``named`` (faces,).

        -inf for people who are not among the nearest ten.
        """
        among = self.candidates(x) if among is None else among
        mine = among.who == named[:, None]
        own = np.where(mine, among.cosine, -np.inf).max(axis=1)
        others = -np.sort(-np.where(mine, -np.inf, among.cosine), axis=1)
        return self._combine(x, own, others, self.near.cosine[named])

    def left_out(self, x: np.ndarray, labels: np.ndarray, near: Near) -> np.ndarray:
        """(photos,) the scores that enrolled photos would have had, were their people not enrolled.

        They are named for the nearest person who is left; -inf where nobody is. ``near`` are their
        neighbours. These are scores as strangers have them, for calibration.
        """
        nearest = near.who[:, 0]
        gone = self.near.who[nearest] == labels[:, None]
        theirs = -np.sort(-np.where(gone, -np.inf, self.near.cosine[nearest]), axis=1)
        return self._combine(x, near.cosine[:, 0], near.cosine[:, 1:], theirs)

    def _combine(
        self, x: np.ndarray, own: np.ndarray, rivals: np.ndarray, theirs: np.ndarray
    ) -> np.ndarray:
        params = self.params
        scores: np.ndarray = own.astype(float) - params.rivals * self._near(rivals)
        scores -= params.hub * self._near(theirs)
        if params.center is not None:
            scores += params.mean * (x @ params.center)
        return scores

    def _near(self, cosines: np.ndarray) -> np.ndarray:
        """Mean of each row's first three, raised to the floor, which stands for missing ones."""
        top = np.maximum(cosines[:, :_TOP], self.params.floor).sum(axis=1, dtype=float)
        mean: np.ndarray = (top + self.params.floor * (_TOP - min(_TOP, cosines.shape[1]))) / _TOP
        return mean


def templates(vectors: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(people, dimensions) float32 unit means of each person's unit vectors."""
    totals = np.zeros((int(labels.max()) + 1, vectors.shape[1]))
    np.add.at(totals, labels, vectors)
    totals /= np.maximum(np.linalg.norm(totals, axis=1, keepdims=True), 1e-12)
    return totals.astype(np.float32)
