"""Photos in a folder per person -> aligned chips and ``alignment.csv``."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from openfaceplus.errors import PhotoError, StorageError, UsageError
from openfaceplus.faces import Box, Face
from openfaceplus.files import atomic_write, shown, sweep
from openfaceplus.images import MAX_PIXELS, PhotoFile, save_image, walk
from openfaceplus.manifest import Manifest
from openfaceplus.pipeline import Pipeline
from openfaceplus.recipe import Recipe
from openfaceplus.stages.summary import Progress, Summary, no_progress
from openfaceplus.stages.tasks import Task, tasks_of
from openfaceplus.stages.workers import Lost, Workers
from openfaceplus.store.tables import Journal, Row, read_table, write_table
from openfaceplus.store.vectors import encode_vector
from openfaceplus.threads import processes

if TYPE_CHECKING:
    import numpy as np

TABLE = "alignment.csv"
MANIFEST = "alignment.json"
JOURNAL = ".alignment.journal"
COLUMNS = (
    "person", "photo", "chip", "status", "reason", "faces", "width", "height",
    "left", "top", "right", "bottom", "score", "landmarks", "fingerprint",
)  # fmt: skip
USABLE = frozenset({"ok", "fallback"})
TRANSIENT = frozenset({"unreadable", "too_large"})
"""Statuses that may end without the photo being changed: permissions, memory."""


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
            reason = f"{shown(task.photo)}: lies in no person's folder"
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
    photos: Path,
    output: Path,
    recipe: Recipe,
    options: AlignOptions | None = None,
    *,
    embed: bool = False,
    jobs: int | None = None,
    progress: Progress = no_progress,
) -> Summary:
    """Align every photo below ``photos/<person>/`` into ``output/<person>/<photo>.png``.

    What an earlier run with the same settings made is kept, the rest is made anew, and chips of
    photos that are gone are deleted. Every photo gets one row in ``output/alignment.csv``. With
    ``embed`` rows made anew have a ``vector`` for ``represent``, which need not read the photo.

    Raises UsageError if ``photos`` is no folder, StorageError if ``output`` cannot be written,
    ModelError before any work if a model is missing.
    """
    files = walk(photos)
    if not files:
        raise UsageError(
            f"{photos}: holds no photos", remedy="it takes one folder a person with photos in it"
        )
    if output.resolve().is_relative_to(photos.resolve()):
        raise UsageError(f"{output}: lies inside {photos}, so its chips would be taken for photos")
    return align_files(files, output, recipe, options, embed=embed, jobs=jobs, progress=progress)


def align_files(
    files: Sequence[PhotoFile],
    output: Path,
    recipe: Recipe,
    options: AlignOptions | None = None,
    *,
    keep_others: bool = False,
    embed: bool = False,
    jobs: int | None = None,
    progress: Progress = no_progress,
) -> Summary:
    """``align`` for a list of files; ``keep_others`` keeps rows and chips of photos not in it."""
    options = options or AlignOptions()
    manifest = Manifest("align", _settings(recipe, options))
    Pipeline(recipe, commercial=options.commercial).check_alignment()
    sweep(output)
    journal = Journal(output / JOURNAL, manifest.settings_hash)
    before, earlier = _earlier(output, manifest)
    # The folders may be spelled another way than in the earlier run.
    known = {os.path.abspath(row["photo"]): row for row in earlier + journal.rows()}
    others = []
    if keep_others and before:
        mine = {os.path.abspath(file.path) for file in files}
        others = [row for path, row in known.items() if path not in mine]
    tasks = list(tasks_of(files, output, {Path(row["chip"]).parts[-2:] for row in others}))
    rows = {
        task.photo: row
        for task in tasks
        if (row := _still_good(known.get(os.path.abspath(task.photo)), task))
    }
    todo = [task for task in tasks if task.photo not in rows]
    pool = Workers[Task, Row](_Worker, (recipe, options, embed), processes(jobs, len(todo)))
    with pool, journal, progress("align", len(todo)) as advance:
        if not before:
            # From here on chips of two settings may lie side by side.
            (output / MANIFEST).unlink(missing_ok=True)
        for done in pool.map(todo):
            row = done.item.row() | done.row(done.item.photo) if isinstance(done, Lost) else done
            rows[Path(row["photo"])] = row
            # Not its vector: an interrupted run may go on with another network.
            journal.add({key: value for key, value in row.items() if key != "vector"})
            advance()
    ordered = others + [rows[task.photo] for task in tasks]
    if others:
        ordered.sort(key=lambda row: (row["person"], row["photo"]))
    _delete_chips(_places(known.values()) - _places(ordered), output)
    counts = Counter(row["status"] for row in ordered)
    write_table(output / TABLE, COLUMNS, ordered)
    Manifest("align", manifest.settings, dict(counts)).write(output / MANIFEST)
    journal.remove()
    return Summary("aligned", ordered, output / TABLE, USABLE, fresh=len(todo))


def face_to_row(face: Face) -> Row:
    """A face as the table's columns."""
    box = face.box
    points = [] if face.landmarks is None else face.landmarks.tolist()
    return {
        "left": f"{box.left:g}",
        "top": f"{box.top:g}",
        "right": f"{box.right:g}",
        "bottom": f"{box.bottom:g}",
        "score": f"{face.score:.4g}",
        "landmarks": ";".join(f"{x:g} {y:g}" for x, y in points),
    }


def face_from_row(row: Row) -> Face:
    """The inverse of ``face_to_row``. Raises StorageError if the row does not hold a face."""
    import numpy as np

    try:
        box = Box(*(float(row[side]) for side in ("left", "top", "right", "bottom")))
        points = [[float(x) for x in point.split()] for point in row["landmarks"].split(";")]
        landmarks: np.ndarray = np.array(points, np.float32).reshape(-1, 2)
        return Face(box, float(row["score"]), landmarks)
    except (KeyError, ValueError) as error:
        raise StorageError(
            f"{TABLE}: the row of {row.get('photo')} holds no face ({error})", remedy="align again"
        ) from error


def read_alignment(folder: Path) -> tuple[Manifest | None, list[Row]]:
    """The manifest and the rows in a folder of chips; None and no rows if it has neither."""
    return Manifest.read(folder / MANIFEST), read_table(folder / TABLE, COLUMNS)


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


def _earlier(output: Path, manifest: Manifest) -> tuple[bool, list[Row]]:
    """Whether the last finished run had these settings, and its rows.

    Those made with other settings count for nothing, but their chips have to be known, so that
    those that no longer belong are deleted.
    """
    before, rows = read_alignment(output)
    if before is not None and before.settings_hash == manifest.settings_hash:
        return True, rows
    return False, [row | {"fingerprint": ""} for row in rows]


def _still_good(row: Row | None, task: Task) -> Row | None:
    """The row of an earlier run if it holds for the task, with the paths as they are now."""
    if row is None or (row["person"], row["fingerprint"]) != (task.person, task.fingerprint):
        return None
    if row["status"] in TRANSIENT:
        return None
    kept = row | {"photo": str(task.photo)}
    if row["chip"]:
        chip = task.chip.with_name(Path(row["chip"]).name)
        # A new photo of the same stem changes the names of chips.
        if chip.stem != task.chip.stem or not chip.is_file():
            return None
        kept["chip"] = str(chip)
    return kept


def _places(rows: Iterable[Row]) -> set[tuple[str, ...]]:
    """Where the rows' chips lie below the output folder: person and file name."""
    return {Path(row["chip"]).parts[-2:] for row in rows if row["chip"]}


def _delete_chips(places: Iterable[tuple[str, ...]], output: Path) -> None:
    """Delete chips that no row names any more, never anything outside the output folder."""
    root = output.resolve()
    for place in places:
        path = output.joinpath(*place)
        folder = path.parent
        if folder.resolve().parent == root and path.is_file():
            path.unlink()
            if not any(folder.iterdir()):
                folder.rmdir()
