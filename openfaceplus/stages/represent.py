"""Aligned chips -> embeddings in ``reps.csv`` and ``labels.csv``, and ``representation.csv``."""

from __future__ import annotations

import contextlib
import os
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from openfaceplus.embedding import kind_of
from openfaceplus.errors import NoFace, PhotoError, StorageError, UnreadablePhoto, UsageError
from openfaceplus.faces import Chip, ChipSpec, Face
from openfaceplus.files import shown, sweep
from openfaceplus.images import read_photo, walk
from openfaceplus.manifest import Manifest
from openfaceplus.pipeline import Pipeline
from openfaceplus.recipe import Recipe, profile_for
from openfaceplus.stages import align
from openfaceplus.stages.summary import Progress, Summary, no_progress
from openfaceplus.stages.workers import Lost, Workers
from openfaceplus.store.tables import Journal, Row, read_table, write_table
from openfaceplus.store.vectors import decode_vector, encode_vector, read_vectors, write_vectors
from openfaceplus.threads import processes

TABLE = "representation.csv"
MANIFEST = "representation.json"
JOURNAL = ".representation.journal"
GONE = "gone"
COLUMNS = ("person", "chip", "photo", "status", "reason", "fingerprint")
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
                done.append(_failed(row, error))
        if not self._recut:
            vectors = self._pipeline.embed(chips)
            return done + [_embedded(*pair) for pair in zip(good, vectors, strict=True)]
        # What was read when aligning may be read now.
        photos = [Path(row["photo"]) for row in good]
        seen = self._pipeline.look(photos, known=faces, max_pixels=sys.maxsize)
        return done + [
            _failed(row, one.error) if one.error else _embedded(row, one.vectors[0])
            for row, one in zip(good, seen, strict=True)
        ]

    def _chip(self, row: Row) -> list[Chip]:
        return [self._pipeline.chip_from_image(read_photo(Path(row["chip"])))]

    def _face(self, row: Row) -> list[Face]:
        photo = Path(row["photo"])
        if not row["landmarks"]:
            raise NoFace(
                f"{shown(photo)}: a ready chip was taken, which {self._pipeline.recipe.embedder} "
                "cannot use"
            )
        # Times change when folders are copied; a size seldom stays when a photo is replaced.
        if photo.is_file() and str(photo.stat().st_size) != row["photo_size"]:
            raise UnreadablePhoto(
                f"{shown(photo)}: changed since it was aligned", remedy="align again"
            )
        return [align.face_from_row(row)]


def _failed(row: Row, error: PhotoError) -> Row:
    return row | {"status": error.status, "reason": str(error)}


def _embedded(row: Row, vector: np.ndarray) -> Row:
    return row | {"status": "ok", "reason": "", "vector": encode_vector(vector)}


def represent(
    chips: Path,
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
    Journal(chips / align.JOURNAL, "").refuse_if_left("alignment")
    made, rows = align.read_alignment(chips)
    rows = [row for row in rows if row.get("status") in align.USABLE]
    if made is None:
        rows = [
            {"person": file.person, "chip": str(file.path), "photo": ""}
            for file in walk(chips)
            if file.person
        ]
    if not rows:
        raise UsageError(f"{chips}: holds no aligned photos", remedy="align some first")
    spec = ChipSpec(**made.settings["chip"]) if made else _spec_of(rows)
    recipe, recut, remarks = _plan(recipe, made, spec, rows, views)
    options: dict[str, Any] = {"commercial": commercial, "device": device}
    pipeline = Pipeline(recipe, **options)
    settings = {"recipe": recipe.to_dict(), "space": str(pipeline.space), "recut": recut}
    manifest = Manifest("represent", settings)
    sweep(output)
    for row in rows:
        row["photo_size"] = row.get("fingerprint", "").partition("-")[0]
        row["fingerprint"] = _fingerprint(Path(row["chip"]))
    journal = Journal(output / JOURNAL, manifest.settings_hash)
    earlier = _earlier(output, manifest) + journal.rows()
    known = {_key(row): row for row in earlier if row["status"] == "ok"}
    if recut:
        vectors_of = {row["chip"]: row["vector"] for row in aligned if "vector" in row}
        for row in rows:
            if row["chip"] in vectors_of and _key(row) not in known:
                known[_key(row)] = _embedded(row, decode_vector(vectors_of[row["chip"]]))
    todo = [row for row in rows if _key(row) not in known]
    batches = [todo[i : i + batch] for i in range(0, len(todo), batch)]
    jobs = 1 if device != "cpu" else processes(jobs, len(batches))
    pool = Workers[Row, Row](_Worker, (recipe, recut, options), jobs)
    with pool, journal, progress("represent", len(todo)) as advance:
        for results in pool.map_chunks(batches):
            for one in results:
                row = one.item | one.row(one.item["chip"]) if isinstance(one, Lost) else one
                known[_key(row)] = row
                journal.add({c: row.get(c, "") for c in (*COLUMNS, "vector")})
                advance()
    # The chips' folder may be spelled another way than in the earlier run.
    ordered = [known[_key(row)] | {"chip": row["chip"], "photo": row["photo"]} for row in rows]
    good = [row for row in ordered if row["status"] == "ok"]
    vectors = np.array([decode_vector(row["vector"]) for row in good], np.float32)
    # A kill between the files must not leave vectors beside labels of another run.
    (output / MANIFEST).unlink(missing_ok=True)
    write_vectors(output, vectors, [row["chip"] for row in good])
    write_table(output / TABLE, COLUMNS, ordered)
    counts = dict(Counter(row["status"] for row in ordered))
    Manifest("represent", settings, counts).write(output / MANIFEST)
    journal.remove()
    ok = frozenset({"ok"})
    return Summary("represented", ordered, output / TABLE, ok, len(todo), tuple(remarks))


def read_manifest(folder: Path) -> Manifest:
    """What made the embeddings in ``folder``. Raises StorageError if nothing says so, or if they
    are incomplete."""
    Journal(folder / JOURNAL, "").refuse_if_left("making embeddings")
    manifest = Manifest.read(folder / MANIFEST)
    if manifest is None:
        raise StorageError(
            f"{folder / MANIFEST}: not there, so nothing says which network made the embeddings",
            remedy="run batch_represent/main.py",
        )
    return manifest


def _plan(
    recipe: Recipe | None,
    made: Manifest | None,
    spec: ChipSpec,
    rows: Sequence[Row],
    views: int | None,
) -> tuple[Recipe, bool, list[str]]:
    """The full recipe, whether chips are cut anew from the photos, and what to tell the user."""
    found = {k: made.settings[k] for k in ("detector", "landmarks", "predictor")} if made else {}
    native = spec.template == Recipe().chip.template
    recipe = replace(recipe or profile_for(spec), **found)
    recipe = recipe if views is None else replace(recipe, views=views)
    if recipe.chip == spec and recipe.views <= 2:
        return recipe, False, []
    if spec.template in kind_of(recipe.embedder).also:
        return replace(recipe, chip=spec), False, []
    # Rows copied from a fallback folder have no landmarks to cut by.
    missing = [row for row in rows if not row.get("landmarks") or not Path(row["photo"]).is_file()]
    if len(missing) < len(rows):
        remark = f"chips for {recipe.embedder} are cut from the photos themselves, not from {spec}"
        return recipe, True, [] if native else [remark]
    if recipe.views > 2 or native:
        raise UsageError(
            f"{rows[0]['chip']}: a {spec} chip serves neither {recipe.embedder} nor {recipe.views} "
            "views, and the photos it came from are gone",
            remedy="align the photos again",
        )
    remark = (
        f"warning: the photos are gone, so {spec} chips are warped into dlib's frame; expect about "
        "93.5 instead of 98.8% on LFW pairs. Keep the photos, or use the network of such chips"
    )
    return replace(recipe, through=spec), False, [remark]


def _spec_of(rows: Sequence[Row]) -> ChipSpec:
    """What chips of unknown origin must be, from their size: OpenFace's 96 or dlib's 150 pixels.

    Raises UsageError if none can be read.
    """
    native = Recipe().chip
    for row in rows:
        with contextlib.suppress(PhotoError):
            size = read_photo(Path(row["chip"])).width
            return native if size == native.size else ChipSpec(size, "outerEyesAndNose")
    raise UsageError(
        f"{shown(rows[0]['chip'])}: no chip can be read", remedy="align the photos again"
    )


def _key(row: Row) -> tuple[str, str]:
    return os.path.abspath(row["chip"]), row["fingerprint"]


def _fingerprint(chip: Path) -> str:
    try:
        status = chip.stat()
    except OSError:
        return GONE
    return f"{status.st_size}-{status.st_mtime_ns}"


def _earlier(output: Path, manifest: Manifest) -> list[Row]:
    """Rows of the last finished run with these settings, with their vectors."""
    before = Manifest.read(output / MANIFEST)
    if before is None or before.settings_hash != manifest.settings_hash:
        return []
    try:
        rows = read_table(output / TABLE, COLUMNS)
        vectors, chips = read_vectors(output)
    except StorageError:  # removed or edited: made anew
        return []
    encoded = {chip: encode_vector(vector) for chip, vector in zip(chips, vectors, strict=True)}
    return [row | {"vector": encoded[row["chip"]]} for row in rows if row["chip"] in encoded]
