"""A trained model: photo in, decisions out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from openfaceplus.classify.classifier import Classifier
from openfaceplus.errors import NoFace, StorageError
from openfaceplus.faces import Box, Decision
from openfaceplus.images import MAX_PIXELS, Photo, as_photo
from openfaceplus.pipeline import Pipeline, flaw
from openfaceplus.recipe import Recipe

_PLACES = (
    "classifier.pkl",
    "generated-embeddings/classifier.pkl",
    "model/generated-embeddings/classifier.pkl",
)
VARIABLE = "OPENFACEPLUS_CLASSIFIER"


def find_classifier(given: str | os.PathLike[str] | None = None) -> Path:
    """The ``classifier.pkl`` that a file or folder names; without one, that of the environment
    variable OPENFACEPLUS_CLASSIFIER or below the working folder.

    Raises StorageError if there is none.
    """
    start = Path(given or os.environ.get(VARIABLE) or ".")
    if not start.is_dir():
        return start
    for place in _PLACES:
        if (start / place).is_file():
            return start / place
    raise StorageError(
        f"{start}: holds no generated-embeddings/classifier.pkl; train first, or name one with -m"
    )


class Model:
    """A classifier with the pipeline that makes its embeddings."""

    def __init__(self, classifier: Classifier, pipeline: Pipeline) -> None:
        self.classifier = classifier
        self.pipeline = pipeline

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        detector: str | None = None,
        network: str | None = None,
        predictor: str | None = None,
        **options: Any,
    ) -> Model:
        """Read a model folder or ``classifier.pkl``; options go to the pipeline.

        Raises UnsafeFile for a file that would run code, ModelError if a network is missing,
        SpaceMismatch if it is not the one that the classifier was trained with.
        """
        classifier = Classifier.load(find_classifier(path))
        changes = {"detector": detector, "network": network, "predictor": predictor}
        recipe = Recipe.from_dict(classifier.recipe)
        recipe = replace(recipe, **{key: value for key, value in changes.items() if value})
        pipeline = Pipeline(recipe, **options)
        classifier.check_space(str(pipeline.space))
        return cls(classifier, pipeline)

    def identify(
        self,
        photo: Any,
        *,
        largest: bool = False,
        threshold: float | None = None,
        max_pixels: int = MAX_PIXELS,
    ) -> list[Decision]:
        """Who is in a photo: one decision a face, from left to right.

        ``photo`` is a path, bytes, a file object, a PIL image or an RGB uint8 array. ``largest``
        judges the most prominent face only. Raises PhotoError, NoFace among them.
        """
        return self.decide(as_photo(photo, max_pixels=max_pixels), largest, threshold)

    def decide(self, photo: Photo, largest: bool = False, threshold: float | None = None) -> list[Decision]:
        """``identify`` for a photo already read."""
        faces = self.pipeline.faces(photo, largest)
        if not faces:
            raise NoFace(f"{photo.path or 'the photo'}: no face found")
        views = [self.pipeline.views(photo, face) for face in faces]
        decisions = self.classifier.decide(self.pipeline.embed(views), threshold)
        judged = []
        for face, chips, decision in zip(faces, views, decisions, strict=True):
            problem = flaw(chips[0])
            known = None if problem else decision.name
            judged.append(replace(decision, name=known, box=face.box, note=problem))
        return sorted(judged, key=lambda decision: decision.box.left + decision.box.right)


def label_of(decision: Decision) -> str:
    """The name, or unknown."""
    return decision.name if decision.name is not None else "unknown"


def centre(box: Box) -> int:
    """A box's middle across, in whole pixels."""
    return round((box.left + box.right) / 2)


def annotate(photo: Photo, decisions: Sequence[Decision]) -> Any:
    """The photo's working pixels with a labelled box a face, green if known, red if not.

    Returns (height, width, 3) RGB uint8.
    """
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

    image = Image.fromarray(photo.pixels)
    draw = ImageDraw.Draw(image)
    unit = max(image.size)
    width = max(2, unit // 300)
    for decision in decisions:
        assert decision.box is not None
        colour = (0, 140, 60) if decision.name is not None else (200, 30, 30)
        left, top, right, bottom = decision.box.scaled(1 / photo.scale).rounded()
        draw.rectangle((left, top, right, bottom), outline=colour, width=width)
        text = f"{label_of(decision)} {decision.confidence:.2f}"
        size = max(11.0, (right - left) / 9)
        font = ImageFont.load_default(size)
        x0, y0, x1, y1 = draw.textbbox((left, bottom), text, font=font)
        pad = width + 1
        # Below the box, or inside it where the photo ends.
        shift = min(0, image.height - (y1 + 2 * pad)), min(0, image.width - (x1 + 2 * pad))
        x, y = max(0, left + shift[1]), bottom + shift[0]
        draw.rectangle((x, y, x + x1 - x0 + 2 * pad, y + y1 - bottom + 2 * pad), fill=colour)
        draw.text((x + pad, y + pad), text, fill=(255, 255, 255), font=font)
    return np.asarray(image)
