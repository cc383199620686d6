"""dlib's convolutional face detector (max-margin object detection; King, 2015), public domain."""

from __future__ import annotations

import math

import cv2
import dlib
import numpy as np

from openfaceplus.detect import Require
from openfaceplus.errors import ModelCorrupt
from openfaceplus.faces import Box, Face

_PIXELS = 640 * 480  # larger pictures are searched at this size: it takes 5.5 microseconds a pixel


class MmodDetector:
    """Finds faces at any angle; slow without a graphics processor.

    Once it has run, it hangs in a forked child: dlib's threads do not outlive a fork.
    """

    def __init__(self, require: Require) -> None:
        path = require("dlib-mmod")
        try:
            self._network = dlib.cnn_face_detection_model_v1(str(path))
        except RuntimeError as error:
            raise ModelCorrupt(f"{path}: not a face detector of dlib ({error})") from error

    def detect(self, image: np.ndarray, largest: bool = False) -> list[Face]:
        """Faces in an RGB uint8 image of height x width x 3, most prominent first."""
        height, width = image.shape[:2]
        scale = min(1.0, math.sqrt(_PIXELS / (height * width)))
        if scale < 1:
            size = max(1, round(width * scale)), max(1, round(height * scale))
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        image = np.ascontiguousarray(image)  # dlib misreads a part of a larger array
        found = [
            Face(
                Box(r.left(), r.top(), r.right() + 1, r.bottom() + 1).scaled(1 / scale),
                detection.confidence,
            )
            for detection in self._network(image, 0)
            for r in [detection.rect]
        ]
        return sorted(found, key=lambda face: -face.prominence)
