"""Losses of a batch of vectors: by people's names, or by what a teacher made of the same faces."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module

from torch import Tensor, nn
from torch.nn import functional as F

from openfaceplus.errors import UsageError
from openfaceplus.extras import require
from openfaceplus.training.mining import MINERS
from openfaceplus.training.triplets import triplet_loss

LIBRARY = {
    "arcface": "ArcFaceLoss",
    "cosface": "CosFaceLoss",
    "sphereface": "SphereFaceLoss",
    "subcenter-arcface": "SubCenterArcFaceLoss",
    "proxy-anchor": "ProxyAnchorLoss",
    "contrastive": "ContrastiveLoss",
    "multi-similarity": "MultiSimilarityLoss",
    "ntxent": "NTXentLoss",
    "supcon": "SupConLoss",
}
"""Losses of pytorch-metric-learning by the name they have here."""
LOSSES = ("triplet", *LIBRARY)
_CLASSES = {"arcface", "cosface", "sphereface", "subcenter-arcface", "proxy-anchor"}


class Triplets(nn.Module):
    """The mean triplet loss over the triplets that a miner finds."""

    def __init__(self, mining: str, margin: float) -> None:
        super().__init__()
        if mining not in MINERS:
            raise UsageError(
                f"there is no mining {mining!r}",
                remedy=f"known are: {', '.join(MINERS)}",
                field="mining",
            )
        self._mine, self._margin = MINERS[mining], margin

    def forward(self, vectors: Tensor, labels: Tensor) -> Tensor:
        vectors = F.normalize(vectors)
        anchor, positive, negative = (
            vectors[one] for one in self._mine(vectors, labels, self._margin)
        )
        loss: Tensor = triplet_loss(anchor, positive, negative, self._margin, "mean")
        return loss


class Distillation(nn.Module):
    """How far the student's vectors are from the teacher's: one minus their cosine, and
    ``relation`` times the squared error of the cosines between the faces of the batch."""

    def __init__(self, relation: float) -> None:
        super().__init__()
        self._relation = relation

    def forward(self, vectors: Tensor, targets: Tensor) -> Tensor:
        """Both (n, dimensions); ``targets`` are of unit length."""
        vectors = F.normalize(vectors)
        apart = 1 - (vectors * targets).sum(1).mean()
        errors = vectors @ vectors.T - targets @ targets.T
        return apart + self._relation * (errors**2).sum(1).mean()


def named_loss(
    name: str, classes: int, dim: int, mining: str, margin: float
) -> Callable[[Tensor, Tensor], Tensor] | nn.Module:
    """The loss called ``name``, for vectors of ``dim`` numbers and labels below ``classes``.

    Raises UsageError for an unknown name, or without the library that has it.
    """
    if name == "triplet":
        return Triplets(mining, margin)
    if name not in LIBRARY:
        raise UsageError(
            f"there is no loss {name!r}", remedy=f"known are: {', '.join(LOSSES)}", field="loss"
        )
    require("pytorch_metric_learning", "training", f"the loss {name}")
    kind = getattr(import_module("pytorch_metric_learning.losses"), LIBRARY[name])
    sizes = {"num_classes": classes, "embedding_size": dim} if name in _CLASSES else {}
    loss: nn.Module = kind(**sizes)
    return loss
