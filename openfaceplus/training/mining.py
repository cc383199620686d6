"""Which photos make a batch, and which triplets a batch gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import torch
from torch import Tensor

from openfaceplus.errors import UsageError

Triplets = tuple[Tensor, Tensor, Tensor]
"""Numbers of anchors, positives and negatives in a batch, each (n,)."""


def people_batches(
    labels: np.ndarray, people: int, photos: int, generator: np.random.Generator
) -> Iterator[np.ndarray]:
    """Batches of up to ``photos`` photos of each of ``people`` people: numbers of photos.

    Each person who has two photos or more comes once; a last batch of one person is left out.
    Raises UsageError if fewer than two people have two photos.
    """
    order = np.argsort(labels, kind="stable")
    _, starts, counts = np.unique(labels[order], return_index=True, return_counts=True)
    several = np.flatnonzero(counts > 1)
    if len(several) < 2:
        raise UsageError(
            "fewer than two people have two photos, so nothing says what one face has in common",
            remedy="give more photos of each person, or a teacher, which needs no names",
        )
    generator.shuffle(several)
    for first in range(0, len(several) - 1, people):
        batch = []
        for person in several[first : first + people]:
            own = order[starts[person] : starts[person] + counts[person]]
            batch.append(generator.permutation(own)[:photos])
        yield np.concatenate(batch)


def random_triplets(vectors: Tensor, labels: Tensor, margin: float) -> Triplets:
    """Every pair of one person with a photo of another, drawn by chance."""
    _, same, anchors, positives = _pairs(vectors, labels)
    others = (~same[anchors]).float()
    return anchors, positives, torch.multinomial(others, 1).squeeze(1)


def semi_hard_triplets(vectors: Tensor, labels: Tensor, margin: float) -> Triplets:
    """Every pair of one person with the closest other who is farther away than the positive, but
    within the margin (FaceNet); where there is none, with the farthest other."""
    distances, same, anchors, positives = _pairs(vectors, labels)
    near = distances[anchors, positives].unsqueeze(1)
    others = distances[anchors].masked_fill(same[anchors], torch.inf)
    wanted = others.masked_fill((others <= near) | (others >= near + margin), torch.inf)
    least, closest = wanted.min(1)
    farthest = distances[anchors].masked_fill(same[anchors], -torch.inf).argmax(1)
    return anchors, positives, torch.where(least.isfinite(), closest, farthest)


def batch_hard_triplets(vectors: Tensor, labels: Tensor, margin: float) -> Triplets:
    """Each photo with the farthest of its person and the closest of another (Hermans, Beyer and
    Leibe, 2017)."""
    distances, same, anchors, _ = _pairs(vectors, labels)
    anchors = torch.unique(anchors)
    farthest = distances.masked_fill(~same, -torch.inf)[anchors].argmax(1)
    closest = distances.masked_fill(same, torch.inf)[anchors].argmin(1)
    return anchors, farthest, closest


MINERS: dict[str, Callable[[Tensor, Tensor, float], Triplets]] = {
    "random": random_triplets,
    "semi-hard": semi_hard_triplets,
    "batch-hard": batch_hard_triplets,
}


def _pairs(vectors: Tensor, labels: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Squared distances, who is the same person, and both ends of every pair of one person."""
    vectors = vectors.detach().float()
    squares = (vectors**2).sum(1)
    distances = (squares[:, None] + squares[None] - 2 * vectors @ vectors.T).clamp_min(0)
    same = labels[:, None] == labels[None]
    itself = torch.eye(len(labels), dtype=torch.bool, device=labels.device)
    anchors, positives = (same & ~itself).nonzero().unbind(1)
    return distances, same, anchors, positives
