"""Landmarks of a face by dlib's regression trees (Kazemi and Sullivan, CVPR 2014)."""

from __future__ import annotations

import math
from pathlib import Path

import dlib
import numpy as np

from openfaceplus.alignment.chip import ARCFACE_POINTS, similarity, warp
from openfaceplus.errors import ModelCorrupt
from openfaceplus.faces import Box
from openfaceplus.files import shown
from openfaceplus.weights.trial import attempt

TURN = 15.0
"""Degrees from which a face is turned upright before its landmarks are looked for."""

# Where detectors' boxes lie in ArcFace's chip, on average (300 photos of lfw-dev).
_MIDDLE, _SIDE = (56.0, 72.0), 88.0
_LARGEST = 400.0  # pixels of a box that landmarks need no more of

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

    def find(self, image: np.ndarray, box: Box, points: np.ndarray | None = None) -> np.ndarray:
        """(points, 2) float32 x and y of the face in ``box`` of an RGB uint8 image.

        By a detector's five ``points`` (see ``Face``) a face that is turned is brought upright
        first: the trees know upright faces only.
        """
        if points is not None:
            upright = similarity(points, np.array(ARCFACE_POINTS))
            if abs(math.degrees(math.atan2(upright[1, 0], upright[0, 0]))) > TURN:
                return self._find_turned(image, upright)
        return self._find(image, box)

    def _find_turned(self, image: np.ndarray, upright: np.ndarray) -> np.ndarray:
        """The same for a face that the (2, 3) matrix ``upright`` brings into ArcFace's chip."""
        # What is around the square, no larger than in the image.
        scale = min(1 / math.hypot(*upright[:, 0]), _LARGEST / _SIDE)
        size = math.ceil(2 * _SIDE * scale)
        matrix = upright * scale
        matrix[:, 2] += size / 2 - scale * np.array(_MIDDLE)
        half = scale * _SIDE / 2
        square = Box(size / 2 - half, size / 2 - half, size / 2 + half, size / 2 + half)
        found = self._find(warp(image, matrix, size), square)
        turned: np.ndarray = found - matrix[:, 2]
        turned = np.linalg.solve(matrix[:, :2], turned.T).T
        return turned.astype(np.float32)

    def _find(self, image: np.ndarray, box: Box) -> np.ndarray:
        left, top, right, bottom = box.rounded()
        shape = self._predictor(image, dlib.rectangle(left, top, right - 1, bottom - 1))
        return np.array([(p.x, p.y) for p in shape.parts()], np.float32)
