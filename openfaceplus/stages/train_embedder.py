"""Photos -> a trained embedder: a folder that ``--embedder`` takes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from openfaceplus import recipe as recipes
from openfaceplus.errors import StorageError, UsageError
from openfaceplus.evaluate.protocols import read_pairs
from openfaceplus.extras import require
from openfaceplus.files import make_folder, shown
from openfaceplus.manifest import Manifest
from openfaceplus.recipe import Recipe
from openfaceplus.stages import embedder_folder
from openfaceplus.stages.summary import Progress, no_progress
from openfaceplus.stages.trainable import build, trainable
from openfaceplus.stages.training_data import (
    Check,
    Faces,
    Lesson,
    held_out_by_chance,
    held_out_of_pairs,
    load_faces,
)

if TYPE_CHECKING:
    from openfaceplus.training.loop import Batches, Epoch, LoopSettings, Trainer

CHECKPOINT, MANIFEST = "checkpoint.pt", "training.json"


@dataclass(frozen=True, slots=True)
class TrainEmbedderOptions:
    """What to train and on what.

    ``network`` begins with ``weights``, a state dict, or by chance. With a ``teacher``, an
    embedder's name, its vectors are learned, and no names, ``batch`` faces at once; ``relation`` is
    how much the cosines between faces count beside, ``blend`` which share of the faces is laid over
    others at the start (in the end: half of that). Else the ``loss`` separates people: a batch is
    ``photos`` photos of each of ``people``, ``mining`` and ``margin`` are the triplet loss's.
    ``pairs`` is a file as LFW's pairs.txt, whose ``folds`` (from 1) are held out; without it a
    tenth of the people is.
    """

    network: str = "nn4.small2"
    weights: Path | None = None
    dim: int = 128
    teacher: str | None = None
    relation: float = 0.1
    blend: float = 0.7
    batch: int = 64
    loss: str = "triplet"
    mining: str = "semi-hard"
    margin: float = 0.2
    people: int = 16
    photos: int = 4
    pairs: Path | None = None
    folds: tuple[int, ...] = ()
    detector: str = recipes.AUTO
    tensorboard: bool = False
    onnx: bool = True
    loop: LoopSettings = field(default_factory=lambda: _usual_loop())


@dataclass(frozen=True, slots=True, eq=False)
class TrainedEmbedder:
    """The folder, the epochs run, and how many photos of how many people taught and checked."""

    path: Path
    history: list[Epoch]
    counts: dict[str, int]

    @property
    def best(self) -> Epoch:
        """The epoch whose network was kept."""
        return max(self.history, key=lambda row: row.score)


def train_embedder(
    source: Path,
    output: Path,
    options: TrainEmbedderOptions | None = None,
    *,
    jobs: int | None = None,
    progress: Progress = no_progress,
    each: Callable[[Epoch], object] = lambda row: None,
) -> TrainedEmbedder:
    """Train on the photos, or chips, in ``source``, a folder a person, and write what comes of it
    to ``output``. A run that was broken off goes on; a finished one of the same settings is kept.

    ``each`` is called after every epoch. Raises UsageError for options or photos that do not go
    together, StorageError where ``output`` holds a training of other settings.
    """
    require("torch", "torch", "training an embedder")
    options = options or TrainEmbedderOptions()
    _check(options)
    recipe, teacher = _recipe(options), options.teacher and _teacher(options)
    settings = _settings(source, options)
    make_folder(output)
    before = Manifest.read(output / MANIFEST)
    if before is not None and before.settings != settings:
        raise StorageError(
            f"{shown(output)}: holds a training with other settings",
            remedy="name another folder",
            field="output",
        )
    faces = load_faces(source, output, recipe, jobs, progress)
    check = _held_out(faces, options)
    judges, judged = check.alone()
    held = np.isin(faces.people, faces.people[judges])
    training = np.flatnonzero(~held)
    counts = {
        "photos": len(training), "people": len(np.unique(faces.people[training])),
        "photos_held_out": int(held.sum()), "people_held_out": len(np.unique(faces.people[held])),
    }  # fmt: skip
    Manifest("train-embedder", settings, counts, roots=[str(source.resolve())]).write(
        output / MANIFEST
    )
    lesson = teacher and Lesson(
        faces, training, output / "teacher", teacher, jobs=jobs, progress=progress
    )
    trainer, batches = _prepare(faces, training, lesson or None, options)
    if (output / CHECKPOINT).is_file():
        trainer.load(output / CHECKPOINT)
    with embedder_folder.Log(output, trainer.history, options.tensorboard) as log:

        def after(row: Epoch) -> None:
            log.add(row)
            each(row)

        trainer.run(batches, _validation(faces.chips[judges], judged), output / CHECKPOINT, after)
    embedder_folder.write(output, trainer.network, options, recipe, trainer.history, counts)
    return TrainedEmbedder(output, trainer.history, counts)


def _usual_loop() -> LoopSettings:
    from openfaceplus.training.loop import LoopSettings

    return LoopSettings()


def _check(options: TrainEmbedderOptions) -> None:
    """Raise UsageError, before any work, for what cannot train."""
    from openfaceplus.training.loop import device_of
    from openfaceplus.training.losses import named_loss

    if min(options.batch, options.people, options.photos) < 2:
        raise UsageError("a batch has two faces at least", remedy="choose larger numbers")
    for name, share in (("blend", options.blend), ("average", options.loop.average)):
        if not 0 <= share <= 1:
            raise UsageError(f"{share:g} is not a share from 0 to 1", field=name)
    device_of(options.loop.device)
    if options.teacher is None:
        named_loss(options.loss, 2, options.dim, options.mining, options.margin)


def _settings(source: Path, options: TrainEmbedderOptions) -> dict[str, Any]:
    """What decides the result, as JSON gives it back."""
    plain = asdict(options) | {"source": str(source.resolve())}
    for key in ("weights", "pairs"):
        plain[key] = None if plain[key] is None else str(Path(plain[key]).resolve())
    plain["folds"], plain["loop"]["frozen"] = list(options.folds), list(options.loop.frozen)
    for key in ("tensorboard", "onnx"):
        del plain[key]
    return plain


def _recipe(options: TrainEmbedderOptions) -> Recipe:
    """How the network's chips are cut."""
    kind = trainable(options.network)
    made = recipes.recipe(detector=options.detector, landmarks=kind.landmarks)
    return replace(made, chip=kind.spec.chip)


def _teacher(options: TrainEmbedderOptions) -> Recipe:
    """How the teacher sees a face: in as many views as its chips allow."""
    made = recipes.recipe(detector=options.detector, embedder=options.teacher)
    return replace(made, views=2 if made.chip.padding is None else 6)


def _held_out(faces: Faces, options: TrainEmbedderOptions) -> Check:
    if options.pairs is None:
        return held_out_by_chance(faces, options.loop.seed)
    return held_out_of_pairs(faces, read_pairs(options.pairs, options.folds))


def _prepare(
    faces: Faces, training: np.ndarray, lesson: Lesson | None, options: TrainEmbedderOptions
) -> tuple[Trainer, Batches]:
    """What trains: on the teacher's ``lesson``, or on the names of the ``training`` faces."""
    if lesson is None:
        dim, loss, batches = _of_names(faces, training, options)
    else:
        dim, loss, batches = _of_teacher(lesson, options)
    from openfaceplus.training.loop import Trainer

    network = build(options.network, dim, options.loop.seed, options.weights)
    return Trainer(network, loss, options.loop), batches


def _of_names(
    faces: Faces, training: np.ndarray, options: TrainEmbedderOptions
) -> tuple[int, Any, Batches]:
    from openfaceplus.training.loop import Batches
    from openfaceplus.training.losses import named_loss
    from openfaceplus.training.mining import people_batches

    labels = np.unique(faces.people[training], return_inverse=True)[1]
    loss = named_loss(options.loss, labels.max() + 1, options.dim, options.mining, options.margin)

    def draw(chance: np.random.Generator) -> Iterator[np.ndarray]:
        return people_batches(labels, options.people, options.photos, chance)

    def take(items: np.ndarray, *_: object) -> tuple[np.ndarray, np.ndarray]:
        return faces.chips[training[items]].astype(np.float32), labels[items]

    count = sum(1 for _ in draw(np.random.default_rng(0)))
    return options.dim, loss, Batches(draw, take, count)


def _of_teacher(lesson: Lesson, options: TrainEmbedderOptions) -> tuple[int, Any, Batches]:
    from openfaceplus.training.loop import Batches
    from openfaceplus.training.losses import Distillation

    size = min(options.batch, len(lesson.training))
    starts = range(0, len(lesson.training) - size + 1, size)

    def draw(chance: np.random.Generator) -> Iterator[np.ndarray]:
        order = chance.permutation(len(lesson.training))
        yield from (order[start : start + size] for start in starts)

    def take(
        items: np.ndarray, chance: np.random.Generator, done: float
    ) -> tuple[np.ndarray, np.ndarray]:
        return lesson.blended(items, options.blend * (1 - done / 2), chance)

    loss = Distillation(options.relation)
    return lesson.vectors.shape[1], loss, Batches(draw, take, len(starts))


def _validation(
    chips: np.ndarray, check: Check
) -> Callable[[Callable[[np.ndarray], np.ndarray]], float]:
    """The accuracy on people who are not trained on, of the chip alone: a mirrored view would take
    as long again."""

    def score(embed: Callable[[np.ndarray], np.ndarray]) -> float:
        return check.accuracy(embed(chips))

    return score
