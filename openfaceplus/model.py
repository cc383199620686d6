"""A trained model: photo in, decisions out."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Any

from openfaceplus.classify.classifier import Classifier
from openfaceplus.classify.confidence import PRIOR
from openfaceplus.classify.rule import Threshold
from openfaceplus.decoding import Photo
from openfaceplus.errors import NoFace, PhotoError, UsageError
from openfaceplus.faces import Box, Decision
from openfaceplus.files import shown
from openfaceplus.hosts import elsewhere
from openfaceplus.images import MAX_PIXELS
from openfaceplus.model_folder import ModelFolder
from openfaceplus.pictures.drawing import Mark, draw, legend
from openfaceplus.pipeline import PhotoFaces, Pipeline
from openfaceplus.recipe import detector_of
from openfaceplus.threads import processes
from openfaceplus.weights import Progress

_MANY = 64  # photos from which on it pays to start processes


@dataclass(frozen=True, slots=True)
class Policy:
    """Which faces to accept.

    ``far`` is the share of strangers' faces accepted (None: what was trained for), met on average
    or with ``confidence_level``; ``per`` ``photo`` makes it the share of photos. ``threshold``
    overrides it. ``prior`` is the share of strangers that the confidence reckons with.
    """

    far: float | None = None
    confidence_level: float | None = None
    per: str = "face"
    threshold: float | None = None
    prior: float = PRIOR


@dataclass(frozen=True, slots=True)
class Identified:
    """Who is in one of many photos: a decision a face, from left to right, none without a face.

    ``source`` is what the photo was read from, ``error`` why it could not be used. ``others`` is
    how many more faces were seen where only the largest was asked for. YuNet's and HOG's searches
    stop at that one (HOG's often before any other), so there may be more. ``photo`` holds the
    decoded pixels if they were asked for.
    """

    source: Any
    decisions: Sequence[Decision] = ()
    error: PhotoError | None = None
    others: int = 0
    photo: Photo | None = None

    @property
    def status(self) -> str:
        """``ok``, ``no_face`` or what is wrong with the photo, as in the tables of the stages."""
        if self.error is not None:
            return self.error.status
        return "ok" if self.decisions else "no_face"

    def problem(self, name: str | os.PathLike[str]) -> PhotoError | None:
        """Why there is nobody in the photo called ``name``, if so."""
        return NoFace(f"{shown(name)}: no face found") if self.status == "no_face" else self.error

    def to_dict(self, name: str | os.PathLike[str]) -> dict[str, Any]:
        """For JSON; ``name`` is what to call the photo."""
        error = self.problem(name)
        return {
            "file": os.fspath(name),
            "status": self.status,
            "error": None if error is None else error.to_dict(),
            "more_faces": self.others,
            "faces": [decision.to_dict() for decision in self.decisions],
        }


@dataclass(frozen=True, slots=True, eq=False)
class Model:
    """A classifier with the pipeline that makes its embeddings.

    A model is an immutable snapshot: training again, or adding people, changes the files and not
    the models that were loaded from them. Several threads may share one.
    """

    classifier: Classifier
    pipeline: Pipeline
    _thresholds: Callable[..., Threshold] = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_thresholds", lru_cache(maxsize=64)(self.classifier.calibrate))

    @classmethod
    def load(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        detector: str | None = None,
        network: str | None = None,
        predictor: str | None = None,
        commercial: bool = False,
        device: str = "cpu",
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> Model:
        """Read a model folder or ``classifier.pkl``; the last four go to the pipeline.

        Raises UnsafeFile for a file that would run code, ModelError if a network is missing,
        SpaceMismatch if it is not the one that the classifier was trained with.
        """
        folder = ModelFolder(path)
        classifier = folder.read()
        recipe = folder.recipe(classifier)
        recipe = replace(
            recipe,
            detector=detector_of(detector) if detector else recipe.detector,
            network=network or recipe.network,
            predictor=predictor or recipe.predictor,
        )
        pipeline = Pipeline(
            recipe, commercial=commercial, device=device, threads=threads, progress=progress
        )
        classifier.check_space(str(pipeline.space))
        return cls(classifier, pipeline)

    def identify(
        self,
        photo: Any,
        *,
        largest: bool = False,
        far: float | None = None,
        confidence_level: float | None = None,
        per: str = "face",
        threshold: float | None = None,
        prior: float = PRIOR,
        max_pixels: int = MAX_PIXELS,
    ) -> list[Decision]:
        """Who is in a photo: one decision a face, from left to right; none if no face is found.

        ``photo`` is a path, bytes, a file object, a PIL image or an RGB uint8 array. ``largest``
        judges the most prominent face only; ``identify_many`` also says how many more it saw. The
        others are those of ``Policy``. May be called from several threads. Raises PhotoError if
        the photo cannot be read, UsageError for rates that make no sense.
        """
        (found,) = self.pipeline.look([photo], largest=largest, max_pixels=max_pixels)
        return self.judge(found, Policy(far, confidence_level, per, threshold, prior))

    def identify_many(
        self,
        photos: Iterable[Any],
        *,
        policy: Policy | None = None,
        largest: bool = False,
        jobs: int | None = None,
        max_pixels: int = MAX_PIXELS,
        keep_photos: bool = False,
    ) -> Iterator[Identified]:
        """Who is in each of many photos, in their order.

        ``photos`` is a list or an endless stream of what ``identify`` takes. ``jobs`` processes
        (default: one a core) share them and take some tens in advance, so memory stays flat; fewer
        than 64 in a list, all with ``jobs=1``, and those for a graphics processor are done one by
        one in this process. A photo that cannot be used is a result with an error. Results hold
        the decoded photo, searched at full size, with ``keep_photos``. May be called from several
        threads: each call has processes of its own. Raises UsageError for rates that make no sense.
        """
        few = isinstance(photos, Sized) and len(photos) < _MANY
        here = elsewhere() is None and (processes(jobs) == 1 or few)
        found: Iterable[PhotoFaces]
        if here or self.pipeline.device != "cpu":
            found = (
                self.pipeline.look(
                    [photo], largest=largest, max_pixels=max_pixels, photos=keep_photos
                )[0]
                for photo in photos
            )
        else:
            from openfaceplus.stages.photos import embed_photos

            found = embed_photos(
                photos, self.pipeline.recipe, largest=largest, jobs=jobs,
                commercial=self.pipeline.commercial, max_pixels=max_pixels, photos=keep_photos,
            )  # fmt: skip
        for one in found:
            decisions = self.judge(one, policy) if one.error is None else []
            yield Identified(one.source, decisions, one.error, one.others, one.photo)

    def judge(self, found: PhotoFaces, policy: Policy | None = None) -> list[Decision]:
        """Who the faces of a photo are, as ``identify`` says it, with its errors."""
        if not found.or_raise().faces:
            return []
        policy = policy or Policy()
        limit = policy.threshold
        if limit is None:
            limit = self.threshold(policy, len(found.faces)).value
        decisions = self.classifier.decide(found.vectors, limit, policy.prior)
        judged = [
            replace(decision, box=face.box)
            if flaw is None
            else replace(decision, person=None, name=None, second=None, box=face.box, note=flaw)
            for face, flaw, decision in zip(found.faces, found.flaws, decisions, strict=True)
        ]
        return sorted(judged, key=_across)

    def __repr__(self) -> str:
        return f"<Model: {repr(self.classifier)[1:-1]}>"

    def threshold(self, policy: Policy, faces: int = 1) -> Threshold:
        """What a policy accepts in a photo of so many faces, and what that rests on."""
        settings = self.classifier.settings
        far = settings.far if policy.far is None else policy.far
        # A rate given anew is met on average unless a confidence is given with it.
        level = policy.confidence_level
        if policy.far is None and level is None:
            level = settings.confidence_level
        if policy.per not in ("face", "photo"):
            raise UsageError(f"a rate is per face or per photo, not per {policy.per}", field="per")
        if policy.per == "photo" and faces > 1:
            # A stranger's photo is wrong if any of its faces is accepted.
            far = 1 - (1 - far) ** (1 / faces)
        return self._thresholds(far, level)


def _across(decision: Decision) -> float:
    return 0.0 if decision.box is None else decision.box.left + decision.box.right


def centre(box: Box) -> int:
    """A box's middle across, in whole pixels."""
    return round((box.left + box.right) / 2)


def _names(decision: Decision) -> list[str]:
    """The names that are said of a face: its own, two that it may have, or none."""
    if decision.second is not None:
        return [decision.closest, decision.second]
    return [] if decision.name is None else [decision.name]


def numbers_of(decisions: Sequence[Decision]) -> dict[str, str]:
    """What ``annotate`` draws for the names among these that no font here can write."""
    return legend(name for decision in decisions for name in _names(decision))


def annotate(
    photo: Photo, decisions: Sequence[Decision], numbers: dict[str, str] | None = None
) -> Any:
    """The photo's working pixels with a labelled box a face, green if known, red if not.

    Names that no font here can write are ``numbers``, by default those of ``numbers_of`` for these
    decisions. Returns (height, width, 3) RGB uint8.
    """
    numbers = numbers_of(decisions) if numbers is None else numbers
    marks = []
    for decision in decisions:
        assert decision.box is not None
        names = [numbers.get(name, shown(name)) for name in _names(decision)]
        text = " or ".join(names) + "?" * (len(names) > 1) if names else "unknown"
        if decision.name is not None and decision.confidence is not None:
            text += f" {decision.confidence:.2f}"
        marks.append(Mark(decision.box.scaled(1 / photo.scale), text, decision.name is not None))
    return draw(photo.pixels, marks)
