"""A decoded image of any mode to RGB pixels, strip by strip, and what memory that takes."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

_STRIP = 1_000_000  # pixels that are converted at once
_FIXED = 32 << 20  # bytes that such a strip takes
_STORED = {"1": 1, "L": 1, "P": 1, "I;16": 2, "I;16B": 2, "I;16L": 2, "I;16N": 2}
_STORED_ELSE = 4  # bytes a pixel, of RGB too
# What decoders take beside that until they are done, as measured; TIFF for a single large strip.
_DECODER = {"WEBP": 13, "AVIF": 12, "JPEG2000": 20, "TIFF": 4}


def needed(image: Image.Image, full: tuple[int, int], size: tuple[int, int]) -> int:
    """The most bytes that it takes to decode an image and make RGB pixels of that ``size`` of it.

    ``image`` is not decoded yet; it is smaller than ``full`` where JPEG is to be decoded so.
    """
    pixels = image.width * image.height
    decoder = _DECODER.get(image.format or "", 0) * pixels
    if "progressive" in image.info:  # JPEG; each coefficient is kept, in two bytes, until the end
        decoder = round(2 * _samples(image) * full[0] * full[1])
    result = 3 * size[0] * size[1]
    return _STORED.get(image.mode, _STORED_ELSE) * pixels + max(decoder, result) + _FIXED


def _samples(image: Any) -> float:
    """How many values JPEG has for each pixel: 3 in colour, less where colour is coarser."""
    areas = [across * down for _, across, down, _ in image.layer]
    return float(sum(areas) / max(areas))


def rgb(image: Image.Image, size: tuple[int, int]) -> np.ndarray:
    """(height, width, 3) RGB uint8 of that size, no larger than the image, of any mode."""
    import numpy as np
    from PIL.Image import Resampling

    levels = _levels(image)
    width, height = size
    pixels = np.empty((height, width, 3), np.uint8)
    ratio = image.height / height
    rows = max(1, int(_STRIP / (image.width * ratio)))
    for start in range(0, height, rows):
        end = min(start + rows, height)
        if size == image.size:
            strip = _rows(image, start, end)
            pixels[start:end] = np.asarray(_opaque(_eight_bits(strip, levels)))
            continue
        # What lies beyond the strip's edges has a part in its outer rows.
        first, last = max(0, start - 2), min(end + 2, height)
        top, bottom = math.floor(first * ratio), min(math.ceil(last * ratio), image.height)
        strip = _eight_bits(_rows(image, top, bottom), levels)
        box = (0, first * ratio - top, image.width, min(last * ratio, image.height) - top)
        strip = strip.resize((width, last - first), Resampling.HAMMING, box, reducing_gap=2.0)
        pixels[start:end] = np.asarray(_opaque(strip))[start - first : end - first]
    return pixels


def upright(pixels: np.ndarray, orientation: int) -> np.ndarray:
    """(height, width, 3) pixels turned upright by the EXIF orientation, 1 to 8; contiguous."""
    import numpy as np

    if orientation >= 5:
        pixels = pixels.transpose(1, 0, 2)
    if orientation in (2, 3, 6, 7):
        pixels = pixels[:, ::-1]
    if orientation in (3, 4, 7, 8):
        pixels = pixels[::-1]
    return np.ascontiguousarray(pixels)


def _eight_bits(image: Image.Image, levels: tuple[float, float] | None) -> Image.Image:
    """8 bits a channel, continuous tones: what can be resized and then made RGB."""
    import numpy as np
    from PIL import Image

    if image.mode in ("1", "P", "PA"):
        return image.convert("RGBA" if image.has_transparency_data else "RGB")
    if levels is not None:
        values = np.asarray(image)
        if values.dtype.kind == "f":
            values = np.where(np.isfinite(values), values, np.float32(0))
        start, span = levels
        scaled = np.subtract(values, start, dtype=np.float32)
        scaled *= 255 / span
        return Image.fromarray(np.rint(scaled, out=scaled).astype(np.uint8))
    if image.mode in ("L", "RGB") and "transparency" in image.info:  # one colour is transparent
        return image.convert("RGBA")
    return image


def _levels(image: Image.Image) -> tuple[float, float] | None:
    """Which grey of 16 bits or more is black, and how far white is from it, by the range of their
    kind and not their own; None for 8 bits.

    Integers count to 65535, floats to 1, 255 or 65535, the least that holds them all. What fits
    none of these (elevations, negative values) is stretched from its minimum to its maximum.
    """
    import numpy as np

    if image.mode != "F" and not image.mode.startswith("I"):
        return None
    low, high, kind = math.inf, -math.inf, ""
    rows = max(1, _STRIP // image.width)
    for start in range(0, image.height, rows):
        end = min(start + rows, image.height)
        values = np.asarray(_rows(image, start, end))
        kind = values.dtype.kind
        if kind == "f":
            values = np.where(np.isfinite(values), values, np.float32(0))
        low, high = min(low, float(values.min())), max(high, float(values.max()))
    tops = (1.0, 255.0, 65535.0) if kind == "f" else (65535.0,)
    top = next((top for top in tops if low >= 0 and high <= top), None)
    return (0.0, top) if top else (low, high - low or 1.0)


def _rows(image: Image.Image, start: int, end: int) -> Image.Image:
    whole = end - start == image.height
    return image if whole else image.crop((0, start, image.width, end))


def _opaque(image: Image.Image) -> Image.Image:
    """RGB of any 8-bit mode; what shines through is white."""
    from PIL import Image

    if image.mode == "RGB":
        return image
    if not image.has_transparency_data:
        return image.convert("RGB")
    image = image.convert("RGBA")
    white = Image.new("RGB", image.size, "white")
    white.paste(image, mask=image)
    return white
