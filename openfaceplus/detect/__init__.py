"""Detectors: pictures -> boxes, most prominent first."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import cache, partial
from pathlib import Path
from typing import TYPE_CHECKING

from openfaceplus import weights
from openfaceplus.errors import UsageError
from openfaceplus.registry import resolve

if TYPE_CHECKING:
    from openfaceplus.detect.base import Detector

log = logging.getLogger(__name__)

DETECTORS = {
    "hog": "openfaceplus.detect.hog:HogDetector",
    "hog-full": "openfaceplus.detect.hog:FullHogDetector",
    "yunet": "openfaceplus.detect.yunet:YunetDetector",
    "centerface": "openfaceplus.detect.centerface:CenterFaceDetector",
    "mmod": "openfaceplus.detect.mmod:MmodDetector",
    "ssd": "openfaceplus.detect.ssd:SsdDetector",
}
AUTO = ("yunet", "centerface")
"""What ``auto`` stands for: those of these whose weights are here, one after the other, and
``TURNED``."""
TURNED = "turned"
"""As the last of several names: photos in which no face is surely found are turned upside down."""
LAST = "hog"
"""What it stands for where none are."""
FETCHED = "centerface"
"""The one whose weights come from where openfaceplus itself does, through pip."""


def kind_of(name: str) -> type[Detector]:
    """The class of the detector called ``name``. Raises UsageError for an unknown name."""
    kind: type[Detector] = resolve(DETECTORS, name, "detector")
    return kind


def create(name: str, *, require: Callable[[str], Path] = weights.require) -> Detector:
    """The detector called ``name``, or ``name:PATH`` for one whose network is a file.

    Of ``name+other`` the other looks where the first surely found nothing, and with ``+turned``
    photos are turned where none did. ``require`` gives the verified file of a catalogued model.
    Raises UsageError for an unknown name, ModelError if weights cannot be had.
    """
    first, *others = split_chain(name)
    if not others:
        return _create(first, require)
    turned = others[-1] == TURNED
    if turned:
        del others[-1]
    from openfaceplus.detect.chain import Chain

    for other in others:  # what is missing is said at once
        kind = kind_of(other)
        if kind.brought:
            raise UsageError(
                f"the detector {other} needs its file, and stands alone",
                remedy=f"name it {other}:PATH",
                field="detector",
            )
        if kind.model is not None and not weights.locate(kind.model):
            require(kind.model)
    later = (partial(_create, one, require) for one in others)
    return Chain(_create(first, require), *later, turned=turned)


def _create(name: str, require: Callable[[str], Path]) -> Detector:
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
    """Those of ``AUTO`` whose weights are here, as ``create`` takes them, else ``LAST``.

    The latter is said in the log, once a process.
    """
    here = [name for name in AUTO if (model := kind_of(name).model) and weights.locate(model)]
    return "+".join([*here, TURNED]) if here else _last()


@cache
def _last() -> str:
    log.warning(
        "looking for faces with %s, which misses many: better detectors are not here; run: "
        "openfaceplus models pull %s", LAST, FETCHED,
    )  # fmt: skip
    return LAST


def gives_points(name: str) -> bool:
    """Whether all faces that the detector called ``name`` finds have points (see ``Face``)."""
    return all(kind_of(split_name(one)[0]).points for one in split_chain(upright(name)))


def upright(name: str) -> str:
    """The same detectors, which look at photos as they are only."""
    return name.removesuffix(f"+{TURNED}")


def split_chain(text: str) -> list[str]:
    """The names in ``name+other``; a ``name:PATH`` stands alone, whatever its path holds."""
    return [text] if ":" in text else text.split("+")


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
