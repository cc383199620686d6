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

import json
import mmap
import os
from collections.abc import Mapping
from typing import Any, BinaryIO

from openfaceplus.errors import ModelCorrupt, UnsafeFile
from openfaceplus.files import atomic_write, shown
from openfaceplus.weights import arrays, inert, joblib_reader
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
_CONTAINERS = frozenset((dict, list, tuple))
_HEAD = 4096  # bytes, enough to tell what kind of file it is
_RETRAIN = "train again with openfaceplus to get a file that is safe to load"
_COMPRESSED = {
    b"\x1f\x8b": "gzip", b"BZ": "bz2", b"\xfd7": "xz", b"]\0": "lzma", b"\x04\x22": "lz4",
    b"PK": "zip", b"x\x01": "zlib", b"x\x5e": "zlib", b"x\x9c": "zlib", b"x\xda": "zlib",
}  # fmt: skip


_Blocks = list[tuple[int, memoryview]]  # where in the bytes of all arrays, and what


def dump(path: str | os.PathLike[str], tree: Mapping[str, Any]) -> None:
    """Write a plain tree, whole or not at all.

    Raises ``TypeError``, saying where, for what is not plain (subclasses and NumPy scalars
    included), ``StorageError`` where the file cannot be written.
    """
    if type(tree) is not dict:
        raise TypeError(f"a dict is needed at the top, not {type(tree).__name__}")
    blocks: _Blocks = []
    text = json.dumps(_encode(tree, blocks, ()), ensure_ascii=False, separators=(",", ":"))
    raw = text.encode("utf-8", "surrogatepass")
    raw += b" " * (-(_FIXED + len(raw)) % _ALIGNED)
    _check_text(raw)
    with atomic_write(path) as file:
        file.write(_MARK + len(raw).to_bytes(8, "little") + raw)
        file.write(_BYTES + _end(blocks).to_bytes(8, "little"))
        for _, block in blocks:
            file.write(block)
            file.write(bytes(-block.nbytes % _ALIGNED))
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
        head = file.read(_HEAD)
        file.seek(0)
        try:
            if head.startswith(_MARK):
                tree = _read(file, size)
            else:
                _check_head(name, head)
                tree = joblib_reader.read(file, size)
                _encode(tree, [], ())  # TypeError for what is not plain
        except inert.Foreign as error:
            raise UnsafeFile(_unsafe(name, str(error), head), remedy=_RETRAIN) from None
        except (*inert.DAMAGE, OSError, RecursionError) as error:
            raise ModelCorrupt(
                f"{name}: is damaged or no classifier ({shown(str(error)[:200])})", remedy=_RETRAIN
            ) from None
    if type(tree) is not dict:
        raise ModelCorrupt(
            f"{name}: holds no classifier but a {type(tree).__name__}", remedy=_RETRAIN
        )
    return tree


def _encode(node: Any, blocks: _Blocks, where: tuple[str | int, ...]) -> Any:
    """The node as JSON has it; the bytes of arrays are put behind ``blocks``."""
    kind = type(node)
    if kind in _ATOMS:
        return node
    if kind is int:
        if not -(2**63) <= node < 2**63:
            raise TypeError(f"{_at(where)}: an integer of more than 64 bits")
        return node
    if kind in _CONTAINERS:
        if len(where) == _DEPTH:
            raise TypeError(f"{_at(where)}: more than {_DEPTH} levels deep")
        if kind is not dict:
            return [_encode(part, blocks, (*where, index)) for index, part in enumerate(node)]
        if any(type(key) is not str for key in node):
            raise TypeError(f"{_at(where)}: a dict's keys must be str")
        return {
            "$" * key.startswith("$") + key: _encode(part, blocks, (*where, key))
            for key, part in node.items()
        }
    start = _end(blocks)
    if kind is bytes:
        blocks.append((start, memoryview(node)))
        return {"$": [start, len(node)]}
    try:
        array = arrays.plain(node)
    except TypeError as error:
        raise TypeError(f"{_at(where)}: {error}") from None
    blocks.append((start, array.reshape(-1).view("u1").data))
    return {"$": [array.dtype.str, list(array.shape), start]}


def _end(blocks: _Blocks) -> int:
    """Where the next block begins."""
    start, block = blocks[-1] if blocks else (0, memoryview(b""))
    return start + block.nbytes + -block.nbytes % _ALIGNED


def _check_text(raw: bytes) -> None:
    if len(raw) > _TEXT or sum(map(raw.count, (b",", b"[", b"{"))) > _VALUES:
        raise ValueError("too many values outside arrays")


def _read(file: BinaryIO, size: int) -> Any:
    """The tree in a file of ours."""
    stream = inert.Bounded(file, size)
    stream.read(len(_MARK))
    length = int.from_bytes(stream.read(8), "little")
    raw = stream.read(min(length, _TEXT + 1))
    _check_text(raw)
    head = stream.read(len(_BYTES) + 8)
    start, end = file.tell(), size - len(_STOP)
    sizes = int.from_bytes(head[1:], "little") == end - start
    if head[:1] != _BYTES or start % _ALIGNED or not sizes:
        raise ValueError("its parts do not fill it")
    whole: Any = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    if size < _MAPPED:
        whole = whole[:]
    if whole[end:] != _STOP:
        raise ValueError("it has another end")
    tree = json.loads(raw.decode("utf-8", "surrogatepass"), parse_int=_integer)
    return _decode(tree, memoryview(whole)[start:end], 0)


def _decode(node: Any, data: memoryview, depth: int) -> Any:
    """The node with its arrays in place; lists and dicts are changed, not copied."""
    kind = type(node)
    if kind is not list and kind is not dict:
        return node
    if kind is dict and node.keys() == {"$"}:
        return _block(node["$"], data)
    if depth == _DEPTH:
        raise ValueError(f"more than {_DEPTH} levels deep")
    if kind is dict:
        if any(key.startswith("$") for key in node):
            node = {key.removeprefix("$"): part for key, part in node.items()}
        places = node.items()
    else:
        places = enumerate(node)
    for place, part in places:
        if type(part) in _CONTAINERS:
            node[place] = _decode(part, data, depth + 1)
    return node


def _block(where: Any, data: memoryview) -> Any:
    """The array, or the bytes, that a node of JSON describes."""
    if type(where) is not list or len(where) not in {2, 3}:
        raise ValueError("neither an array nor bytes")
    if len(where) == 2:
        start, count = where
        return arrays.view("|u1", [count], data, start).tobytes()
    dtype, shape, start = where
    if type(shape) is not list:
        raise ValueError("an array without shape")
    return arrays.view(dtype, shape, data, start)


def _integer(text: str) -> int:
    value = int(text)
    if not -(2**63) <= value < 2**63:
        raise ValueError("an integer of more than 64 bits")
    return value


def _check_head(name: str, head: bytes) -> None:
    """Refuse what is plainly another kind of file, in words that help."""
    if not head:
        raise ModelCorrupt(f"{name}: is empty", remedy=_RETRAIN)
    if kind := _COMPRESSED.get(head[:2]):
        raise UnsafeFile(
            f"{name}: is compressed ({kind}), so what it would run when loaded cannot be seen; "
            "nothing was run",
            remedy=_RETRAIN,
        )
    if head[0] not in b"\x80(c]}":  # as pickles begin, of protocol 0 too
        raise ModelCorrupt(f"{name}: is not a classifier file", remedy=_RETRAIN)


def _unsafe(name: str, called: str, head: bytes) -> str:
    text = f"{name}: would run code ({shown(called[:200])}) when loaded; nothing was run"
    if b"sklearn" in head:
        text += "; it is a pickle of scikit-learn objects, as OpenFace itself wrote them"
    return text


def _at(where: tuple[str | int, ...]) -> str:
    return "tree" + "".join(f"[{key!r:.60}]" for key in where)
