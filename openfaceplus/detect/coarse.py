"""Small convolutional detectors: faces at any angle, with five points, from coarse to fine.

A network sees the picture at a bounded size. For the largest face alone a much smaller copy is
searched first, and that is enough where no face that it may have missed could be the subject.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import ClassVar

import cv2
import numpy as np

from openfaceplus.detect.base import Detector
from openfaceplus.faces import Face


class CoarseToFine(Detector):
    """A network that gives boxes and points, searched from coarse to fine.

    ``long_side`` is the size of larger pictures when searched, of longer ones than twice their
    height so many pixels as of those; ``coarse_side`` that of the copy
    in which the largest face is first searched for (a whole part of the picture's, so that 250 is
    halved to 125); ``large`` the pixels there that a face's lead must reach: faces that are not
    seen there have less.
    """

    reduces = True
    points = True
    long_side: ClassVar[int] = 640
    coarse_side: ClassVar[int] = 192
    large: ClassVar[int] = 24

    def _search(self, image: np.ndarray, largest: bool) -> list[Face]:
        height, width = image.shape[:2]
        step = -(-max(height, width) // self.coarse_side)
        if largest and 1 < step <= min(height, width):
            # Whole pixels are averaged, which is fast; less than one of the copy's is cut off.
            size = width // step, height // step
            faces = self._search_at(image[: size[1] * step, : size[0] * step], size)
            if any(_leads(face, width, height) >= self.large * step for face in faces):
                return faces
        least = self.long_side**2 / 2 / (height * width)  # a panorama would become a thread
        scale = min(1.0, max(self.long_side / max(height, width), math.sqrt(least)))
        return self._search_at(image, (max(1, round(width * scale)), max(1, round(height * scale))))

    def _search_at(self, image: np.ndarray, size: tuple[int, int]) -> list[Face]:
        """Faces in ``image``, in its pixels, searched for at ``size`` (width, height)."""
        height, width = image.shape[:2]
        if size != (width, height):
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        rows = self._rows(image)
        scale = width / size[0], height / size[1]
        rows[:, :4] *= np.tile(scale, 2)
        points = (rows[:, 5:].reshape(-1, 5, 2) * scale).astype(np.float32)
        return [
            Face(self.box_map.square(*row[:4]), row[4], points=five)
            for row, five in zip(rows[:, :5].tolist(), points, strict=True)
        ]

    @abstractmethod
    def _rows(self, image: np.ndarray) -> np.ndarray:
        """(n, 15) left, top, width, height in pixels of ``image``, score, and x and y of the five
        points."""


def padded(image: np.ndarray, stride: int) -> np.ndarray:
    """(1, 3, height, width) float32 of an RGB picture, black beyond it to whole strides."""
    height, width = image.shape[:2]
    across, down = -(-width // stride) * stride, -(-height // stride) * stride
    pixels = np.zeros((1, 3, down, across), np.float32)
    pixels[0, :, :height, :width] = image.transpose(2, 0, 1)
    return pixels


def strongest(rows: np.ndarray, threshold: float, overlap: float) -> np.ndarray:
    """Those of (n, 5 or more) rows that no stronger one overlaps, by an IoU above ``overlap``.

    A row is left, top, width, height, score and whatever else.
    """
    whole = np.trunc(rows[:, :4])  # as OpenCV's FaceDetectorYN compares them
    kept = cv2.dnn.NMSBoxes(whole.tolist(), rows[:, 4].tolist(), threshold, overlap)
    return rows[np.array(kept, np.intp).ravel()]


def _leads(face: Face, width: int, height: int) -> float:
    """The prominence, in pixels, up to which no other face can be the subject in its place."""
    return face.prominence * (1 - face.box.away_from_centre(width, height))
