"""YuNet (Wu, Peng and Yu, 2023; OpenCV zoo, MIT), with boxes as dlib's landmark models want them.

The box is mapped, and dlib's landmarks are found in it: YuNet's own five points would save half a
millisecond and lose three points of TAR at a low FAR.
"""

from __future__ import annotations

import cv2
import numpy as np

from openfaceplus.detect import Require
from openfaceplus.errors import ModelCorrupt
from openfaceplus.faces import Box, Face

LONG_SIDE = 640  # larger pictures are searched at this size; a face needs 20 pixels there
_THRESHOLD = 0.7
_DOWN, _SIDE = 0.56, 0.93  # centre of dlib's box in YuNet's height; its side in the mean of both


class YunetDetector:
    """Finds faces at any angle, faster than HOG; its weights are fetched on first use."""

    def __init__(self, require: Require) -> None:
        path = require("yunet")
        level = cv2.utils.logging.setLogLevel(cv2.utils.logging.LOG_LEVEL_ERROR)
        try:
            self._net = cv2.FaceDetectorYN.create(str(path), "", (320, 320), _THRESHOLD, 0.3, 5000)
        except cv2.error as error:
            raise ModelCorrupt(f"{path}: OpenCV cannot read this network ({error.err})") from error
        finally:
            # OpenCV 5 warns at every start that it ignores a setting which nobody made.
            cv2.utils.logging.setLogLevel(level)

    def detect(self, image: np.ndarray, largest: bool = False) -> list[Face]:
        """Faces in an RGB uint8 image of height x width x 3, most prominent first."""
        height, width = image.shape[:2]
        scale = min(1.0, LONG_SIDE / max(height, width))
        small = image
        if scale < 1:
            size = max(1, round(width * scale)), max(1, round(height * scale))
            small = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        self._net.setInputSize((small.shape[1], small.shape[0]))
        _, rows = self._net.detect(cv2.cvtColor(small, cv2.COLOR_RGB2BGR))
        if rows is None:
            return []
        rows[:, :4] *= np.tile((width / small.shape[1], height / small.shape[0]), 2)
        found = [Face(_box(*row[:4]), row[14]) for row in rows.tolist()]
        return sorted(found, key=lambda face: -face.prominence)


def _box(x: float, y: float, width: float, height: float) -> Box:
    """YuNet's box as the square that dlib's HOG detector gives."""
    middle, down, half = x + width / 2, y + _DOWN * height, _SIDE * (width + height) / 4
    return Box(middle - half, down - half, middle + half, down + half)
