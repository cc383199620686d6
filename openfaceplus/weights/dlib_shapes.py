"""Checks dlib's shape predictors (``.dat``), whose indices dlib itself follows unchecked.

Integers are as in ``dlib_dat``; a float is two of them (mantissa and exponent), a vector its length
and its elements, a matrix its negated sides and its elements. Source: dlib 19's
image_processing/shape_predictor.h.
"""

from __future__ import annotations

from collections.abc import Callable

from openfaceplus.weights.source import read_regular


class _Reader:
    def __init__(self, data: bytes) -> None:
        self.data, self.at = data, 0

    def integer(self) -> int:
        control = self.data[self.at]
        start, self.at = self.at + 1, self.at + 1 + (control & 0x0F)
        value = int.from_bytes(self.data[start : self.at], "little")
        return -value if control & 0x80 else value

    def skip_floats(self, count: int) -> None:
        data, at = self.data, self.at
        for _ in range(2 * count):
            at += 1 + (data[at] & 0x0F)
        self.at = at

    def vector(self, read: Callable[[], object]) -> int:
        """Read its elements; returns how many there are."""
        count = self.integer()
        for _ in range(count):
            read()
        return count

    def matrix(self) -> int:
        """The rows of a matrix of one column, which is skipped."""
        rows, columns = self.integer(), self.integer()
        _require(rows < 0 and columns == -1)
        self.skip_floats(-rows)
        return -rows


def check(path: str) -> None:
    """Raises ValueError or IndexError where the file is no such predictor or points outside it."""
    reader = _Reader(read_regular(path))
    _require(reader.integer() == 1)
    numbers = reader.matrix()
    largest: list[int] = []  # index of a pixel that each cascade asks for

    def split() -> None:
        for _ in range(2):
            index = reader.integer()
            _require(index >= 0)
            largest[-1] = max(largest[-1], index)
        reader.skip_floats(1)

    def tree() -> None:
        splits = reader.vector(split)
        leaves = reader.vector(lambda: _require(reader.matrix() == numbers))
        # Child nodes are numbered as in a heap, so the tree must be a whole one.
        _require(leaves == splits + 1 and leaves & splits == 0)

    def forest() -> None:
        largest.append(-1)
        reader.vector(tree)

    def anchor() -> None:
        _require(0 <= reader.integer() < numbers // 2)

    _require(reader.vector(forest) == reader.integer() == len(largest))
    pixels = [reader.vector(anchor) for _ in largest]
    _require(reader.integer() == len(largest))
    deltas = [reader.vector(lambda: reader.skip_floats(2)) for _ in largest]
    _require(pixels == deltas and all(a < b for a, b in zip(largest, pixels, strict=True)))
    _require(reader.at == len(reader.data) and numbers % 2 == 0)


def _require(sound: bool) -> None:
    if not sound:
        raise ValueError("no shape predictor of dlib")
