"""Reads classifiers of format 2: plain trees that joblib wrote, their arrays among the opcodes.

An array's bytes follow its description in the stream (layout as in joblib since 1.2: one byte
with the padding's length, the padding, the data in C order). Source: joblib/numpy_pickle.py.
"""

from __future__ import annotations

import math
from typing import Any, BinaryIO

from openfaceplus.weights import arrays
from openfaceplus.weights.inert import Bounded, Foreign, Known, Pickle

_NDARRAY = Known()
_FIXED = {"subclass": _NDARRAY, "order": "C", "numpy_array_alignment_bytes": 16}
_FREE = {"shape", "dtype", "allow_mmap"}


class _Wrapper:
    """Stands where an array will, until its description is complete."""


class _DType:
    def __init__(self, code: Any, align: Any, copy: Any) -> None:
        self.code, self.order = code, None


def read(file: BinaryIO, size: int) -> Any:
    """The tree in ``file`` of ``size`` bytes; what is not plain in it the caller must refuse.

    Raises ``Foreign``, or one of ``inert.DAMAGE``.
    """
    stream = Bounded(file, size)

    def build(target: Any, state: Any) -> Any:
        if type(target) is _DType and type(state) is tuple and len(state) == 8:
            target.order = state[1]  # the rest follows from the code, or is for structured types
            return target
        if type(target) is _Wrapper and type(state) is dict:
            return _array(state, stream)
        raise ValueError("a state that belongs to no array")

    known = {
        "joblib.numpy_pickle.NumpyArrayWrapper": Known(_Wrapper),
        "numpy.ndarray": _NDARRAY,
        "numpy.dtype": Known(_DType),
    }
    tree = Pickle(stream, known, build).read()
    if stream.left:
        raise ValueError(f"{stream.left} bytes follow its end")
    return tree


def _array(wrapper: dict[str, Any], stream: Bounded) -> Any:
    dtype, shape = wrapper.get("dtype"), wrapper.get("shape")
    if type(dtype) is not _DType or type(dtype.code) is not str or type(shape) is not tuple:
        raise ValueError("an array without dtype or shape")
    if dtype.code.startswith("O"):
        raise Foreign("an array of Python objects")
    if {key: wrapper[key] for key in wrapper.keys() - _FREE} != _FIXED:
        raise ValueError("an array is laid out as openfaceplus never did")
    layout = f"{dtype.order}{dtype.code}"
    width = arrays.view(layout, (0,), b"", 0).itemsize
    stream.read(stream.read(1)[0])  # padding
    if any(type(side) is not int for side in shape):
        raise ValueError("an array of impossible shape")
    return arrays.view(layout, shape, stream.read(math.prod(shape) * width), 0)
