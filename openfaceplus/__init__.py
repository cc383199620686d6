"""openfaceplus: who is in a photo, or honestly that it is a stranger.

    model = openfaceplus.load("model/")
    for decision in model.identify("photo.jpg"):
        print(decision.name, decision.confidence)

Names are imported on first use, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module

from openfaceplus.version import __version__

TYPE_CHECKING = False  # typing would be most of what the import takes
if TYPE_CHECKING:
    from typing import Any

_PUBLIC = {
    "align": "openfaceplus.api",
    "embed": "openfaceplus.api",
    "load": "openfaceplus.api",
    "train": "openfaceplus.api",
    "to_frame": "openfaceplus.frames",
    "verify": "openfaceplus.api",
    "Database": "openfaceplus.photo_folder",
    "PhotoFolder": "openfaceplus.photo_folder",
    "Verification": "openfaceplus.verification",
    "Box": "openfaceplus.faces",
    "Chip": "openfaceplus.faces",
    "ChipSpec": "openfaceplus.faces",
    "Decision": "openfaceplus.faces",
    "NoFace": "openfaceplus.errors",
    "Pipeline": "openfaceplus.pipeline",
    "Policy": "openfaceplus.model",
    "Face": "openfaceplus.faces",
    "Match": "openfaceplus.faces",
    "Gallery": "openfaceplus.gallery",
    "Model": "openfaceplus.model",
    "OpenFacePlusError": "openfaceplus.errors",
}

__all__ = ["__version__", *_PUBLIC]


def __getattr__(name: str) -> Any:
    if name == "training":  # openfaceplus.training.triplet_loss needs no other import
        return import_module("openfaceplus.training")
    if name not in _PUBLIC:
        raise AttributeError(f"module 'openfaceplus' has no attribute {name!r}")
    return getattr(import_module(_PUBLIC[name]), name)


def __dir__() -> list[str]:
    return sorted(__all__)
