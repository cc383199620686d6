"""The Python interface in a few functions; what they do is in the modules they call."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openfaceplus.errors import UsageError
from openfaceplus.faces import Chip, ChipSpec
from openfaceplus.images import MAX_PIXELS
from openfaceplus.model import Model
from openfaceplus.pipeline import Pipeline
from openfaceplus.recipe import Recipe, recipe
from openfaceplus.remote import location
from openfaceplus.verification import FAR, Comparer, Verification

if TYPE_CHECKING:
    import numpy as np

    from openfaceplus.stages import summary
    from openfaceplus.stages.train import TrainedModel
    from openfaceplus.weights.embedder_spec import EmbedderSpec


load = Model.load


def train(
    photos: str | os.PathLike[str],
    output: str | os.PathLike[str],
    *,
    profile: str = "dlib",
    detector: str | None = None,
    landmarks: int | None = None,
    chip: ChipSpec | None = None,
    embedder: str | None = None,
    views: int | None = None,
    predictor: str | None = None,
    network: str | None = None,
    spec: EmbedderSpec | Path | str | None = None,
    skip_multi: bool = False,
    keep_flawed: bool = False,
    fallback: Path | None = None,
    max_pixels: int = MAX_PIXELS,
    kind: str = "LinearSvm",
    lda_dim: int = 0,
    far: float = 0.01,
    confidence_level: float | None = None,
    strangers: str | os.PathLike[str] | None = None,
    strict: bool = False,
    jobs: int | None = None,
    commercial: bool = False,
    device: str = "cpu",
    progress: summary.Progress | None = None,
) -> TrainedModel:
    """Photos in a folder per person -> a model folder; see ``stages.train.train_photos``.

    The keywords are the fields of ``Recipe``, ``AlignOptions``, ``Settings`` and ``TrainOptions``.
    """
    from openfaceplus.classify.training import Settings
    from openfaceplus.stages.align import AlignOptions
    from openfaceplus.stages.summary import no_progress
    from openfaceplus.stages.train import TrainOptions, train_photos

    chosen = recipe(
        profile,
        detector=detector,
        landmarks=landmarks,
        chip=chip,
        embedder=embedder,
        views=views,
        predictor=predictor,
        network=network,
        spec=spec,
    )
    return train_photos(
        location(photos),
        Path(output),
        chosen,
        AlignOptions(
            skip_multi,
            keep_flawed,
            None if fallback is None else Path(fallback),
            max_pixels,
            commercial,
        ),
        Settings(kind, lda_dim, far, confidence_level),
        TrainOptions(None if strangers is None else location(strangers), strict, jobs, commercial),
        device=device,
        progress=progress or no_progress,
    )


def align(
    photo: Any,
    *,
    largest: bool = False,
    max_pixels: int = MAX_PIXELS,
    profile: str = "dlib",
    detector: str | None = None,
    landmarks: int | None = None,
    chip: ChipSpec | None = None,
    embedder: str | None = None,
    predictor: str | None = None,
    spec: EmbedderSpec | Path | str | None = None,
) -> list[Chip]:
    """Aligned chips of the faces in a photo, the most prominent first; none if no face is found.

    ``photo`` is a path, bytes, a file object, a PIL image or an RGB uint8 array. The other keywords
    are fields of ``Recipe``. A chip has ``pixels`` (size, size, 3) RGB uint8, ``photo`` and
    ``face``. Raises PhotoError if the photo cannot be read.
    """
    pipeline = _pipeline(
        recipe(
            profile,
            detector=detector,
            landmarks=landmarks,
            chip=chip,
            embedder=embedder,
            predictor=predictor,
            spec=spec,
        )
    )
    (found,) = pipeline.look(
        [photo], largest=largest, max_pixels=max_pixels, vectors="none", chips=True
    )
    return list(found.or_raise().chips)


def embed(
    faces: Any,
    *,
    unit: bool = True,
    max_pixels: int = MAX_PIXELS,
    profile: str = "dlib",
    detector: str | None = None,
    landmarks: int | None = None,
    chip: ChipSpec | None = None,
    embedder: str | None = None,
    views: int | None = None,
    predictor: str | None = None,
    network: str | None = None,
    spec: EmbedderSpec | Path | str | None = None,
) -> np.ndarray:
    """Embeddings, (faces, dimensions) float32, of chips or of all faces of a photo.

    By default a row is the mean over the chip and its mirror image, of unit length: its dot
    products are cosine likenesses. ``views=1, unit=False`` gives the network's own output, for the
    dlib profile equal to dlib's descriptor to 1e-5. ``faces`` is a list of ``Chip`` (as ``align``
    gives them) or a photo, as ``align`` takes it. Raises PhotoError if the photo cannot be read,
    UsageError for chips of another kind.
    """
    pipeline = _pipeline(
        recipe(
            profile,
            detector=detector,
            landmarks=landmarks,
            chip=chip,
            embedder=embedder,
            views=views,
            predictor=predictor,
            network=network,
            spec=spec,
        )
    )
    if not unit and pipeline.recipe.views != 1:
        raise UsageError(
            "unit=False gives a network's own output", remedy="it needs views=1", field="views"
        )
    if isinstance(faces, Chip):
        faces = [faces]
    if isinstance(faces, Sequence) and not isinstance(faces, (str, bytes)):
        chips = [_checked(face, pipeline) for face in faces]
        return pipeline.embed([[one] for one in chips]) if unit else pipeline.raw(chips)
    (found,) = pipeline.look([faces], max_pixels=max_pixels, vectors="views" if unit else "network")
    return found.or_raise().vectors


def verify(
    first: Any,
    second: Any,
    *,
    comparer: Comparer | None = None,
    far: float = FAR,
    distance: float | None = None,
    table: Path | None = None,
    max_pixels: int = MAX_PIXELS,
    profile: str = "dlib",
    detector: str | None = None,
    landmarks: int | None = None,
    chip: ChipSpec | None = None,
    embedder: str | None = None,
    views: int | None = None,
    predictor: str | None = None,
    network: str | None = None,
    spec: EmbedderSpec | Path | str | None = None,
    commercial: bool = False,
    device: str = "cpu",
    threads: int | None = None,
) -> Verification:
    """Whether the most prominent faces of two photos are one person's.

    Photos are paths, bytes, file objects, PIL images or RGB uint8 arrays. The keywords are those of
    ``Comparer`` and the fields of ``Recipe``; a ``comparer`` takes the place of them all and may be
    used again. Raises PhotoError for a photo that cannot be read, without a face, or whose face
    cannot be judged: a measured limit refuses faces too small or too blurred, a ``distance`` of
    your own judges all.
    """
    if comparer is None:
        chosen = recipe(
            profile,
            detector=detector,
            landmarks=landmarks,
            chip=chip,
            embedder=embedder,
            views=views,
            predictor=predictor,
            network=network,
            spec=spec,
        )
        comparer = Comparer(
            chosen,
            far=far,
            distance=distance,
            table=table,
            max_pixels=max_pixels,
            commercial=commercial,
            device=device,
            threads=threads,
        )
    return comparer.verify(first, second)


def _checked(chip: Any, pipeline: Pipeline) -> Chip:
    if not isinstance(chip, Chip):
        raise UsageError(
            f"a list of chips is needed, as openfaceplus.align gives them, not {type(chip)}"
        )
    if chip.spec != pipeline.recipe.chip or pipeline.recipe.views > 2:
        raise UsageError(
            f"a {chip.spec} chip does not serve {pipeline.recipe.embedder} with "
            f"{pipeline.recipe.views} views, which needs {pipeline.recipe.chip}",
            remedy="pass the photo",
        )
    return chip


@lru_cache(maxsize=4)
def _pipeline(chosen: Recipe) -> Pipeline:
    return Pipeline(chosen)
