"""Landmarks of a face by dlib's regression trees (Kazemi and Sullivan, CVPR 2014)."""

from __future__ import annotations

from pathlib import Path

import dlib
import numpy as np

from openfaceplus.errors import ModelCorrupt
from openfaceplus.faces import Box
from openfaceplus.files import shown
from openfaceplus.weights.trial import attempt

MODELS = {5: "dlib-landmarks-5", 68: "dlib-landmarks-68"}


class Landmarks:
    """A shape predictor of 5 or 68 points, read from a dlib ``.dat`` file."""

    def __init__(self, path: Path) -> None:
        attempt("landmarks", path)
        try:
            self._predictor = dlib.shape_predictor(str(path))
        except RuntimeError as error:
            reason = shown(str(error).partition("\n")[0])
            raise ModelCorrupt(
                f"{shown(path)}: not a landmark model of dlib ({reason})",
                remedy="name another file",
            ) from error

    def find(self, image: np.ndarray, box: Box) -> np.ndarray:
        """(points, 2) float32 x and y of the face in ``box`` of an RGB uint8 image."""
        left, top, right, bottom = box.rounded()
        shape = self._predictor(image, dlib.rectangle(left, top, right - 1, bottom - 1))
        return np.array([(p.x, p.y) for p in shape.parts()], np.float32)
