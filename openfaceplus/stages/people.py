"""People come and go in a trained model, without training again from photos."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from openfaceplus import photo_folder
from openfaceplus.classify.classifier import Classifier
from openfaceplus.classify.stored import pack
from openfaceplus.errors import StorageError, UsageError
from openfaceplus.faces import ChipSpec
from openfaceplus.files import sweep
from openfaceplus.images import PhotoFile, photos_in
from openfaceplus.manifest import Manifest
from openfaceplus.recipe import Recipe
from openfaceplus.stages import align, bookkeeping, represent
from openfaceplus.stages.summary import Progress, Summary, no_progress
from openfaceplus.stages.tasks import fingerprint_of
from openfaceplus.stages.train import train
from openfaceplus.store.tables import read_table, write_table
from openfaceplus.store.vectors import read_vectors, write_vectors


@dataclass(frozen=True, slots=True)
class Receipt:
    """What ``remove`` deleted, and the photos of the user's that it left alone.

    ``not_found`` are photos, or the table of chips, that are not where they were.
    """

    name: str
    vectors: int
    rows: int
    files: tuple[Path, ...]
    photos_left: tuple[Path, ...]
    not_found: tuple[Path, ...]


def people(classifier: Path) -> dict[str, int]:
    """How many photos of each enrolled person a classifier holds."""
    model = Classifier.load(classifier)
    counts = Counter(model.people[label] for label in model.labels.tolist())
    return {name: counts[name] for name in model.people}


def add(
    classifier: Path,
    name: str,
    photos: Path,
    *,
    jobs: int | None = None,
    commercial: bool = False,
    progress: Progress = no_progress,
) -> tuple[Classifier, Summary]:
    """Enrol the person ``name`` from a folder of photos, or give one enrolled more photos.

    Raises UsageError for a name that cannot be a folder's, if no photo was usable or one is
    enrolled as somebody else's, StorageError if the model's chips are not to be found.
    """
    _check_name(name)
    model = Classifier.load(classifier)
    chips = bookkeeping.chips_folder(classifier, model)
    made = Manifest.read(chips / align.MANIFEST)
    if made is None:
        raise StorageError(f"{chips / align.MANIFEST}: not there; train again to add people")
    paths = photos_in([photos])
    files = [PhotoFile(name, path, f"{name}/{path.name}") for path in paths]
    if not files:
        raise UsageError(f"{photos}: holds no photos")
    _refuse_anothers(paths, name, chips)
    bookkeeping.rehome(classifier.parent, chips)
    settings = made.settings
    cut = {key: settings[key] for key in ("detector", "landmarks", "predictor")}
    recipe = Recipe.from_dict(model.recipe)
    summary = align.align_files(
        files,
        chips,
        replace(recipe, **cut, chip=ChipSpec(**settings["chip"]), through=None),
        align.AlignOptions(
            skip_multi=settings["skip_multi"],
            keep_flawed=settings["keep_flawed"],
            fallback=settings["fallback"] and Path(settings["fallback"]),
            max_pixels=settings["max_pixels"],
            commercial=commercial,
        ),
        keep_others=True,
        jobs=jobs,
        progress=progress,
    )
    given = {str(path) for path in paths}
    mine = [row for row in summary.rows if row["photo"] in given]
    summary = replace(summary, rows=mine, fresh=min(summary.fresh, len(mine)))
    if not summary.succeeded:
        reasons = "; ".join(row["reason"] for row in mine)
        if name not in model.people:
            bookkeeping.drop_rows(chips / align.TABLE, align.COLUMNS, name)
            bookkeeping.recount(chips, align.MANIFEST)
        raise UsageError(f"{photos}: no usable photo of {name} ({reasons})")
    represent.represent(
        chips, classifier.parent, recipe, jobs=jobs, commercial=commercial, progress=progress
    )
    return train(classifier.parent, like=model), summary


def remove(classifier: Path, name: str, *, photos: bool = False) -> Receipt:
    """Forget a person: vectors, chips, rows of all tables, caches; with ``photos`` their photos.

    A photo that changed since it was aligned, or is not where it was, is left and listed. The
    classifier is written last: until then the same call goes on where another was stopped. Raises
    UsageError if there is nothing of anybody of that name.
    """
    model = Classifier.load(classifier)
    embeddings, chips = classifier.parent, bookkeeping.chips_folder(classifier, model)
    rows = bookkeeping.rows_of(embeddings / represent.TABLE, represent.COLUMNS, name)
    alignment = bookkeeping.rows_of(chips / align.TABLE, align.COLUMNS, name)
    made = bookkeeping.chips_of(chips, name)
    if not (rows or alignment or made):
        _require(model, name, classifier)
    vectors = 0
    rest: Classifier | None = model
    if name in model.people:
        vectors = int((model.labels == model.people.index(name)).sum())
        rest = model.without(model.ids[model.people.index(name)]) if len(model.people) > 1 else None
    files = _delete(made)
    _remove_if_empty(chips / name)
    table = chips / align.TABLE
    # Chips without a table were not cut here: they are the user's photos.
    photographed = alignment if table.is_file() else [row | {"photo": row["chip"]} for row in rows]
    originals = {Path(row["photo"]): row["fingerprint"] for row in photographed}
    if photos:
        # The paths may be relative to another folder than this run's.
        same = [path for path, mark in originals.items() if fingerprint_of(path) == mark]
        files += _delete(same)
        for folder in {path.parent for path in same}:
            _remove_if_empty(folder)
    files += _delete((embeddings / represent.JOURNAL, chips / align.JOURNAL))
    sweep(embeddings)
    sweep(chips)
    files += photo_folder.forget(name)
    bookkeeping.drop_vectors(embeddings, name)
    bookkeeping.drop_rows(embeddings / represent.TABLE, represent.COLUMNS, name)
    bookkeeping.drop_rows(table, align.COLUMNS, name)
    for folder, manifest in ((embeddings, represent.MANIFEST), (chips, align.MANIFEST)):
        bookkeeping.recount(folder, manifest)
    if rest is None:
        files += _delete([classifier])
    elif rest is not model:
        rest.save(classifier)
    left = tuple(sorted(path for path in originals if path.exists()))
    gone = {path for path in originals if not path.exists()} - set(files)
    if not table.is_file() and not photographed:
        gone.add(table)
    return Receipt(
        name, vectors, len(rows) + len(alignment), tuple(files), left, tuple(sorted(gone))
    )


def rename(classifier: Path, name: str, new: str) -> None:
    """Give an enrolled person another name, in the model, the tables and the chips' folder.

    Raises UsageError if nobody of that name is enrolled or somebody has the new one.
    """
    _check_name(new)
    model = Classifier.load(classifier)
    _require(model, name, classifier)
    chips = bookkeeping.chips_folder(classifier, model)
    # A rename that was stopped may have moved the folder already.
    if new in model.people or ((chips / new).exists() and (chips / name).exists()):
        raise UsageError(f"{new!r} is there already; add the photos to that person instead")
    if (chips / name).is_dir():
        (chips / name).rename(chips / new)
    for table, columns in (
        (classifier.parent / represent.TABLE, represent.COLUMNS),
        (chips / align.TABLE, align.COLUMNS),
    ):
        rows = read_table(table, columns)
        for row in rows:
            if row["person"] == name:
                row |= {"person": new, "chip": bookkeeping.renamed(row["chip"], name, new)}
        if rows:
            write_table(table, columns, rows)
    if (classifier.parent / "reps.csv").is_file():
        vectors, paths = read_vectors(classifier.parent)
        paths = [bookkeeping.renamed(path, name, new) for path in paths]
        write_vectors(classifier.parent, vectors, paths)
    names = tuple(new if person == name else person for person in model.people)
    moved = pack(bookkeeping.renamed(chip, name, new) for chip in model.chips)
    replace(model, people=names, packed_chips=moved).save(classifier)


def _check_name(name: str) -> None:
    if not name or name.startswith(".") or "/" in name or "\0" in name:
        raise UsageError(f"{name!r} cannot be a person's name: it has to serve as a folder's name")


def _require(model: Classifier, name: str, classifier: Path) -> None:
    if name not in model.people:
        near = ", ".join(model.people[:20]) + (" ..." if len(model.people) > 20 else "")
        raise UsageError(f"nobody called {name!r} is enrolled in {classifier}; there are: {near}")


def _refuse_anothers(paths: Iterable[Path], name: str, chips: Path) -> None:
    enrolled = {
        os.path.abspath(row["photo"]): row["person"]
        for row in read_table(chips / align.TABLE, align.COLUMNS)
        if row["status"] in align.USABLE
    }
    for path in paths:
        person = enrolled.get(os.path.abspath(path), name)
        if person != name:
            raise UsageError(
                f"{path}: is enrolled as a photo of {person} already; rename {person}, or remove "
                "them first"
            )


def _delete(paths: Iterable[Path]) -> list[Path]:
    deleted = []
    for path in sorted(paths):
        if path.is_file() or path.is_symlink():
            path.unlink()
            deleted.append(path)
    return deleted


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
