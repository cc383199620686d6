"""A person joins a trained model: only their photos are looked at."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from openfaceplus.changes import Change
from openfaceplus.classify.classifier import Classifier, new_id
from openfaceplus.errors import StorageError, UsageError
from openfaceplus.faces import ChipSpec
from openfaceplus.files import shown
from openfaceplus.images import PhotoFile, photos_in
from openfaceplus.model_folder import ModelFolder, Person, edit_embeddings, write_people
from openfaceplus.pipeline import Pipeline
from openfaceplus.recipe import Recipe
from openfaceplus.remote import Location, absolute
from openfaceplus.stages import align, represent
from openfaceplus.stages.people import check_name
from openfaceplus.stages.summary import Progress, Summary, no_progress
from openfaceplus.store.layout import ALIGNMENT, PICTURE, REPRESENTATION, place_of
from openfaceplus.store.tables import Row, read_table
from openfaceplus.store.vectors import decode_vectors


def add(
    folder: ModelFolder,
    name: str,
    photos: Location,
    *,
    id: str | None = None,
    jobs: int | None = None,
    commercial: bool = False,
    progress: Progress = no_progress,
) -> tuple[Classifier, Summary]:
    """Enrol the person ``name`` from a folder of photos, or give one enrolled more photos.

    ``id`` is that of somebody new, random without it. Raises UsageError for a name that cannot be a
    folder's, if no photo was usable or one is enrolled as somebody else's, StorageError if the
    model's chips are not to be found.
    """
    check_name(name)
    paths = photos_in([photos])
    if not paths:
        raise UsageError(f"{shown(photos)}: holds no photos")
    with folder.change() as (chips, embeddings):
        if chips is None:
            raise StorageError(
                f"{shown(folder.classifier)}: the chips it was trained on are not there",
                remedy="train again to add people",
            )
        model, enrolled = folder.people()
        person = _person(name, enrolled, id)
        summary = _align(chips, person, paths, photos, folder.recipe(model), jobs,
                         commercial, progress)  # fmt: skip
        reasons = "; ".join(row["reason"] for row in summary.rows)
        nobody = UsageError(f"{shown(photos)}: no usable photo of {name} ({reasons})")
        if not summary.succeeded:
            raise nobody
        done = _embed(chips, embeddings, model, summary.rows, jobs, commercial, progress)
        good = [row for row in done if row["status"] == "ok"]
        if not good and person not in enrolled:
            raise nobody
        places = {place_of(row["chip"]) for row in done}
        vectors = decode_vectors(good)
        edit_embeddings(
            embeddings, chips.folder, lambda chip: place_of(chip) not in places, vectors, done
        )
        model = _with(model, person, vectors, [row["chip"] for row in good], places)
        if person not in enrolled:
            enrolled.append(person)
        write_people(embeddings, enrolled)
        model.save(embeddings.staged(folder.classifier.name, ours=True))
        embeddings.remove(PICTURE)
        chips.commit()
        embeddings.commit()
    return model, summary


def _with(
    model: Classifier,
    person: Person,
    vectors: np.ndarray,
    chips: Sequence[str],
    instead: set[tuple[str, str]],
) -> Classifier:
    """The classifier with a person's new vectors, in place of those of some chips."""
    keep = [place_of(chip) not in instead for chip in model.chips]
    if all(keep):
        return model.with_person(person.id, person.name, vectors, chips) if chips else model
    # Photos were replaced.
    labels = model.labels[keep].tolist()
    return Classifier.train(
        np.concatenate([model.vectors[keep], vectors.reshape(-1, model.vectors.shape[1])]),
        [*(model.people[label] for label in labels), *[person.name] * len(chips)],
        [*(c for c, stays in zip(model.chips, keep, strict=True) if stays), *chips],
        recipe=model.recipe,
        space=model.space,
        ids=[*(model.ids[label] for label in labels), *[person.id] * len(chips)],
        settings=model.settings,
        strangers=model.strangers,
    )


def _person(name: str, enrolled: Iterable[Person], id: str | None) -> Person:
    """Who is called so, or a new person with a folder that nobody has."""
    folders = {person.folder: person for person in enrolled}
    for person in folders.values():
        if person.name == name:
            return person
    folder, number = name, 2
    while folder in folders:
        folder, number = f"{name} ({number})", number + 1
    return Person(id or new_id(), name, folder)


def _align(
    chips: Change,
    person: Person,
    paths: Sequence[Location],
    photos: Location,
    recipe: Recipe,
    jobs: int | None,
    commercial: bool,
    progress: Progress,
) -> Summary:
    """Stage the person's chips, cut as all others were; their rows."""
    made, rows = align.read_alignment(chips.folder)
    if made is None:
        raise StorageError(
            f"{shown(chips.folder / ALIGNMENT.manifest)}: not there",
            remedy="train again to add people",
        )
    _refuse_anothers(paths, person, rows)
    settings = made.settings
    cut = {key: settings[key] for key in ("detector", "landmarks", "predictor")}
    summary = align.align_files(
        [PhotoFile(person.folder, path, f"{person.folder}/{path.name}") for path in paths],
        chips,
        replace(recipe, **cut, chip=ChipSpec(**settings["chip"]), through=None),
        align.AlignOptions(
            skip_multi=settings["skip_multi"],
            keep_flawed=settings["keep_flawed"],
            fallback=settings["fallback"] and Path(settings["fallback"]),
            max_pixels=settings["max_pixels"],
            commercial=commercial,
        ),
        roots=[photos if photos.is_dir() else photos.parent],
        keep_others=True,
        jobs=jobs,
        progress=progress,
    )
    given = {str(path) for path in paths}
    mine = [row for row in summary.rows if row["photo"] in given]
    return replace(summary, rows=mine, fresh=min(summary.fresh, len(mine)))


def _embed(
    chips: Change,
    embeddings: Change,
    model: Classifier,
    rows: Iterable[Row],
    jobs: int | None,
    commercial: bool,
    progress: Progress,
) -> list[Row]:
    """The usable rows that the model does not hold yet, embedded as all others were."""
    settings = represent.read_manifest(embeddings.folder).settings
    old = read_table(embeddings.folder / REPRESENTATION.table, REPRESENTATION.columns)
    held = {place_of(chip) for chip in model.chips}
    known = {place_of(row["chip"]): row["fingerprint"] for row in old}
    todo, paths = [], {}
    for row in rows:
        if row["status"] not in align.USABLE:
            continue
        place = place_of(row["chip"])
        staged = chips.staging.joinpath(*place)
        # Not in place yet, but what is read, and what tells a change, is the same.
        path = staged if staged.is_file() else chips.folder.joinpath(*place)
        new = represent.marked(row, path) | {"chip": str(path)}
        if place not in held or known.get(place) != new["fingerprint"]:
            todo.append(new)
            paths[str(path)] = row["chip"]
    recipe = Recipe.from_dict(settings["recipe"])
    options = {"commercial": commercial, "device": "cpu"}
    model.check_space(str(Pipeline(recipe, commercial=commercial).space))
    with progress("represent", len(todo)) as advance:
        done = []
        for row in represent.embed_rows(todo, recipe, settings["recut"], options, jobs=jobs):
            done.append(row | {"chip": paths[row["chip"]]})
            advance()
    return done


def _refuse_anothers(paths: Iterable[Location], person: Person, rows: Iterable[Row]) -> None:
    enrolled = {
        absolute(row["photo"]): row["person"] for row in rows if row["status"] in align.USABLE
    }
    for path in paths:
        other = enrolled.get(absolute(path), person.folder)
        if other != person.folder:
            raise UsageError(
                f"{shown(path)}: is enrolled as a photo of {other} already",
                remedy=f"rename {other}, or remove them first",
            )
