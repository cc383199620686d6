"""From the bytes of an image file, whatever they hold, to upright RGB pixels in bounded memory."""

from __future__ import annotations

import contextlib
import importlib
import math
import re
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import IO, TYPE_CHECKING, Any

from openfaceplus import developing, memory
from openfaceplus.errors import PhotoTooLarge, UnreadablePhoto
from openfaceplus.files import shown
from openfaceplus.remote import Location

if TYPE_CHECKING:
    import numpy as np
    from PIL import Image

# Pillow's plugins by the first bytes of a file. Image.open is not used: it would try some forty
# formats, run Ghostscript on PostScript, and judge size by a limit that only a global can change.
_CODECS = {
    "Jpeg": rb"\xff\xd8\xff",
    "Png": rb"\x89PNG\r\n\x1a\n",
    "WebP": rb"RIFF....WEBP",
    "Tiff": rb"II[*+]\x00|MM\x00[*+]",
    "Gif": rb"GIF8[79]a",
    "Bmp": rb"BM",
    "Ppm": rb"P[1-6fF][\s#]",
    "Avif": rb"....ftypavi[fs]",
    "Jpeg2K": rb"\xff\x4f\xff\x51|\x00\x00\x00\x0cjP  \r\n\x87\n",
}
_SIGNATURES = {codec: re.compile(start, re.DOTALL) for codec, start in _CODECS.items()}
_HEIF = re.compile(rb"....ftyp(hei|hev|mif1|msf1)", re.DOTALL)

# What Pillow raises on damaged files; Warning is there for those who turn warnings into errors.
_ERRORS = (
    OSError, SyntaxError, ValueError, TypeError, LookupError, AttributeError, EOFError,
    RuntimeError, ArithmeticError, AssertionError, BufferError, ImportError, struct.error,
    zlib.error, Warning,
)  # fmt: skip

_ORIENTATION = 0x0112  # the EXIF tag


@dataclass(frozen=True, slots=True, eq=False)
class Photo:
    """A decoded photo.

    ``pixels`` is (height, width, 3) RGB uint8, C-contiguous, upright. ``width`` and ``height`` are
    those of the upright photo at full size; ``scale`` is how many of its pixels one working pixel
    spans: 1.0 unless the photo was reduced. ``path`` is None if it did not come from a file.
    """

    pixels: np.ndarray = field(repr=False)
    scale: float
    width: int
    height: int
    path: Location | None = None


@dataclass(frozen=True, slots=True)
class Limits:
    """In pixels: what is refused beyond ``most``, and what is reduced to ``working``."""

    most: int
    working: int


def decode(file: IO[bytes], path: Location | None, limits: Limits) -> Photo:
    """Decode the first frame of an image file. Raises UnreadablePhoto and PhotoTooLarge."""
    with _decoding(path):
        start = file.read(16)
        file.seek(0)
        codec = next((name for name, known in _SIGNATURES.items() if known.match(start)), None)
        if codec:
            plugin = importlib.import_module(f"PIL.{codec}ImagePlugin")
            return _develop(getattr(plugin, f"{codec}ImageFile")(file), path, limits)
    if not start:
        raise unreadable(path, "the file is empty", "copy it again from its source")
    if _HEIF.match(start):
        raise unreadable(path, "HEIC is not supported", "export the photo as JPEG")
    raise unreadable(path, "not an image of a known format", "convert it to JPEG or PNG")


def convert(image: Image.Image, limits: Limits) -> Photo:
    """The same for a PIL image, which is left as it is."""
    with _decoding(None):
        _refuse(image.size, None, limits)
        return _develop(image.copy(), None, limits)


def from_array(pixels: np.ndarray, limits: Limits) -> Photo:
    """The same for contiguous RGB pixels, which are not copied unless they are reduced, and cannot
    be written to by way of the photo."""
    height, width = pixels.shape[:2]
    _refuse((width, height), None, limits)
    reduction, target = _reduction(width, height, limits)
    if reduction == 1:
        pixels = pixels.view()
        pixels.flags.writeable = False
        return Photo(pixels, 1.0, width, height)
    import cv2

    smaller = cv2.resize(pixels, target, interpolation=cv2.INTER_AREA)
    return Photo(smaller, max(width, height) / max(target), width, height)


def unreadable(path: Location | None, reason: str, remedy: str) -> UnreadablePhoto:
    """The error for a photo that cannot be used, as one line."""
    return UnreadablePhoto(f"{_name(path)}: {reason}", remedy=remedy)


def _name(path: Location | None) -> str:
    return "the photo" if path is None else shown(path)


@contextlib.contextmanager
def _decoding(path: Location | None) -> Iterator[None]:
    from PIL.Image import DecompressionBombError, DecompressionBombWarning

    try:
        yield
    except (DecompressionBombError, DecompressionBombWarning) as error:
        message = f"{_name(path)}: more pixels than Pillow decodes in this format"
        raise PhotoTooLarge(message, remedy="save it smaller") from error
    except MemoryError as error:
        raise unreadable(path, "not enough memory to decode it", "save it smaller") from error
    except _ERRORS as error:
        reason = shown(str(error)) or type(error).__name__
        remedy = "the file seems damaged: copy it again from its source"
        raise unreadable(path, f"cannot be decoded ({reason})", remedy) from error


def _refuse(size: tuple[int, int], path: Location | None, limits: Limits) -> None:
    """Raise for what is too large or empty; nothing has been decoded yet."""
    width, height = size
    pixels = width * height
    if pixels == 0:
        raise unreadable(path, "it has no pixels", "give another photo")
    if pixels > limits.most:
        raise PhotoTooLarge(
            f"{_name(path)}: {width} x {height} is {pixels / 1e6:.1f} megapixels, over the limit "
            f"of {limits.most / 1e6:.1f}",
            remedy=f"allow {pixels} pixels",
            field="max_pixels",
        )


def _reduction(width: int, height: int, limits: Limits) -> tuple[float, tuple[int, int]]:
    """How much a photo is reduced, 1 at least, and its size then."""
    reduction = math.sqrt(max(1.0, width * height / limits.working))
    return reduction, (max(1, int(width / reduction)), max(1, int(height / reduction)))


def _develop(image: Image.Image, path: Location | None, limits: Limits) -> Photo:
    """Decode, and then strip by strip make RGB and reduce, so that only the decoder's own pixels
    and the result fill memory."""
    _refuse(image.size, path, limits)
    width, height = image.size
    reduction, target = _reduction(width, height, limits)
    if reduction > 1:
        image.draft(None, target)  # JPEG decodes at a half, a quarter or an eighth
    with memory.reserved(developing.needed(image, (width, height), target), _name(path)):
        _load(image)
        orientation = _orientation(image)
        smaller = image.width > target[0] or image.height > target[1]
        pixels = developing.rgb(image, target if smaller else image.size)
        scale = max(width, height) / max(pixels.shape[:2]) if reduction > 1 else 1.0
        image.close()  # and so free its pixels
        if orientation >= 5:
            width, height = height, width
        return Photo(developing.upright(pixels, orientation), scale, width, height, path)


def _load(image: Image.Image) -> None:
    from PIL import Image

    if image.format == "TIFF" and image.width * image.height > (Image.MAX_IMAGE_PIXELS or math.inf):
        # Given its memory beforehand, the plugin does not apply Pillow's own, global limit.
        tags: Any = image
        turned = tags.tag_v2.get(_ORIENTATION, 1) in (5, 6, 7, 8)
        size = image.size[::-1] if turned else image.size
        image.im = Image.new(image.mode, size).im
    image.load()


def _orientation(image: Image.Image) -> int:
    """EXIF orientation, 1 to 8. Damaged EXIF data do not make a photo unusable: upright then."""
    try:
        # Pillow turns TIFF itself, and says 1 here.
        orientation = image.getexif().get(_ORIENTATION, 1)
        return orientation if orientation in range(1, 9) else 1
    except _ERRORS:
        return 1
