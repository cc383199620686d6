"""Who is enrolled in a model; forgetting people and renaming them, without training again."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from openfaceplus import photo_folder
from openfaceplus.changes import Change
from openfaceplus.classify.classifier import Classifier
from openfaceplus.errors import UsageError
from openfaceplus.files import inside, shown, sweep
from openfaceplus.manifest import Manifest
from openfaceplus.model_folder import (
    ModelFolder,
    Person,
    drop_alignment,
    edit_embeddings,
    write_people,
)
from openfaceplus.remote import Location, Remote, location
from openfaceplus.stages.tasks import fingerprint_of
from openfaceplus.store.layout import ALIGNMENT, CHIPS, PEOPLE, PICTURE, REPRESENTATION, place_of
from openfaceplus.store.tables import Row, read_table
from openfaceplus.store.vectors import person_of


@dataclass(frozen=True, slots=True)
class Receipt:
    """What ``remove`` deleted, and the person's files that it left alone.

    ``not_found`` are photos, or the table of chips, that are not where they were.
    """

    name: str
    vectors: int
    rows: int
    files: tuple[Path, ...]
    photos_left: tuple[Location, ...]
    not_found: tuple[Path, ...]


def people(folder: ModelFolder) -> dict[str, int]:
    """How many photos of each enrolled person a model holds."""
    model = folder.read()
    counts = Counter(model.people[label] for label in model.labels.tolist())
    return {name: counts[name] for name in model.people}


def remove(
    folder: ModelFolder,
    name: str,
    *,
    photos: bool = False,
    before: Callable[[Sequence[Path]], object] = lambda _: None,
) -> Receipt:
    """Forget a person: vectors, chips, rows of all tables, caches; with ``photos`` their photos.

    Only photos below the folders that were trained from go, and none that changed since, is not
    where it was, is reached by a symbolic link below them, or lies in object storage: they are left
    and listed. ``before`` is called with the photos that are about to go, and may raise to stop.
    The classifier is written last: until then the same call goes on where another was stopped.
    Raises UsageError if there is nothing of anybody of that name.
    """
    with folder.change() as (chips, embeddings):
        model, enrolled = folder.people()
        named = [person for person in enrolled if person.name == name]
        # A person whose enrolment was stopped has chips and rows, and no name of their own yet.
        taken = {person.folder for person in enrolled}
        there = named[0].folder if named else (name if name not in taken else "")
        represented = _rows_of(embeddings.folder / REPRESENTATION.table, there)
        aligned = [] if chips is None else drop_alignment(chips, there)
        if not (named or represented or aligned) or not there:
            _require(enrolled, name, folder.classifier)
        # Chips without a table were not made here: they are the user's photos.
        given = aligned if chips else [row | {"photo": row["chip"]} for row in represented]
        places = {location(row["photo"]): row["fingerprint"] for row in given}
        originals = {place: mark for place, mark in places.items() if isinstance(place, Path)}
        roots = _roots(chips, embeddings)
        going = [p for p, mark in originals.items() if photos and _may_go(p, mark, roots)]
        if going:
            before(sorted(going))
        files = _delete(going)
        if photos:  # also those of a removal that was stopped
            for parent in {path.parent for path in originals if _is_below(path, roots)}:
                _remove_if_empty(parent)
        files += photo_folder.forget(name)
        left: list[Location] = [place for place in places if isinstance(place, Remote)]
        left += [path for path in originals if os.path.exists(path)]  # False for odd names
        if chips is not None:
            made = {place_of(row["chip"]) for row in (*aligned, *represented) if row["chip"]}
            files += _drop_chips(chips, sorted(place for place in made if place[0] == there))
            sweep(chips.folder)
            chips.commit()
            left += _inside(chips.folder / there)
        sweep(embeddings.folder)
        embeddings.remove(REPRESENTATION.old_journal)
        edit_embeddings(
            embeddings,
            None if chips is None else chips.folder,
            lambda chip: person_of(chip) != there,
            np.empty((0, 0), np.float32),
            [],
        )
        vectors = 0
        if named:
            vectors = int((model.labels == enrolled.index(named[0])).sum())
            files += _drop(embeddings, folder, model, enrolled, named[0])
        embeddings.commit()
    gone = {path for path in originals if not os.path.exists(path)} - set(files)
    if chips is None and not places and not folder.stands_alone:
        gone.add(folder.embeddings.resolve().parent / CHIPS / ALIGNMENT.table)
    return Receipt(
        name, vectors, len(represented) + len(aligned), tuple(files), tuple(sorted(left, key=str)),
        tuple(sorted(gone)),
    )  # fmt: skip


def _drop(
    change: Change, folder: ModelFolder, model: Classifier, enrolled: list[Person], gone: Person
) -> list[Path]:
    """Stage the classifier and the list of people without one; the files that go altogether."""
    rest = [person for person in enrolled if person != gone]
    if not folder.stands_alone:
        change.remove(PICTURE)
    if not rest:
        change.remove(folder.classifier.name)
        change.remove(PEOPLE)
        return [folder.classifier]
    model.without(gone.id).save(change.staged(folder.classifier.name, ours=True))
    if not folder.stands_alone:
        write_people(change, rest)
    return []


def rename(folder: ModelFolder, name: str, new: str) -> None:
    """Give an enrolled person another name; folders of photos and chips keep theirs.

    Raises UsageError if nobody of that name is enrolled or somebody has the new one.
    """
    check_name(new)
    with folder.change() as (_, embeddings):
        model, enrolled = folder.people()
        _require(enrolled, name, folder.classifier)
        if new in model.people:
            raise UsageError(
                f"{new!r} is there already", remedy="add the photos to that person instead"
            )
        renamed = [replace(p, name=new) if p.name == name else p for p in enrolled]
        if folder.stands_alone:
            names = tuple(person.name for person in renamed)
            replace(model, people=names).save(embeddings.staged(folder.classifier.name, ours=True))
        else:
            write_people(embeddings, renamed)
        embeddings.commit()


def check_name(name: str) -> None:
    """Raises UsageError for a name that cannot be a folder's."""
    if not name or name.startswith(".") or "/" in name or "\0" in name:
        raise UsageError(
            f"{name!r} cannot be a person's name: it has to serve as a folder's name", field="name"
        )


def _require(enrolled: Sequence[Person], name: str, classifier: Path) -> None:
    names = [person.name for person in enrolled]
    if name not in names:
        near = ", ".join(names[:20]) + (" ..." if len(names) > 20 else "")
        raise UsageError(
            f"nobody called {name!r} is enrolled in {shown(classifier)}",
            remedy=f"name one of: {near}",
            field="name",
        )


def _rows_of(table: Path, person: str) -> list[Row]:
    rows = read_table(table, REPRESENTATION.columns)
    return [row for row in rows if row["person"] == person]


def _roots(chips: Change | None, embeddings: Change) -> list[str]:
    """The folders of the user's that the model was trained from."""
    if chips is not None:
        manifest = Manifest.read(chips.folder / ALIGNMENT.manifest)
    else:
        manifest = Manifest.read(embeddings.folder / REPRESENTATION.manifest)
    return manifest.roots if manifest else []


def _may_go(path: Path, mark: str, roots: Iterable[str]) -> bool:
    """Whether a photo is the one that was trained on, and lies where those did."""
    # The path may be relative to another folder than this run's.
    return fingerprint_of(path) == mark and _is_below(path, roots)


def _is_below(path: Path, roots: Iterable[str]) -> bool:
    return any(inside(root, path) for root in roots)


def _drop_chips(change: Change, places: Sequence[tuple[str, str]]) -> list[Path]:
    paths = []
    for place in places:
        path = change.folder.joinpath(*place)
        if inside(change.folder, path) and os.path.isfile(path):
            change.remove("/".join(place))
            paths.append(path)
    return paths


def _inside(folder: Path) -> Iterator[Path]:
    return folder.iterdir() if os.path.isdir(folder) and not folder.is_symlink() else iter(())


def _delete(paths: Iterable[Path]) -> list[Path]:
    deleted = []
    for path in sorted(paths):
        path.unlink(missing_ok=True)
        deleted.append(path)
    return deleted


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
