"""The Python interface in a few functions; what they do is in the modules they call."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openfaceplus.errors import UsageError
from openfaceplus.faces import Chip
from openfaceplus.images import as_photo
from openfaceplus.model import Model
from openfaceplus.pipeline import Pipeline
from openfaceplus.recipe import Recipe, recipe

if TYPE_CHECKING:
    import numpy as np

    from openfaceplus.stages.train import TrainedModel


def load(path: str | os.PathLike[str] | None = None, **options: Any) -> Model:
    """A trained model, from its folder or its ``classifier.pkl``; see ``Model.load``."""
    return Model.load(path, **options)


def train(
    photos: str | os.PathLike[str], output: str | os.PathLike[str], **options: Any
) -> TrainedModel:
    """Photos in a folder per person -> a model folder; see ``stages.train.train_photos``.

    ``options`` are ``device``, ``progress`` and the fields of ``Recipe``, ``AlignOptions``,
    ``Settings`` and ``TrainOptions``: ``profile``, ``views``, ``far``, ``jobs``...
    """
    from openfaceplus.classify.classifier import Settings
    from openfaceplus.stages.align import AlignOptions
    from openfaceplus.stages.train import TrainOptions, train_photos

    parts = []
    used: set[str] = set()
    for make in (recipe, AlignOptions, Settings, TrainOptions):
        names = (Recipe if make is recipe else make).__dataclass_fields__
        parts.append(make(**{name: options[name] for name in names if name in options}))
        used |= set(names)
    others = {name: value for name, value in options.items() if name not in used}
    return train_photos(Path(photos), Path(output), *parts, **others)


def align(
    photo: Any, *, largest: bool = False, profile: str = "dlib", **changes: Any
) -> list[Chip]:
    """Aligned chips of the faces in a photo, the most prominent first; none if no face is found.

    ``photo`` is a path, bytes, a file object, a PIL image or an RGB uint8 array. ``changes`` are
    fields of ``Recipe``: ``detector``, ``landmarks``, ``chip``. A chip has ``pixels`` (size, size,
    3) RGB uint8, ``photo`` and ``face``. Raises PhotoError if the photo cannot be read.
    """
    pipeline = _pipeline(recipe(profile, **changes))
    source = as_photo(photo)
    return [pipeline.cut(source, face) for face in pipeline.faces(source, largest)]


def embed(
    faces: Any,
    *,
    profile: str = "dlib",
    views: int | None = None,
    unit: bool = True,
    **changes: Any,
) -> np.ndarray:
    """Embeddings, (faces, dimensions) float32, of chips or of all faces of a photo.

    By default a row is the mean over the chip and its mirror image, of unit length: its dot
    products are cosine likenesses. ``views=1, unit=False`` gives the network's own output, for the
    dlib profile equal to dlib's descriptor to 1e-5. ``faces`` is a list of ``Chip`` (as ``align``
    gives them) or a photo, as ``align`` takes it. Raises UsageError for chips of another kind.
    """
    pipeline = _pipeline(recipe(profile, views=views, **changes))
    if isinstance(faces, Chip):
        faces = [faces]
    if isinstance(faces, Sequence) and not isinstance(faces, (str, bytes)):
        lists = [[_chip(face, pipeline)] for face in faces]
    else:
        photo = as_photo(faces)
        lists = [pipeline.views(photo, face) for face in pipeline.faces(photo)]
    if unit:
        return pipeline.embed(lists)
    if pipeline.recipe.views != 1:
        raise UsageError("unit=False gives a network's own output: it needs views=1")
    return pipeline.raw([chips[0] for chips in lists])


def _chip(chip: Any, pipeline: Pipeline) -> Chip:
    if not isinstance(chip, Chip):
        raise UsageError(
            f"a list of chips is needed, as openfaceplus.align gives them, not {type(chip)}"
        )
    if chip.spec != pipeline.recipe.chip or pipeline.recipe.views > 2:
        raise UsageError(
            f"a {chip.spec} chip does not serve {pipeline.recipe.embedder} with "
            f"{pipeline.recipe.views} views, which needs {pipeline.recipe.chip}; pass the photo"
        )
    return chip


@lru_cache(maxsize=4)
def _pipeline(chosen: Recipe) -> Pipeline:
    return Pipeline(chosen)
