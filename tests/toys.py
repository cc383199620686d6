"""A detector and an embedder as somebody would add them: a file, and a line in each table."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from openfaceplus import weights
from openfaceplus.detect.base import BoxMap, Detector
from openfaceplus.embedding.base import Embedder, Require
from openfaceplus.faces import Box, ChipSpec, Face, Space
from openfaceplus.weights.embedder_spec import EmbedderSpec


class MiddleDetector(Detector):
    """Finds the bright middle of a picture."""

    reduces = True
    box_map = BoxMap(0.5, 0.9)

    def __init__(self, file: Path | None = None, threshold: float | None = None) -> None:
        pass

    def _search(self, image: np.ndarray, largest: bool) -> list[Face]:
        if np.ptp(image) < 10:
            return []
        height, width = image.shape[:2]
        square = self.box_map.square(width / 4, height / 5, width / 2, height * 0.45)
        return [Face(square, 1.0), Face(Box(0, 0, 9, 9), 0.1)]


class Averages:
    """64 means of a chip's parts."""

    def run(self, pixels: np.ndarray) -> np.ndarray:
        parts = pixels.reshape(len(pixels), 8, 5, 8, 5, 3).mean((2, 4, 5))
        return parts.reshape(len(pixels), 64).astype(np.float32) - 127


class AveragesEmbedder(Embedder):
    """Embeds a chip of 40 pixels by the means of its parts."""

    name = "averages"
    chip = ChipSpec(40, "dlib", 0.3)
    landmarks = 68
    dim = 64
    models = ("dlib-landmarks-5",)  # any file will do

    def __init__(
        self,
        file: Path | None = None,
        *,
        require: Require = weights.require,
        device: str = "cpu",
        threads: int | None = None,
        spec: EmbedderSpec | None = None,
    ) -> None:
        _, digest = self.weights_file(file, require)
        self.space = Space(self.name, digest)
        self.engine = Averages()
