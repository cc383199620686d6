"""Reads pickles without running them: nothing is imported or looked up, and no code of theirs runs.

A pickle is a program. Python's own reader reads it, held to the opcodes that data needs; what the
file would call must be in a table of functions that only describe data, or the reading ends.
Nothing is allocated that the bytes left in the file could not fill.
"""

from __future__ import annotations

import pickle
import struct
from collections.abc import Callable, Mapping
from typing import Any, BinaryIO, ClassVar

_LONGEST = 10_000_000  # reads of the stream; an opcode and its argument take one each
_LINE = 1024  # bytes of a name
_DATA = """
    PROTO STOP MARK NONE NEWTRUE NEWFALSE INT BININT BININT1 BININT2 LONG LONG1 FLOAT BINFLOAT
    STRING BINSTRING SHORT_BINSTRING UNICODE BINUNICODE SHORT_BINUNICODE BINUNICODE8
    BINBYTES SHORT_BINBYTES BINBYTES8 EMPTY_TUPLE TUPLE TUPLE1 TUPLE2 TUPLE3
    EMPTY_LIST LIST APPEND APPENDS EMPTY_DICT PUT BINPUT LONG_BINPUT MEMOIZE GET BINGET LONG_BINGET
    GLOBAL STACK_GLOBAL INST REDUCE PERSID BINPERSID
"""
_RUNS = pickle.OBJ + pickle.NEWOBJ_EX + pickle.EXT1 + pickle.EXT2 + pickle.EXT4
DAMAGE = (
    ValueError, TypeError, LookupError, AttributeError, OverflowError, MemoryError, EOFError,
    Warning, struct.error, pickle.UnpicklingError,
)  # fmt: skip
"""What ``Pickle.load`` raises where a stream is cut off or holds something else than data."""


class Foreign(Exception):
    """The stream asks for something that would be run; the text names it."""


class Bounded:
    """A file that refuses to read more than it has, before memory is taken for it."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file, self.size, self.reads = file, size, 0

    def read(self, count: int) -> bytes:
        self.reads += 1
        if self.reads > _LONGEST:
            raise ValueError("too many values outside arrays")
        if not 0 <= count <= self.size - self.file.tell():
            raise ValueError(f"cut off: {count} bytes announced, and not as many left")
        return self.file.read(count)

    def readline(self) -> bytes:
        return self.file.readline(_LINE)


class _Memo(dict[int, Any]):
    def __getitem__(self, index: int) -> Any:
        value = super().__getitem__(index)
        # Containers met twice could make cycles, or trees exponentially larger than the file.
        if isinstance(value, list | dict) or (isinstance(value, tuple) and value):
            raise ValueError("it refers to a container twice")
        return value


class _Opcodes(dict[int, Any]):
    def __missing__(self, code: int) -> Any:
        kind = Foreign if code in _RUNS else ValueError
        raise kind(f"pickle opcode {bytes([code])!r}")


class Pickle(pickle._Unpickler):
    """The pickle that begins in ``stream``; ``load`` stops at its end.

    ``known`` says what stands for the names in it.
    """

    dispatch = _Opcodes({
        getattr(pickle, name)[0]: pickle._Unpickler.dispatch[getattr(pickle, name)[0]]
        for name in _DATA.split()
    })  # fmt: skip
    known: ClassVar[Mapping[str, Any]]
    stack: list[Any]
    metastack: list[list[Any]]
    pop_mark: Callable[[], list[Any]]

    def __init__(self, stream: Bounded) -> None:
        super().__init__(stream, encoding="bytes")
        self.stream, self.memo = stream, _Memo()

    def load(self) -> Any:
        """The data. Raises Foreign, or one of ``DAMAGE``."""
        value = super().load()
        if self.stack or self.metastack:
            raise ValueError("it holds more than one value")
        return value

    def build(self, target: Any, state: Any) -> Any:
        """What takes the place of ``target`` when the pickle sets that state on it."""
        raise ValueError("a state of what has none")

    def persistent_load(self, identity: Any) -> Any:
        raise Foreign("a persistent id")

    def find_class(self, module: str, name: str) -> Any:
        if f"{module}.{name}" not in self.known:
            raise Foreign(f"{module}.{name}")
        return self.known[f"{module}.{name}"]

    def set_state(self) -> None:
        state = self.stack.pop()
        self.stack[-1] = self.build(self.stack[-1], state)

    def new_dict(self) -> None:
        items = self.pop_mark()
        self.stack.append({})
        self.update(items)

    def update(self, items: list[Any]) -> None:
        keys = items[::2]
        # Numbers as keys could be made to share one hash: a dict of those takes quadratic time.
        if type(self.stack[-1]) is not dict or any(type(key) is not str for key in keys):
            raise ValueError("a dict's keys must be str")
        self.stack[-1].update(zip(keys, items[1::2], strict=True))

    dispatch |= {
        pickle.FRAME[0]: lambda self: self.read(8),  # only helps other readers to read ahead
        pickle.NEWOBJ[0]: dispatch[pickle.REDUCE[0]],
        pickle.BUILD[0]: set_state,
        pickle.DICT[0]: new_dict,
        pickle.SETITEM[0]: lambda self: self.update([self.stack.pop(-2), self.stack.pop()]),
        pickle.SETITEMS[0]: lambda self: self.update(self.pop_mark()),
    }
