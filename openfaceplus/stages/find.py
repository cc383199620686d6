"""Finds one person, or several, in a pile of photos: every face against every reference."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from openfaceplus.decoding import Photo
from openfaceplus.errors import UnwritablePicture, UsageError
from openfaceplus.files import may_overwrite, shown, sweep
from openfaceplus.images import MAX_PIXELS, save_image, walk
from openfaceplus.manifest import Manifest
from openfaceplus.pictures.drawing import Mark, draw, legend
from openfaceplus.pipeline import PhotoFaces, Pipeline
from openfaceplus.recipe import Recipe, recipe
from openfaceplus.remote import Location, fingerprint
from openfaceplus.stages import contact_sheet, results_folder
from openfaceplus.stages.results_folder import (
    INDEX,
    JOURNAL,
    MANIFEST,
    MATCHES,
    Result,
    thumbnail_of,
)
from openfaceplus.stages.subjects import References, Rule, load_references
from openfaceplus.stages.workers import Lost, Workers
from openfaceplus.store.tables import Journal, write_table
from openfaceplus.threads import processes
from openfaceplus.verification import FAR, Comparer

COLUMNS = (
    "photo", "left", "top", "right", "bottom", "subject", "distance", "reference", "decision",
    "reason", "picture",
)  # fmt: skip
FINE = frozenset({"ok", "no_face"})
_THUMBNAIL = 400  # pixels of its longer side


@dataclass(frozen=True, slots=True)
class FindOptions:
    """How faces are compared: ``far``, ``distance`` and ``table`` as for ``Comparer``."""

    chosen: Recipe = field(default_factory=recipe)
    rule: Rule = field(default_factory=Rule)
    far: float = FAR
    distance: float | None = None
    table: Path | None = None
    commercial: bool = False
    max_pixels: int = MAX_PIXELS


@dataclass(frozen=True, slots=True)
class Search:
    """What a search found: a result a photo, in the order of their paths."""

    results: Sequence[Result]
    references: References
    far: float | None
    remarks: Sequence[str]
    index: Path
    fresh: int

    @property
    def matches(self) -> int:
        return sum(bool(result["matches"]) for result in self.results)

    @property
    def failed(self) -> int:
        return sum(result["status"] not in FINE for result in self.results)


def find(
    knowns: Location,
    unknowns: Location,
    output: Path,
    options: FindOptions | None = None,
    *,
    jobs: int | None = None,
    progress: Any = None,
    begin: Callable[[References, Sequence[str], int], object] = lambda *_: None,
    tell: Callable[[Result], object] = lambda _: None,
) -> Search:
    """Compare all faces below ``unknowns`` with the references in ``knowns``.

    Writes to ``output`` each photo with its faces marked, ``matches.csv`` with a row a face, and
    ``index.html``. What an earlier run with the same settings did there is kept. ``begin`` is
    called with the references, what is to be said of them and the number of photos, ``tell`` with
    each result as it is known; ``progress`` is that of a model's download.

    Raises UsageError for folders that are missing, empty or within one another, or an ``output``
    that holds other files; ModelMissing where the embedding has no table of thresholds.
    """
    options = options or FindOptions()
    results_folder.check_places(knowns, unknowns, output)
    files = walk(unknowns)
    if not files:
        raise UsageError(
            f"{shown(unknowns)}: holds no photos", remedy="put the photos to search there"
        )
    jobs = processes(jobs)
    before = results_folder.claimed(output)
    if before is None and not may_overwrite():
        results_folder.refuse_others(output)
    comparer = Comparer(
        options.chosen, far=options.far, distance=options.distance, table=options.table,
        max_pixels=options.max_pixels, commercial=options.commercial, progress=progress,
    )  # fmt: skip
    references, remarks = load_references(knowns, comparer, options.rule, options.table)
    numbers = legend(references.limits)
    remarks += [f"in the pictures {number} is {name}" for name, number in numbers.items()]
    pictures = results_folder.picture_names([file.relative for file in files])
    ours = set(before or ())
    results_folder.refuse_links(output, pictures.values())
    if not may_overwrite():
        results_folder.refuse_others(output, set(pictures.values()) - ours)
    settings = _settings(knowns, comparer, references, options)
    if numbers:  # with another font the pictures are drawn anew
        settings["numbers"] = numbers
    always = ("photo", "reason", "picture", "stamp")
    journal = Journal(output / JOURNAL, Manifest("find", settings).settings_hash, always)
    # Before anything else is written: by this the next run knows what here is its own.
    claim = Manifest("find", settings | {"pictures": sorted(ours | set(pictures.values()))})
    claim.write(output / MANIFEST)
    sweep(output)
    kept = {row["photo"]: row for row in journal.rows()}
    tasks = [
        _Task(str(file.path), file.relative, pictures[file.relative], fingerprint(file.path, ""))
        for file in files
    ]
    pending = [task for task in tasks if not _is_done(kept.get(task.photo), task, output)]
    begin(references, remarks, len(files))
    arguments = (comparer.pipeline.recipe, references, output, options)
    pool = Workers[_Task, Result](_Worker, arguments, processes(jobs, len(pending)))
    results: list[Result] = []
    fresh = _fresh(pool, pending, journal)
    waiting = {task.photo for task in pending}
    for task in tasks:
        result = next(fresh) if task.photo in waiting else kept[task.photo]
        results.append(result)
        tell(result)
    next(fresh, None)  # closes the journal
    gone = {thumbnail_of(photo) for photo in kept.keys() - pictures.keys()}
    results_folder.delete(output, gone | (ours - set(pictures.values())))
    Manifest("find", settings | {"pictures": sorted(pictures.values())}).write(output / MANIFEST)
    faces = (row for result in results for row in rows_of(result))
    write_table(output / MATCHES, COLUMNS, faces, ours=True)
    contact_sheet.write(output / INDEX, results, references, comparer.far, remarks)
    return Search(results, references, comparer.far, remarks, output / INDEX, len(pending))


@dataclass(frozen=True, slots=True)
class _Task:
    path: str
    photo: str
    picture: str
    stamp: str


class _Worker:
    """Looks at one photo after the other, in whichever process it is made."""

    def __init__(
        self, chosen: Recipe, references: References, output: Path, options: FindOptions
    ) -> None:
        self._pipeline = Pipeline(chosen, commercial=options.commercial)
        self._references = references
        self._numbers = legend(references.limits)
        self._output = output
        self._raw = options.distance is not None
        self._max_pixels = options.max_pixels

    def __call__(self, task: _Task) -> Result:
        result = _result(task)
        (seen,) = self._pipeline.look(
            [task.path],
            max_pixels=self._max_pixels,
            vectors="network" if self._raw else "views",
            photos=True,
        )
        if seen.error is not None:
            return result | {
                "status": seen.error.status, "reason": str(seen.error), "picture": "",
            }  # fmt: skip
        assert seen.photo is not None
        judged = zip(seen.faces, self._judge(seen), strict=True)
        pairs = sorted(judged, key=lambda pair: pair[0].box.left)
        found = [row for _, row in pairs]
        marks = [
            Mark(
                face.box.scaled(1 / seen.photo.scale), self._label(row), row["decision"] == "match"
            )
            for face, row in pairs
        ]
        said = {} if found else {"status": "no_face", "reason": "no face found"}
        try:
            self._save(seen.photo, marks, task)
        except UnwritablePicture as error:
            said = {"status": error.status, "reason": str(error), "picture": ""}
        matches = sorted({face["subject"] for face in found if face["decision"] == "match"})
        return result | {"faces": found, "matches": matches} | said

    def _judge(self, seen: PhotoFaces) -> Iterator[dict[str, Any]]:
        for face, vector, flaw in zip(seen.faces, seen.vectors, seen.flaws, strict=True):
            match, accepted = self._references.judge(vector)
            # A limit that was measured holds for faces that can be judged; a given one for all.
            problem = None if self._raw else flaw
            known = match.person if accepted and problem is None else None
            yield {
                "box": list(face.box.rounded()),
                "subject": known or "",
                "distance": round(-match.score, 4),
                "reference": self._references.photos[match.template],
                "decision": problem or ("other" if known is None else "match"),
            }

    def _label(self, row: dict[str, Any]) -> str:
        if row["decision"] == "match":
            name = self._numbers.get(row["subject"], shown(row["subject"]))
            return f"{name} {row['distance']:.2f}"
        problem = "" if row["decision"] == "other" else f" {row['decision'].replace('_', ' ')}"
        return f"{row['distance']:.2f}{problem}"

    def _save(self, photo: Photo, marks: Sequence[Mark], task: _Task) -> None:
        import cv2

        height, width = photo.pixels.shape[:2]
        share = min(1.0, _THUMBNAIL / max(height, width))
        size = max(1, round(width * share)), max(1, round(height * share))
        small = cv2.resize(photo.pixels, size, interpolation=cv2.INTER_AREA)
        plain = [Mark(mark.box.scaled(share), "", mark.known) for mark in marks]
        # What is there under these names an earlier search made, or may be overwritten.
        thumbnail = draw(small, plain, unit=1300)
        save_image(self._output / thumbnail_of(task.photo), thumbnail, ours=True)
        save_image(self._output / task.picture, draw(photo.pixels, marks), ours=True)


def _result(task: _Task) -> Result:
    return {
        "photo": task.photo, "picture": task.picture, "stamp": task.stamp, "status": "ok",
        "reason": "", "faces": [], "matches": [],
    }  # fmt: skip


def _fresh(
    pool: Workers[_Task, Result], pending: Sequence[_Task], journal: Journal
) -> Iterator[Result]:
    if not pending:
        return
    with pool, journal:
        for result in pool.map(pending):
            if isinstance(result, Lost):
                task = result.item
                result = _result(task) | {**result.row(task.path), "picture": ""}
            # What failed is looked at again the next time.
            if result["status"] in FINE:
                journal.add(result)
            yield result


def _is_done(row: Result | None, task: _Task, output: Path) -> bool:
    return (
        row is not None
        and (row["stamp"], row["picture"]) == (task.stamp, task.picture)
        and (output / task.picture).is_file()
        and (output / thumbnail_of(task.photo)).is_file()
    )


def rows_of(result: Result) -> Iterator[dict[str, Any]]:
    """What stands of a photo in ``matches.csv``: a row a face, or one without a face."""
    shared = {key: result[key] for key in ("photo", "reason", "picture")}
    for face in result["faces"]:
        sides = dict(zip(("left", "top", "right", "bottom"), face["box"], strict=True))
        rest = {key: face[key] for key in ("subject", "distance", "reference", "decision")}
        yield shared | sides | rest
    if not result["faces"]:
        yield shared | {"decision": result["status"]}


def _settings(
    knowns: Location, comparer: Comparer, references: References, options: FindOptions
) -> dict[str, Any]:
    return {
        "recipe": comparer.pipeline.recipe.to_dict(),
        "space": comparer.space,
        "rule": f"{references.rule}",
        "limits": references.limits,
        "references": {photo: fingerprint(knowns / photo, "") for photo in references.photos},
        "max_pixels": options.max_pixels,
    }
