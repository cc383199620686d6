"""Whether the person a face was named for is meant at all.

The score of a face is the cosine of its vector to the mean vector of the person named. It is
accepted at or above a factory threshold.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

THRESHOLD = 0.935
"""For dlib's network, two views: accepts 1% of strangers among 50 people of lfw-dev, 3 photos each."""


@dataclass(frozen=True, eq=False)
class OpenSetRule:
    """Means of unit length (people, dimensions) and the threshold."""

    means: np.ndarray
    threshold: float

    @classmethod
    def fit(cls, vectors: np.ndarray, labels: np.ndarray) -> OpenSetRule:
        means = np.stack([vectors[labels == i].mean(axis=0) for i in range(int(labels.max()) + 1)])
        return cls(means / np.linalg.norm(means, axis=1, keepdims=True), THRESHOLD)

    def score(self, vectors: np.ndarray, named: np.ndarray) -> np.ndarray:
        """(n,) scores of (n, dimensions) unit vectors for the people they were named."""
        return np.einsum("nd,nd->n", vectors, self.means[named])

    def confidence(self, scores: np.ndarray) -> np.ndarray:
        """(n,) probabilities that the faces are who they were named."""
        return 1 / (1 + np.exp(-60 * (scores - self.threshold)))

    def to_dict(self) -> dict[str, Any]:
        return {"means": self.means, "threshold": float(self.threshold)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> OpenSetRule:
        return cls(data["means"], data["threshold"])
