"""Detectors one after the other, so that the cost of a better one falls on hard photos only.

A network that learned upright faces also sees turned ones, with a lower score and its points in the
wrong places. So each detector says from which score it is ``sure``, and where it is not, the next
one looks too. Where none is, the photo may be upside down, and they look again at it turned.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import replace
from threading import Lock

import cv2
import numpy as np

from openfaceplus.detect.base import Detector
from openfaceplus.faces import Box, Face

_SAME = 0.3  # IoU from which two boxes are one face's
_TURNED = 10.0  # degrees from which a face is looked at more closely
_ROOM = 3.0  # sides of a face's box that the patch shows then
_PATCH = 256.0  # pixels of the patch at most


class Chain(Detector):
    """Each detector looks where none before it surely found a face.

    Where the largest face is wanted what a later one finds counts; else what each finds does, and
    of a face found twice the later finding.

    All but the first are made when first needed, which an easy photo never does. With ``turned``
    they look again at the photo upside down, and only what they are sure of there counts.
    """

    reduces = True

    def __init__(
        self, first: Detector, *others: Callable[[], Detector], turned: bool = False
    ) -> None:
        self._made, self._others, self._turned = [first], others, turned
        self._lock = Lock()

    def _search(self, image: np.ndarray, largest: bool) -> list[Face]:
        faces, sure = self._look(image, largest)
        faces = [self._closer(image, face) for face in faces]
        if self._turned and not sure:
            again, sure = self._look(np.ascontiguousarray(image[::-1, ::-1]), largest)
            if sure:
                height, width = image.shape[:2]
                return [_turned_back(face, width, height) for face in again]
        return faces

    def _look(self, image: np.ndarray, largest: bool) -> tuple[list[Face], bool]:
        """The faces, and whether the most prominent one surely is one, and upright."""
        found: list[Face] = []
        for number in range(1 + len(self._others)):
            member = self._member(number)
            faces = member._search(image, largest)
            if not faces:
                continue
            first = max(faces, key=lambda face: face.prominence)
            others = [] if largest else found
            found = [*faces, *(face for face in others if not _seen(face, faces))]
            if first.score >= member.sure:
                return found, True
        return found, False

    def _closer(self, image: np.ndarray, face: Face) -> Face:
        """The face with better points where it is turned: those that the first detector surely sees
        in a patch in which the face is upright, since points of turned faces are off."""
        if face.points is None:
            return face
        across = face.points[1] - face.points[0] + face.points[4] - face.points[3]
        angle = math.degrees(math.atan2(across[1], across[0]))
        if abs(angle) < _TURNED:
            return face
        scale = min(1.0, _PATCH / (_ROOM * face.box.side))
        side = math.ceil(scale * _ROOM * face.box.side)
        centre = face.points.mean(axis=0)
        matrix = cv2.getRotationMatrix2D(centre.astype(float).tolist(), angle, scale)
        matrix[:, 2] += side / 2 - centre
        patch = cv2.warpAffine(image, matrix, (side, side))
        for seen in self._made[0]._search(patch, False):
            box = seen.box
            inside = box.left < side / 2 < box.right and box.top < side / 2 < box.bottom
            if inside and seen.points is not None and seen.score >= self._made[0].sure:
                back = np.linalg.solve(matrix[:, :2], (seen.points - matrix[:, 2]).T).T
                return replace(face, points=back.astype(np.float32))
        return face

    def _member(self, number: int) -> Detector:
        with self._lock:
            if number == len(self._made):
                self._made.append(self._others[number - 1]())
            return self._made[number]


def _seen(face: Face, faces: list[Face]) -> bool:
    """Whether it is one of those, found by another detector."""
    return any(face.box.iou(other.box) > _SAME for other in faces)


def _turned_back(face: Face, width: int, height: int) -> Face:
    """A face of the photo upside down, in the photo as it is."""
    box = face.box
    turned = Box(width - box.right, height - box.bottom, width - box.left, height - box.top)
    points = face.points
    if points is not None:
        points = np.array((width - 1, height - 1), np.float32) - points
    return Face(turned, face.score, points=points)
