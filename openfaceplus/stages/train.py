"""Embeddings on disk -> ``classifier.pkl``; and photos -> model folder in one go."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from openfaceplus.classify.classifier import Classifier
from openfaceplus.errors import StorageError, TrainingError
from openfaceplus.manifest import Manifest
from openfaceplus.recipe import Recipe
from openfaceplus.stages import align, represent
from openfaceplus.stages.summary import Progress, Summary, no_progress
from openfaceplus.store.vectors import person_of, read_vectors

CLASSIFIER = "classifier.pkl"
CHIPS = "aligned-images"
EMBEDDINGS = "generated-embeddings"


def train(folder: Path, *, kind: str = "LinearSvm", lda_dim: int = 0) -> tuple[Classifier, Path]:
    """Train on ``reps.csv`` and ``labels.csv`` in ``folder`` and write ``classifier.pkl`` there.

    Raises StorageError if the files are missing or disagree, TrainingError if they do not suffice.
    """
    manifest = Manifest.read(folder / represent.MANIFEST)
    if manifest is None:
        raise StorageError(
            f"{folder / represent.MANIFEST}: not there, so nothing says which network made the "
            "embeddings; run batch_represent/main.py"
        )
    vectors, chips = read_vectors(folder)
    if not chips:
        raise TrainingError(
            f"{folder}: holds no embedding; each person needs at least one photo in which a face "
            "is found"
        )
    classifier = Classifier.train(
        vectors,
        [person_of(chip) for chip in chips],
        chips,
        recipe=manifest.settings["recipe"],
        space=manifest.settings["space"],
        kind=kind,
        lda_dim=lda_dim,
    )
    path = folder / CLASSIFIER
    classifier.save(path)
    return classifier, path


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """What one-command training made."""

    classifier: Classifier
    path: Path
    aligned: Summary
    represented: Summary


def train_photos(
    photos: Path,
    output: Path,
    recipe: Recipe,
    options: align.AlignOptions | None = None,
    *,
    kind: str = "LinearSvm",
    lda_dim: int = 0,
    jobs: int | None = None,
    device: str = "cpu",
    progress: Progress = no_progress,
) -> TrainedModel:
    """Align, represent and train: photos in a folder per person -> a model folder.

    ``output`` gets ``aligned-images/`` and ``generated-embeddings/`` in OpenFace's forms.
    """
    options = options or align.AlignOptions()
    aligned = align.align(photos, output / CHIPS, recipe, options, jobs=jobs, progress=progress)
    if not aligned.succeeded:
        raise TrainingError(
            f"{photos}: in none of {len(aligned.rows)} photos was a usable face found "
            f"({aligned.counts}); {aligned.table} says why for each"
        )
    represented = represent.represent(
        output / CHIPS,
        output / EMBEDDINGS,
        recipe,
        jobs=jobs,
        device=device,
        commercial=options.commercial,
        progress=progress,
    )
    classifier, path = train(output / EMBEDDINGS, kind=kind, lda_dim=lda_dim)
    return TrainedModel(classifier, path, aligned, represented)
