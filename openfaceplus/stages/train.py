"""Embeddings on disk -> ``classifier.pkl``; and photos -> model folder in one go."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from openfaceplus import thresholds
from openfaceplus.classify import enrolment
from openfaceplus.classify.classifier import Classifier, Settings
from openfaceplus.classify.wording import supporters
from openfaceplus.errors import OpenFacePlusError, TrainingError, UsageError
from openfaceplus.files import shown
from openfaceplus.images import photos_in
from openfaceplus.recipe import Recipe
from openfaceplus.stages import align, photos, represent
from openfaceplus.stages.summary import Progress, Summary, no_progress
from openfaceplus.store.vectors import person_of, read_vectors
from openfaceplus.words import counted, percent, statuses

CLASSIFIER = "classifier.pkl"
CHIPS = "aligned-images"
EMBEDDINGS = "generated-embeddings"


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """Beside the settings: a folder of ``strangers``' photos, one a person or a folder each, and
    ``strict``, which refuses data that do not support the rate asked."""

    strangers: Path | None = None
    strict: bool = False
    jobs: int | None = None
    commercial: bool = False


def train(
    folder: Path,
    settings: Settings | None = None,
    options: TrainOptions | None = None,
    *,
    like: Classifier | None = None,
    progress: Progress = no_progress,
) -> Classifier:
    """Train on ``reps.csv`` and ``labels.csv`` in ``folder`` and write ``classifier.pkl`` there.

    ``like`` is a classifier whose settings and strangers are taken over. Raises StorageError if the
    files are missing or disagree, TrainingError if they do not suffice.
    """
    options = options or TrainOptions()
    manifest = represent.read_manifest(folder)
    vectors, chips = read_vectors(folder)
    if not chips:
        raise TrainingError(
            f"{folder}: holds no embedding",
            remedy="each person needs at least one photo in which a face is found",
        )
    strangers = None if like is None else like.strangers
    if options.strangers is not None:
        recipe = Recipe.from_dict(manifest.settings["recipe"])
        strangers = _strangers(options.strangers, recipe, options, progress)
    classifier = Classifier.train(
        vectors,
        [person_of(chip) for chip in chips],
        chips,
        recipe=manifest.settings["recipe"],
        space=manifest.settings["space"],
        settings=settings or (like.settings if like else None),
        strangers=strangers,
    )
    made = classifier.calibrate().calibration
    if options.strict and not made.met:
        raise TrainingError(
            f"{supporters(made)} support a rate of {percent(made.supported)} at best, and what is "
            "not supported was to be refused",
            remedy="give photos of strangers, or ask for a higher rate",
            field="strangers",
        )
    classifier.save(folder / CLASSIFIER)
    return classifier


def remarks(classifier: Classifier) -> list[str]:
    """What is odd about the enrolled photos, one sentence each."""
    unlike = alike = None
    try:
        table = thresholds.load(classifier.space)
        unlike, alike = table.cosine_at(0.005), table.cosine_at(table.fars[-1])
    except OpenFacePlusError:
        pass  # Without measured thresholds for these only what is plain is remarked on.
    return enrolment.check(
        classifier.vectors,
        classifier.labels,
        classifier.people,
        classifier.chips,
        unlike=unlike,
        alike=alike,
    )


def _strangers(
    folder: Path, recipe: Recipe, options: TrainOptions, progress: Progress
) -> np.ndarray:
    """(k, dimensions) one vector a stranger: of each photo in ``folder``, or of the first usable
    one
    in each folder in it."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: not a folder of strangers' photos", field="strangers")
    paths = photos_in([folder])
    vectors: dict[Path, np.ndarray] = {}
    with progress("strangers", len(paths)) as advance:
        for found in photos.embed_photos(
            paths, recipe, largest=True, jobs=options.jobs, commercial=options.commercial
        ):
            if len(found.faces) and found.flaws[0] is None:
                inner = found.source.relative_to(folder).parts
                vectors.setdefault(folder / inner[0], found.vectors[0])
            advance()
    if not vectors:
        raise TrainingError(f"{folder}: no usable face in {len(paths)} photos of strangers")
    return np.stack(list(vectors.values()))


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """What one-command training made."""

    classifier: Classifier
    path: Path
    aligned: Summary
    represented: Summary


def train_photos(
    source: Path,
    output: Path,
    recipe: Recipe,
    align_options: align.AlignOptions | None = None,
    settings: Settings | None = None,
    options: TrainOptions | None = None,
    *,
    device: str = "cpu",
    progress: Progress = no_progress,
) -> TrainedModel:
    """Align, represent and train: photos in a folder per person -> a model folder.

    ``output`` gets ``aligned-images/`` and ``generated-embeddings/`` in OpenFace's forms.
    """
    options = options or TrainOptions()
    aligned = align.align(
        source,
        output / CHIPS,
        recipe,
        align_options,
        embed=recipe.views > 2 and device == "cpu",
        jobs=options.jobs,
        progress=progress,
    )
    if not aligned.succeeded:
        raise TrainingError(
            f"{shown(source)}: no usable face in {counted(len(aligned.rows), 'photo')} "
            f"({statuses(aligned.counts)}); {shown(aligned.table)} says why for each",
            remedy="give each person a folder of photos" if "no_person" in aligned.counts else "",
        )
    embeddings = output / EMBEDDINGS
    represented = represent.represent(
        output / CHIPS,
        embeddings,
        recipe,
        aligned=aligned.rows,
        jobs=options.jobs,
        device=device,
        commercial=options.commercial,
        progress=progress,
    )
    classifier = train(embeddings, settings, options, progress=progress)
    return TrainedModel(classifier, embeddings / CLASSIFIER, aligned, represented)
