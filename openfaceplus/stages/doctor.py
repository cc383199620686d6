"""What is wrong with a folder of photos per person, found before anything is trained on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from openfaceplus.classify import enrolment
from openfaceplus.classify.classifier import Classifier
from openfaceplus.files import shown
from openfaceplus.images import MAX_PIXELS
from openfaceplus.recipe import Recipe
from openfaceplus.remote import Location
from openfaceplus.stages import align, represent
from openfaceplus.stages.summary import Progress, no_progress
from openfaceplus.stages.train import limits
from openfaceplus.store.layout import CHIPS, EMBEDDINGS
from openfaceplus.store.tables import Row, write_table
from openfaceplus.store.vectors import read_vectors
from openfaceplus.words import counted

TABLE = "findings.csv"
COLUMNS = ("finding", "person", "photo", "other_person", "other_photo", "leave_out", "said")
FEW = 3
"""Photos below which a person's threshold of their own likeness is a guess."""
_UNIFORM = 0.2  # of what the cosine of likeness leaves to 1: photos all of one moment

KINDS = {
    "mislabelled": "In the wrong folder",
    "unlike": "Unlike the other photos of the folder",
    "pair_unlike": "Two photos that are unlike each other",
    "duplicate": "There twice",
    "look_alikes": "People who look alike",
    "unusable": "Cannot be used",
    "several_faces": "Several faces",
    "few_photos": "Few photos",
    "too_similar": "Photos too much alike",
}
"""What can be found, worst first, in words."""
ADVICE = frozenset({"several_faces", "few_photos", "too_similar"})
"""What would do better otherwise, and is no fault."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong, in a sentence: ``said``.

    ``person`` and ``other_person`` are folders, ``photo`` and ``other_photo`` paths, "" where it is
    not about one. ``leave_out`` says that a cleaned copy is better without the photo. ``chips`` are
    paths of the faces to look at, if they were found.
    """

    kind: str
    said: str
    person: str = ""
    photo: str = ""
    other_person: str = ""
    other_photo: str = ""
    leave_out: bool = False
    chips: tuple[str, ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """As a row of the table."""
        row = asdict(self) | {"finding": self.kind}
        return {column: row[column] for column in COLUMNS}


@dataclass(frozen=True, slots=True)
class Health:
    """What was found in the folder ``photos``: ``rows`` are those of ``alignment.csv``, one for
    each photo, ``findings`` the worst first."""

    photos: Location
    rows: Sequence[Row]
    findings: Sequence[Finding]
    table: Path

    @property
    def counts(self) -> dict[str, int]:
        """How many findings of each kind."""
        found = Counter(finding.kind for finding in self.findings)
        return {kind: found[kind] for kind in KINDS if found[kind]}

    @property
    def healthy(self) -> bool:
        """Whether nothing but advice was found."""
        return all(finding.kind in ADVICE for finding in self.findings)

    def left_out(self) -> set[str]:
        """The photos that a cleaned copy is better without."""
        return {finding.photo for finding in self.findings if finding.leave_out}


def examine(
    photos: Location,
    output: Path,
    recipe: Recipe,
    *,
    commercial: bool = False,
    jobs: int | None = None,
    max_pixels: int = MAX_PIXELS,
    progress: Progress = no_progress,
) -> Health:
    """Look at every photo below ``photos/<person>/``. Chips, embeddings and ``findings.csv`` go to
    ``output``, which a second run goes on from; nothing in ``photos`` is touched.

    Raises UsageError if there are no photos, ModelError before any work if a model is missing.
    """
    options = align.AlignOptions(commercial=commercial, max_pixels=max_pixels)
    chips, embeddings = output / CHIPS, output / EMBEDDINGS
    rows = align.align(
        photos, chips, recipe, options, embed=recipe.views > 2, jobs=jobs, progress=progress
    ).rows
    usable = [row for row in rows if row["status"] in align.USABLE]
    findings = [*_unusable(rows), *_several(rows)]
    if usable:
        represent.represent(
            chips, embeddings, recipe, aligned=rows, jobs=jobs, commercial=commercial,
            progress=progress,
        )  # fmt: skip
        vectors, paths = read_vectors(embeddings)
        space = represent.read_manifest(embeddings).settings["space"]
        findings += _compared(vectors, paths, {row["chip"]: row for row in usable}, space)
    order = {kind: number for number, kind in enumerate(KINDS)}
    findings.sort(key=lambda finding: (order[finding.kind], finding.person, finding.photo))
    table = output / TABLE
    write_table(table, COLUMNS, [finding.to_dict() for finding in findings], ours=True)
    return Health(photos, rows, findings, table)


def _unusable(rows: Sequence[Row]) -> Iterator[Finding]:
    for row in rows:
        if row["status"] not in align.USABLE:
            yield Finding("unusable", row["reason"], row["person"], row["photo"], leave_out=True)


def _several(rows: Sequence[Row]) -> Iterator[Finding]:
    for row in rows:
        if row["status"] in align.USABLE and int(row["faces"] or 1) > 1:
            said = f"{shown(row['photo'])}: {row['faces']} faces; the most prominent would be taken"
            yield Finding("several_faces", said, row["person"], row["photo"], chips=(row["chip"],))


def _compared(
    vectors: np.ndarray, paths: Sequence[str], rows: Mapping[str, Row], space: str
) -> Iterator[Finding]:
    """What the embeddings of all photos say of each other."""
    photos = [rows[path]["photo"] for path in paths]
    names, labels = np.unique([rows[path]["person"] for path in paths], return_inverse=True)
    people = names.tolist()
    counts = np.bincount(labels)
    unlike, alike = limits(space)
    astray = np.zeros(len(vectors), bool)
    for stray in enrolment.strays(vectors, labels, unlike, alike):
        found = _stray(stray, vectors, labels, people, photos, paths)
        astray[stray.photo] = found.leave_out
        yield found
    for i, j in enrolment.repeats(vectors, labels):
        one, other = people[labels[j]], people[labels[i]]
        same = one == other
        if not same and (astray[i] or astray[j]):
            continue  # which of the names is wrong has been said
        said = f"{shown(photos[j])} is {shown(photos[i])} once more"
        said += "" if same else ": one of the two names is wrong"
        yield Finding("duplicate", said, one, photos[j], other, photos[i], same,
                      (paths[j], paths[i]))  # fmt: skip
    yield from _similar_or_few(vectors, labels, people, alike, counts)
    rest = np.flatnonzero(~astray).tolist()
    yield from _look_alikes(vectors[rest], labels[rest], people, [paths[i] for i in rest], space)


def _look_alikes(
    vectors: np.ndarray, labels: np.ndarray, people: list[str], paths: list[str], space: str
) -> Iterator[Finding]:
    """Those whom a model of these photos would take for each other, by its own rule."""
    model = Classifier.train(vectors, [people[i] for i in labels], paths, recipe={}, space=space)
    for first, second, count in enrolment.pairs_alike(model):
        one, other = model.people[first], model.people[second]
        of_each = [np.flatnonzero(model.labels == number)[:2] for number in (first, second)]
        said = (
            f"{shown(one)} and {shown(other)}: {count} of "
            f"{counted(int(model.rule.photos[first]), 'photo')} of the first would be taken for "
            "the second; are they one person?"
        )
        chips = tuple(paths[i] for i in np.concatenate(of_each).tolist())
        yield Finding("look_alikes", said, one, other_person=other, chips=chips)


def _stray(
    stray: enrolment.Stray,
    vectors: np.ndarray,
    labels: np.ndarray,
    people: Sequence[str],
    photos: Sequence[str],
    paths: Sequence[str],
) -> Finding:
    """A photo that may be of somebody else, beside the photo that shows it best."""
    i = stray.photo
    person, photo = people[labels[i]], photos[i]
    beside = labels == (labels[i] if stray.other is None else stray.other)
    beside[i] = False
    j = int(np.where(beside, vectors @ vectors[i], -2).argmax())
    if stray.other is not None:
        other = people[stray.other]
        said = (
            f"{shown(photo)} looks like {shown(other)} (likeness {stray.likeness:.3f}), not like "
            f"the other photos of {shown(person)} ({stray.own:.3f})"
        )
        return Finding("mislabelled", said, person, photo, other, photos[j], True,
                       (paths[i], paths[j]))  # fmt: skip
    of_two = int(np.sum(labels == labels[i])) == 2
    said = f"{shown(photo)} is unlike the other photos of {shown(person)} ({stray.own:.3f})"
    # Of two photos that differ nothing says which is the wrong one.
    kind = "pair_unlike" if of_two else "unlike"
    return Finding(kind, said, person, photo, "", photos[j], not of_two, (paths[i], paths[j]))


def _similar_or_few(
    vectors: np.ndarray, labels: np.ndarray, people: Sequence[str], alike: float | None,
    counts: np.ndarray,
) -> Iterator[Finding]:  # fmt: skip
    for number, person in enumerate(people):
        if counts[number] < FEW:
            said = f"{shown(person)}: {counted(int(counts[number]), 'usable photo')}; {FEW} or more"
            yield Finding("few_photos", f"{said} from different days make a surer model", person)
        elif alike is not None:
            mine = vectors[labels == number]
            cosines = (mine @ mine.T)[np.triu_indices(len(mine), 1)]
            if np.median(cosines) >= 1 - _UNIFORM * (1 - alike):
                said = (
                    f"{shown(person)}: {counts[number]} photos that might be of one moment; "
                    "add some of another day, light and angle"
                )
                yield Finding("too_similar", said, person)
