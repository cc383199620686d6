"""Chips in memory, whose they are, who is held out, and what a teacher makes of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from openfaceplus.errors import UsageError
from openfaceplus.evaluate import metrics
from openfaceplus.evaluate.protocols import Pair
from openfaceplus.faces import ChipSpec
from openfaceplus.files import shown
from openfaceplus.images import read_photo
from openfaceplus.pipeline import Pipeline
from openfaceplus.recipe import Recipe
from openfaceplus.stages import align
from openfaceplus.stages.embedded import embed_folder
from openfaceplus.stages.summary import Progress
from openfaceplus.store.layout import CHIPS

_SHARE = 0.1  # of people, held out where no pairs say who
_MOST_PAIRS = 3000  # of either kind, of people held out


@dataclass(frozen=True, slots=True, eq=False)
class Faces:
    """``chips`` (n, size, size, 3) uint8 with the ``people`` and the ``photos`` they show."""

    people: np.ndarray
    photos: list[str]
    chips: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Check:
    """Pairs of people who are not trained on: numbers ``first`` and ``second`` of faces, whether
    they are the ``same`` person, and their ``folds``; all (n,)."""

    first: np.ndarray
    second: np.ndarray
    same: np.ndarray
    folds: np.ndarray

    def accuracy(self, vectors: np.ndarray) -> float:
        """The mean accuracy over folds, each at the others' best threshold, of the vectors (faces,
        dimensions) of all faces."""
        vectors = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
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
    return Faces(np.array([row["person"] for row in rows]), [row["photo"] for row in rows], chips)


def held_out_of_pairs(faces: Faces, pairs: Sequence[Pair], folds: Collection[int]) -> Check:
    """The pairs of ``folds`` (counted from 0) whose faces were found."""
    index = {
        (person, Path(photo).stem.removeprefix(f"{person}_").lstrip("0")): number
        for number, (person, photo) in enumerate(zip(faces.people, faces.photos, strict=True))
    }
    rows = [
        (index[one], index[other], pair.same, pair.fold)
        for pair in pairs
        for one, other in [((pair.first[0], str(pair.first[1])),
                            (pair.second[0], str(pair.second[1])))]
        if pair.fold in folds and one in index and other in index
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


@dataclass(frozen=True, slots=True, eq=False)
class Lesson:
    """What a student learns: ``items`` (n, 2) are two faces, whose chips it sees half and half, or
    one face twice; ``targets`` (n, dimensions) are the teacher's vectors of unit length."""

    items: np.ndarray
    targets: np.ndarray


def lesson(
    photos: Path,
    training: np.ndarray,
    cache: Path,
    recipe: Recipe,
    *,
    faces: Faces,
    blends: float,
    seed: int,
    jobs: int | None,
    progress: Progress,
) -> Lesson:
    """What the teacher of ``recipe`` makes of the ``training`` faces (their numbers), and of
    ``blends`` times as many pictures half of one face and half of another's.

    Its vectors have the mean over the faces taken off, by which all of them are alike.
    """
    found = embed_folder(photos, cache, recipe, jobs=jobs, progress=progress)
    vectors = dict(zip(found.photos, found.vectors, strict=True))
    known = [n for n in training if np.isfinite(vectors.get(faces.photos[n], [np.nan])[0])]
    if len(known) < 2:
        raise UsageError("the teacher found no faces in these photos", field="teacher")
    own = np.array([vectors[faces.photos[n]] for n in known])
    chance = np.random.default_rng(seed)
    count = round(blends * len(known))
    mixed = np.stack([chance.integers(len(known), size=count) for _ in range(2)], 1)
    pixels = own
    if count:
        places = {row["photo"]: row["chip"] for row in align.read_alignment(cache / CHIPS)[1]}
        pixels = _read(places[faces.photos[n]] for n in known)
    pipeline = Pipeline(recipe)
    made = [own]
    with progress("teacher", count) as advance:
        for start in range(0, count, 32):
            part = mixed[start : start + 32]
            seen = blend(pixels, part).astype(np.uint8)
            both = pipeline.embedder.embed(np.concatenate([seen, seen[:, :, ::-1]]))
            made.append(_unit(_unit(both).reshape(2, len(part), -1).sum(0)))
            for _ in part:
                advance()
    numbers = np.array(known)
    items = np.concatenate([np.stack([numbers, numbers], 1), numbers[mixed]])
    return Lesson(items, _unit(np.concatenate(made) - own.mean(0)).astype(np.float32))


def blend(chips: np.ndarray, items: np.ndarray) -> np.ndarray:
    """(n, size, size, 3) float32: of each item's two chips half and half."""
    mean: np.ndarray = (chips[items[:, 0]].astype(np.float32) + chips[items[:, 1]]) / 2
    return mean


def _unit(vectors: np.ndarray) -> np.ndarray:
    unit: np.ndarray = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
    return unit


def _read(paths: Iterable[str]) -> np.ndarray:
    chips: np.ndarray = np.stack([read_photo(Path(path)).pixels for path in paths])
    return chips
