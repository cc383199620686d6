"""Embeddings on disk -> ``classifier.pkl``; and photos -> model folder in one go."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from openfaceplus import thresholds
from openfaceplus.changes import Change, Waiting, changing
from openfaceplus.classify import enrolment
from openfaceplus.classify.classifier import Classifier
from openfaceplus.classify.training import Settings
from openfaceplus.classify.wording import supporters
from openfaceplus.errors import OpenFacePlusError, StorageError, TrainingError
from openfaceplus.extras import there
from openfaceplus.files import shown
from openfaceplus.model_folder import assign_people, read_people, write_people
from openfaceplus.recipe import Recipe
from openfaceplus.remote import Location
from openfaceplus.stages import align, represent
from openfaceplus.stages.embedded import embed_strangers
from openfaceplus.stages.summary import Progress, Summary, no_progress
from openfaceplus.store.layout import CHIPS, CLASSIFIER, EMBEDDINGS, PEOPLE, PICTURE
from openfaceplus.store.vectors import person_of, places, read_vectors
from openfaceplus.words import counted, percent, statuses


@dataclass(frozen=True, slots=True)
class TrainOptions:
    """Beside the settings: a folder of ``strangers``' photos, one a person or a folder each, and
    ``strict``, which refuses data that do not support the rate asked."""

    strangers: Location | None = None
    strict: bool = False
    jobs: int | None = None
    commercial: bool = False


def train(
    folder: Path,
    settings: Settings | None = None,
    options: TrainOptions | None = None,
    *,
    progress: Progress = no_progress,
    waiting: Waiting | None = None,
) -> Classifier:
    """Train on ``reps.csv`` and ``labels.csv`` in ``folder`` and write ``classifier.pkl`` there.

    People keep the ids and names of earlier training, by their folders. Raises StorageError if the
    files are missing or disagree, TrainingError if they do not suffice.
    """
    if not folder.is_dir():
        raise StorageError(f"{shown(folder)}: not there", remedy="make embeddings first")
    with changing(folder, waiting=waiting, keep=True) as change:
        classifier = _train(change, settings, options or TrainOptions(), progress)
        change.commit()
    return classifier


def _train(
    change: Change, settings: Settings | None, options: TrainOptions, progress: Progress
) -> Classifier:
    folder = change.folder
    manifest = represent.read_manifest(folder)
    vectors, chips = read_vectors(folder)
    if not chips:
        raise TrainingError(
            f"{shown(folder)}: holds no embedding",
            remedy="each person needs at least one photo in which a face is found",
        )
    strangers = None
    if options.strangers is not None:
        recipe = Recipe.from_dict(manifest.settings["recipe"])
        strangers = embed_strangers(
            options.strangers, recipe, manifest.settings["space"],
            keep_flawed=False, commercial=options.commercial, jobs=options.jobs, progress=progress,
        ).first_of_each()  # fmt: skip
    people = assign_people(map(person_of, chips), read_people(folder / PEOPLE))
    classifier = Classifier.train(
        vectors,
        [people[person_of(chip)].name for chip in chips],
        chips,
        recipe=manifest.settings["recipe"],
        space=manifest.settings["space"],
        ids=[people[person_of(chip)].id for chip in chips],
        settings=settings,
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
    classifier.save(change.staged(CLASSIFIER))
    _draw(classifier, change.staged(PICTURE))
    write_people(change, people.values())
    return classifier


def _draw(classifier: Classifier, to: Path) -> None:
    """The picture of strangers' and enrolled scores with the threshold, if there is what draws."""
    if not there("matplotlib"):
        return
    from openfaceplus.evaluate.plots import histogram

    rule, made = classifier.rule, classifier.calibrate()
    _, genuine = rule.scorer.unseen(classifier.vectors, classifier.labels)
    strangers = next((s for s in rule.strangers if s.kind == made.uses), rule.strangers[0])
    histogram(
        to, rule.scaled(genuine), strangers.scores, made.value,
        labels=("enrolled photos, each left out", "strangers"),
    )  # fmt: skip


def remarks(classifier: Classifier) -> list[str]:
    """What is odd about the enrolled photos, one sentence each."""
    unlike, alike = limits(classifier.space)
    odd = enrolment.check(
        classifier.vectors, classifier.labels, classifier.people, classifier.chips, unlike=unlike,
        alike=alike,
    )  # fmt: skip
    return [*odd, *enrolment.look_alikes(classifier)]


def limits(space: str) -> tuple[float | None, float | None]:
    """The cosines below which a photo is unlike its person's others and from which it is like
    another person; None where no thresholds were measured for the space, and only what is plain
    can be said."""
    with suppress(OpenFacePlusError):
        table = thresholds.load(space)
        return table.cosine_at(0.005), table.cosine_at(0.001)
    return None, None


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """What one-command training made."""

    classifier: Classifier
    path: Path
    aligned: Summary
    represented: Summary


def train_photos(
    source: Location,
    output: Path,
    recipe: Recipe,
    align_options: align.AlignOptions | None = None,
    settings: Settings | None = None,
    options: TrainOptions | None = None,
    *,
    device: str = "cpu",
    progress: Progress = no_progress,
    waiting: Waiting | None = None,
) -> TrainedModel:
    """Align, represent and train: photos in a folder per person -> a model folder.

    ``output`` gets ``aligned-images/`` and ``generated-embeddings/`` in OpenFace's forms.
    """
    options = options or TrainOptions()
    files = align.photos_to_align(source, output / CHIPS)
    with (
        changing(output / CHIPS, waiting=waiting, keep=True) as chips,
        changing(output / EMBEDDINGS, waiting=waiting, keep=True) as embeddings,
    ):
        places(embeddings)  # what is in the way is said before the work
        embeddings.staged(CLASSIFIER)
        aligned = align.align_files(
            files, chips, recipe, align_options,
            roots=[source], embed=recipe.views > 2 and device == "cpu", jobs=options.jobs,
            progress=progress,
        )  # fmt: skip
        chips.commit()
        if not aligned.succeeded:
            raise TrainingError(
                f"{shown(source)}: no usable face in {counted(len(aligned.rows), 'photo')} "
                f"({statuses(aligned.counts)}); {shown(aligned.table)} says why for each",
                remedy="give each person a folder of photos"
                if "no_person" in aligned.counts
                else "",
            )
        represented = represent.represent_chips(
            chips.folder, embeddings, recipe,
            aligned=aligned.rows, jobs=options.jobs, device=device, commercial=options.commercial,
            progress=progress,
        )  # fmt: skip
        embeddings.commit()
        classifier = _train(embeddings, settings, options, progress)
        embeddings.commit()
    path = embeddings.folder / CLASSIFIER
    return TrainedModel(classifier, path, aligned, represented)
