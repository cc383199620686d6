"""A trained model: photo in, decisions out."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from openfaceplus.classify.classifier import Classifier
from openfaceplus.classify.confidence import PRIOR
from openfaceplus.classify.rule import Threshold
from openfaceplus.drawing import Mark, draw, legend
from openfaceplus.errors import NoFace, StorageError, UsageError
from openfaceplus.faces import Box, Decision
from openfaceplus.files import shown
from openfaceplus.images import MAX_PIXELS, Photo
from openfaceplus.pipeline import PhotoFaces, Pipeline
from openfaceplus.recipe import Recipe, detector_of

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


@dataclass(frozen=True, slots=True)
class Policy:
    """Which faces to accept.

    ``far`` is the share of strangers' faces accepted (None: what was trained for), met on average
    or with the confidence ``sure``; ``per`` ``photo`` makes it the share of photos. ``threshold``
    overrides it. ``prior`` is the share of strangers that the confidence reckons with.
    """

    far: float | None = None
    sure: float | None = None
    per: str = "face"
    threshold: float | None = None
    prior: float = PRIOR


class Model:
    """A classifier with the pipeline that makes its embeddings."""

    def __init__(self, classifier: Classifier, pipeline: Pipeline) -> None:
        self.classifier = classifier
        self.pipeline = pipeline
        self._thresholds = lru_cache(maxsize=64)(classifier.calibrate)

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
        path = find_classifier(path)
        classifier = Classifier.load(path)
        detector = detector and detector_of(detector)
        changes = {"detector": detector, "network": network, "predictor": predictor}
        try:
            recipe = Recipe.from_dict(classifier.recipe)
        except StorageError as error:
            raise StorageError(f"{shown(path)}: {error}; train again") from error
        recipe = replace(recipe, **{key: value for key, value in changes.items() if value})
        pipeline = Pipeline(recipe, **options)
        classifier.check_space(str(pipeline.space))
        return cls(classifier, pipeline)

    def identify(
        self,
        photo: Any,
        *,
        largest: bool = False,
        far: float | None = None,
        sure: float | None = None,
        per: str = "face",
        threshold: float | None = None,
        prior: float = PRIOR,
        max_pixels: int = MAX_PIXELS,
    ) -> list[Decision]:
        """Who is in a photo: one decision a face, from left to right.

        ``photo`` is a path, bytes, a file object, a PIL image or an RGB uint8 array. ``largest``
        judges the most prominent face only. The others are those of ``Policy``. Raises PhotoError,
        NoFace among them, and UsageError for rates that make no sense.
        """
        (found,) = self.pipeline.look([photo], largest=largest, max_pixels=max_pixels)
        return self.judge(found, Policy(far, sure, per, threshold, prior))

    def judge(self, found: PhotoFaces, policy: Policy | None = None) -> list[Decision]:
        """Who the faces of a photo are, as ``identify`` says it, with its errors."""
        if found.error is not None:
            raise found.error
        if not found.faces:
            raise NoFace(f"{_name(found.source)}: no face found")
        policy = policy or Policy()
        limit = policy.threshold
        if limit is None:
            limit = self.threshold(policy, len(found.faces)).value
        decisions = self.classifier.decide(found.vectors, limit, policy.prior)
        judged = [
            replace(decision, name=None if flaw else decision.name, box=face.box, note=flaw)
            for face, flaw, decision in zip(found.faces, found.flaws, decisions, strict=True)
        ]
        return sorted(judged, key=lambda decision: decision.box.left + decision.box.right)

    def threshold(self, policy: Policy, faces: int = 1) -> Threshold:
        """What a policy accepts in a photo of so many faces, and what that rests on."""
        settings = self.classifier.settings
        far = settings.far if policy.far is None else policy.far
        # A rate given anew is met on average unless a confidence is given with it.
        sure = settings.sure if policy.far is None and policy.sure is None else policy.sure
        if policy.per not in ("face", "photo"):
            raise UsageError(f"a rate is per face or per photo, not per {policy.per}")
        if policy.per == "photo" and faces > 1:
            # A stranger's photo is wrong if any of its faces is accepted.
            far = 1 - (1 - far) ** (1 / faces)
        return self._thresholds(far, sure)


def _name(source: Any) -> str:
    path = source.path if isinstance(source, Photo) else source
    return shown(path) if isinstance(path, (str, os.PathLike)) else "the photo"


def centre(box: Box) -> int:
    """A box's middle across, in whole pixels."""
    return round((box.left + box.right) / 2)


def numbers_of(decisions: Sequence[Decision]) -> dict[str, str]:
    """What ``annotate`` draws for the names among these that no font here can write."""
    return legend(decision.name for decision in decisions if decision.name is not None)


def annotate(photo: Photo, decisions: Sequence[Decision]) -> Any:
    """The photo's working pixels with a labelled box a face, green if known, red if not.

    Names that no font here can write are numbers, those of ``numbers_of``. Returns (height, width,
    3) RGB uint8.
    """
    numbers = numbers_of(decisions)
    marks = []
    for decision in decisions:
        assert decision.box is not None
        text = "unknown"
        if decision.name is not None:
            name = numbers.get(decision.name, shown(decision.name))
            text = f"{name} {decision.confidence:.2f}"
        marks.append(Mark(decision.box.scaled(1 / photo.scale), text, decision.name is not None))
    return draw(photo.pixels, marks)
