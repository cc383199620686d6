"""Boxes with labels, drawn into photos: green round whom we know, red round others."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from openfaceplus.faces import Box

if TYPE_CHECKING:
    import numpy as np

GREEN, RED, WHITE = (0, 140, 60), (200, 30, 30), (255, 255, 255)


@dataclass(frozen=True, slots=True)
class Mark:
    """A box in pixels of the picture, what is written at it (nothing if empty), and its colour."""

    box: Box
    text: str
    known: bool


def draw(pixels: np.ndarray, marks: Iterable[Mark], unit: int | None = None) -> np.ndarray:
    """A copy of (height, width, 3) RGB uint8 pixels with the marks in it.

    Lines are a 300th of ``unit`` wide, by default the picture's longer side, and 2 at least.
    """
    import numpy as np
    from PIL import Image, ImageDraw, ImageFont

    image = Image.fromarray(pixels)
    canvas = ImageDraw.Draw(image)
    width = max(2, (unit or max(image.size)) // 300)
    # Known faces last: where boxes overlap, theirs are on top.
    for mark in sorted(marks, key=lambda mark: mark.known):
        colour = GREEN if mark.known else RED
        left, top, right, bottom = mark.box.rounded()
        # A box that reaches beyond the picture is drawn along its edge.
        left, top = min(max(0, left), image.width - 1), min(max(0, top), image.height - 1)
        right = max(left, min(image.width - 1, right))
        bottom = max(top, min(image.height - 1, bottom))
        canvas.rectangle((left, top, right, bottom), outline=colour, width=width)
        if not mark.text:
            continue
        size = max(11.0, (right - left) / 9)
        font = ImageFont.load_default(size)
        x0, _, x1, y1 = canvas.textbbox((left, bottom), mark.text, font=font)
        pad = width + 1
        # Below the box, or inside it where the photo ends.
        x = max(0, left + min(0, image.width - (x1 + 2 * pad)))
        y = bottom + min(0, image.height - (y1 + 2 * pad))
        canvas.rectangle((x, y, x + x1 - x0 + 2 * pad, y + y1 - bottom + 2 * pad), fill=colour)
        canvas.text((x + pad, y + pad), mark.text, fill=WHITE, font=font)
    return np.asarray(image)
