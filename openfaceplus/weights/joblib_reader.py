"""Reads classifiers of format 2: plain trees that joblib wrote, their arrays among the opcodes.

An array's bytes follow its description in the stream (layout as in joblib since 1.2: one byte
with the padding's length, the padding, the data in C order). Source: joblib/numpy_pickle.py.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

from openfaceplus.weights import arrays
from openfaceplus.weights.inert import Foreign, Pickle

_NDARRAY = object()
_FIXED = {"subclass": _NDARRAY, "order": "C", "numpy_array_alignment_bytes": 16}


class _Wrapper:
    """Stands where an array will, until its description is complete."""


class _DType:
    def __init__(self, code: Any, align: Any, copy: Any) -> None:
        self.code, self.order = code, None


class Joblib(Pickle):
    """A tree; what is not plain in it the caller must refuse."""

    known: ClassVar = {
        "joblib.numpy_pickle.NumpyArrayWrapper": _Wrapper,
        "numpy.ndarray": _NDARRAY,
        "numpy.dtype": _DType,
    }

    def build(self, target: Any, state: Any) -> Any:
        if type(target) is _DType and type(state) is tuple and len(state) == 8:
            target.order = state[1]  # the rest follows from the code, or is for structured types
            return target
        if type(target) is _Wrapper and type(state) is dict:
            return self.array(**state)
        return super().build(target, state)

    def array(self, dtype: Any, shape: Any, allow_mmap: Any, **layout: Any) -> Any:
        if dtype.code.startswith("O"):
            raise Foreign("an array of Python objects")
        if layout != _FIXED:
            raise ValueError("an array is laid out as openfaceplus never did")
        code = f"{dtype.order}{dtype.code}"
        size = arrays.check(code, shape).itemsize * math.prod(shape)
        self.stream.read(self.stream.read(1)[0])  # padding
        return arrays.view(code, shape, self.stream.read(size), 0)
