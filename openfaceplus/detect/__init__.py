"""Detectors: pictures -> boxes, most prominent first."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from openfaceplus import weights
from openfaceplus.errors import UsageError
from openfaceplus.registry import resolve

if TYPE_CHECKING:
    from openfaceplus.detect.base import Detector

DETECTORS = {
    "hog": "openfaceplus.detect.hog:HogDetector",
    "hog-full": "openfaceplus.detect.hog:FullHogDetector",
    "yunet": "openfaceplus.detect.yunet:YunetDetector",
    "centerface": "openfaceplus.detect.centerface:CenterFaceDetector",
    "mmod": "openfaceplus.detect.mmod:MmodDetector",
    "ssd": "openfaceplus.detect.ssd:SsdDetector",
}
AUTO = ("yunet", "hog")
"""What ``auto`` stands for: the first of these whose weights are here."""


def kind_of(name: str) -> type[Detector]:
    """The class of the detector called ``name``. Raises UsageError for an unknown name."""
    kind: type[Detector] = resolve(DETECTORS, name, "detector")
    return kind


def create(name: str, *, require: Callable[[str], Path] = weights.require) -> Detector:
    """The detector called ``name``, or ``name:PATH`` for one whose network is a file.

    ``require`` gives the verified file of a catalogued model. Raises UsageError for an unknown
    name, ModelError if its weights cannot be had.
    """
    short, threshold, path = split_name(name)
    kind = kind_of(short)
    if kind.brought:
        if path is None:
            raise UsageError(
                f"the detector {short} needs its file",
                remedy=f"name it {short}:PATH",
                field="detector",
            )
        file = Path(path)
        weights.pin(file)
        return kind(file, threshold)
    if path is not None or threshold is not None:
        raise UsageError(
            f"the detector {short} takes neither a file nor a threshold",
            remedy=f"name it {short} alone, or one whose network is a file, such as ssd:PATH",
            field="detector",
        )
    return kind(None if kind.model is None else require(kind.model))


def auto() -> str:
    """The first name in ``AUTO`` whose weights are here."""
    return next(
        name for name in AUTO if (model := kind_of(name).model) is None or weights.locate(model)
    )


def split_name(text: str) -> tuple[str, float | None, str | None]:
    """Name, threshold and path of ``ssd:PATH`` or ``ssd@0.5:PATH``; None for what is not there.

    Raises UsageError for a threshold that is not between 0 and 1.
    """
    start, _, path = text.partition(":")
    name, at, threshold = start.partition("@")
    try:
        value = float(threshold) if at else None
    except ValueError:
        value = -1.0
    if value is not None and not 0 < value < 1:
        raise UsageError(
            f"a detector's threshold lies between 0 and 1, not {threshold}",
            field="detector",
        )
    return name, value, path or None
