"""What the tables, vectors and chips of a model folder say of a person, and changing that."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import replace
from pathlib import Path

from openfaceplus.classify.classifier import Classifier
from openfaceplus.manifest import Manifest
from openfaceplus.stages import align, represent
from openfaceplus.stages.train import CHIPS
from openfaceplus.store.tables import Row, read_table, write_table
from openfaceplus.store.vectors import person_of, read_vectors, write_vectors


def rehome(embeddings: Path, chips: Path) -> None:
    """Name chips in the tables where they lie now: the model's folder may have moved."""

    def here(chip: str) -> str:
        path = chips / Path(chip).parent.name / Path(chip).name
        elsewhere = chip and path.is_file() and os.path.realpath(chip) != os.path.realpath(path)
        return str(path) if elsewhere else chip

    for table, columns in (
        (embeddings / represent.TABLE, represent.COLUMNS),
        (chips / align.TABLE, align.COLUMNS),
    ):
        rows = read_table(table, columns)
        moved = [row | {"chip": here(row["chip"])} for row in rows]
        if moved != rows:
            write_table(table, columns, moved)
    if (embeddings / "reps.csv").is_file():
        vectors, paths = read_vectors(embeddings)
        if [here(path) for path in paths] != paths:
            write_vectors(embeddings, vectors, [here(path) for path in paths])


def chips_folder(classifier: Path, model: Classifier) -> Path:
    """Where the chips lie: beside the embeddings, or where they were when it was trained."""
    beside = classifier.resolve().parent.parent / CHIPS
    if (beside / align.TABLE).is_file() or not model.chips:
        return beside
    return Path(model.chips[0]).parent.parent


def rows_of(table: Path, columns: tuple[str, ...], name: str) -> list[Row]:
    """A person's rows in a table."""
    return [row for row in read_table(table, columns) if row["person"] == name]


def chips_of(chips: Path, name: str) -> list[Path]:
    """The files in a person's folder of chips, if this folder was made here."""
    folder = chips / name
    inside = folder.parent == chips and name not in ("", ".", "..") and not folder.is_symlink()
    if not inside or not folder.is_dir() or not (chips / align.TABLE).is_file():
        return []
    return [path for path in folder.iterdir() if path.is_file()]


def drop_rows(table: Path, columns: tuple[str, ...], name: str) -> None:
    """Take a person's rows out of a table."""
    rows = read_table(table, columns)
    kept = [row for row in rows if row["person"] != name]
    if kept != rows:
        write_table(table, columns, kept)


def drop_vectors(folder: Path, name: str) -> None:
    """Take a person's vectors out of ``reps.csv`` and ``labels.csv``."""
    if (folder / "reps.csv").is_file():
        vectors, chips = read_vectors(folder)
        keep = [i for i, chip in enumerate(chips) if person_of(chip) != name]
        write_vectors(folder, vectors[keep], [chips[i] for i in keep])


def recount(folder: Path, name: str) -> None:
    """Write a manifest's counts anew from its table."""
    manifest = Manifest.read(folder / name)
    if manifest is not None:
        table, columns = {
            align.MANIFEST: (align.TABLE, align.COLUMNS),
            represent.MANIFEST: (represent.TABLE, represent.COLUMNS),
        }[name]
        counts = Counter(row["status"] for row in read_table(folder / table, columns))
        replace(manifest, counts=dict(counts)).write(folder / name)


def renamed(chip: str, name: str, new: str) -> str:
    """A chip's path when its person's folder has the name ``new``."""
    path = Path(chip)
    return str(path.parent.parent / new / path.name) if chip and path.parent.name == name else chip
