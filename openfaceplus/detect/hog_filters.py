"""Detectors made of dlib's own frontal-face filters, with another window, overlap rule and pyramid.

``dlib.get_frontal_face_detector()`` is five linear filters of 10x10 HOG cells of 8 pixels, a window
of 80. dlib's Python module cannot change its pyramid or filters, but it can save a detector and
load one: this reads the saved numbers and writes new ones. The layout is that of dlib's
``serialize`` for an ``object_detector`` over ``scan_fhog_pyramid`` (dlib/image_processing, Boost
licence), version 2.
"""

from __future__ import annotations

import math
import tempfile
from pathlib import Path

import dlib
import numpy as np

from openfaceplus.errors import ModelCorrupt, StorageError
from openfaceplus.files import atomic_write

CELLS, PLANES, CELL = 10, 31, 8  # the window in cells, HOG features a cell, pixels a cell
WINDOW = CELLS * CELL
_NAMES = ("propose", "glance", "verify", "full")


def detectors(cache: Path) -> list[dlib.fhog_object_detector]:
    """Four detectors of dlib's filters: proposing (window of 40 pixels, one size), glancing (80,
    one size), verifying (80, three sizes) and dlib's own.

    They are kept as files in the folder ``cache`` (0.5 MB), since dlib takes 0.27 s to unpack its
    detector and 2 ms to load a file; where that cannot be written they are made anew.
    """
    try:
        return _load(cache)
    except RuntimeError:
        made = _variants()
    try:
        _write(cache, made)
        return _load(cache)
    except StorageError:
        with tempfile.TemporaryDirectory() as folder:
            _write(Path(folder), made)
            return _load(Path(folder))


def _paths(folder: Path) -> list[Path]:
    return [folder / f"hog-{name}-{dlib.__version__}.svm" for name in _NAMES]


def _load(folder: Path) -> list[dlib.fhog_object_detector]:
    return [dlib.fhog_object_detector(str(path)) for path in _paths(folder)]


def _write(folder: Path, made: list[bytes]) -> None:
    for path, data in zip(_paths(folder), made, strict=True):
        with atomic_write(path, ours=True) as file:
            file.write(data)


def _variants() -> list[bytes]:
    """The four detectors in dlib's file format."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "detector.svm"
        dlib.get_frontal_face_detector().save(str(path))
        original = path.read_bytes()
    source = _Stream(original)
    # Versions, two of no use here, cell, padding, window, levels, smallest level.
    head = [source.integer() for _ in range(11)]
    regulariser, dimensions = source.real(), source.integer()
    iou, cover = source.real(), source.real()
    if head[4:8] != [CELL, 0, WINDOW, WINDOW] or dimensions != PLANES * CELLS * CELLS:
        raise ModelCorrupt(
            "this dlib's frontal face detector has an unknown layout", remedy="use dlib 20"
        )
    filters = []
    for _ in range(source.integer()):
        rows, columns = source.integer(), source.integer()
        filters.append(np.array([source.real() for _ in range(rows * columns)]))
    made = []
    for n, levels, overlap in ((2, 1, (0.5, 1.0)), (1, 1, (iou, cover)), (1, 3, (iou, cover))):
        cells = CELLS // n
        side = cells * CELL
        target = _Stream()
        target.add(*head[:6], side, side, levels, side // 2, side // 2)
        target.add(regulariser, PLANES * cells**2, *overlap, len(filters))
        for weights in filters:
            summed = weights[:-1].reshape(PLANES, cells, n, cells, n).sum((2, 4)).ravel()
            target.add(-summed.size - 1, -1, *summed.tolist(), float(weights[-1]))
        made.append(bytes(target.data))
    return [*made, original]


class _Stream:
    """dlib's portable numbers: a control byte (sign, byte count), then little-endian bytes."""

    def __init__(self, data: bytes = b"") -> None:
        self.data, self.at = bytearray(data), 0

    def integer(self) -> int:
        control = self.data[self.at]
        end = self.at + 1 + (control & 15)
        value = int.from_bytes(self.data[self.at + 1 : end], "little")
        self.at = end
        return -value if control & 128 else value

    def real(self) -> float:
        return math.ldexp(self.integer(), self.integer())

    def add(self, *values: float) -> None:
        """Append integers as integers and floats as mantissa and exponent."""
        for value in values:
            if isinstance(value, float):
                mantissa, exponent = math.frexp(value)
                self.add(int(mantissa * 2**53), exponent - 53)
            else:
                size = max(1, (abs(value).bit_length() + 7) // 8)
                self.data.append(size | (128 if value < 0 else 0))
                self.data += abs(value).to_bytes(size, "little")
