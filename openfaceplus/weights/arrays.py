"""Arrays over the bytes of a file, every bound checked before anything is made."""

from __future__ import annotations

import math
import re
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

_DTYPE = re.compile(r"\|b1|[<|][iu]1|<[iu][248]|<f[248]|<U[1-9][0-9]{0,8}")
_DIMENSIONS = 32


def check(dtype: Any, shape: Any) -> np.dtype:
    """The dtype of such an array. Raises ValueError or TypeError where there can be none."""
    import numpy as np

    if type(dtype) is not str or not _DTYPE.fullmatch(dtype):
        raise ValueError(f"an array of dtype {dtype!r:.20}")
    if len(shape) > _DIMENSIONS or any(type(side) is not int or side < 0 for side in shape):
        raise ValueError("an array of impossible shape")
    return np.dtype(dtype)


def view(dtype: Any, shape: Any, data: Any, start: Any) -> np.ndarray:
    """The array of numbers, booleans or strings that lies in ``data`` from ``start``; no copy.

    ``data`` is bytes or a mapped file. Raises ValueError or TypeError where it does not fit.
    """
    import numpy as np

    kind, count = check(dtype, shape), math.prod(shape)
    if type(start) is not int or not 0 <= start <= len(data) - count * kind.itemsize:
        raise ValueError("an array reaches beyond the file")
    if not count:  # NumPy takes no empty buffer
        array = np.empty(shape, kind)
        array.setflags(write=False)
        return array
    array = np.frombuffer(data, kind, count, start).reshape(shape)
    # Bit patterns that no writer makes and that later code would trip over.
    if kind.kind == "b" and array.view(np.uint8).max() > 1:
        raise ValueError("a boolean that is neither true nor false")
    if kind.kind == "U" and array.reshape(-1).view(np.uint32).max() > 0x10FFFF:
        raise ValueError("a character beyond Unicode")
    return array


def plain(array: Any) -> np.ndarray:
    """The array as ``view`` reads it: C order, little-endian; TypeError for other data."""
    import numpy as np

    kind = type(array)
    if kind is not np.ndarray:
        raise TypeError(
            f"{kind.__module__}.{kind.__qualname__} is not plain data, or too large or too deep"
        )
    dtype = array.dtype
    if dtype.kind not in "biufU" or not dtype.itemsize or dtype.metadata or dtype.char == "g":
        raise TypeError(f"an array of {dtype} is not plain data")
    return np.asarray(array, dtype=dtype.newbyteorder("<"), order="C")
