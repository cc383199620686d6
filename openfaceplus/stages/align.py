"""Photos in a folder per person -> aligned chips and ``alignment.csv``."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from openfaceplus.changes import Change, Waiting, changing
from openfaceplus.errors import InTheWay, PhotoError, UsageError
from openfaceplus.files import atomic_write, shown, sweep
from openfaceplus.images import MAX_PIXELS, PhotoFile, save_image, walk
from openfaceplus.manifest import Manifest
from openfaceplus.pipeline import Pipeline
from openfaceplus.recipe import Recipe
from openfaceplus.remote import Location, absolute
from openfaceplus.stages.settings import alignment_manifest
from openfaceplus.stages.summary import Progress, Summary, no_progress
from openfaceplus.stages.tasks import Task, tasks_of
from openfaceplus.stages.workers import Lost, Workers
from openfaceplus.store.face_rows import face_to_row
from openfaceplus.store.layout import ALIGNMENT, place_of
from openfaceplus.store.tables import Journal, Row, read_table, write_stage
from openfaceplus.store.vectors import encode_vector
from openfaceplus.threads import processes

USABLE = frozenset({"ok", "fallback"})
TRANSIENT = frozenset({"unreadable", "too_large", "in_the_way"})
"""Statuses that may end without the photo being changed: permissions, memory, another file."""
_ALWAYS = ("person", "photo", "chip", "status", "reason", "fingerprint")  # in each row


@dataclass(frozen=True, slots=True)
class AlignOptions:
    """What the stage does beside following the recipe.

    ``skip_multi`` leaves out photos with several faces; ``fallback`` is a folder of ready chips
    (``<person>/<photo>.jpg``) taken where no face is found; ``keep_flawed`` keeps faces that are
    too small or too blurred to be recognised.
    """

    skip_multi: bool = False
    keep_flawed: bool = False
    fallback: Path | None = None
    max_pixels: int = MAX_PIXELS
    commercial: bool = False


class _Worker:
    """Aligns photos, in whichever process it is made."""

    def __init__(self, recipe: Recipe, options: AlignOptions, embed: bool) -> None:
        self._pipeline = Pipeline(recipe, commercial=options.commercial, threads=1)
        self._options = options
        self._embed = embed

    def __call__(self, task: Task) -> Row:
        row = task.row()
        if not task.person:
            reason = f"{shown(task.photo)}: lies in no person's folder; move it into one"
            return row | {"status": "no_person", "reason": reason}
        try:
            self._align(task, row)
        except PhotoError as error:
            row |= {"status": error.status, "reason": str(error)}
        except MemoryError:
            row |= {"status": "too_large", "reason": f"{shown(task.photo)}: not enough memory"}
        if row["status"] == "no_face" and self._options.fallback is not None:
            self._fall_back(task, row)
        return row

    def _align(self, task: Task, row: Row) -> None:
        # All faces are looked for, since a training photo with several is worth a remark.
        most = self._options.max_pixels
        (seen,) = self._pipeline.look(
            [task.photo], max_pixels=most, vectors="none", chips=True, photos=True
        )
        photo, faces = seen.or_raise().photo, seen.faces
        assert photo is not None
        row |= {"width": str(photo.width), "height": str(photo.height), "faces": str(len(faces))}
        if not faces:
            row |= {"status": "no_face", "reason": f"{shown(task.photo)}: no face found"}
            return
        if self._options.skip_multi and len(faces) > 1:
            reason = f"{shown(task.photo)}: {len(faces)} faces found"
            row |= {"status": "several_faces", "reason": reason}
            return
        face = faces[0]
        row |= face_to_row(face)
        if (problem := seen.flaws[0]) and not self._options.keep_flawed:
            reason = f"{shown(task.photo)}: the face is {problem.replace('_', ' ')}"
            row |= {"status": problem, "reason": reason}
            return
        save_image(task.chip, seen.chips[0].pixels)
        row["chip"] = str(task.chip)
        if self._embed:
            (embedded,) = self._pipeline.look([photo], known=[[face]])
            row["vector"] = encode_vector(embedded.vectors[0])
        if len(faces) > 1:
            row["reason"] = f"the most prominent of {len(faces)} faces"

    def _fall_back(self, task: Task, row: Row) -> None:
        assert self._options.fallback is not None
        ready = self._options.fallback / task.person / f"{task.photo.stem}.jpg"
        chip = task.chip.with_suffix(".jpg")
        try:
            data = ready.read_bytes()
        except OSError as error:
            row["reason"] += f"; no fallback {shown(ready)} ({error.strerror})"
            return
        with atomic_write(chip) as file:
            file.write(data)
        row |= {"status": "fallback", "reason": f"copied from {shown(ready)}", "chip": str(chip)}


def align(
    photos: Location,
    output: Path,
    recipe: Recipe,
    options: AlignOptions | None = None,
    *,
    embed: bool = False,
    jobs: int | None = None,
    progress: Progress = no_progress,
    waiting: Waiting | None = None,
) -> Summary:
    """Align every photo below ``photos/<person>/`` into ``output/<person>/<photo>.png``.

    What an earlier run with the same settings made is kept, the rest is made anew, and chips of
    photos that are gone are deleted. Every photo gets one row in ``output/alignment.csv``. With
    ``embed`` rows made anew have a ``vector`` for ``represent``, which need not read the photo.

    Raises UsageError if ``photos`` is no folder, StorageError if ``output`` cannot be written,
    ModelError before any work if a model is missing.
    """
    files = photos_to_align(photos, output)
    with changing(output, waiting=waiting, keep=True) as change:
        summary = align_files(
            files, change, recipe, options,
            roots=[photos], embed=embed, jobs=jobs, progress=progress,
        )  # fmt: skip
        change.commit()
    return summary


def photos_to_align(photos: Location, output: Path) -> list[PhotoFile]:
    """The files of a folder per person. Raises UsageError if there are none, or the chips would
    lie among them."""
    files = walk(photos)
    if not files:
        raise UsageError(
            f"{shown(photos)}: holds no photos",
            remedy="name a folder that holds one folder of photos for each person",
        )
    if output.resolve().is_relative_to(photos.resolve()):
        raise UsageError(
            f"{shown(output)}: lies inside {shown(photos)}",
            remedy="choose a folder outside, or its chips would be taken for photos",
        )
    return files


def align_files(
    files: Sequence[PhotoFile],
    change: Change,
    recipe: Recipe,
    options: AlignOptions | None = None,
    *,
    roots: Sequence[Location],
    keep_others: bool = False,
    embed: bool = False,
    jobs: int | None = None,
    progress: Progress = no_progress,
) -> Summary:
    """Stage what ``align`` makes of the files, which lie below ``roots``; the caller commits it.

    ``keep_others`` keeps rows and chips of photos that are not among them.
    """
    options = options or AlignOptions()
    manifest = Manifest("align", _settings(recipe, options))
    Pipeline(recipe, commercial=options.commercial).check_alignment()
    output = change.folder
    if not keep_others:  # many folders take long to look through
        sweep(output)
    journal = Journal(output / ALIGNMENT.journal, manifest.settings_hash, _ALWAYS)
    before, earlier = read_alignment(output)
    if before is not None and keep_others:
        manifest = replace(manifest, settings=before.settings)
    same = before is not None and before.settings_hash == manifest.settings_hash
    # The folders may be spelled another way than in the earlier run.
    known = {absolute(row["photo"]): row for row in earlier}
    begun = {absolute(row["photo"]): row for row in journal.rows()}
    others = []
    if keep_others:
        mine = {absolute(file.path) for file in files}
        others = [row for path, row in known.items() if path not in mine]
    tasks = list(tasks_of(files, output, {place_of(row["chip"]) for row in others}))
    rows: dict[str, Row] = {}
    made: list[Row] = []
    for task in tasks:
        path = absolute(task.photo)
        if row := _still_good(begun.get(path), task, change.staging):
            made.append(row)
        elif same:
            row = _still_good(known.get(path), task, output)
        if row:
            rows[str(task.photo)] = row
    todo = [task for task in tasks if str(task.photo) not in rows]
    work = [replace(task, chip=change.staging / _below(task.chip)) for task in todo]
    pool = Workers[Task, Row](_Worker, (recipe, options, embed), processes(jobs, len(todo)))
    with pool, journal, progress("align", len(todo)) as advance:
        for done in pool.map(work):
            row = done.item.row() | done.row(done.item.photo) if isinstance(done, Lost) else done
            if row["chip"]:
                row["chip"] = str(output / _below(row["chip"]))
            rows[row["photo"]] = row
            made.append(row)
            # Not its vector: an interrupted run may go on with another network.
            journal.add({key: value for key, value in row.items() if key != "vector"})
            advance()
    ours = {place_of(row["chip"]) for row in earlier if row["chip"]}
    for row in made:
        if row["chip"]:
            try:
                change.staged(_below(row["chip"]), ours=place_of(row["chip"]) in ours)
            except InTheWay as error:
                row |= {"chip": "", "status": "in_the_way", "reason": str(error)}
    ordered = others + [rows[str(task.photo)] for task in tasks]
    if others:
        ordered.sort(key=lambda row: (row["person"], row["photo"]))
    for place in ours - {place_of(row["chip"]) for row in ordered}:
        change.remove("/".join(place))
    folders = {absolute(root) for root in roots}
    if before is not None and keep_others:
        folders |= set(before.roots)
    write_stage(change, ALIGNMENT, replace(manifest, roots=sorted(folders)), ordered)
    table = output / ALIGNMENT.table
    return Summary("aligned", ordered, table, USABLE, fresh=len(todo))


def read_alignment(folder: Location) -> tuple[Manifest | None, list[Row]]:
    """The manifest and the rows in a folder of chips; None and no rows if it has neither, as in
    object storage, where nothing is written."""
    if not isinstance(folder, Path):
        return None, []
    rows = read_table(folder / ALIGNMENT.table, ALIGNMENT.columns)
    return alignment_manifest(folder), rows


def _settings(recipe: Recipe, options: AlignOptions) -> dict[str, object]:
    settings = recipe.to_dict()
    # What happens after alignment does not change the chips.
    for later in ("profile", "embedder", "views", "network", "spec"):
        settings.pop(later, None)
    return settings | {
        "skip_multi": options.skip_multi,
        "keep_flawed": options.keep_flawed,
        "fallback": None if options.fallback is None else str(options.fallback),
        "max_pixels": options.max_pixels,
    }


def _still_good(row: Row | None, task: Task, folder: Path) -> Row | None:
    """The row of an earlier run if it holds for the task, with the paths as they are now.

    ``folder`` is where that run's chips lie.
    """
    if row is None or (row["person"], row["fingerprint"]) != (task.person, task.fingerprint):
        return None
    if row["status"] in TRANSIENT:
        return None
    kept = row | {"photo": str(task.photo)}
    if row["chip"]:
        chip = task.chip.with_name(Path(row["chip"]).name)
        # A new photo of the same stem changes the names of chips.
        if chip.stem != task.chip.stem or not (folder / _below(chip)).is_file():
            return None
        kept["chip"] = str(chip)
    return kept


def _below(chip: str | Path) -> str:
    """A chip's path below the folder of chips."""
    return "/".join(place_of(os.fspath(chip)))
