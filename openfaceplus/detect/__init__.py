"""Detectors: photo -> boxes, most prominent first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from openfaceplus.errors import UsageError
from openfaceplus.recipe import split_detector
from openfaceplus.registry import resolve

if TYPE_CHECKING:
    import numpy as np

    from openfaceplus.faces import Face

DETECTORS = {
    "hog": "openfaceplus.detect.hog:HogDetector",
    "hog-full": "openfaceplus.detect.hog:FullHogDetector",
    "yunet": "openfaceplus.detect.yunet:YunetDetector",
    "mmod": "openfaceplus.detect.mmod:MmodDetector",
    "ssd": "openfaceplus.detect.ssd:SsdDetector",
}

Require = Callable[[str], Path]
"""Gives the verified file of a catalogued model."""


class Detector(Protocol):
    """What every tenant of this room offers."""

    def __init__(self, require: Require) -> None: ...

    def detect(self, image: np.ndarray, largest: bool = False) -> list[Face]:
        """Faces, without landmarks, in an RGB uint8 image of height x width x 3.

        The most prominent comes first; with ``largest`` the search may stop at it.
        """
        ...


BROUGHT = frozenset({"ssd"})
"""Detectors whose network is a file that the user names."""


def create(name: str, *, require: Require) -> Detector:
    """The detector called ``name``, or ``name:PATH`` for one whose network is a file.

    Raises UsageError for an unknown name, ModelError if its weights cannot be had.
    """
    short, threshold, path = split_detector(name)
    kind = resolve(DETECTORS, short, "detector")
    if short in BROUGHT:
        return kind(path, threshold)
    if path is not None or threshold is not None:
        raise UsageError(f"the detector {short} takes neither a file nor a threshold; name it so")
    return kind(require)
