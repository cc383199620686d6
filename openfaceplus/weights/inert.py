"""Reads pickles without running them: nothing is imported, looked up or called.

A pickle is a program. Here Python's own disassembler splits it into opcodes, and the few that
data needs are carried out. What the file would call must be in a table of the caller's, from
names to functions that only describe data; any other name ends the reading.

Nothing is allocated that the bytes left in the file could not fill.
"""

from __future__ import annotations

import contextlib
import struct
from collections.abc import Callable, Mapping
from itertools import chain, islice
from typing import Any, BinaryIO, NoReturn

_LONGEST = 10_000_000  # reads of the stream; an opcode and its argument take one each
_LINE = 1024  # bytes of a name
_BEHIND = 1000  # opcodes searched for a call behind one that is not understood
_PUSHED = frozenset((
    "BININT", "BININT1", "BININT2", "LONG1", "BINFLOAT", "BINBYTES", "SHORT_BINBYTES", "BINBYTES8",
    "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8",
))  # fmt: skip
_MADE: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None, "NEWTRUE": lambda: True, "NEWFALSE": lambda: False,
    "EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple,
}  # fmt: skip
_RUNS = frozenset(("OBJ", "NEWOBJ_EX", "EXT1", "EXT2", "EXT4", "PERSID", "BINPERSID"))
DAMAGE = (ValueError, TypeError, LookupError, OverflowError, MemoryError, struct.error)
"""What ``Pickle.read`` raises where a stream is cut off or holds something else than data."""


class Foreign(Exception):
    """The stream asks for something that would be run; the text names it."""


class Bounded:
    """A file that refuses to read more than it has, before memory is taken for it."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self.file, self.left, self.reads = file, size - file.tell(), 0

    def read(self, count: int) -> bytes:
        self.reads += 1
        if self.reads > _LONGEST:
            raise ValueError("too many values outside arrays")
        if not 0 <= count <= self.left:
            raise ValueError(f"cut off: {count} bytes announced, {self.left} left")
        self.left -= count
        return self.file.read(count)

    def readline(self) -> bytes:
        line = self.file.readline(_LINE)
        self.left -= len(line)
        return line


class Known:
    """What a name in the table stands for; ``make``, if any, gets the arguments of its calls."""

    def __init__(self, make: Callable[..., Any] | None = None) -> None:
        self.make = make


class Pickle:
    """One pickle in ``stream``; reading it stops at its end.

    ``build`` gets what a call made and the state that the pickle sets on it, and returns what
    takes its place. ``persistent`` turns persistent ids into data, where there may be such.
    """

    def __init__(
        self,
        stream: Bounded,
        known: Mapping[str, Known],
        build: Callable[[Any, Any], Any],
        persistent: Callable[[Any], Any] | None = None,
    ) -> None:
        self.stream, self.known, self.build, self.persistent = stream, known, build, persistent
        self.stack: list[Any] = []
        self.marks: list[int] = []  # heights of the stack
        self.memo: dict[int, Any] = {}

    def read(self) -> Any:
        """The data. Raises Foreign, or one of ``DAMAGE``."""
        import pickletools  # which files of today's format do not need

        opcodes = pickletools.genops(self.stream)  # type: ignore[arg-type]
        for step in opcodes:
            name, argument = step[0].name, step[1]
            if name == "STOP":
                break
            if name in _PUSHED:
                self.stack.append(argument)
            elif name in _MADE:
                self.stack.append(_MADE[name]())
            elif name in _STEPS:
                _STEPS[name](self, argument)
            elif name == "BINPERSID" and self.persistent:
                self.stack.append(self.persistent(self.stack.pop()))
            else:
                self.refuse(step, opcodes)
        (result,) = self.stack
        return result

    def refuse(self, first: Any, opcodes: Any) -> NoReturn:
        name = first[0].name
        if name in _RUNS:
            raise Foreign(f"pickle opcode {name}")
        # Pickles of older protocols are not understood before their calls.
        with contextlib.suppress(*DAMAGE, Warning):
            for opcode, argument, _ in chain([first], islice(opcodes, _BEHIND)):
                if opcode.name in {"GLOBAL", "INST"}:
                    self.find(argument.replace(" ", "."))
        raise ValueError(f"opcode {name} is not one that data needs")

    def find(self, name: str) -> None:
        if name not in self.known:
            raise Foreign(name)
        self.stack.append(self.known[name])

    def pop_mark(self) -> list[Any]:
        height = self.marks.pop()
        items = self.stack[height:]
        del self.stack[height:]
        return items

    def pop(self, count: int) -> list[Any]:
        if count > len(self.stack) - (self.marks[-1] if self.marks else 0):
            raise ValueError("its stack runs empty")
        items = self.stack[-count:]
        del self.stack[-count:]
        return items

    def found(self) -> None:
        module, name = self.pop(2)
        self.find(f"{module}.{name}")

    def call(self) -> None:
        function, arguments = self.pop(2)
        if type(function) is not Known or not function.make or type(arguments) is not tuple:
            raise ValueError("a call of what is no function")
        self.stack.append(function.make(*arguments))

    def set_state(self) -> None:
        self.stack.append(self.build(*self.pop(2)))

    def extend(self, items: list[Any]) -> None:
        if type(self.stack[-1]) is not list:
            raise ValueError("items without a list")
        self.stack[-1].extend(items)

    def update(self, items: list[Any]) -> None:
        keys = items[::2]
        # Numbers as keys could be made to share one hash: a dict of those takes quadratic time.
        if type(self.stack[-1]) is not dict or any(type(key) is not str for key in keys):
            raise ValueError("a dict's keys must be str")
        self.stack[-1].update(zip(keys, items[1::2], strict=True))

    def recall(self, index: int) -> None:
        value = self.memo[index]
        # Containers met twice could make cycles, or trees exponentially larger than the file.
        if isinstance(value, list | dict) or (isinstance(value, tuple) and value):
            raise ValueError("it refers to a container twice")
        self.stack.append(value)


_STEPS: dict[str, Callable[[Pickle, Any], Any]] = {
    "PROTO": lambda p, _: None,
    "FRAME": lambda p, _: None,  # frames only help other readers to read ahead
    "MARK": lambda p, _: p.marks.append(len(p.stack)),
    "TUPLE": lambda p, _: p.stack.append(tuple(p.pop_mark())),
    "TUPLE1": lambda p, _: p.stack.append(tuple(p.pop(1))),
    "TUPLE2": lambda p, _: p.stack.append(tuple(p.pop(2))),
    "TUPLE3": lambda p, _: p.stack.append(tuple(p.pop(3))),
    "APPEND": lambda p, _: p.extend(p.pop(1)),
    "APPENDS": lambda p, _: p.extend(p.pop_mark()),
    "SETITEM": lambda p, _: p.update(p.pop(2)),
    "SETITEMS": lambda p, _: p.update(p.pop_mark()),
    "MEMOIZE": lambda p, _: p.memo.update({len(p.memo): p.stack[-1]}),
    "BINPUT": lambda p, index: p.memo.update({index: p.stack[-1]}),
    "LONG_BINPUT": lambda p, index: p.memo.update({index: p.stack[-1]}),
    "BINGET": lambda p, index: p.recall(index),
    "LONG_BINGET": lambda p, index: p.recall(index),
    "GLOBAL": lambda p, name: p.find(name.replace(" ", ".")),
    "STACK_GLOBAL": lambda p, _: p.found(),
    "NEWOBJ": lambda p, _: p.call(),
    "REDUCE": lambda p, _: p.call(),
    "BUILD": lambda p, _: p.set_state(),
}
