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

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

_TOP = 3
_BLOCK = 2048
_ABSENT = -2.0  # below every cosine


@dataclass(frozen=True, eq=False)
class ScoreParams:
    """The score's numbers; cosines, no unit. ``center`` (dimensions,) is the unit average face,
    None
    for an embedding without one: its term is then left out."""

    rivals: float = 0.5
    hub: float = 0.1
    mean: float = 0.15
    floor: float = 0.92
    center: np.ndarray | None = None


@dataclass(frozen=True, eq=False)
class Gallery:
    """What is kept of the people to score a face: ``templates`` (people, dimensions) float32 of
    unit
    length, and ``hub`` (people,), how close each comes to others."""

    templates: np.ndarray
    hub: np.ndarray
    params: ScoreParams

    def score(self, x: np.ndarray, named: np.ndarray) -> np.ndarray:
        """(faces,) scores of unit vectors (faces, dimensions) for the people ``named`` (faces,)."""
        scores = np.empty(len(x))
        for i in range(0, len(x), _BLOCK):
            part, who = x[i : i + _BLOCK], named[i : i + _BLOCK]
            cosines = part @ self.templates.T
            scores[i : i + _BLOCK] = _combine(cosines, who, self.hub[who], part, self.params)
        return scores


def enrol(vectors: np.ndarray, labels: np.ndarray, params: ScoreParams) -> Gallery:
    """The gallery of unit ``vectors`` (photos, dimensions) of people ``labels`` (photos,)."""
    means = templates(vectors, labels)
    return Gallery(means, _hubs(means, params.floor)[0], params)


def left_out(
    gallery: Gallery, vectors: np.ndarray, labels: np.ndarray, named: np.ndarray
) -> np.ndarray:
    """(photos,) the scores that enrolled photos would have had, were their people not enrolled.

    ``named`` (photos,) are the people they would have been named for. -inf where nobody is left.
    These are scores as strangers have them, for calibration.
    """
    scores = np.full(len(vectors), -np.inf)
    if len(gallery.templates) < 2:
        return scores
    _, without = _hubs(gallery.templates, gallery.params.floor)
    for i in range(0, len(vectors), _BLOCK):
        part, mine, who = vectors[i : i + _BLOCK], labels[i : i + _BLOCK], named[i : i + _BLOCK]
        cosines = part @ gallery.templates.T
        cosines[np.arange(len(part)), mine] = _ABSENT
        scores[i : i + _BLOCK] = _combine(cosines, who, without(who, mine), part, gallery.params)
    return scores


def templates(vectors: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """(people, dimensions) float32 unit means of each person's unit vectors."""
    totals = np.zeros((int(labels.max()) + 1, vectors.shape[1]))
    np.add.at(totals, labels, vectors)
    return (totals / np.maximum(np.linalg.norm(totals, axis=1, keepdims=True), 1e-12)).astype(
        np.float32
    )


def _combine(
    cosines: np.ndarray, who: np.ndarray, hub: np.ndarray, x: np.ndarray, params: ScoreParams
) -> np.ndarray:
    rows = np.arange(len(cosines))
    own = cosines[rows, who].astype(float)
    rest = cosines.copy()
    rest[rows, who] = _ABSENT
    scores = own - params.rivals * _near(rest, params.floor) - params.hub * hub
    return scores if params.center is None else scores + params.mean * (x @ params.center)


def _near(cosines: np.ndarray, floor: float) -> np.ndarray:
    """Mean of the three largest of each row, raised to the floor, which stands for missing ones."""
    k = min(_TOP, cosines.shape[1])
    top = cosines
    if cosines.shape[1] > k:
        top = -np.partition(-cosines, k - 1, axis=1)[:, :k]
    return (np.maximum(top, floor).sum(1, dtype=float) + floor * (_TOP - k)) / _TOP


def _hubs(
    means: np.ndarray, floor: float
) -> tuple[np.ndarray, Callable[[np.ndarray, np.ndarray], np.ndarray]]:
    """near(t) of each template, and a function that gives it without one absent person."""
    k = min(_TOP + 1, len(means) - 1)
    near = np.full((len(means), _TOP + 1), -1, np.intp)
    cosine = np.full((len(means), _TOP + 1), floor)
    for i in range(0, len(means) if k > 0 else 0, 1024):
        cosines = means[i : i + 1024] @ means.T
        cosines[np.arange(len(cosines)), np.arange(i, i + len(cosines))] = _ABSENT
        top = np.argpartition(-cosines, k - 1, axis=1)[:, :k]
        value = np.take_along_axis(cosines, top, 1)
        order = np.argsort(-value, axis=1, kind="stable")
        near[i : i + 1024, :k] = np.take_along_axis(top, order, 1)
        cosine[i : i + 1024, :k] = np.maximum(np.take_along_axis(value, order, 1), floor)

    def without(who: np.ndarray, absent: np.ndarray) -> np.ndarray:
        value = np.where(near[who] == absent[:, None], -np.inf, cosine[who])
        return -np.sort(-value, axis=1)[:, :_TOP].mean(1)

    return cosine[:, :_TOP].mean(1), without
