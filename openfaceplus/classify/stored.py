"""What ``classifier.pkl`` is made of: texts as arrays, and parts that fit each other."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from openfaceplus.classify import svm

if TYPE_CHECKING:
    from openfaceplus.classify.classifier import Classifier


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
    scorer, near, sure = made.rule.scorer, made.rule.near, made.rule.confidence
    shapes = {
        "labels": (made.labels.shape, (photos,)),
        "ids": ((len(set(made.ids)),), (people,)),
        "left-out scores": (made.rule.left_out.shape, (photos,)),
        "templates": (scorer.gallery.vectors.shape, (people, dimensions)),
        "neighbours": (scorer.near.who.shape + scorer.near.cosine.shape, (people, 4) * 2),
        "photos' neighbours": (near.who.shape + near.cosine.shape, (photos, 4) * 2),
        "confidence": (sure.log_ratio.shape, (len(sure.photos), len(sure.grid))),
    }
    if isinstance(made.namer, svm.LinearOvR):
        shapes["machine"] = (made.namer.coef.shape, (people, dimensions))
        shapes["intercepts"] = (made.namer.intercept.shape, (people,))
    for name, (found, expected) in shapes.items():
        if found != expected:
            raise ValueError(f"{name} {found} where {expected} belong")
    if photos and not (made.labels.min() >= 0 and made.labels.max() < people):
        raise ValueError("labels of people who are not there")
