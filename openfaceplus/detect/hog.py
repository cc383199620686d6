"""dlib's frontal face detector: histograms of oriented gradients and a linear classifier."""

from __future__ import annotations

import dlib
import numpy as np

from openfaceplus.detect import Require
from openfaceplus.faces import Box, Face


class HogDetector:
    """Finds frontal faces from 40 pixels up."""

    def __init__(self, require: Require) -> None:
        self._detector = dlib.get_frontal_face_detector()

    def detect(self, image: np.ndarray, largest: bool = False) -> list[Face]:
        """Faces in an RGB uint8 image of height x width x 3, most prominent first."""
        boxes, scores, _ = self._detector.run(image, 1, 0.0)
        faces = [
            Face(Box(b.left(), b.top(), b.right() + 1, b.bottom() + 1), score)
            for b, score in zip(boxes, scores, strict=True)
        ]
        return sorted(faces, key=lambda face: -face.prominence)
