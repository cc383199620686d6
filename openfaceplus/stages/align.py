"""Photos in a folder per person -> aligned chips and ``alignment.csv``."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from openfaceplus.errors import PhotoError, StorageError, UsageError
from openfaceplus.faces import Box, Face
from openfaceplus.files import sweep
from openfaceplus.images import MAX_PIXELS, PhotoFile, read_photo, save_image, walk
from openfaceplus.manifest import Manifest
from openfaceplus.pipeline import Pipeline, flaw
from openfaceplus.recipe import Recipe
from openfaceplus.stages import workers
from openfaceplus.stages.summary import Progress, Summary, no_progress
from openfaceplus.store.tables import Journal, Row, read_table, write_table

if TYPE_CHECKING:
    import numpy as np

TABLE = "alignment.csv"
MANIFEST = "alignment.json"
COLUMNS = (
    "person", "photo", "chip", "status", "reason", "faces", "width", "height",
    "left", "top", "right", "bottom", "score", "landmarks", "fingerprint",
)  # fmt: skip
USABLE = frozenset({"ok", "fallback"})


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


@dataclass(frozen=True, slots=True)
class _Task:
    person: str
    photo: Path
    chip: Path
    fingerprint: str


class _Worker:
    """Aligns photos, in whichever process it is made."""

    def __init__(self, recipe: Recipe, options: AlignOptions) -> None:
        self._pipeline = Pipeline(recipe, commercial=options.commercial, threads=1)
        self._options = options

    def __call__(self, task: _Task) -> Row:
        row = {
            "person": task.person,
            "photo": str(task.photo),
            "chip": "",
            "status": "ok",
            "reason": "",
            "fingerprint": task.fingerprint,
        }
        try:
            if not task.person:
                raise UsageError("the photo lies in no person's folder")
            self._align(task, row)
        except PhotoError as error:
            row |= {"status": error.status, "reason": str(error)}
        except UsageError as error:
            row |= {"status": "no_person", "reason": str(error)}
        except MemoryError:
            row |= {"status": "too_large", "reason": "not enough memory for this photo"}
        if row["status"] == "no_face" and self._options.fallback is not None:
            self._fall_back(task, row)
        return row

    def _align(self, task: _Task, row: Row) -> None:
        photo = read_photo(task.photo, max_pixels=self._options.max_pixels)
        row |= {"width": str(photo.width), "height": str(photo.height)}
        # All faces are looked for, since a training photo with several is worth a remark.
        faces = self._pipeline.faces(photo)
        row["faces"] = str(len(faces))
        if not faces:
            row |= {"status": "no_face", "reason": "no face found"}
            return
        if self._options.skip_multi and len(faces) > 1:
            row |= {"status": "several_faces", "reason": f"{len(faces)} faces found"}
            return
        face = faces[0]
        row |= face_to_row(face)
        chip = self._pipeline.cut(photo, face)
        problem = None if self._options.keep_flawed else flaw(chip)
        if problem:
            row |= {"status": problem, "reason": f"the face is {problem.replace('_', ' ')}"}
            return
        save_image(task.chip, chip.pixels)
        row["chip"] = str(task.chip)
        if len(faces) > 1:
            row["reason"] = f"the most prominent of {len(faces)} faces"

    def _fall_back(self, task: _Task, row: Row) -> None:
        assert self._options.fallback is not None
        ready = self._options.fallback / task.person / f"{task.photo.stem}.jpg"
        chip = task.chip.with_name(f"{task.photo.stem}.jpg")
        try:
            chip.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ready, chip)
        except OSError as error:
            row["reason"] += f"; no fallback ({error})"
        else:
            row |= {"status": "fallback", "reason": f"copied from {ready}", "chip": str(chip)}


def align(
    photos: Path,
    output: Path,
    recipe: Recipe,
    options: AlignOptions | None = None,
    *,
    jobs: int | None = None,
    progress: Progress = no_progress,
) -> Summary:
    """Align every photo below ``photos/<person>/`` into ``output/<person>/<photo>.png``.

    What an earlier run with the same settings made is kept, the rest is made anew, and chips of
    photos that are gone are deleted. Every photo gets one row in ``output/alignment.csv``.

    Raises UsageError if ``photos`` is no folder, StorageError if ``output`` cannot be written,
    ModelError before any work if a model is missing.
    """
    options = options or AlignOptions()
    manifest = Manifest("align", _settings(recipe, options))
    files = walk(photos)
    if not files:
        raise UsageError(f"{photos}: holds no photos; it takes one folder a person with photos in it")
    if output.resolve().is_relative_to(photos.resolve()):
        raise UsageError(f"{output}: lies inside {photos}; its chips would be taken for photos")
    Pipeline(recipe, commercial=options.commercial).check_alignment()
    sweep(output)
    journal = Journal(output / ".alignment.journal", manifest.settings_hash)
    known = {row["photo"]: row for row in _earlier(output, manifest) + journal.rows()}
    tasks = list(_tasks(files, output))
    # A kept row must name the same chip: a new photo of the same stem changes names.
    kept = {
        str(task.photo): row
        for task in tasks
        if (row := known.get(str(task.photo))) and _still_good(row, task)
    }
    todo = [task for task in tasks if str(task.photo) not in kept]
    rows = dict(kept)
    with journal, progress("align", len(todo)) as advance:
        for row in workers.run(_Worker, (recipe, options), todo, jobs):
            rows[row["photo"]] = row
            journal.add(row)
            advance()
    ordered = [rows[str(task.photo)] for task in tasks]
    _delete_chips({r["chip"] for r in known.values()} - {r["chip"] for r in ordered}, output)
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
            f"{TABLE}: the row of {row.get('photo')} holds no face ({error}); align again"
        ) from error


def read_alignment(folder: Path) -> tuple[Manifest | None, list[Row]]:
    """The manifest and the rows in a folder of chips; None and no rows if it has neither."""
    return Manifest.read(folder / MANIFEST), read_table(folder / TABLE)


def _settings(recipe: Recipe, options: AlignOptions) -> dict[str, object]:
    settings = recipe.to_dict()
    # What happens after alignment does not change the chips.
    for later in ("profile", "embedder", "views", "network"):
        del settings[later]
    return settings | {
        "skip_multi": options.skip_multi,
        "keep_flawed": options.keep_flawed,
        "fallback": None if options.fallback is None else str(options.fallback),
        "max_pixels": options.max_pixels,
    }


def _earlier(output: Path, manifest: Manifest) -> list[Row]:
    """Rows of the last finished run; those made with other settings count for nothing.

    Their chips still have to be known, so that those that no longer belong are deleted.
    """
    before, rows = read_alignment(output)
    if before is not None and before.settings_hash == manifest.settings_hash:
        return rows
    return [row | {"fingerprint": ""} for row in rows]


def _tasks(files: Iterable[PhotoFile], output: Path) -> Iterable[_Task]:
    taken: set[tuple[str, str]] = set()
    for file in files:
        inner = Path(file.relative).parts[1 if file.person else 0 :]
        name = "_".join((*inner[:-1], Path(inner[-1]).stem))
        # a.jpg and a.png of one person must not overwrite each other.
        for other in (name, "_".join(inner), *(f"{name}-{i}" for i in range(2, len(taken) + 3))):
            if (file.person, other) not in taken:
                break
        taken.add((file.person, other))
        try:
            status = file.path.stat()
            fingerprint = f"{status.st_size}-{status.st_mtime_ns}"
        except OSError:
            fingerprint = "unreadable"
        yield _Task(file.person, file.path, output / file.person / f"{other}.png", fingerprint)


def _still_good(row: Row, task: _Task) -> bool:
    if row.get("fingerprint") != task.fingerprint:
        return False
    if row.get("status") == "ok":
        return row.get("chip") == str(task.chip) and task.chip.is_file()
    return not row.get("chip") or Path(row["chip"]).is_file()


def _delete_chips(chips: Iterable[str], output: Path) -> None:
    """Delete chips that no row names any more, never anything outside the output folder."""
    root = output.resolve()
    for chip in filter(None, chips):
        path = Path(chip)
        if path.resolve().is_relative_to(root):
            path.unlink(missing_ok=True)
            if path.parent.resolve() != root and path.parent.is_dir() and not any(path.parent.iterdir()):
                path.parent.rmdir()
