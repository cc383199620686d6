"""A model on disk: people, photos' rows, chips, vectors, classifier, and how they are changed.

    model/aligned-images/PERSON/PHOTO.png     chips, beside alignment.csv and alignment.json
    model/generated-embeddings/reps.csv       vectors, beside labels.csv, representation.csv, .json
    model/generated-embeddings/people.json    who is enrolled: id -> name, and folder of chips
    model/generated-embeddings/classifier.pkl

Embeddings may also lie in a folder of their own, with the chips where they were when it was
trained; and a classifier may stand alone. Chips change before embeddings, each in one commit.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from openfaceplus.changes import LIMIT, Change, Waiting, changing, current, state
from openfaceplus.classify.classifier import Classifier, id_from
from openfaceplus.encrypted_files import read_text
from openfaceplus.errors import OpenFacePlusError, StorageError
from openfaceplus.files import atomic_write, possible, shown
from openfaceplus.manifest import Manifest
from openfaceplus.recipe import Recipe
from openfaceplus.store.layout import (
    ALIGNMENT,
    CHIPS,
    CLASSIFIER,
    EMBEDDINGS,
    LABELS,
    PEOPLE,
    REPRESENTATION,
    REPS,
    StageFiles,
    place_of,
)
from openfaceplus.store.tables import Row, read_table, write_stage, write_table
from openfaceplus.store.vectors import edit_vectors, person_of

if TYPE_CHECKING:
    import numpy as np

VARIABLE = "OPENFACEPLUS_CLASSIFIER"
_PLACES = (CLASSIFIER, f"{EMBEDDINGS}/{CLASSIFIER}", f"model/{EMBEDDINGS}/{CLASSIFIER}")
_TRIES = 50


@dataclass(frozen=True, slots=True)
class Person:
    """Somebody enrolled. ``folder`` is where their chips lie; it and ``id`` never change."""

    id: str
    name: str
    folder: str


def find_classifier(given: str | os.PathLike[str] | None = None) -> Path:
    """The ``classifier.pkl`` that a file or folder names; without one, that of the environment
    variable OPENFACEPLUS_CLASSIFIER or below the working folder.

    Raises StorageError if there is none.
    """
    start = Path(given or os.environ.get(VARIABLE) or ".")
    if not start.is_dir():
        return start
    for place in _PLACES:
        if current(start / Path(place).parent, CLASSIFIER).is_file():
            return start / place
    raise StorageError(
        f"{shown(start)}: holds no {EMBEDDINGS}/{CLASSIFIER}",
        field="path",
        remedy="train first, or name one",
    )


class ModelFolder:
    """A model's files, found from its folder or its classifier (see ``find_classifier``).

    ``waiting`` is called once if another process writes to it; after ``limit`` seconds that is a
    StorageError.
    """

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        waiting: Waiting | None = None,
        limit: float = LIMIT,
    ) -> None:
        self.classifier = find_classifier(path)
        self.embeddings = self.classifier.parent
        self._waiting, self._limit = waiting, limit

    def read(self) -> Classifier:
        """The classifier with its people's present names: as it was before another process's
        change, or as it is after it, without waiting for it."""
        return self.people()[0]

    def people(self) -> tuple[Classifier, list[Person]]:
        """What ``read`` gives, and who its people are, in their order."""
        with suppress(OpenFacePlusError):  # may be read-only, or being written
            if state(self.embeddings, ()) != [None]:
                with changing(self.embeddings, limit=0, keep=True):
                    pass
        names = (self.classifier.name, PEOPLE)
        for _ in range(_TRIES):
            before = state(self.embeddings, names)
            try:
                classifier = Classifier.load(current(self.embeddings, names[0]))
                stored = read_people(current(self.embeddings, PEOPLE))
            except OpenFacePlusError:
                if state(self.embeddings, names) == before:
                    raise
                continue
            if state(self.embeddings, names) == before:
                found = people_of(classifier, stored)
                return replace(classifier, people=tuple(p.name for p in found)), found
        raise StorageError(f"{shown(self.classifier)}: changes faster than it can be read")

    def recipe(self, classifier: Classifier) -> Recipe:
        """The recipe in a classifier that ``read`` gave. Raises StorageError if it is none."""
        try:
            return Recipe.from_dict(classifier.recipe)
        except StorageError as error:
            raise StorageError(
                f"{shown(self.classifier)}: {error}", remedy="train again"
            ) from error

    @property
    def stands_alone(self) -> bool:
        """Whether there is only a classifier, without what it was trained on."""
        files = (REPS, LABELS, REPRESENTATION.table)
        return not any((self.embeddings / name).is_file() for name in files)

    def chips(self) -> Path | None:
        """Where the chips lie, if their table does: beside the embeddings, or where they were when
        the classifier was trained."""
        if self.stands_alone:
            return None
        beside = self.embeddings.resolve().parent / CHIPS
        if (beside / ALIGNMENT.table).is_file():
            return beside
        there = Path(self.read().chips[0]).parent.parent
        return there if os.path.isfile(there / ALIGNMENT.table) else None

    @contextmanager
    def change(self) -> Iterator[tuple[Change | None, Change]]:
        """Keep other writers out; gives the changes to make to the chips and to the embeddings."""
        with ExitStack() as stack:
            lock = partial(changing, waiting=self._waiting, limit=self._limit)
            chips, first = self.chips(), None
            if chips is not None:
                first = stack.enter_context(lock(chips))
            yield first, stack.enter_context(lock(self.embeddings))


def read_people(path: Path) -> dict[str, Person]:
    """Who ``people.json`` says is enrolled, by their folder; nobody if there is no such file."""
    try:
        data = json.loads(read_text(path))
        found = [Person(str(key), str(x["name"]), str(x["folder"])) for key, x in data.items()]
        if any("/" in p.folder or not possible(p.folder) for p in found):
            raise ValueError("a person's folder that is none")
        for person in found:  # what no file could hold is a ValueError
            f"{person.id}{person.name}".encode(errors="surrogateescape")
        return {person.folder: person for person in found}
    except FileNotFoundError:
        return {}
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise StorageError(
            f"{shown(path)}: not a list of people ({error})", remedy="delete it and train again"
        ) from error


def write_people(change: Change, people: Iterable[Person]) -> None:
    """Stage ``people.json``."""
    data = {person.id: {"name": person.name, "folder": person.folder} for person in people}
    text = json.dumps(data, indent=1)
    with atomic_write(change.staged(PEOPLE, ours=True), "w") as file:
        file.write(text + "\n")


def people_of(classifier: Classifier, stored: dict[str, Person]) -> list[Person]:
    """A classifier's people; who is not stored, as in models of earlier versions, has the name
    that the classifier holds and the folder that their chips are in."""
    known = {person.id: person for person in stored.values()}
    if not known.keys() >= set(classifier.ids):
        labels = classifier.labels.tolist()
        folders = dict(zip(labels, map(person_of, classifier.chips), strict=True))
        for number, key in enumerate(classifier.ids):
            if key not in known:
                known[key] = Person(key, classifier.people[number], folders[number])
    return [known[key] for key in classifier.ids]


def assign_people(folders: Iterable[str], stored: dict[str, Person]) -> dict[str, Person]:
    """The people of some folders of chips: known ones stay who they are, others are new.

    A new one is called as the folder, with a number if somebody else was given that name, and gets
    an id made from it, so that the same photos give the same model.
    """
    wanted = sorted(set(folders))
    people = {folder: stored[folder] for folder in wanted if folder in stored}
    taken = {person.name for person in people.values()}
    for folder in wanted:
        if folder not in people:
            name, number = folder, 2
            while name in taken:
                name, number = f"{folder} ({number})", number + 1
            people[folder] = Person(id_from(folder), name, folder)
            taken.add(name)
    return people


def edit_embeddings(
    change: Change,
    chips: Path | None,
    keep: Callable[[str], bool],
    vectors: np.ndarray,
    rows: Sequence[Row],
) -> int:
    """Stage the embeddings of those chips that are to be kept, and of new rows after them.

    Chips that have moved since are named where they lie now. Returns how many vectors went.
    """
    folder, here = change.folder, _relocated(chips)
    gone = 0
    if (folder / REPS).is_file():
        added = [row["chip"] for row in rows if row["status"] == "ok"]
        gone = edit_vectors(change, keep, here, vectors, added)
    old = read_table(folder / REPRESENTATION.table, REPRESENTATION.columns)
    kept = [row | {"chip": here(row["chip"])} for row in old if keep(row["chip"])]
    _stage_again(change, REPRESENTATION, old, [*kept, *rows])
    return gone


def drop_alignment(change: Change, person: str) -> list[Row]:
    """Stage ``alignment.csv`` without a person's rows, and return those."""
    rows = read_table(change.folder / ALIGNMENT.table, ALIGNMENT.columns)
    _stage_again(change, ALIGNMENT, rows, [row for row in rows if row["person"] != person])
    return [row for row in rows if row["person"] == person]


def _stage_again(change: Change, files: StageFiles, old: list[Row], rows: list[Row]) -> None:
    manifest = Manifest.read(change.folder / files.manifest)
    if rows != old and manifest is not None:
        write_stage(change, files, manifest, rows)
    elif rows != old:
        write_table(change.staged(files.table, ours=True), files.columns, rows)


def _relocated(chips: Path | None) -> Callable[[str], str]:
    """Gives for a chip's path in a table that where it lies now: a model's folder may move."""
    moved: dict[str, bool] = {}

    def here(chip: str) -> str:
        if chips is None or not chip or not possible(chip):
            return chip
        root = chip.rsplit("/", 2)[0]
        if root not in moved:
            moved[root] = os.path.realpath(root) != os.path.realpath(chips)
        path = chips.joinpath(*place_of(chip)) if moved[root] else None
        return chip if path is None or not os.path.isfile(path) else str(path)

    return here
