"""Aligned chips -> embeddings in ``reps.csv`` and ``labels.csv``, and ``representation.csv``."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from openfaceplus.changes import Change, Waiting, changing, unchanging
from openfaceplus.errors import NoFace, PhotoError, StorageError, UnreadablePhoto, UsageError
from openfaceplus.faces import Chip, ChipSpec, Face
from openfaceplus.files import shown, sweep
from openfaceplus.images import read_photo, walk
from openfaceplus.manifest import Manifest
from openfaceplus.pipeline import Pipeline
from openfaceplus.recipe import Recipe
from openfaceplus.remote import Location, absolute, fingerprint, location
from openfaceplus.stages import align
from openfaceplus.stages.chip_plan import plan, spec_of
from openfaceplus.stages.settings import representation_manifest
from openfaceplus.stages.summary import Progress, Summary, no_progress
from openfaceplus.stages.workers import Lost, Workers
from openfaceplus.store.face_rows import face_from_row
from openfaceplus.store.layout import ALIGNMENT, REPRESENTATION
from openfaceplus.store.tables import Journal, Row, read_table, write_stage
from openfaceplus.store.vectors import (
    decode_vectors,
    encode_vector,
    is_encoded,
    places,
    read_vectors,
    write_vectors,
)
from openfaceplus.threads import processes

GONE = "gone"
BATCH = 16


class _Worker:
    """Embeds batches of rows, in whichever process it is made."""

    def __init__(self, recipe: Recipe, recut: bool, options: dict[str, Any]) -> None:
        self._pipeline = Pipeline(recipe, **options)
        self._recut = recut

    def __call__(self, rows: Sequence[Row]) -> list[Row]:
        good: list[Row] = []
        done: list[Row] = []
        chips: list[list[Chip]] = []
        faces: list[list[Face]] = []
        for row in rows:
            try:
                if row["fingerprint"] == GONE:
                    raise UnreadablePhoto(f"{shown(row['chip'])}: the chip was deleted")
                if self._recut:
                    faces.append(self._face(row))
                else:
                    chips.append(self._chip(row))
                good.append(row)
            except PhotoError as error:
                done.append(row | {"status": error.status, "reason": str(error)})
        if not self._recut:
            vectors = map(encode_vector, self._pipeline.embed(chips))
            return done + [_embedded(*pair) for pair in zip(good, vectors, strict=True)]
        # What was read when aligning may be read now.
        photos = [row["photo"] for row in good]
        seen = self._pipeline.look(photos, known=faces, max_pixels=sys.maxsize)
        return done + [
            row | {"status": one.error.status, "reason": str(one.error)}
            if one.error
            else _embedded(row, encode_vector(one.vectors[0]))
            for row, one in zip(good, seen, strict=True)
        ]

    def _chip(self, row: Row) -> list[Chip]:
        return [self._pipeline.chip_from_image(read_photo(row["chip"]))]

    def _face(self, row: Row) -> list[Face]:
        photo = location(row["photo"])
        if not row["landmarks"]:
            raise NoFace(
                f"{shown(photo)}: a ready chip was taken, which {self._pipeline.recipe.embedder} "
                "cannot use"
            )
        # Times change when folders are copied; a size seldom stays when a photo is replaced.
        now = fingerprint(photo, "")
        if now and now.partition("-")[0] != row["photo_size"]:
            raise UnreadablePhoto(
                f"{shown(photo)}: changed since it was aligned", remedy="align again"
            )
        return [face_from_row(row)]


def _embedded(row: Row, vector: str) -> Row:
    return row | {"status": "ok", "reason": "", "vector": vector}


def represent(
    chips: Location,
    output: Path,
    recipe: Recipe | None = None,
    *,
    views: int | None = None,
    aligned: Sequence[Row] = (),
    batch: int = BATCH,
    jobs: int | None = None,
    device: str = "cpu",
    commercial: bool = False,
    progress: Progress = no_progress,
    waiting: Waiting | None = None,
) -> Summary:
    """Embed every chip below ``chips/<person>/`` into ``output/reps.csv`` and ``labels.csv``.

    Without a recipe the embedder follows from the chips: dlib's chip goes to dlib's network,
    OpenFace's to nn4.small2 where its weights are present, else dlib's network gets chips cut from
    the photos themselves, by the landmarks in ``alignment.csv``. Every chip gets one row in
    ``representation.csv``; what an earlier run made with the same settings is kept. ``aligned`` are
    rows of ``align`` that may hold vectors of this recipe.

    Raises UsageError if there are no chips or the recipe cannot use them, ModelError before any
    work if a model is missing.
    """
    if batch < 1:
        raise UsageError(f"a batch has 1 chip or more, not {batch}", field="batch")
    with ExitStack() as stack:
        if isinstance(chips, Path) and chips.resolve() != output.resolve():
            stack.enter_context(unchanging(chips, waiting=waiting))
        change = stack.enter_context(changing(output, waiting=waiting, keep=True))
        summary = represent_chips(
            chips, change, recipe,
            views=views, aligned=aligned, batch=batch, jobs=jobs, device=device,
            commercial=commercial, progress=progress,
        )  # fmt: skip
        change.commit()
    return summary


def represent_chips(
    chips: Location,
    change: Change,
    recipe: Recipe | None = None,
    *,
    views: int | None = None,
    aligned: Sequence[Row] = (),
    batch: int = BATCH,
    jobs: int | None = None,
    device: str = "cpu",
    commercial: bool = False,
    progress: Progress = no_progress,
) -> Summary:
    """Stage what ``represent`` makes of chips that nobody else changes; the caller commits it."""
    if isinstance(chips, Path):
        Journal(chips / ALIGNMENT.journal, "").refuse_if_left("alignment")
    made, rows = align.read_alignment(chips)
    rows = [row for row in rows if row.get("status") in align.USABLE]
    if made is None:
        rows = [
            {"person": file.person, "chip": str(file.path), "photo": ""}
            for file in walk(chips)
            if file.person
        ]
    if not rows:
        raise UsageError(f"{shown(chips)}: holds no aligned photos", remedy="align some first")
    spec = ChipSpec(**made.settings["chip"]) if made else spec_of(rows)
    recipe, recut, remarks = plan(recipe, made, spec, rows, views)
    options: dict[str, Any] = {"commercial": commercial, "device": device}
    pipeline = Pipeline(recipe, **options)
    settings = {"recipe": recipe.to_dict(), "space": str(pipeline.space), "recut": recut}
    # Chips without a table were not made here: they are the user's photos.
    manifest = Manifest("represent", settings, roots=[] if made else [absolute(chips)])
    output = change.folder
    places(change)  # what is in the way is said before the work
    sweep(output)
    rows = [marked(row, location(row["chip"])) for row in rows]
    columns = (*REPRESENTATION.columns, "vector")
    journal = Journal(output / REPRESENTATION.journal, manifest.settings_hash, columns)
    earlier = _earlier(output, manifest) + journal.rows()
    dim = pipeline.embedder.dim
    known = {
        _key(row): row
        for row in earlier
        if row["status"] == "ok" and is_encoded(row["vector"], dim)
    }
    if recut:
        ready = {row["chip"]: row["vector"] for row in aligned if "vector" in row}
        for row in rows:
            if row["chip"] in ready and _key(row) not in known:
                known[_key(row)] = _embedded(row, ready[row["chip"]])
    todo = [row for row in rows if _key(row) not in known]
    with journal, progress("represent", len(todo)) as advance:
        for row in embed_rows(todo, recipe, recut, options, batch=batch, jobs=jobs):
            known[_key(row)] = row
            journal.add({column: row.get(column, "") for column in columns})
            advance()
    # The chips' folder may be spelled another way than in the earlier run.
    ordered = [known[_key(row)] | {"chip": row["chip"], "photo": row["photo"]} for row in rows]
    good = [row for row in ordered if row["status"] == "ok"]
    write_vectors(change, decode_vectors(good), [row["chip"] for row in good])
    write_stage(change, REPRESENTATION, manifest, ordered)
    table, ok = output / REPRESENTATION.table, frozenset({"ok"})
    return Summary("represented", ordered, table, ok, len(todo), tuple(remarks))


def marked(row: Row, chip: Location) -> Row:
    """A row of ``alignment.csv`` with what changes when its chip does, and its photo's size."""
    size = row.get("fingerprint", "").partition("-")[0]
    return row | {"photo_size": size, "fingerprint": fingerprint(chip, GONE)}


def embed_rows(
    rows: Sequence[Row],
    recipe: Recipe,
    recut: bool,
    options: dict[str, Any],
    *,
    batch: int = BATCH,
    jobs: int | None = None,
) -> Iterator[Row]:
    """The rows with their status and, where that is ok, a ``vector`` for ``decode_vectors``."""
    batches = [rows[i : i + batch] for i in range(0, len(rows), batch)]
    jobs = 1 if options["device"] != "cpu" else processes(jobs, len(batches))
    with Workers[Row, Row](_Worker, (recipe, recut, options), jobs) as pool:
        for results in pool.map_chunks(batches):
            for one in results:
                yield one.item | one.row(one.item["chip"]) if isinstance(one, Lost) else one


def read_manifest(folder: Path) -> Manifest:
    """What made the embeddings in ``folder``. Raises StorageError if nothing says so, what does
    was altered, or they are incomplete."""
    Journal(folder / REPRESENTATION.journal, "").refuse_if_left("making embeddings")
    manifest = representation_manifest(folder)
    if manifest is None:
        raise StorageError(
            f"{shown(folder / REPRESENTATION.manifest)}: not there, so nothing says which network "
            "made the embeddings",
            remedy="make them again",
        )
    return manifest


def _key(row: Row) -> tuple[str, str]:
    return absolute(row["chip"]), row["fingerprint"]


def _earlier(output: Path, manifest: Manifest) -> list[Row]:
    """Rows of the last finished run with these settings, with their vectors."""
    before = Manifest.read(output / REPRESENTATION.manifest)
    if before is None or before.settings_hash != manifest.settings_hash:
        return []
    try:
        rows = read_table(output / REPRESENTATION.table, REPRESENTATION.columns)
        vectors, chips = read_vectors(output)
    except StorageError:  # removed or edited: made anew
        return []
    encoded = {chip: encode_vector(vector) for chip, vector in zip(chips, vectors, strict=True)}
    return [row | {"vector": encoded[row["chip"]]} for row in rows if row["chip"] in encoded]
