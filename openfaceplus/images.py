"""Finding photos and reading them: upright, RGB, bounded in memory, whatever the file holds."""

from __future__ import annotations

import io
import os
import stat
import struct
import sys
import zlib
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openfaceplus import decoding, hosts
from openfaceplus.decoding import Limits, Photo, unreadable
from openfaceplus.encrypted_files import open_file, opened
from openfaceplus.errors import StorageError, UnreadablePhoto, UnwritablePicture, UsageError
from openfaceplus.files import MARK, atomic_write, shown
from openfaceplus.remote import Location, Remote, location

if TYPE_CHECKING:
    import numpy as np

MAX_PIXELS = 300_000_000
WORKING_PIXELS = 24_000_000

_MOST_A_SIDE = {"JPEG": 65_500, "WEBP": 16_383}
_SOFTWARE = 0x0131  # the EXIF tag
_PNG_HEADER = 8 + 25  # bytes of the signature and the first chunk, IHDR
_TEXT = b"tEXtSoftware\0" + MARK.encode()
_PNG_MARK = struct.pack(">I", len(_TEXT) - 4) + _TEXT + struct.pack(">I", zlib.crc32(_TEXT))
_SYSTEM_FILES = {"thumbs.db", "desktop.ini"}
_NAME = "name a folder that holds one folder of photos for each person"


@dataclass(frozen=True, slots=True)
class PhotoFile:
    """A file found by ``walk``: whose it is, where it lies, and its posix path below the root."""

    person: str
    path: Location
    relative: str


def walk(root: str | os.PathLike[str]) -> list[PhotoFile]:
    """All files of a folder-per-person tree, sorted by person and path in code point order.

    The person is the first folder below ``root``; files directly in ``root`` have person "".
    Hidden files and folders are left out. Links are followed, but each folder is walked once for a
    person. Everything else is listed whatever its ending, and also dead links and folders that may
    not be opened, so that each becomes a row that says why it was not used.

    ``root`` may be the URL of a folder in object storage. Raises UsageError if it is not a folder
    that can be read, StorageError if the storage does not answer.
    """
    root = location(root)
    below = _objects_below(root) if isinstance(root, Remote) else _files_below(root)
    found = []
    for relative, path in below:
        person, slash, _ = relative.partition("/")
        found.append(PhotoFile(person if slash else "", path, relative))
    return sorted(found, key=lambda photo: (photo.person, photo.relative))


def photos_in(paths: Iterable[str | os.PathLike[str]]) -> list[Location]:
    """The photos that a command line names: files as they are, folders with all files below them.

    The order is that of ``paths``, and sorted within each folder. A path that does not exist stays
    in the list: reading it says so.
    """
    photos: list[Location] = []
    for path in map(location, paths):
        photos += sorted(file.path for file in walk(path)) if path.is_dir() else [path]
    return photos


def read_photo(
    path: str | os.PathLike[str],
    *,
    max_pixels: int = MAX_PIXELS,
    working_pixels: int = WORKING_PIXELS,
) -> Photo:
    """Decode a photo: JPEG, PNG, WebP, TIFF, BMP, GIF, PPM, AVIF or JPEG 2000, by path or URL.

    The content decides, not the name; of several frames the first is taken. EXIF orientation is
    applied, transparency is laid on white, 16-bit and float greys are scaled to 8 bits. Colour
    profiles (ICC) are ignored: pixels are taken for sRGB. A photo of more than ``working_pixels``
    is reduced to at most that number, JPEG already while decoding. What decoding takes of memory is
    in docs/performance.md; a large photo waits until so much is free (``memory``).

    Raises UnreadablePhoto (missing, no file, no image, damaged, cut short) and, before any
    decoding, PhotoTooLarge (more than ``max_pixels`` pixels, or more memory than may be taken).
    """
    path = location(path)
    limits = Limits(max_pixels, working_pixels)
    if isinstance(path, Remote):
        try:
            data = path.open()
        except (StorageError, UsageError) as error:
            raise UnreadablePhoto(error.problem + hosts.there(), remedy=error.remedy) from error
        return decoding.decode(opened(data, shown(path)), path, limits)
    try:
        # Opening a pipe would wait for its writer, so look before opening.
        if not stat.S_ISREG(os.stat(path).st_mode):
            kind = "a folder" if path.is_dir() else "a device or pipe"
            raise unreadable(path, f"it is {kind}, not a file", "name a photo file")
        with open_file(path) as file:
            return decoding.decode(file, path, limits)
    except FileNotFoundError as error:
        problem = f"no such file{hosts.there()}"
        raise unreadable(path, problem, "check the name, or the link's target") from error
    except PermissionError as error:
        raise unreadable(path, "permission denied", "make the file readable to you") from error
    except (OSError, ValueError) as error:
        raise unreadable(path, shown(str(error)), "check the name and the disk") from error


def as_photo(
    source: Any, *, max_pixels: int = MAX_PIXELS, working_pixels: int = WORKING_PIXELS
) -> Photo:
    """A Photo of whatever holds one, with the limits and errors of ``read_photo``.

    ``source`` is a path or URL, the bytes of an image file, a binary file object, a PIL image, a
    uint8 array of shape (height, width) or (height, width, 3 or 4) in RGB order, or a Photo
    already. The pixels of a contiguous RGB array are not copied.
    """
    import numpy as np
    from PIL import Image

    limits = Limits(max_pixels, working_pixels)
    if isinstance(source, Photo):
        return source
    if isinstance(source, (str, os.PathLike)):
        return read_photo(source, max_pixels=max_pixels, working_pixels=working_pixels)
    if isinstance(source, np.ndarray):
        _check_array(source)
        if source.ndim == 3 and source.shape[2] == 3:
            return decoding.from_array(np.ascontiguousarray(source), limits)
        source = Image.fromarray(np.ascontiguousarray(source))
    if isinstance(source, Image.Image):
        return decoding.convert(source, limits)
    if hasattr(source, "read"):
        source = source.read()
    if isinstance(source, (bytes, bytearray, memoryview)):
        return decoding.decode(io.BytesIO(source), None, limits)
    remedy = "give a path, the bytes of a file, a PIL image or an array"
    raise unreadable(None, f"{type(source).__name__} is no photo", remedy)


def name_of(source: Any) -> str:
    """What to call a photo in a sentence: its file, or the photo."""
    path = source.path if isinstance(source, Photo) else source
    return shown(path) if isinstance(path, (str, os.PathLike)) else "the photo"


def save_image(path: str | os.PathLike[str], pixels: np.ndarray, *, ours: bool = False) -> None:
    """Write (height, width[, 3]) uint8 RGB pixels atomically in the format of the path's ending.

    It bears a mark, by which ``files.spare`` knows it; ``ours`` as for ``atomic_write``. Raises
    UsageError for an ending without a writer, UnwritablePicture for pixels that the format cannot
    hold, StorageError where writing fails.
    """
    from PIL import Image

    path = Path(path)
    if path.suffix.lower() == ".png":
        return save_png(path, pixels, ours=ours)
    kind = Image.registered_extensions().get(path.suffix.lower())
    if kind not in Image.SAVE:
        raise UsageError(f"{shown(path)}: unknown image ending", remedy="use .png, .jpg or .webp")
    encoded = io.BytesIO()
    try:
        if max(pixels.shape) > _MOST_A_SIDE.get(kind, sys.maxsize):  # libjpeg would print that
            raise ValueError
        Image.fromarray(pixels).save(encoded, kind, quality=95, exif=_marked())
    except (OSError, ValueError) as error:
        raise _unwritable(path, pixels) from error
    with atomic_write(path, ours=ours) as file:
        file.write(encoded.getbuffer())


def save_png(path: str | os.PathLike[str], pixels: np.ndarray, *, ours: bool = False) -> None:
    """Write (height, width[, 3]) uint8 RGB pixels as PNG, atomically and without loss.

    0.7 ms for a 150-pixel chip: OpenCV's settings are twice as fast as the fastest of Pillow's
    that compress, for a file 15% larger. Raises UnwritablePicture and StorageError.
    """
    import cv2

    if pixels.ndim == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2BGR)
    good, encoded = cv2.imencode(".png", pixels)
    if not good:
        raise _unwritable(path, pixels)
    with atomic_write(path, ours=ours) as file:
        file.write(encoded[:_PNG_HEADER])
        file.write(_PNG_MARK)
        file.write(encoded[_PNG_HEADER:])


def _marked() -> Any:
    """EXIF data that say which software wrote a picture."""
    from PIL import Image

    exif = Image.Exif()
    exif[_SOFTWARE] = MARK
    return exif


def _unwritable(path: str | os.PathLike[str], pixels: np.ndarray) -> UnwritablePicture:
    height, width = pixels.shape[:2]
    ending = Path(path).suffix
    return UnwritablePicture(
        f"{shown(path)}: a picture of {width} x {height} pixels cannot be written as {ending}",
        remedy="scale the photo down, or save it as .png",
    )


def _objects_below(root: Remote) -> Iterator[tuple[str, Remote]]:
    """What ``_files_below`` gives, of object storage, where no folder is without an object."""
    nothing = True
    for relative, path in root.below():
        nothing = False
        if not any(map(_is_hidden, relative.split("/"))):
            yield relative, path
    if nothing:
        raise UsageError(f"{shown(root)}: not a folder of photos (nothing is there)", remedy=_NAME)


def _files_below(root: Path) -> Iterator[tuple[str, Path]]:
    """Posix paths, relative to ``root`` and whole, of all that is not hidden and no open folder.

    For each folder directly below ``root``, what links lead to is walked once, by the shortest of
    the ways to it: folders that link to each other have more ways than could ever be walked.
    """
    try:
        os.scandir(root).close()
    except OSError as error:
        raise UsageError(
            f"{shown(root)}: not a folder of photos ({error.strerror})", remedy=_NAME
        ) from error
    pending = deque([""])
    walked: set[tuple[str, int, int]] = set()
    while pending:
        folder = pending.popleft()
        person = folder.partition("/")[0]
        try:
            status = os.stat(root / folder)
            place = status.st_dev, status.st_ino
            if not walked.isdisjoint({(person, *place), ("", *place)}):
                continue
            walked.add((person, *place))
            with os.scandir(root / folder) as entries:
                for entry in sorted(entries, key=lambda entry: entry.name):
                    if _is_hidden(entry.name):
                        continue
                    relative = f"{folder}{entry.name}"
                    if _is_folder(entry):
                        pending.append(f"{relative}/")
                    else:
                        yield relative, root / relative
        except OSError:
            relative = folder.rstrip("/")
            yield relative, root / relative


def _is_hidden(name: str) -> bool:
    return name.startswith(".") or name.lower() in _SYSTEM_FILES


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself
        return False


def _check_array(pixels: np.ndarray) -> None:
    import numpy as np

    good = pixels.ndim == 2 or (pixels.ndim == 3 and pixels.shape[2] in (3, 4))
    if pixels.dtype != np.uint8 or not good or pixels.size == 0:
        raise unreadable(
            None,
            f"an array of {pixels.dtype} and shape {pixels.shape} is no photo",
            "give uint8 of shape (height, width) or (height, width, 3 or 4), in RGB order",
        )
