"""What the manifests of stages say of their settings, checked where they are read."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from openfaceplus.manifest import Manifest
from openfaceplus.recipe import Recipe
from openfaceplus.store.layout import ALIGNMENT, REPRESENTATION

_CUTTING = ("detector", "landmarks", "predictor", "chip")  # of a recipe
_ALIGNED: dict[str, tuple[type, ...]] = {
    "skip_multi": (bool,), "keep_flawed": (bool,), "fallback": (str, type(None)),
    "max_pixels": (int,),
}  # fmt: skip
_REPRESENTED: dict[str, tuple[type, ...]] = {"space": (str,), "recut": (bool,)}


def alignment_manifest(folder: Path) -> Manifest | None:
    """What made the chips in ``folder``, or None if nothing says so. Raises StorageError if what
    does was altered."""
    return Manifest.read(folder / ALIGNMENT.manifest, _check_alignment)


def representation_manifest(folder: Path) -> Manifest | None:
    """The same for embeddings."""
    return Manifest.read(folder / REPRESENTATION.manifest, _check_representation)


def _check_alignment(settings: dict[str, Any]) -> None:
    Recipe.from_dict(Recipe().to_dict() | {key: settings[key] for key in _CUTTING})
    _check_kinds(settings, _ALIGNED)
    if settings["max_pixels"] < 1:
        raise ValueError(f"max_pixels is {settings['max_pixels']}")


def _check_representation(settings: dict[str, Any]) -> None:
    Recipe.from_dict(settings["recipe"])
    _check_kinds(settings, _REPRESENTED)


def _check_kinds(settings: dict[str, Any], kinds: dict[str, tuple[type, ...]]) -> None:
    for key, allowed in kinds.items():
        if type(settings[key]) not in allowed:
            raise TypeError(f"{key} is {settings[key]!r}")
