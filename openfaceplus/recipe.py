"""Recipes: which detector, landmarks, chip and embedder belong together."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from openfaceplus.errors import StorageError, UsageError
from openfaceplus.faces import ChipSpec
from openfaceplus.weights import locate
from openfaceplus.weights.embedder_spec import PRESETS, EmbedderSpec, make_spec, read_spec

DLIB_CHIP = ChipSpec(150, "dlib", 0.25)
_OPENFACE_CHIP = ChipSpec(96, "outerEyesAndNose")
CHIPS = {"dlib": DLIB_CHIP, "dlib-int8": DLIB_CHIP, "openface": _OPENFACE_CHIP}
CHIPS |= {name: preset.chip for name, preset in PRESETS.items()}
"""What each embedder takes, unless an ``EmbedderSpec`` says otherwise."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what an embedding of a photo is.

    ``detector`` is a name, or ``ssd:PATH`` for one that is brought as a file (see
    ``split_detector``). ``predictor`` and ``network`` are files in place of the catalogued ones,
    and ``spec`` is what such a network takes. ``through`` is a chip that the embedder's own is
    warped from, where only such chips were left to train on.
    """

    profile: str = "dlib"
    detector: str = "hog"
    landmarks: int = 5
    chip: ChipSpec = DLIB_CHIP
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
        """The inverse of ``to_dict``. Raises StorageError if fields are missing or unknown."""
        try:
            through = data["through"] and ChipSpec(**data["through"])
            spec = data.get("spec") and make_spec(data["spec"], EmbedderSpec(), "its spec")
            chip = ChipSpec(**data["chip"])
            return cls(**(data | {"chip": chip, "through": through, "spec": spec or None}))
        except (TypeError, KeyError, UsageError) as error:
            raise StorageError(f"not a recipe of this version of openfaceplus: {error}") from error


PROFILES = {
    "dlib": Recipe(),
    "openface": Recipe(
        profile="openface",
        landmarks=68,
        chip=_OPENFACE_CHIP,
        embedder="openface",
    ),
}


AUTO = "auto"


@dataclass(frozen=True, slots=True)
class EmbedderChoice:
    """An embedder, as a name or ``name:PATH``, and what its network takes: a spec or its file."""

    embedder: str
    spec: EmbedderSpec | Path | str | None = None


def recipe(profile: str = "dlib", **changes: Any) -> Recipe:
    """A profile's recipe with changes; a change to None keeps the profile's value.

    The detector ``auto`` becomes YuNet where its weights are present, else HOG. ``embedder`` may
    be ``name:PATH`` or an ``EmbedderChoice``, ``spec`` the path of a JSON file; the chip follows
    from them unless it is given. Raises UsageError for an unknown profile and for a spec that
    makes no sense, ModelMissing for one that cannot be read.
    """
    if profile not in PROFILES:
        raise UsageError(f"there is no profile {profile!r}; known are: {', '.join(PROFILES)}")
    given = {key: value for key, value in changes.items() if value is not None}
    if "detector" in given:
        given["detector"] = detector_of(given["detector"])
    chosen = given.get("embedder")
    if isinstance(chosen, EmbedderChoice):
        given["embedder"] = chosen.embedder
        if chosen.spec is not None:
            given["spec"] = chosen.spec
    if "embedder" in given:
        name, _, path = given["embedder"].partition(":")
        given["embedder"] = name
        if path:
            given["network"] = os.path.abspath(path)
    _resolve_spec(given, PROFILES[profile].embedder)
    if "chip" not in given and (spec := given.get("spec")):
        given["chip"] = spec.chip
    elif "chip" not in given and given.get("embedder") in CHIPS:
        given["chip"] = CHIPS[given["embedder"]]
    return replace(PROFILES[profile], **given)


def _resolve_spec(given: dict[str, Any], profiles: str) -> None:
    """Read a spec that is the path of a file; refuse one for a network of ours."""
    spec, name = given.get("spec"), given.get("embedder", profiles)
    if spec is None:
        return
    if name not in PRESETS:
        raise UsageError(
            f"the embedder {name} needs no spec; those that take one are: {', '.join(PRESETS)}"
        )
    if not isinstance(spec, EmbedderSpec):
        given["spec"] = read_spec(spec, name)


def detector_of(name: str) -> str:
    """The detector meant: ``auto`` is YuNet where its weights are present, else HOG.

    The path in ``ssd:PATH`` becomes absolute, since a recipe is used in other folders too.
    """
    if name == AUTO:
        return "yunet" if locate("yunet") else "hog"
    start, _, path = name.partition(":")
    return f"{start}:{os.path.abspath(path)}" if path else name


def split_detector(text: str) -> tuple[str, float | None, str | None]:
    """Name, threshold and path of ``ssd:PATH`` or ``ssd@0.5:PATH``; None for what is not there.

    Raises UsageError for a threshold that is none.
    """
    start, _, path = text.partition(":")
    name, at, threshold = start.partition("@")
    try:
        value = float(threshold) if at else None
    except ValueError:
        value = -1.0
    if value is not None and not 0 < value < 1:
        raise UsageError(f"--detector-threshold takes a number between 0 and 1, not {threshold}")
    return name, value, path or None
