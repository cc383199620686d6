"""Boxes with labels, drawn into photos: green round whom we know, red round others."""

from __future__ import annotations

import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from openfaceplus.faces import Box
from openfaceplus.files import shown

if TYPE_CHECKING:
    import numpy as np

GREEN, RED, WHITE = (0, 140, 60), (200, 30, 30), (255, 255, 255)
_NUMBERS = "0123456789.[]"  # what labels hold beside names


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
    from PIL import Image, ImageDraw

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
        letters = font(mark.text, max(11.0, (right - left) / 9))
        x0, y0, x1, y1 = canvas.textbbox((left, bottom), mark.text, font=letters)
        pad = width + 1
        # Below the box, or inside it where the photo ends.
        x = max(0, left + min(0, image.width - (x1 - x0 + left + 2 * pad)))
        y = bottom + min(0, image.height - (y1 - y0 + bottom + 2 * pad))
        canvas.rectangle((x, y, x + x1 - x0 + 2 * pad, y + y1 - y0 + 2 * pad), fill=colour)
        canvas.text(
            (x + pad + left - x0, y + pad + bottom - y0), mark.text, fill=WHITE, font=letters
        )
    return np.asarray(image)


def legend(names: Iterable[str]) -> dict[str, str]:
    """What stands in pictures for those names that no font here can write: ``[1]``, ``[2]``, ..."""
    distinct = dict.fromkeys(names)
    unwritable = [name for name in distinct if _font_file(shown(name) + _NUMBERS) is None]
    return {name: f"[{number}]" for number, name in enumerate(unwritable, 1)}


def font(text: str, size: float) -> Any:
    """A Pillow font of that many pixels with the text's glyphs, as far as one here has them."""
    from PIL import ImageFont

    file, index = _font_file(text) or _bundled()
    return ImageFont.truetype(file, size, index)


@lru_cache(maxsize=1024)
def _font_file(text: str) -> tuple[str, int] | None:
    """File and number in it of a font with all of a text's glyphs; None if there is none.

    Open Sans, which pip brings, has Latin, Greek and Cyrillic; for the rest fontconfig is asked.
    """
    ours = _bundled()
    if not _missing(ours, text):
        return ours
    system = _system_font("".join(sorted(set(text))))
    return system if system and not _missing(system, text) else None


def _bundled() -> tuple[str, int]:
    from ttf_opensans import OPENSANS_SEMIBOLD

    return str(OPENSANS_SEMIBOLD.path), 0


def _missing(font: tuple[str, int], text: str) -> str:
    """The characters of a text that a font lacks, which it draws as it draws any it cannot have."""
    from PIL import ImageFont

    try:
        loaded = ImageFont.truetype(font[0], 24, font[1], layout_engine=ImageFont.Layout.BASIC)
        nothing = _drawn(loaded, "\U0010ffff")
        return "".join(c for c in set(text) if not c.isspace() and _drawn(loaded, c) == nothing)
    except OSError:
        return text  # not a font that scales


def _drawn(font: Any, character: str) -> tuple[object, bytes]:
    mask = font.getmask(character)
    return mask.size, bytes(mask)


@lru_cache(maxsize=256)
def _system_font(characters: str) -> tuple[str, int] | None:
    """What fontconfig, if it is here, takes for best for these characters."""
    wanted = " ".join(f"{ord(c):x}" for c in characters)
    command = ["fc-match", "--format=%{index} %{file}", f"sans:charset={wanted}"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    index, _, file = said.stdout.partition(" ")
    # The upper half of the number is an instance of a variable font.
    return (file, int(index) & 0xFFFF) if index.isdigit() and file else None
