"""Recipes: which detector, landmarks, chip and embedder belong together."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from openfaceplus import detect, embedding
from openfaceplus.errors import StorageError, UsageError
from openfaceplus.faces import ChipSpec
from openfaceplus.files import possible
from openfaceplus.weights import find, locate
from openfaceplus.weights.embedder_spec import EmbedderSpec, make_spec, read_spec
from openfaceplus.weights.trained import trained_folder

_DLIB_CHIP = ChipSpec(150, "dlib", 0.25)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what an embedding of a photo is.

    ``detector`` is what ``detect.create`` takes: a name, several (``name+other``), or ``ssd:PATH``
    for one that is brought as a file. ``predictor`` and ``network`` are files in place of the
    catalogued ones, and ``spec`` is what such a network takes. ``through`` is a chip that the
    embedder's own is warped from, where only such chips were left to train on.
    """

    profile: str = "dlib"
    detector: str = "hog"
    landmarks: int = 5
    chip: ChipSpec = _DLIB_CHIP
    embedder: str = "dlib"
    views: int = 2
    predictor: str | None = None
    network: str | None = None
    through: ChipSpec | None = None
    spec: EmbedderSpec | None = None

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON; without a spec where there is none, as recipes once were."""
        data = asdict(self)
        if self.spec is None:
            del data["spec"]
        return data

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Recipe:
        """The inverse of ``to_dict``. Raises StorageError if fields are missing, unknown or make no
        sense."""
        try:
            through = data["through"] and _chip(data["through"])
            spec = data.get("spec") and make_spec(data["spec"], EmbedderSpec(), "its spec")
            chip = _chip(data["chip"])
            made = cls(**(data | {"chip": chip, "through": through or None, "spec": spec or None}))
            made._check()
            return made
        except (TypeError, KeyError, AttributeError, ValueError, UsageError) as error:
            why = f"no {error}" if isinstance(error, KeyError) else str(error)
            raise StorageError(f"not a recipe of this version of openfaceplus: {why}") from error

    def _check(self) -> None:
        from openfaceplus.loaded import VIEWS

        if not isinstance(self.detector, str) or not all(
            detect.split_name(name)[0] in (*detect.DETECTORS, detect.TURNED)
            for name in detect.split_chain(self.detector)
        ):
            raise ValueError(f"its detector is {self.detector!r}")
        for name, known in (
            ("landmarks", (5, 68)), ("embedder", embedding.EMBEDDERS), ("views", VIEWS),
        ):  # fmt: skip
            value = getattr(self, name)
            if type(value) not in (str, int) or value not in known:
                raise ValueError(f"its {name} is {value!r}")
        for name in ("predictor", "network"):
            path = getattr(self, name)
            if path is not None and not (isinstance(path, str) and possible(path)):
                raise ValueError(f"its {name} is {path!r}")


def _chip(data: Any) -> ChipSpec:
    """A ChipSpec of its fields. Raises TypeError and UsageError."""
    return make_spec(asdict(ChipSpec(**data)), EmbedderSpec(), "its chip").chip


PROFILES = {
    "dlib": Recipe(),
    "openface": Recipe(
        profile="openface",
        landmarks=68,
        chip=ChipSpec(96, "outerEyesAndNose"),
        embedder="openface",
    ),
}


AUTO = "auto"
"""The detector where none is named: see ``detect.AUTO``."""
CLASSIC = Recipe().detector
"""What OpenFace and face_recognition find faces with, and their names and scripts here do."""


@dataclass(frozen=True, slots=True)
class EmbedderChoice:
    """An embedder, as a name or ``name:PATH``, and what its network takes: a spec or its file."""

    embedder: str
    spec: EmbedderSpec | Path | str | None = None


def recipe(
    profile: str = "dlib",
    *,
    detector: str | None = None,
    landmarks: int | None = None,
    chip: ChipSpec | None = None,
    embedder: str | EmbedderChoice | None = None,
    views: int | None = None,
    predictor: str | None = None,
    network: str | None = None,
    spec: EmbedderSpec | Path | str | None = None,
) -> Recipe:
    """A profile's recipe with changes to its fields; None keeps the profile's value.

    The detector is ``auto`` unless named, and becomes what that stands for here. ``embedder`` may
    be ``name:PATH``, a folder that training left or an ``EmbedderChoice``, ``spec`` the path of a
    JSON file; the chip follows from them unless it is given. Raises UsageError for an unknown
    profile or embedder and for a spec that makes no sense, ModelMissing for one that cannot be
    read.
    """
    if profile not in PROFILES:
        raise UsageError(
            f"there is no profile {profile!r}",
            remedy=f"known are: {', '.join(PROFILES)}",
            field="profile",
        )
    if isinstance(embedder, EmbedderChoice):
        spec = embedder.spec or spec
        embedder = embedder.embedder
    known = embedder in embedding.EMBEDDERS
    if embedder and not known and (trained := trained_folder(embedder)):
        embedder, spec = f"onnx:{trained.graph}", trained.spec
        landmarks = landmarks or trained.landmarks
    name, _, path = (embedder or "").partition(":")
    read = None
    if name or spec is not None:
        kind = embedding.kind_of(name or PROFILES[profile].embedder)
        read = None if spec is None else _spec(name or kind.name, kind.preset, spec)
        chip = chip or (read or kind).chip
    changes = {
        "detector": detector_of(detector or AUTO),
        "landmarks": landmarks,
        "chip": chip,
        "embedder": name or None,
        "views": views,
        "predictor": predictor,
        "network": os.path.abspath(path) if path else network,
        "spec": read,
    }
    given = {key: value for key, value in changes.items() if value is not None}
    return replace(PROFILES[profile], **given)  # type: ignore[arg-type]


def _spec(name: str, preset: EmbedderSpec | None, given: Any) -> EmbedderSpec:
    """``given``, read if it is the path of a file; refused for a network that takes none."""
    if preset is None:
        known = [one for one in embedding.EMBEDDERS if embedding.kind_of(one).preset is not None]
        raise UsageError(
            f"the embedder {name} needs no spec",
            remedy=f"those that take one are: {', '.join(known)}",
            field="spec",
        )
    return given if isinstance(given, EmbedderSpec) else read_spec(given, preset)


def profile_for(chip: ChipSpec) -> Recipe:
    """The profile whose embedder takes such chips and whose weights were brought, else the first.

    It is for chips of unknown origin, such as OpenFace's, and so finds faces as OpenFace does.
    """
    first, *others = PROFILES.values()
    for one in others:
        kind = embedding.kind_of(one.embedder)
        brought = (name for name in kind.models if find(name).package is None)
        if chip.template in kind.also and any(map(locate, brought)):
            return one
    return first


def detector_of(name: str) -> str:
    """The detector meant: ``auto`` becomes those of ``detect.AUTO`` whose weights are here.

    The path in ``ssd:PATH`` becomes absolute, since a recipe is used in other folders too.
    """
    if name == AUTO:
        return detect.auto()
    start, _, path = name.partition(":")
    return f"{start}:{os.path.abspath(path)}" if path else name
