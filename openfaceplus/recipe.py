"""Recipes: which detector, landmarks, chip and embedder belong together."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from openfaceplus.errors import StorageError, UsageError
from openfaceplus.faces import ChipSpec
from openfaceplus.weights import locate

DLIB_CHIP = ChipSpec(150, "dlib", 0.25)


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that decides what an embedding of a photo is.

    ``predictor`` and ``network`` are files in place of the catalogued ones. ``through`` is a chip
    that the embedder's own is warped from, where only such chips were left to train on.
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

    def to_dict(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return asdict(self)

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> Recipe:
        """The inverse of ``to_dict``. Raises StorageError if fields are missing or unknown."""
        try:
            through = data["through"] and ChipSpec(**data["through"])
            return cls(**(data | {"chip": ChipSpec(**data["chip"]), "through": through}))
        except (TypeError, KeyError) as error:
            raise StorageError(f"not a recipe of this version of openfaceplus: {error}") from error


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


def recipe(profile: str = "dlib", **changes: Any) -> Recipe:
    """A profile's recipe with changes; a change to None keeps the profile's value.

    The detector ``auto`` becomes YuNet where its weights are present, else HOG.
    Raises UsageError for an unknown profile.
    """
    if profile not in PROFILES:
        raise UsageError(f"there is no profile {profile!r}; known are: {', '.join(PROFILES)}")
    given = {key: value for key, value in changes.items() if value is not None}
    if "detector" in given:
        given["detector"] = detector_of(given["detector"])
    return replace(PROFILES[profile], **given)


def detector_of(name: str) -> str:
    """The detector meant: ``auto`` is YuNet where its weights are present, else HOG."""
    if name == AUTO:
        return "yunet" if locate("yunet") else "hog"
    return name
