"""Chips in memory, whose they are, who is held out, and what a teacher makes of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from openfaceplus.errors import UsageError
from openfaceplus.evaluate import metrics
from openfaceplus.evaluate.protocols import Pair
from openfaceplus.faces import Chip, ChipSpec, unit_length
from openfaceplus.files import shown
from openfaceplus.images import read_photo
from openfaceplus.pipeline import Pipeline
from openfaceplus.recipe import Recipe
from openfaceplus.stages import align
from openfaceplus.stages.embedded import embed_folder
from openfaceplus.stages.summary import Progress
from openfaceplus.store.layout import CHIPS
from openfaceplus.threads import once

_SHARE = 0.1  # of people, held out where no pairs say who
_MOST_PAIRS = 3000  # of either kind, of people held out


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """``chips`` (n, size, size, 3) uint8 with the ``people`` and the ``photos`` they show, which
    lie below ``root``."""

    people: np.ndarray
    photos: list[str]
    chips: np.ndarray
    root: Path


@dataclass(frozen=True, slots=True, eq=False)
class Check:
    """Pairs of people who are not trained on: numbers ``first`` and ``second`` of faces, whether
    they are the ``same`` person, and their ``folds``; all (n,)."""

    first: np.ndarray
    second: np.ndarray
    same: np.ndarray
    folds: np.ndarray

    def alone(self) -> tuple[np.ndarray, Check]:
        """The numbers (n,) of the faces that are compared, and the same pairs among these alone."""
        used, places = np.unique(np.concatenate([self.first, self.second]), return_inverse=True)
        first, second = np.split(places, 2)
        return used, replace(self, first=first, second=second)

    def accuracy(self, vectors: np.ndarray) -> float:
        """The mean accuracy over folds, each at the others' best threshold, of the vectors (faces,
        dimensions) of all faces."""
        vectors = unit_length(vectors)
        scores = np.einsum("nd,nd->n", vectors[self.first], vectors[self.second])
        return float(metrics.fold_accuracies(scores, self.same, self.folds).mean())


def load_faces(
    source: Path, cache: Path, recipe: Recipe, jobs: int | None, progress: Progress
) -> Faces:
    """The chips in ``source``, or those that are cut from the photos in it and kept in ``cache``.

    Raises UsageError for chips of another kind than the recipe's, or if there are none.
    """
    options = align.AlignOptions(keep_flawed=True)  # the hard ones teach most
    manifest, rows = align.read_alignment(source)
    if manifest is None:
        rows = list(align.align(source, cache / CHIPS, recipe, options, jobs=jobs,
                                progress=progress).rows)  # fmt: skip
    elif (found := ChipSpec(**manifest.settings["chip"])) != recipe.chip:
        raise UsageError(
            f"{shown(source)}: holds {found} chips, and the network takes {recipe.chip}",
            remedy="name the folder of photos, or another network",
        )
    rows = [row for row in rows if row["chip"] and row["person"]]
    if not rows:
        raise UsageError(f"{shown(source)}: no face to train on was found")
    chips = _read(row["chip"] for row in rows)
    root = Path(manifest.roots[0]) if manifest and manifest.roots else source
    people = np.array([row["person"] for row in rows])
    return Faces(people, [row["photo"] for row in rows], chips, root)


def held_out_of_pairs(faces: Faces, pairs: Sequence[Pair]) -> Check:
    """The pairs whose faces were found."""
    index = {
        (person, Path(photo).stem.removeprefix(f"{person}_").lstrip("0")): number
        for number, (person, photo) in enumerate(zip(faces.people, faces.photos, strict=True))
    }
    rows = [
        (index[one], index[other], pair.same, pair.fold)
        for pair in pairs
        for one, other in [((pair.first[0], str(pair.first[1])),
                            (pair.second[0], str(pair.second[1])))]
        if one in index and other in index
    ]  # fmt: skip
    if len({fold for *_, fold in rows}) < 2:
        raise UsageError(
            "fewer than two folds of pairs are held out",
            remedy="each fold's threshold comes from the others: hold out two or more",
            field="folds",
        )
    first, second, same, fold = (np.array(column) for column in zip(*rows, strict=True))
    return Check(first, second, same.astype(bool), fold)


def held_out_by_chance(faces: Faces, seed: int) -> Check:
    """Pairs of a tenth of the people, at least two, drawn by chance; as many pairs of two people
    as of one. Raises UsageError if these have no two photos."""
    chance = np.random.default_rng(seed)
    names, counts = np.unique(faces.people, return_counts=True)
    several = names[counts > 1]
    chosen = chance.permutation(several)[: max(2, round(_SHARE * len(several)))]
    if len(chosen) < 2 or len(chosen) > len(names) - 2:
        raise UsageError(
            "too few people have two photos or more to hold some out",
            remedy="give photos of four people at least, two or more of each",
        )
    mine = np.flatnonzero(np.isin(faces.people, chosen))
    one, other = np.triu_indices(len(mine), 1)
    same = faces.people[mine[one]] == faces.people[mine[other]]
    genuine, impostors = np.flatnonzero(same), np.flatnonzero(~same)
    count = min(len(genuine), len(impostors), _MOST_PAIRS)
    taken = np.concatenate([chance.permutation(genuine)[:count],
                            chance.permutation(impostors)[:count]])  # fmt: skip
    folds = np.arange(2 * count) % min(5, count)
    return Check(mine[one[taken]], mine[other[taken]], same[taken], folds)


class Lesson:
    """What a teacher makes of the ``training`` faces (their numbers) that it finds too.

    Its vectors have the mean over the faces taken off, by which all of them are alike. ``chips``
    (n, size, size, 3) are those of the student, ``vectors`` (n, dimensions) the teacher's in all
    its views, of unit length. Raises UsageError if it finds none.
    """

    def __init__(
        self,
        faces: Faces,
        training: np.ndarray,
        cache: Path,
        recipe: Recipe,
        *,
        jobs: int | None,
        progress: Progress,
    ) -> None:
        found = embed_folder(faces.root, cache, recipe, jobs=jobs, progress=progress)
        numbers = {photo: number for number, photo in enumerate(found.photos)}
        places = np.array([numbers.get(faces.photos[face], -1) for face in training])
        kept = (places >= 0) & found.usable[places]
        if kept.sum() < 2:
            raise UsageError("the teacher found no faces in these photos", field="teacher")
        vectors = found.vectors[places[kept]]
        self.training, self._mean = training[kept], vectors.mean(0)
        self.vectors, self.chips = unit_length(vectors - self._mean), faces.chips[self.training]
        chips = {row["photo"]: row["chip"] for row in align.read_alignment(cache / CHIPS)[1]}
        self._paths = [chips[found.photos[place]] for place in places[kept]]
        self._teacher = Pipeline(replace(recipe, views=2), threads=1)

    @once
    def _seen(self) -> np.ndarray:
        """The teacher's chips of the same faces."""
        return _read(self._paths)

    def blended(
        self, items: np.ndarray, share: float, chance: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """The (n, size, size, 3) float32 chips of the items, a ``share`` of them laid over others,
        and the (n, dimensions) vectors of what came of it: there are more faces to learn from so
        than there are photos."""
        others = chance.integers(len(self.training), size=len(items))
        shapes = chance.random((len(items), 4))
        mixed = np.flatnonzero(shapes[:, 0] < share)
        chips = self.chips[items].astype(np.float32)
        vectors = self.vectors[items]
        if len(mixed):
            pair, shapes = (items[mixed], others[mixed]), shapes[mixed, 1:]
            chips[mixed] = laid_over(self.chips, *pair, shapes)
            seen = laid_over(self._seen, *pair, shapes).round().astype(np.uint8)
            spec = self._teacher.recipe.chip
            made = self._teacher.embed([[Chip(pixels, spec)] for pixels in seen])
            vectors[mixed] = unit_length(made - self._mean)
        return chips, vectors


def laid_over(
    chips: np.ndarray, first: np.ndarray, second: np.ndarray, shapes: np.ndarray
) -> np.ndarray:
    """(n, size, size, 3) float32: two faces each, seen through each other, or the one's upper or
    left part beside the other's; ``shapes`` (n, 3) of 0..1 say how."""
    place = np.linspace(0, 1, chips.shape[1], dtype=np.float32)
    weights = np.empty((len(first), *chips.shape[1:3], 1), np.float32)
    for weight, (kind, where, width) in zip(weights, shapes, strict=True):
        edge = 1 / (1 + np.exp((0.35 + 0.3 * where - place) / (0.02 + 0.1 * width)))
        if kind < 0.67:
            weight[:] = 0.25 + 0.25 * where
        else:
            weight[:] = edge[:, None, None] if kind < 0.87 else edge[None, :, None]
    mixed: np.ndarray = chips[first] * (1 - weights) + chips[second] * weights
    return mixed


def _read(paths: Iterable[str]) -> np.ndarray:
    chips: np.ndarray = np.stack([read_photo(path).pixels for path in paths])
    return chips
