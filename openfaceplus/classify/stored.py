"""What ``classifier.pkl`` is made of: texts as arrays, and parts that fit each other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from openfaceplus.classify import svm
from openfaceplus.classify.names import KINDS
from openfaceplus.errors import OpenFacePlusError

if TYPE_CHECKING:
    from openfaceplus.classify.classifier import Classifier

ALTERED = (
    OpenFacePlusError, LookupError, TypeError, ValueError, AttributeError, ArithmeticError,
)  # fmt: skip
"""What making a classifier of an altered file raises."""


def version_of(data: dict[str, Any], form: str) -> int | None:
    """The version of the format ``form`` that a file's values are in; None if they are not."""
    kind, version = data.get("format"), data.get("format_version")
    return version if type(kind) is str and kind == form and type(version) is int else None


def pack(texts: Iterable[str]) -> np.ndarray:
    """Texts without NUL as one array of bytes."""
    joined = "".join(f"{text}\0" for text in texts)
    return np.frombuffer(joined.encode("utf-8", "surrogateescape"), np.uint8)


def unpack(packed: np.ndarray) -> tuple[str, ...]:
    """The inverse of ``pack``."""
    return tuple(packed.tobytes().decode("utf-8", "surrogateescape").split("\0")[:-1])


def check_whole(made: Classifier) -> None:
    """Raises ValueError if a classifier's parts do not fit each other."""
    photos, dimensions = made.vectors.shape
    people = len(made.people)
    scorer, sure = made.rule.scorer, made.rule.confidence
    typical = scorer.typical
    shapes = {
        "ids": ((len(set(made.ids)),), (people,)),
        "templates": (scorer.gallery.vectors.shape, (people, dimensions)),
        "typicalities": (scorer.lowered.shape, (people,)),
        "typical faces": (typical.shape, (*typical.shape[:1], dimensions)),
        "confidence": (sure.log_ratio.shape, (len(sure.photos), len(sure.grid))),
        "shares misnamed": (sure.misnamed.shape, (len(sure.photos),)),
    }
    if isinstance(made.namer, svm.LinearOvR):
        shapes["machine"] = (made.namer.coef.shape, (people, dimensions))
        shapes["intercepts"] = (made.namer.intercept.shape, (people,))
    for name, (found, expected) in shapes.items():
        if found != expected:
            raise ValueError(f"{name} {found} where {expected} belong")
    _check_values(made)
    if not np.bincount(made.labels, minlength=people).all():
        raise ValueError("people without photos")
    chips = made.packed_chips
    if chips.dtype != np.uint8 or np.count_nonzero(chips == 0) != photos:
        raise ValueError("not as many chips as photos")


def _check_values(made: Classifier) -> None:
    """The same for numbers that are none, and for settings and parameters."""
    rule, sure, settings = made.rule, made.rule.confidence, made.settings
    floats = [
        rule.scorer.typical, rule.scorer.lowered, sure.grid, sure.photos, sure.log_ratio,
        sure.misnamed, made.vectors, *(each.scores for each in rule.strangers),
        *([] if made.strangers is None else [made.strangers]),
    ]  # fmt: skip
    if any(part.dtype.kind != "f" for part in floats):
        raise ValueError("numbers of another kind")
    if sure.grid.ndim != 1 or sure.photos.ndim != 1 or not len(sure.grid) or not len(sure.photos):
        raise ValueError("no table of confidences")
    if not rule.strangers or any(each.scores.ndim != 1 for each in rule.strangers):
        raise ValueError("no strangers")
    if any(type(text) is not str for each in rule.strangers for text in (each.kind, each.data)):
        raise ValueError("strangers of no kind")
    numbers = [rule.zero, rule.one]
    rates = [settings.far, 0.5 if settings.confidence_level is None else settings.confidence_level]
    if any(type(number) not in (int, float) for number in (*numbers, *rates)):
        raise ValueError("parameters that are no numbers")
    if not rule.zero < rule.one:
        raise ValueError("a scale of no length")
    known = settings.kind in KINDS and type(settings.lda_dim) is int
    if not known or not all(0 < rate < 1 for rate in rates):
        raise ValueError("settings that no training has")
    if type(made.recipe) is not dict or type(made.space) is not str:
        raise ValueError("no recipe or no space")
