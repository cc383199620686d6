"""A face, cut out of its photo with some room, and its landmarks with their numbers."""

from __future__ import annotations

import numpy as np

from openfaceplus.faces import Box
from openfaceplus.pictures.drawing import GREEN, WHITE, font

_ROOM = 1.7  # sides of the box that are shown
_SIDE = 640  # pixels of the picture


def around(pixels: np.ndarray, box: Box, room: float = _ROOM) -> tuple[np.ndarray, float, Box]:
    """The square round a face: its part of (height, width, 3) RGB uint8 pixels, enlarged or reduced
    to 640 pixels a side, the scale, and where the square lies in ``pixels``. Black beyond them."""
    import cv2

    half = room * box.side / 2
    x, y = (box.left + box.right) / 2, (box.top + box.bottom) / 2
    scale = _SIDE / (2 * half)
    square = Box(x - half, y - half, x + half, y + half)
    matrix = np.array([[scale, 0, -scale * square.left], [0, scale, -scale * square.top]])
    if scale < 0.5:  # pixels are averaged first, since a warp takes single ones
        step = 0.5 / scale
        size = max(1, round(pixels.shape[1] / step)), max(1, round(pixels.shape[0] / step))
        pixels = cv2.resize(pixels, size, interpolation=cv2.INTER_AREA)
        matrix[:, :2] *= step
    return cv2.warpAffine(pixels, matrix, (_SIDE, _SIDE)), scale, square


def landmarks(pixels: np.ndarray, box: Box, points: np.ndarray) -> np.ndarray:
    """(640, 640, 3) RGB uint8: the face with its (n, 2) landmarks, numbered from 1 in their order.

    ``pixels`` are (height, width, 3) RGB uint8; ``box`` and ``points`` are in them.
    """
    from PIL import Image, ImageDraw

    part, scale, square = around(pixels, box)
    image = Image.fromarray(part)
    canvas = ImageDraw.Draw(image)
    radius, size = (7, 24.0) if len(points) <= 10 else (3, 13.0)
    letters = font("0123456789", size)
    for number, (x, y) in enumerate(points.tolist(), start=1):
        x, y = (x - square.left) * scale, (y - square.top) * scale
        dot = (x - radius, y - radius, x + radius, y + radius)
        canvas.ellipse(dot, fill=GREEN, outline=WHITE, width=max(1, radius // 3))
        canvas.text(
            (x + radius + 2, y - size), str(number), fill=WHITE, font=letters, stroke_width=2,
            stroke_fill=(0, 0, 0),
        )  # fmt: skip
    return np.asarray(image)
