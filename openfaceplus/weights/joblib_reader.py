"""Reads joblib files of plain trees with a stack machine that has no way to call anything.

A pickle is a program. Of pickle's opcodes this machine has those that joblib needs for plain
data and its arrays; globals are compared as text with the three names that joblib writes for an
array (its wrapper, ``numpy.ndarray``, ``numpy.dtype``) and stand for nothing but themselves:
nothing is imported or looked up. An array's bytes follow its wrapper in the stream (layout as in
joblib since 1.2: one byte with the padding's length, the padding, the data in C order). Nothing
is allocated that the bytes left in the file could not fill.

Sources: CPython's Lib/pickletools.py for the opcodes, joblib/numpy_pickle.py for the layout.
"""

from __future__ import annotations

import io
import math
import os
import pickle
import re
import struct
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NoReturn


class Foreign(Exception):
    """The stream asks for something that would be run; the text names it."""


class Malformed(Exception):
    """The stream is cut off, or no joblib file of a plain tree."""


def read(file: io.BufferedReader) -> Any:
    """The object in ``file`` (a real one), from its position to its end.

    The result is made of dict, list, tuple, str, bytes, int, float, bool, None and arrays, and in
    a forged file of this module's inert marks, which the caller must refuse. No container stands
    in two places. Raises ``Foreign`` or ``Malformed``, and ``OSError`` from the file itself.
    """
    return _Machine(file).run()


@dataclass(frozen=True, slots=True)
class _Global:
    name: str


_WRAPPER = _Global("joblib.numpy_pickle.NumpyArrayWrapper")
_NDARRAY = _Global("numpy.ndarray")
_DTYPE = _Global("numpy.dtype")
_KNOWN = {known.name: known for known in (_WRAPPER, _NDARRAY, _DTYPE)}


class _Wrapper:
    """Stands where an array will, until its description is complete."""


@dataclass(slots=True)
class _DType:
    code: Any  # "f4", "U12"
    order: Any = None  # "<", ">", "|", "=" once BUILD has set it


_CODE = re.compile(r"b1|[iu][1248]|f[248]|U[1-9][0-9]{0,8}")
_WRAPPER_KEYS = frozenset(
    ("subclass", "shape", "order", "dtype", "allow_mmap", "numpy_array_alignment_bytes")
)
_ALIGNMENT = 16  # bytes
_LONGEST = 10_000_000  # opcodes; one byte of file can make 64 of memory
_DIMENSIONS = 32
_RUNNING = ("OBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID")
_RUNS = {getattr(pickle, name): name for name in _RUNNING}


class _Machine:
    """Opcodes are methods or entries of ``_STEPS``; stack, marks and memo as in pickle."""

    def __init__(self, file: io.BufferedReader) -> None:
        self.file = file
        self.left = os.fstat(file.fileno()).st_size - file.tell()  # bytes
        self.stack: list[Any] = []
        self.marks: list[int] = []  # heights of the stack
        self.memo: list[Any] = []

    def run(self) -> Any:
        try:
            for _ in range(_LONGEST):
                opcode = self.take(1)
                if opcode == pickle.STOP:
                    break
                step = _STEPS.get(opcode)
                if step is None:
                    self.refuse(opcode)
                step(self)
            else:
                raise Malformed("too many values outside arrays")
            (result,) = self.stack
        except (IndexError, ValueError, TypeError, MemoryError) as error:
            raise Malformed(str(error) or type(error).__name__) from error
        if self.left:
            raise Malformed(f"{self.left} bytes follow its end")
        return result

    def refuse(self, opcode: bytes) -> NoReturn:
        if opcode in {pickle.GLOBAL, pickle.INST}:
            line = self.file.read(min(self.left, 512)).decode("utf-8", "replace")
            raise Foreign(".".join(line.split("\n")[:2]))
        if opcode in _RUNS:
            raise Foreign(f"pickle opcode {_RUNS[opcode]}")
        raise Malformed(f"opcode {opcode!r} is not one that openfaceplus writes")

    # Reading: what a file announces it must also hold, which is checked before any allocation.

    def take(self, count: int) -> bytes:
        self.spend(count)
        data = self.file.read(count)
        if len(data) != count:
            raise Malformed("the file shrank while it was read")
        return data

    def spend(self, count: int) -> None:
        if count > self.left:
            raise Malformed(f"cut off: {count} bytes announced, {self.left} left")
        self.left -= count

    def number(self, layout: str) -> Any:
        (value,) = struct.unpack(layout, self.take(struct.calcsize(layout)))
        return value

    # Containers

    def pop(self, count: int) -> list[Any]:
        if count > len(self.stack):
            raise Malformed("its stack runs empty")
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def pop_mark(self) -> list[Any]:
        height = self.marks.pop()
        items = self.stack[height:]
        del self.stack[height:]
        return items

    def extend(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise Malformed("items without a list")
        self.stack[-1].extend(items)

    def update(self, items: list[Any]) -> None:
        keys = items[::2]
        # Numbers as keys could be made to share one hash: a dict of those takes quadratic time.
        if type(self.stack[-1]) is not dict or any(type(key) is not str for key in keys):
            raise Malformed("a dict's keys must be str")
        self.stack[-1].update(zip(keys, items[1::2], strict=True))

    def recall(self, index: int) -> None:
        value = self.memo[index]
        # Containers met twice could make cycles, or trees exponentially larger than the file.
        if type(value) not in {str, bytes, _Global, _DType}:
            raise Malformed("it refers to a container twice")
        self.stack.append(value)

    # Arrays

    def push_global(self) -> None:
        module, name = self.pop(2)
        if type(module) is not str or type(name) is not str:
            raise Malformed("a global without a name")
        full = f"{module}.{name}"
        if full not in _KNOWN:
            raise Foreign(full)
        self.stack.append(_KNOWN[full])

    def new_object(self) -> None:
        kind, arguments = self.pop(2)
        if kind is not _WRAPPER or type(arguments) is not tuple or arguments:
            raise Malformed("an object that is no array")
        self.stack.append(_Wrapper())

    def reduce(self) -> None:
        function, arguments = self.pop(2)
        # NumPy pickles a dtype as dtype(code, align=False, copy=True) and a state.
        if function is not _DTYPE or type(arguments) is not tuple or len(arguments) != 3:
            raise Malformed("a call that makes no dtype")
        self.stack.append(_DType(arguments[0]))

    def build(self) -> None:
        target, state = self.pop(2)
        if type(target) is _DType and type(state) is tuple and len(state) == 8:
            target.order = state[1]  # the rest follows from the code, or is for structured types
            self.stack.append(target)
        elif type(target) is _Wrapper and type(state) is dict:
            self.stack.append(self.array(state))
        else:
            raise Malformed("a state that belongs to no array")

    def array(self, wrapper: dict[str, Any]) -> Any:
        import numpy as np

        if wrapper.keys() != _WRAPPER_KEYS:
            raise Malformed("an array is not described as joblib does")
        dtype, shape = wrapper["dtype"], wrapper["shape"]
        if type(dtype) is not _DType or type(dtype.code) is not str or type(dtype.order) is not str:
            raise Malformed("an array without dtype")
        if dtype.code.startswith("O"):
            raise Foreign("an array of Python objects")
        if not _CODE.fullmatch(dtype.code) or dtype.order not in {"<", ">", "|", "="}:
            raise Malformed(f"an array of dtype {dtype.code[:20]!r}")
        if (
            wrapper["subclass"] is not _NDARRAY
            or wrapper["order"] != "C"
            or wrapper["numpy_array_alignment_bytes"] != _ALIGNMENT
            or type(shape) is not tuple
            or len(shape) > _DIMENSIONS
            or any(type(side) is not int or side < 0 for side in shape)
        ):
            raise Malformed("an array is laid out as openfaceplus never does")
        stored = np.dtype(dtype.order + dtype.code)
        self.take(self.number("B"))  # padding
        size = math.prod(shape) * stored.itemsize
        self.spend(size)
        array = np.empty(shape, stored)
        if size:
            if self.file.readinto(array.reshape(-1).view(np.uint8).data) != size:
                raise Malformed("the file shrank while it was read")
            array = array.astype(stored.newbyteorder("="), copy=False)
            _check_values(array)
        return array


def _check_values(array: Any) -> None:
    """Bit patterns that no writer makes and that later code would trip over."""
    import numpy as np

    if array.dtype.kind == "b" and array.view(np.uint8).max() > 1:
        raise Malformed("a boolean that is neither true nor false")
    if array.dtype.kind == "U" and array.reshape(-1).view(np.uint32).max() > 0x10FFFF:
        raise Malformed("a character beyond Unicode")


_Step = Callable[[_Machine], Any]


def _push(make: _Step) -> _Step:
    return lambda m: m.stack.append(make(m))


def _string(layout: str) -> _Step:
    return _push(lambda m: m.take(m.number(layout)).decode("utf-8", "surrogatepass"))


def _bytes(layout: str) -> _Step:
    return _push(lambda m: m.take(m.number(layout)))


_STEPS: dict[bytes, _Step] = {
    pickle.PROTO: lambda m: m.take(1),
    pickle.FRAME: lambda m: m.take(8),  # frames only help other readers to read ahead
    pickle.NONE: _push(lambda m: None),
    pickle.NEWTRUE: _push(lambda m: True),
    pickle.NEWFALSE: _push(lambda m: False),
    pickle.BININT: _push(lambda m: m.number("<i")),
    pickle.BININT1: _push(lambda m: m.number("B")),
    pickle.BININT2: _push(lambda m: m.number("<H")),
    pickle.LONG1: _push(lambda m: int.from_bytes(m.take(m.number("B")), "little", signed=True)),
    pickle.BINFLOAT: _push(lambda m: m.number(">d")),
    pickle.SHORT_BINUNICODE: _string("B"),
    pickle.BINUNICODE: _string("<I"),
    pickle.BINUNICODE8: _string("<Q"),
    pickle.SHORT_BINBYTES: _bytes("B"),
    pickle.BINBYTES: _bytes("<I"),
    pickle.BINBYTES8: _bytes("<Q"),
    pickle.EMPTY_DICT: _push(lambda m: {}),
    pickle.EMPTY_LIST: _push(lambda m: []),
    pickle.EMPTY_TUPLE: _push(lambda m: ()),
    pickle.MARK: lambda m: m.marks.append(len(m.stack)),
    pickle.TUPLE: _push(lambda m: tuple(m.pop_mark())),
    pickle.TUPLE1: _push(lambda m: tuple(m.pop(1))),
    pickle.TUPLE2: _push(lambda m: tuple(m.pop(2))),
    pickle.TUPLE3: _push(lambda m: tuple(m.pop(3))),
    pickle.APPEND: lambda m: m.extend(m.pop(1)),
    pickle.APPENDS: lambda m: m.extend(m.pop_mark()),
    pickle.SETITEM: lambda m: m.update(m.pop(2)),
    pickle.SETITEMS: lambda m: m.update(m.pop_mark()),
    pickle.MEMOIZE: lambda m: m.memo.append(m.stack[-1]),
    pickle.BINGET: lambda m: m.recall(m.number("B")),
    pickle.LONG_BINGET: lambda m: m.recall(m.number("<I")),
    pickle.STACK_GLOBAL: _Machine.push_global,
    pickle.NEWOBJ: _Machine.new_object,
    pickle.REDUCE: _Machine.reduce,
    pickle.BUILD: _Machine.build,
}
