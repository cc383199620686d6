"""A cohort: strangers whose scores against the very gallery say which score is enough.

One ships, of made-up faces for dlib's network (``benchmarks/made_cohort.py``); others are built on
the user's machine, for any embedding, from photos of many people. Those are kept privately in the
cache folder and serve every model of that embedding.
"""

from __future__ import annotations

import io
import re
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np

from openfaceplus.classify import openset
from openfaceplus.errors import StorageError
from openfaceplus.files import atomic_write, shown
from openfaceplus.weights import cache_folder

LEVELS = np.linspace(0, 1, 101)
"""Of which shares ``Cohort.genuine`` holds the quantiles."""
PHOTOS = (1, 2, 3, 5, 10)
"""Enrolled photos a person for which genuine scores are known."""
_FOLDS = 5
_PEOPLE_EACH, _MOST_TYPICAL = 15, 64  # people behind a typical face, at least; typical faces
_FEWEST = 50  # genuine scores that a row of quantiles needs
_SHIPPED = re.compile(r"dlib-resnet-v1(-int8)?/[126]v@55533b28a958")
# Made for two views; scores with one or six, or with integers, differ by 0.0007 (docs/accuracy.md).


@dataclass(frozen=True, eq=False)
class Cohort:
    """Strangers of one embedding space.

    ``vectors`` (n, dimensions) are of unit length, one a person, and ``typicality`` (n,) is theirs,
    by typical faces that they did not help to make. ``typical`` (k, dimensions) are such faces made
    of all, none where people were too few. ``genuine`` (counts, levels) are the quantiles of new
    photos' scores for their own people with ``PHOTOS`` photos enrolled, as many rows as were
    measured. ``data`` says who they are; ``kind`` is ``built``, ``shipped`` or ``strangers``.
    """

    vectors: np.ndarray
    typicality: np.ndarray
    typical: np.ndarray
    genuine: np.ndarray
    data: str
    kind: str

    @classmethod
    def of(cls, vectors: np.ndarray, labels: np.ndarray, data: str, kind: str = "built") -> Cohort:
        """From (photos, dimensions) unit vectors of the people ``labels`` (photos,), 0 to n - 1.

        Typicality is cross-fitted by people: a threshold measured on those whose faces normalise
        it would come out too low.
        """
        generator = np.random.default_rng(0)
        means = openset.templates(vectors, labels)
        people = len(means)
        k = min(_MOST_TYPICAL, people // _PEOPLE_EACH)
        fold = generator.permutation(people) % _FOLDS
        typicality = np.zeros(len(vectors), np.float32)
        makers = [_centroids(means[fold != i], k) for i in range(_FOLDS)]
        for i, typical in enumerate(makers):
            mine = fold[labels] == i
            typicality[mine] = openset.typicality(vectors[mine], typical)
        order = generator.permutation(len(labels))
        _, first = np.unique(labels[order], return_index=True)
        chosen = order[first]
        genuine = _genuine(vectors, labels, typicality, makers, fold, generator)
        vectors = vectors[chosen].astype(np.float32)
        typical = _centroids(means, k)
        return cls(vectors, typicality[chosen], typical, genuine, data, kind)

    def typicality_by(self, typical: np.ndarray) -> np.ndarray:
        """(n,) the strangers' typicality by (k, dimensions) typical faces: its own, or others'."""
        if typical is self.typical:
            return self.typicality
        return openset.typicality(self.vectors, typical)


def find(space: str) -> list[Cohort]:
    """The cohorts for an embedding space, best first: the one built here, the one that ships.

    Raises StorageError for a built one that cannot be read.
    """
    built = path_of(space)
    own = [_cohort(built, _load(built), space)] if built.is_file() else []
    return [*own, _shipped()] if _SHIPPED.fullmatch(space) else own


def save(cohort: Cohort, space: str) -> Path:
    """Keep a cohort for all models of an embedding space, in place of an earlier one."""
    path = path_of(space)
    with atomic_write(path, ours=True) as file:
        np.savez(
            file, space=np.array(space), data=np.array(cohort.data), vectors=cohort.vectors,
            typicality=cohort.typicality, typical=cohort.typical, genuine=cohort.genuine,
        )  # fmt: skip
    return path


def built() -> list[tuple[str, Cohort, Path]]:
    """The cohorts that were built here: space, cohort and file."""
    found = []
    for path in sorted(path_of("").parent.glob("*.npz")):
        held = _load(path)
        found.append((str(held.get("space")), _cohort(path, held), path))
    return found


def path_of(space: str) -> Path:
    """Where the cohort built for a space lies."""
    return cache_folder() / "cohorts" / f"{space.replace('/', '_')}.npz"


@lru_cache(maxsize=1)
def _shipped() -> Cohort:
    packed = resources.files("openfaceplus").joinpath("classify/cohort.npz").read_bytes()
    with np.load(io.BytesIO(packed)) as held:
        vectors = held["vectors"].astype(np.float32)
        vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
        return Cohort(
            vectors, held["typicality"], held["typical"], held["genuine"],
            f"{len(vectors):,} made-up faces", "shipped",
        )  # fmt: skip


def _cohort(path: Path, held: dict[str, Any], space: str | None = None) -> Cohort:
    """The cohort that the arrays of a file make, of that space if one is given."""
    try:
        if space is not None and str(held["space"]) != space:
            raise ValueError(f"it is of {held['space']}")
        made = Cohort(
            held["vectors"], held["typicality"], held["typical"], held["genuine"],
            str(held["data"]), "built",
        )  # fmt: skip
        _check(made)
        return made
    except (KeyError, ValueError, TypeError) as error:
        raise _unusable(path, error) from error


def _check(made: Cohort) -> None:
    """Raises ValueError if its parts do not fit each other."""
    n, dimensions = made.vectors.shape
    rows, levels = made.genuine.shape
    if made.typicality.shape != (n,) or made.typical.shape[1:] != (dimensions,):
        raise ValueError("its parts do not fit each other")
    if not n or levels != len(LEVELS) or rows > len(PHOTOS):
        raise ValueError("its parts have other sizes")
    for part in (made.vectors, made.typicality, made.typical, made.genuine):
        if part.dtype != np.float32 or not np.isfinite(part).all():
            raise ValueError("it holds numbers that are none")


def _load(path: Path) -> dict[str, Any]:
    import zipfile  # which inference does not need
    import zlib

    try:
        with np.load(path, allow_pickle=False) as held:
            return {name: held[name] for name in held.files}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        raise _unusable(path, error) from error


def _unusable(path: Path, error: Exception) -> StorageError:
    return StorageError(f"{shown(path)}: not a cohort ({error})", remedy="build it anew")


def _centroids(means: np.ndarray, k: int) -> np.ndarray:
    """(k, dimensions) float32 unit centroids of people's (n, dimensions) means, by k-means."""
    if not k:
        return np.zeros((0, means.shape[1]), np.float32)
    from sklearn.cluster import KMeans

    centers = KMeans(k, n_init=1, random_state=0).fit(means).cluster_centers_
    made: np.ndarray = centers / np.linalg.norm(centers, axis=1, keepdims=True)
    return made.astype(np.float32)


def _genuine(
    vectors: np.ndarray, labels: np.ndarray, typicality: np.ndarray, makers: list[np.ndarray],
    fold: np.ndarray, generator: np.random.Generator,
) -> np.ndarray:  # fmt: skip
    """Rows of quantiles, one for each number of photos that enough people have more of."""
    rows: list[np.ndarray] = []
    photos = np.split(np.argsort(labels, kind="stable"), np.cumsum(np.bincount(labels))[:-1])
    for count in PHOTOS:
        scores = []
        for mine in (each for each in photos if len(each) > count):
            typical = makers[fold[labels[mine[0]]]]
            mine = generator.permutation(mine)[: count + 10]
            new, alone = mine[count:], np.zeros(count, np.intp)
            template = openset.templates(vectors[mine[:count]], alone)
            of_template = openset.typicality(template, typical)
            scores.append(openset.pair_score(vectors[new], template, typicality[new], of_template))
        if sum(map(len, scores)) < _FEWEST:
            break
        weights = np.concatenate([np.full(len(each), 1 / len(each)) for each in scores])
        rows.append(_quantiles(np.concatenate(scores), weights))
    return np.array(rows, np.float32).reshape(len(rows), len(LEVELS))


def _quantiles(values: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """At ``LEVELS``, each person counting once however many photos they have."""
    order = np.argsort(values)
    below = np.cumsum(weights[order]) - weights[order] / 2
    made: np.ndarray = np.interp(LEVELS, below / weights.sum(), values[order])
    return made
