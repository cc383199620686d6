"""What a detector by histograms of oriented gradients sees of a picture."""

from __future__ import annotations

import numpy as np

from openfaceplus.extras import require
from openfaceplus.faces import Box
from openfaceplus.pictures.drawing import Mark, draw

WINDOW = 80
"""Pixels of the square in which dlib's detector looks for a face."""
_CELL, _DIRECTIONS = 8, 9
_SHOWN = 4  # pixels drawn for one that the detector sees
_ROOM = 2.4  # sides of the window that are drawn round a face
_LONG_SIDE = 240  # pixels of a picture without a face
_UNIT = 1200  # of the drawn window: 4 pixels wide


def hog(pixels: np.ndarray, box: Box | None) -> tuple[np.ndarray, np.ndarray]:
    """The picture round a face as the detector gets it, and its HOG picture, both enlarged alike.

    ``pixels`` are (height, width, 3) RGB uint8 and ``box`` in them; without a box it is all of the
    picture, made small. The picture is scaled so that the face has the ``WINDOW`` in which it is
    found, which is marked. Each cell of 8 pixels shows how strong edges are in each of 9 directions
    there (Dalal and Triggs, CVPR 2005). Raises UsageError without scikit-image.
    """
    require("skimage", "plots", "a HOG picture")
    from skimage.feature import hog as histogram

    small, window = _scaled(pixels, box)
    _, strokes = histogram(
        small, _DIRECTIONS, (_CELL, _CELL), (1, 1), visualize=True, channel_axis=-1
    )
    strength = np.sqrt(strokes / max(float(strokes.max()), 1e-9))
    ink = np.rint(255 * strength).astype(np.uint8)
    pictures = [_enlarged(one) for one in (small, np.repeat(ink[..., None], 3, axis=2))]
    marks = [] if window is None else [Mark(window.scaled(_SHOWN), "", True)]
    return draw(pictures[0], marks, _UNIT), draw(pictures[1], marks, _UNIT)


def _scaled(pixels: np.ndarray, box: Box | None) -> tuple[np.ndarray, Box | None]:
    """The part that is shown, at the detector's size, and where the window lies in it."""
    import cv2

    height, width = pixels.shape[:2]
    if box is None:
        scale = min(1.0, _LONG_SIDE / max(height, width))
        size = max(_CELL, round(width * scale)), max(_CELL, round(height * scale))
        return cv2.resize(pixels, size, interpolation=cv2.INTER_AREA), None
    half = _ROOM * box.side / 2
    x, y = (box.left + box.right) / 2, (box.top + box.bottom) / 2
    left, top = max(0, round(x - half)), max(0, round(y - half))
    part = pixels[top : max(top + 1, round(y + half)), left : max(left + 1, round(x + half))]
    scale = WINDOW / box.side
    size = max(_CELL, round(part.shape[1] * scale)), max(_CELL, round(part.shape[0] * scale))
    method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
    small = cv2.resize(part, size, interpolation=method)
    middle = (x - left) * scale, (y - top) * scale
    edge = WINDOW / 2
    window = Box(middle[0] - edge, middle[1] - edge, middle[0] + edge, middle[1] + edge)
    return small, window


def _enlarged(pixels: np.ndarray) -> np.ndarray:
    return pixels.repeat(_SHOWN, axis=0).repeat(_SHOWN, axis=1)
