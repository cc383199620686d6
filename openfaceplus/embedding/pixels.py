"""The naive baseline: the pixels of a chip as they are, small, grey and normalised.

It shows what a network is for. Two faces are as far apart as their pictures, so that another light
or another angle counts for more than another person.
"""

from __future__ import annotations

import hashlib
from pathlib import Path

import cv2
import numpy as np

from openfaceplus import weights
from openfaceplus.embedding.base import Embedder, Require
from openfaceplus.errors import UsageError
from openfaceplus.faces import ChipSpec, Space, unit_length
from openfaceplus.weights.embedder_spec import EmbedderSpec

SIDE = 32


class Pixels(Embedder):
    """A chip at 32 x 32 grey pixels, less their mean, scaled to unit length: 1,024 numbers."""

    name = "grey-pixels-v1"
    chip = ChipSpec(150, "dlib", 0.25)
    dim = SIDE * SIDE
    unit = True

    def __init__(
        self,
        file: Path | None = None,
        *,
        require: Require = weights.require,
        device: str = "cpu",
        threads: int | None = None,
        spec: EmbedderSpec | None = None,
    ) -> None:
        if file is not None:
            raise UsageError(
                f"{file}: pixels need no file", remedy="leave it out", field="embedder"
            )
        self.space = Space(self.name, hashlib.sha256(self.name.encode()).hexdigest())
        self.engine = self

    def run(self, pixels: np.ndarray) -> np.ndarray:
        """(n, 150, 150, 3) RGB uint8 to (n, 1024) float32 of unit length, 0 for a flat chip."""
        size = (SIDE, SIDE)
        grey = [cv2.cvtColor(chip, cv2.COLOR_RGB2GRAY) for chip in pixels]
        small = [cv2.resize(chip, size, interpolation=cv2.INTER_AREA) for chip in grey]
        rows = np.array(small, np.float32).reshape(len(small), self.dim)
        rows -= rows.mean(axis=1, keepdims=True)
        return unit_length(rows)
