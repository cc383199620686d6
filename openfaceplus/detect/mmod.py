"""dlib's convolutional face detector (max-margin object detection; King, 2015), public domain."""

from __future__ import annotations

import math
from pathlib import Path
from threading import Lock

import cv2
import dlib
import numpy as np

from openfaceplus.detect.base import Detector
from openfaceplus.errors import ModelCorrupt
from openfaceplus.faces import Box, Face

_PIXELS = 640 * 480  # larger pictures are searched at this size: it takes 5.5 microseconds a pixel


class MmodDetector(Detector):
    """Finds faces at any angle; slow without a graphics processor. Threads wait for each other.

    Once it has run, it hangs in a forked child: dlib's threads do not outlive a fork.
    """

    model = "dlib-mmod"

    def __init__(self, file: Path | None = None, threshold: float | None = None) -> None:
        try:
            self._network = dlib.cnn_face_detection_model_v1(str(file))
        except RuntimeError as error:
            raise ModelCorrupt(f"{file}: not a face detector of dlib ({error})") from error
        self._lock = Lock()

    def _search(self, image: np.ndarray, largest: bool) -> list[Face]:
        height, width = image.shape[:2]
        scale = min(1.0, math.sqrt(_PIXELS / (height * width)))
        if scale < 1:
            size = max(1, round(width * scale)), max(1, round(height * scale))
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        image = np.ascontiguousarray(image)  # dlib misreads a part of a larger array
        with self._lock:
            found = self._network(image, 0)
        return [
            Face(
                Box(r.left(), r.top(), r.right() + 1, r.bottom() + 1).scaled(1 / scale),
                detection.confidence,
            )
            for detection in found
            for r in [detection.rect]
        ]
