"""FaceNet's triplet loss (Schroff, Kalenichenko and Philbin, CVPR 2015), in NumPy or torch."""

from __future__ import annotations

from typing import Any

import numpy as np

from openfaceplus.errors import UsageError

MARGIN = 0.2
"""FaceNet's alpha, of squared distances between vectors of unit length."""


def triplet_loss(
    anchor: Any, positive: Any, negative: Any, margin: float = MARGIN, reduction: str = "sum"
) -> Any:
    """The ``sum`` or ``mean`` over triplets of max(|a - p|^2 - |a - n|^2 + margin, 0).

    The three are (n, dimensions) or (dimensions,): NumPy arrays, or what makes them, give a float,
    torch tensors a tensor with its gradient. Raises UsageError for shapes that differ or another
    reduction.
    """
    if reduction not in ("sum", "mean"):
        raise UsageError(
            f"there is no reduction {reduction!r}", remedy="take sum or mean", field="reduction"
        )
    tensors = hasattr(anchor, "requires_grad")
    if not tensors:
        anchor, positive, negative = (
            np.asarray(one, np.float64) for one in (anchor, positive, negative)
        )
    if not anchor.shape == positive.shape == negative.shape:
        shapes = ", ".join(str(tuple(one.shape)) for one in (anchor, positive, negative))
        raise UsageError(
            f"anchors, positives and negatives have the shapes {shapes}",
            remedy="give as many of each, with as many numbers",
        )
    near = ((anchor - positive) ** 2).sum(-1)
    far = ((anchor - negative) ** 2).sum(-1)
    losses = (near - far + margin).clip(0)
    total = losses.sum() if reduction == "sum" else losses.mean()
    return total if tensors else float(total)
