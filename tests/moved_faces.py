"""Photos as if somebody moved: a head that turns, eyes that shut, a print that is tilted."""

from __future__ import annotations

import cv2
import numpy as np

from openfaceplus.faces import Box, Face

SIDE = 240  # pixels


def _grid(pixels: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    height, width = pixels.shape[:2]
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(height, dtype=np.float32))
    return x, y


def _fetched(pixels: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    x, y = x.astype(np.float32), y.astype(np.float32)
    return cv2.remap(pixels, x, y, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


def level(pixels: np.ndarray, box: Box) -> np.ndarray:
    """A square of ``SIDE`` pixels with the face in its middle, about half as wide."""
    scale = SIDE * 0.55 / box.width
    x = SIDE / 2 - scale * (box.left + box.right) / 2
    y = SIDE / 2 - scale * (box.top + box.bottom) / 2
    matrix = np.array([[scale, 0, x], [0, scale, y]])
    return cv2.warpAffine(
        pixels, matrix, (SIDE, SIDE), flags=cv2.INTER_AREA, borderMode=cv2.BORDER_REPLICATE
    )


def turned(pixels: np.ndarray, box: Box, degrees: float) -> np.ndarray:
    """The face turned some way to the right of the picture: what stands out, which is an egg with
    a nose, moves most."""
    x, y = _grid(pixels)
    across = (x - (box.left + box.right) / 2) / box.width
    down = (y - (box.top + box.bottom) / 2) / box.height
    egg = 0.5 * np.sqrt(np.clip(1 - (across / 0.75) ** 2 - (down / 0.85) ** 2, 0, 1))
    nose = 0.2 * np.exp(-((across / 0.12) ** 2) - ((down - 0.1) / 0.15) ** 2)
    return _fetched(pixels, x - (egg + nose) * np.sin(np.radians(degrees)) * box.width, y)


def tilted(pixels: np.ndarray, degrees: float, distance: float) -> np.ndarray:
    """A print of a photo, turned about an upright axis, ``distance`` of its widths away."""
    height, width = pixels.shape[:2]
    corners = np.array([[0, 0], [width, 0], [width, height], [0, height]], float)
    x, y = (corners - (width / 2, height / 2)).T
    away = x * np.sin(np.radians(degrees)) + distance * width
    seen = np.stack([x * np.cos(np.radians(degrees)), y], 1) / away[:, None] * distance * width
    seen += (width / 2, height / 2)
    matrix = cv2.getPerspectiveTransform(corners.astype(np.float32), seen.astype(np.float32))
    return cv2.warpPerspective(pixels, matrix, (width, height), borderValue=(128,) * 3)


def with_eyes_shut(pixels: np.ndarray, face: Face) -> np.ndarray:
    """The same with both eyes a third as high."""
    assert face.points is not None
    x, y = _grid(pixels)
    moved = y.copy()
    for left, top in face.points[:2]:
        near = ((x - left) / (0.16 * face.box.width)) ** 4
        near += ((y - top) / (0.07 * face.box.width)) ** 4
        moved += np.exp(-near) * 2 * (y - top)
    return _fetched(pixels, x, moved)
