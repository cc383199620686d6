"""The only way in and out for classifier files and caches: plain trees, never objects.

A tree is a dict of str keys that holds dicts, lists, str, bytes, int (64 bits), float, bool, None,
and NumPy arrays of numbers, booleans or fixed-width strings; tuples become lists.

A file is a pickle of three values: a mark, the tree as JSON text, and the bytes of all arrays, each
from a multiple of 64 bytes in the file. ``pickle.load`` reads it. ``load`` does not unpickle: it
knows the one sequence of opcodes, and maps the arrays from the file, so that opening a large one
costs nothing. Within the JSON text ``{"$": [dtype, shape, start]}`` is an array and ``{"$": [start,
size]}`` bytes; a key that begins with $ has another in front.
"""

from __future__ import annotations

import io
import json
import mmap
import os
from collections.abc import Mapping
from typing import Any, BinaryIO

from openfaceplus.errors import ModelCorrupt, UnsafeFile
from openfaceplus.files import atomic_write, shown
from openfaceplus.weights import arrays, inert
from openfaceplus.weights.joblib_reader import Joblib
from openfaceplus.weights.source import open_regular

__all__ = ["dump", "load"]

_MARK = b"\x80\x04\x8c\x18openfaceplus container 3\x8d"  # protocol 4; then a long str
_BYTES, _STOP = b"\x8e", b"\x87."  # long bytes; a tuple of three, and stop
_FIXED = len(_MARK) + 8 + len(_BYTES) + 8
_ALIGNED = 64
_LARGEST = 64 << 30  # bytes of a file; only the JSON text is ever read as a whole
_TEXT = 128 << 20  # bytes of JSON
_VALUES = 5_000_000  # commas and opening brackets in it, in strings too
_DEPTH = 32  # containers within containers
_MAPPED = 1 << 20  # bytes; smaller files are read, so that whoever overwrites one does no harm
_ATOMS = frozenset((str, float, bool, type(None)))
_PICKLES = (b"\x80", b"(", b"c", b"]", b"}")  # as they begin, of protocol 0 too
_COMPRESSED = (b"\x1f\x8b", b"BZ", b"\xfd7", b"]\0", b"\x04\x22", b"PK", b"x")
_RETRAIN = "train again with openfaceplus to get a file that is safe to load"


def dump(path: str | os.PathLike[str], tree: Mapping[str, Any], *, ours: bool = False) -> None:
    """Write a plain tree, whole or not at all; ``ours`` as for ``atomic_write``.

    Raises ``TypeError``, saying where, for what is not plain (subclasses, NumPy scalars and longer
    integers included), ``StorageError`` where the file cannot be written.
    """
    if type(tree) is not dict:
        raise TypeError(f"a dict is needed at the top, not {type(tree).__name__}")
    blocks: list[memoryview] = []
    text = json.dumps(_encode(tree, blocks), ensure_ascii=False, separators=(",", ":"))
    raw = text.encode("utf-8", "surrogatepass")
    raw += b" " * (-(_FIXED + len(raw)) % _ALIGNED)
    _check_text(raw)
    with atomic_write(path, ours=ours) as file:
        file.write(_MARK + len(raw).to_bytes(8, "little") + raw)
        file.write(_BYTES + sum(map(len, blocks)).to_bytes(8, "little"))
        file.writelines(blocks)
        file.write(_STOP)


def load(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The tree that ``dump`` wrote; its arrays cannot be written to.

    Raises ``ModelMissing`` (no such file), ``UnsafeFile`` (it would run code; nothing of it was
    run) and ``ModelCorrupt`` (empty, cut off, or never such a file). Memory: that of the values
    outside arrays, at most 1.5 GB for a forged file.
    """
    name = shown(path)
    file, size = open_regular(path, _LARGEST, "train first, or name a classifier.pkl")
    with file:
        head = file.read(4096)
        file.seek(0)
        try:
            if head.startswith(_MARK):
                tree = _read(file, size)
            elif head.startswith(_COMPRESSED):
                raise inert.Foreign("hidden by compression")
            elif head.startswith(_PICKLES):
                tree = Joblib(inert.Bounded(file, size)).load()
                if file.read(1):
                    raise ValueError("something follows its end")
            else:
                raise ValueError("it is empty, or begins otherwise")
            _encode(tree, [])
            if type(tree) is not dict:
                raise TypeError(f"it holds a {type(tree).__name__}")
        except inert.Foreign as error:
            called = shown(str(error)[:200])
            text = f"{name}: would run code ({called}) when loaded; nothing was run"
            if b"sklearn" in head:
                text += "; it is a pickle of scikit-learn objects, as OpenFace itself wrote them"
            raise UnsafeFile(text, remedy=_RETRAIN) from None
        except (*inert.DAMAGE, OSError, RecursionError) as error:
            text = f"{name}: is damaged or no classifier ({shown(str(error)[:200])})"
            raise ModelCorrupt(text, remedy=_RETRAIN) from None
    return tree


def _encode(node: Any, blocks: list[memoryview], where: tuple[str | int, ...] = ()) -> Any:
    """The node as JSON has it; the bytes of arrays are put behind ``blocks``.

    Raises ``TypeError`` for what is not plain.
    """
    kind = type(node)
    if kind in _ATOMS or (kind is int and -(2**63) <= node < 2**63):
        return node
    if kind in {list, tuple} and len(where) < _DEPTH:
        return [_encode(part, blocks, (*where, index)) for index, part in enumerate(node)]
    if kind is dict and len(where) < _DEPTH and all(type(key) is str for key in node):
        return {
            "$" * key.startswith("$") + key: _encode(part, blocks, (*where, key))
            for key, part in node.items()
        }
    start = sum(map(len, blocks))
    if kind is bytes:
        blocks += _aligned(memoryview(node))
        return {"$": [start, len(node)]}
    try:
        array = arrays.plain(node)
    except TypeError as error:
        place = "".join(f"[{key!r:.60}]" for key in where)
        raise TypeError(f"tree{place}: {error}") from None
    blocks += _aligned(array.reshape(-1).view("u1").data)
    return {"$": [array.dtype.str, list(array.shape), start]}


def _aligned(block: memoryview) -> list[memoryview]:
    """The block, and what puts the next one in its place."""
    return [block, memoryview(bytes(-len(block) % _ALIGNED))]


def _check_text(raw: bytes) -> None:
    if len(raw) > _TEXT or sum(map(raw.count, (b",", b"[", b"{"))) > _VALUES:
        raise ValueError("too many values outside arrays")


def _read(file: BinaryIO, size: int) -> Any:
    """The tree in a file of ours."""
    stream = inert.Bounded(file, size)
    stream.read(len(_MARK))
    raw = stream.read(min(int.from_bytes(stream.read(8), "little"), _TEXT + 1))
    _check_text(raw)
    head = stream.read(len(_BYTES) + 8)
    whole: Any = (
        file.getvalue() if isinstance(file, io.BytesIO)  # it was encrypted
        else mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    )  # fmt: skip
    data = memoryview(whole if size >= _MAPPED else whole[:])[file.tell() :]
    data, end = data[: -len(_STOP)], data[-len(_STOP) :]
    if head != _BYTES + len(data).to_bytes(8, "little") or end != _STOP:
        raise ValueError("its parts do not fill it")

    def decode(node: dict[str, Any]) -> Any:
        """The array, or the bytes, that a node of JSON describes; or the dict."""
        match node:
            case {"$": [start, count]}:
                return arrays.view("|u1", [count], data, start).tobytes()
            case {"$": [dtype, list(shape), start]}:
                return arrays.view(dtype, shape, data, start)
        return {key.removeprefix("$"): part for key, part in node.items()}

    return json.loads(raw.decode("utf-8", "surrogatepass"), object_hook=decode)
