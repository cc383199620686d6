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
    blend,
    held_out_by_chance,
    held_out_of_pairs,
    lesson,
    load_faces,
)

if TYPE_CHECKING:
    from openfaceplus.training.loop import Batches, Epoch, LoopSettings

CHECKPOINT, MANIFEST = "checkpoint.pt", "training.json"


@dataclass(frozen=True, slots=True)
class TrainEmbedderOptions:
    """What to train and on what.

    ``network`` begins with ``weights``, a state dict, or by chance. With a ``teacher``, an
    embedder's name, its vectors are learned, and no names: of the faces and of ``blends`` times as
    many pictures half of one face and half of another's; ``relation`` is how much the cosines
    between faces count beside. Else the ``loss`` separates people: a batch is ``photos`` photos of
    each of ``people``, ``mining`` and ``margin`` are the triplet loss's. ``pairs`` is a file as
    LFW's pairs.txt, whose ``folds`` (from 1) are held out; without it a tenth of the people is.
    """

    network: str = "nn4.small2"
    weights: Path | None = None
    dim: int = 128
    teacher: str | None = None
    blends: float = 0.0
    relation: float = 0.1
    batch: int = 32
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
    loop: LoopSettings = field(default_factory=lambda: _loop().LoopSettings())


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
    if min(options.batch, options.people, options.photos) < 2:
        raise UsageError("a batch has two faces at least", remedy="choose larger numbers")
    settings = _settings(source, options)
    make_folder(output)
    before = Manifest.read(output / MANIFEST)
    if before is not None and before.settings != settings:
        raise StorageError(
            f"{shown(output)}: holds a training with other settings",
            remedy="name another folder",
            field="output",
        )
    recipe = _recipe(options)
    faces = load_faces(source, output, recipe, jobs, progress)
    check = _held_out(faces, options)
    held = np.isin(faces.people, faces.people[np.concatenate([check.first, check.second])])
    training = np.flatnonzero(~held)
    counts = {
        "photos": len(training), "people": len(np.unique(faces.people[training])),
        "photos_held_out": int(held.sum()), "people_held_out": len(np.unique(faces.people[held])),
    }  # fmt: skip
    Manifest("train-embedder", settings, counts, roots=[str(source.resolve())]).write(
        output / MANIFEST
    )
    lessons = _lesson(source, output, faces, training, options, jobs, progress)
    trainer = _trainer(faces, training, lessons, options)
    if (output / CHECKPOINT).is_file():
        trainer.load(output / CHECKPOINT)
    with embedder_folder.Log(output, trainer.history, options.tensorboard) as log:

        def after(row: Epoch) -> None:
            log.add(row)
            each(row)

        trainer.run(_batches(faces, training, lessons, options), _validation(faces, check),
                    output / CHECKPOINT, after)  # fmt: skip
    embedder_folder.write(output, trainer.network, options, recipe, trainer.history, counts)
    return TrainedEmbedder(output, trainer.history, counts)


def _loop() -> Any:
    from openfaceplus.training import loop

    return loop


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


def _held_out(faces: Faces, options: TrainEmbedderOptions) -> Check:
    if options.pairs is None:
        return held_out_by_chance(faces, options.loop.seed)
    pairs = read_pairs(options.pairs)
    folds = {fold - 1 for fold in options.folds} or {pair.fold for pair in pairs}
    return held_out_of_pairs(faces, pairs, folds)


def _lesson(
    source: Path, output: Path, faces: Faces, training: np.ndarray,
    options: TrainEmbedderOptions, jobs: int | None, progress: Progress,
) -> Lesson | None:  # fmt: skip
    if options.teacher is None:
        return None
    teacher = recipes.recipe(detector=options.detector, embedder=options.teacher)
    if teacher.chip.template == "dlib":
        teacher = replace(teacher, views=6)
    return lesson(
        source, training, output / "teacher", teacher, faces=faces, blends=options.blends,
        seed=options.loop.seed, jobs=jobs, progress=progress,
    )  # fmt: skip


def _trainer(
    faces: Faces, training: np.ndarray, lessons: Lesson | None, options: TrainEmbedderOptions
) -> Any:
    from openfaceplus.training.losses import Distillation, named_loss

    dim = options.dim if lessons is None else lessons.targets.shape[1]
    network = build(options.network, dim, options.loop.seed, options.weights)
    loss: Any = Distillation(options.relation)
    if lessons is None:
        classes = len(np.unique(faces.people[training]))
        loss = named_loss(options.loss, classes, dim, options.mining, options.margin)
    return _loop().Trainer(network, loss, options.loop)


def _batches(
    faces: Faces, training: np.ndarray, lessons: Lesson | None, options: TrainEmbedderOptions
) -> Batches:
    import torch

    from openfaceplus.training.mining import people_batches

    if lessons is None:
        labels = np.unique(faces.people[training], return_inverse=True)[1]

        def draw(chance: np.random.Generator) -> Iterator[np.ndarray]:
            return people_batches(labels, options.people, options.photos, chance)

        count = sum(1 for _ in draw(np.random.default_rng(0)))
        return _loop().Batches(  # type: ignore[no-any-return]
            draw, lambda items: faces.chips[training[items]].astype(np.float32),
            torch.from_numpy(labels), count,
        )  # fmt: skip
    known = int((lessons.items[:, 0] == lessons.items[:, 1]).sum())
    size = min(options.batch, known)

    def shuffled(chance: np.random.Generator) -> Iterator[np.ndarray]:
        """All faces, and half as many blends."""
        blends = known + chance.permutation(len(lessons.items) - known)[: known // 2]
        order = chance.permutation(np.concatenate([np.arange(known), blends]))
        for start in range(0, len(order) - size + 1, size):
            yield order[start : start + size]

    count = sum(1 for _ in shuffled(np.random.default_rng(0)))
    return _loop().Batches(  # type: ignore[no-any-return]
        shuffled, lambda items: blend(faces.chips, lessons.items[items]),
        torch.from_numpy(lessons.targets), count,
    )  # fmt: skip


def _validation(
    faces: Faces, check: Check
) -> Callable[[Callable[[np.ndarray], np.ndarray]], float]:
    """The accuracy on people who are not trained on, of the chip alone: a mirrored view would take
    as long again."""
    used, places = np.unique(np.concatenate([check.first, check.second]), return_inverse=True)
    own = replace(check, first=places[: len(check.first)], second=places[len(check.first) :])
    chips = faces.chips[used]

    def score(embed: Callable[[np.ndarray], np.ndarray]) -> float:
        return own.accuracy(embed(chips))

    return score
