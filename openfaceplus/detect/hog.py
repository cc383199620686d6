"""dlib's frontal face detector (histograms of oriented gradients), searched from coarse to fine.

dlib finds faces of 40 pixels by doubling the picture, which costs four fifths of its time. Here the
same five filters, summed over 2x2 cells, see a face of 40 pixels without doubling. Summed filters
are weak but propose places; only there do the filters themselves look: a glance at one size first,
then at three, and at doubtful faces once more, in colour. The numbers below were chosen on a part
of lfw-dev and judged on all of it: docs/performance.md.
"""

from __future__ import annotations

import math
import threading
from pathlib import Path

import cv2
import dlib
import numpy as np

from openfaceplus.detect.base import Detector
from openfaceplus.detect.hog_filters import WINDOW, detectors
from openfaceplus.faces import Box, Face
from openfaceplus.weights import cache_folder

_PROPOSE = (-1.35, -1.4)  # score from which a place is glanced at: the finest octave, the others
_GLANCE, _DOUBT, _ACCEPT = -1.1, -0.6, -0.12  # lead on to a closer look, another grid, a face
_CLEAR = 0.3  # from which a face needs no other grid
_SURE = 0.6  # at which the search for the largest stops
_CROWD = 128_000  # pixels above which all faces may be a crowd, and are searched for with more care
_STEPS, _CROWD_STEPS = 2, 3  # sizes an octave to propose at
_KNOWN, _CROWD_KNOWN = 0.0, 0.6  # score at which a face rules out places in it; 0 loses neighbours
_SIZE, _RIGHT, _DOWN = 0.84, 0.06, 0.03  # proposals are smaller than faces, off to right and down
_LOOKS = ((84.0, 0.78), (96.0, 0.85), (100.0, 0.9))  # face brought to, pixels; half the crop, faces
_RESORT = 128_000  # pixels of the copy in which dlib's full search looks where nothing was found
_DOUBTFUL = -0.3  # its score there: right in 10 of the 10 such faces among lfw-dev's photos
_REDUCED = 1024  # the largest face is first searched for at this long side
_AREA = 0.6  # scale from which up no aliasing was seen, so that the faster linear method is used


class _Detectors(threading.local):
    """The four detectors of ``hog_filters``, of each thread its own: dlib's keep the picture that
    they search, and loading them takes 2 ms."""

    def __init__(self) -> None:
        made = detectors(cache_folder() / "detectors")
        self.propose, self.glance, self.verify, self.full = made


class HogDetector(Detector):
    """Finds frontal faces from 40 pixels up, in a third of the time of dlib's full search."""

    reduces = True

    def __init__(self, file: Path | None = None, threshold: float | None = None) -> None:
        self._dlib = _Detectors()

    def _search(self, image: np.ndarray, largest: bool) -> list[Face]:
        faces = self._reduced(image) if largest else _NONE
        if not len(faces):
            faces = self._search_pyramid(image, largest)
        if not len(faces):
            faces = self._last_resort(image)
        return _faces(faces)

    def _last_resort(self, image: np.ndarray) -> np.ndarray:
        """The best face, even a doubtful one, of dlib's full search in a copy of bounded size."""
        scale = min(1.0, math.sqrt(_RESORT / (image.shape[0] * image.shape[1])))
        faces = _run(self._dlib.full, _resized(image, scale), _DOUBTFUL, 1)
        faces[:, :4] /= scale
        return faces[:1]

    def _reduced(self, image: np.ndarray) -> np.ndarray:
        """Sure faces in a large picture, searched for in a small copy."""
        scale = _REDUCED / max(image.shape[:2])
        if scale >= 1:
            return _NONE
        faces = self._search_pyramid(_resized(image, scale), True)
        faces[:, :4] /= scale
        return faces if len(faces) and faces[0, 4] >= _SURE else _NONE

    def _search_pyramid(self, image: np.ndarray, largest: bool) -> np.ndarray:
        """Propose places, look at them; with ``largest`` stop where a sure face was found."""
        grey = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
        crowd = not largest and grey.size > _CROWD
        steps, known = (_CROWD_STEPS, _CROWD_KNOWN) if crowd else (_STEPS, _KNOWN)
        pyramid = [_resized(grey, 2 ** (-k / steps)) for k in range(steps)]
        while min(pyramid[-1].shape) >= WINDOW / 2:
            pyramid.append(_resized(pyramid[-steps], 0.5))
        faces: list[np.ndarray] = []
        for k in range(len(pyramid) - 1, -1, -1):
            scale = pyramid[k].shape[0] / grey.shape[0]
            source = pyramid[k - steps] if k >= steps else grey
            for place in _run(self._dlib.propose, pyramid[k], _PROPOSE[k >= steps]):
                size = (place[2] - place[0]) / scale / _SIZE
                x = (place[0] + place[2]) / 2 / scale - _RIGHT * size
                y = (place[1] + place[3]) / 2 / scale - _DOWN * size
                box = np.array([x - size / 2, y - size / 2, x + size / 2, y + size / 2])
                if not any(_same(box, face) for face in faces if face[4] >= known):
                    faces += self._look(image, source, source.shape[0] / grey.shape[0], box)
            if largest and any(face[4] >= _SURE for face in faces):
                break
        kept: list[np.ndarray] = []
        for face in sorted(faces, key=lambda face: -face[4]):
            if not any(_same(face, other) for other in kept):
                kept.append(face)
        return np.array(kept).reshape(-1, 5)

    def _look(
        self, image: np.ndarray, source: np.ndarray, scale: float, box: np.ndarray
    ) -> list[np.ndarray]:
        """Faces near ``box`` in ``source``, the grey picture times ``scale``.

        Doubtful ones are looked for again in colour.
        """
        seen = _look(self._dlib.glance, source, scale, box, *_LOOKS[0], _GLANCE)
        if len(seen):
            seen = _look(self._dlib.verify, source, scale, seen[0], *_LOOKS[1], _DOUBT)
        if len(seen) and seen[0, 4] < _CLEAR:
            more = _look(self._dlib.verify, image, 1.0, seen[0], *_LOOKS[2], _ACCEPT)
            seen = np.concatenate([seen, more])
        return [face for face in seen if face[4] >= _ACCEPT]


class FullHogDetector(HogDetector):
    """dlib's own search of the doubled picture: the reference, slow."""

    reduces = False

    def _search(self, image: np.ndarray, largest: bool) -> list[Face]:
        return _faces(_run(self._dlib.full, image, 0.0, 1))


_NONE = np.empty((0, 5))


def _run(
    detector: dlib.fhog_object_detector, image: np.ndarray, threshold: float, upsample: int = 0
) -> np.ndarray:
    """(n, 5) left, top, right, bottom in pixels and score, best first."""
    # In a part of a larger array dlib finds faces once and none the next time.
    boxes, scores, _ = detector.run(np.ascontiguousarray(image), upsample, threshold)
    rows = [
        (b.left(), b.top(), b.right() + 1, b.bottom() + 1, score)
        for b, score in zip(boxes, scores, strict=True)
    ]
    return np.array(rows, np.float64).reshape(-1, 5)


def _look(
    detector: dlib.fhog_object_detector,
    source: np.ndarray,
    scale: float,
    box: np.ndarray,
    target: float,
    margin: float,
    threshold: float,
) -> np.ndarray:
    """Faces near ``box`` (in pixels of the picture; ``source`` is it times ``scale``), searched for
    in a crop of ``margin`` face widths to each side, the face brought to ``target`` pixels."""
    size = (box[2] - box[0]) * scale
    x, y = (box[0] + box[2]) / 2 * scale, (box[1] + box[3]) / 2 * scale
    x0, y0 = max(0, round(x - margin * size)), max(0, round(y - margin * size))
    x1, y1 = max(x0 + 1, round(x + margin * size)), max(y0 + 1, round(y + margin * size))
    crop = source[y0:y1, x0:x1]
    if not crop.size:
        return _NONE
    faces = _run(detector, _resized(crop, target / size), threshold)
    faces[:, :4] = (faces[:, :4] * (size / target) + (x0, y0, x0, y0)) / scale
    return faces


def _same(a: np.ndarray, b: np.ndarray) -> bool:
    """dlib's rule for one face found twice: IoU above 0.33, or 0.79 of one box inside the other."""
    width, height = min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1])
    if width <= 0 or height <= 0:
        return False
    both = width * height
    one, other = (a[2] - a[0]) * (a[3] - a[1]), (b[2] - b[0]) * (b[3] - b[1])
    return bool(both > 0.33 * (one + other - both) or both > 0.788 * min(one, other))


def _resized(image: np.ndarray, scale: float) -> np.ndarray:
    """``image`` times ``scale``, without visible aliasing."""
    if scale == 1:
        return image
    method = cv2.INTER_AREA if scale < _AREA else cv2.INTER_LINEAR
    size = max(1, round(image.shape[1] * scale)), max(1, round(image.shape[0] * scale))
    return cv2.resize(image, size, interpolation=method)


def _faces(rows: np.ndarray) -> list[Face]:
    return [Face(Box(*row[:4]), row[4]) for row in rows.tolist()]
