"""The only way in and out for classifier files: plain trees, never objects.

A file is what ``joblib.dump`` writes for a dict of str keys that holds dicts, lists, tuples, str,
bytes, int (64 bits), float, bool, None, and NumPy arrays of numbers, booleans or fixed-width
strings. ``joblib.load`` reads it too, but would run whatever a forged file asks for; ``load``
builds these types and has no means to find or call anything else.
"""

from __future__ import annotations

import contextlib
import os
import stat
from typing import Any

from openfaceplus.errors import ModelCorrupt, ModelMissing, UnsafeFile
from openfaceplus.files import atomic_write, shown
from openfaceplus.weights.estimators import dump_estimator, load_estimator
from openfaceplus.weights.joblib_reader import Foreign, Malformed, read

__all__ = ["dump", "dump_estimator", "load", "load_estimator"]

_ATOMS = frozenset((str, bytes, float, bool, type(None)))
_CONTAINERS = frozenset((dict, list, tuple))
_DEPTH = 32  # containers within containers; bounds the recursion below
_HEAD = 4096  # bytes, enough to tell what kind of file it is
_RETRAIN = "Train again with openfaceplus to get a file that is safe to load."
_COMPRESSED = {
    b"\x1f\x8b": "gzip", b"BZ": "bz2", b"\xfd7": "xz", b"]\0": "lzma", b"\x04\x22": "lz4",
    b"PK": "zip", b"x\x01": "zlib", b"x\x5e": "zlib", b"x\x9c": "zlib", b"x\xda": "zlib",
}  # fmt: skip


def dump(path: str | os.PathLike[str], tree: dict[str, Any]) -> None:
    """Write a plain tree as an uncompressed joblib file, whole or not at all.

    Raises ``TypeError``, saying where, for what is not plain (subclasses and NumPy scalars
    included), ``StorageError`` where the file cannot be written.
    """
    if type(tree) is not dict:
        raise TypeError(f"a dict is needed at the top, not {type(tree).__name__}")
    plain = _plain(tree)
    import joblib

    with atomic_write(path) as file:
        joblib.dump(plain, file, protocol=4)


def load(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The tree that ``dump`` wrote; its arrays are writeable and of native byte order.

    Raises ``ModelMissing`` (no such file), ``UnsafeFile`` (it would run code; nothing of it was
    run) and ``ModelCorrupt`` (empty, cut off, or never such a file). Memory stays near the file's
    size, plus 0.7 GB at worst for a forged one; some 5 million values outside arrays are read.
    """
    name, head = shown(path), b""
    try:
        if not stat.S_ISREG(os.stat(path).st_mode):  # a pipe would block, /dev/zero never end
            raise ModelCorrupt(f"{name}: is not a regular file. Name a classifier.pkl.")
        with open(path, "rb") as file:
            head = file.read(_HEAD)
            _check_head(name, head)
            file.seek(0)
            tree = _plain(read(file))
    except OSError as error:
        raise ModelMissing(f"{name}: {error.strerror}. Train first, or name the file.") from error
    except Foreign as error:
        raise UnsafeFile(_unsafe(name, str(error), head)) from None
    except (Malformed, TypeError) as error:
        if called := _called_first(head):  # pickles of older protocols fail before their calls
            raise UnsafeFile(_unsafe(name, called, head)) from None
        raise ModelCorrupt(f"{name}: is damaged or no classifier ({error}). {_RETRAIN}") from error
    if type(tree) is not dict:
        raise ModelCorrupt(f"{name}: holds no classifier but a {type(tree).__name__}. {_RETRAIN}")
    return tree


def _check_head(name: str, head: bytes) -> None:
    """Refuse what is plainly another kind of file, in words that help."""
    if not head:
        raise ModelCorrupt(f"{name}: is empty. {_RETRAIN}")
    if kind := _COMPRESSED.get(head[:2]):
        raise UnsafeFile(
            f"{name}: is compressed ({kind}), so what it would run when loaded cannot be seen; "
            f"nothing was run. {_RETRAIN}"
        )
    if head[0] != 0x80:  # every pickle since protocol 2 starts so, and ours are of protocol 4
        if called := _called_first(head):
            raise UnsafeFile(_unsafe(name, called, head))
        raise ModelCorrupt(f"{name}: is not a classifier file. Name a classifier.pkl.")


def _called_first(head: bytes) -> str | None:
    """What a pickle of protocol 0 to 3 would call first; it is parsed and never run."""
    import pickletools
    import struct

    # The head may end anywhere; and noise may look like text with odd escapes, which warns.
    with contextlib.suppress(ValueError, struct.error, Warning):
        for opcode, argument, _ in pickletools.genops(head):
            if opcode.name in {"GLOBAL", "INST"}:
                return str(argument).replace(" ", ".")
    return None


def _unsafe(name: str, called: str, head: bytes) -> str:
    text = f"{name}: would run code ({shown(called[:200])}) when loaded; nothing was run. "
    if b"sklearn" in head:
        text += "It is a pickle of scikit-learn objects, as OpenFace itself wrote them. "
    return text + _RETRAIN


def _plain(node: Any, where: tuple[str | int, ...] = ()) -> Any:
    """A copy of the tree without shared containers, or ``TypeError`` saying where it fails.

    Arrays are copied only where their layout needs it. Because no container stands in two places,
    a file never has to refer back to one, and ``read`` can refuse those that do.
    """
    kind = type(node)
    if kind in _ATOMS:
        return node
    if kind is int:
        if not -(2**63) <= node < 2**63:
            raise TypeError(f"{_at(where)}: an integer of more than 64 bits")
        return node
    if kind not in _CONTAINERS:
        return _plain_array(node, where)
    if len(where) == _DEPTH:
        raise TypeError(f"{_at(where)}: more than {_DEPTH} levels deep")
    if kind is not dict:
        return kind([_plain(part, (*where, index)) for index, part in enumerate(node)])
    if any(type(key) is not str for key in node):
        raise TypeError(f"{_at(where)}: a dict's keys must be str")
    return {key: _plain(part, (*where, key)) for key, part in node.items()}


def _plain_array(array: Any, where: tuple[str | int, ...]) -> Any:
    import numpy as np

    kind = type(array)
    if kind is not np.ndarray:
        raise TypeError(f"{_at(where)}: {kind.__module__}.{kind.__qualname__} is not plain data")
    dtype = array.dtype
    if dtype.kind not in "biufU" or not dtype.itemsize or dtype.metadata or dtype.char == "g":
        raise TypeError(f"{_at(where)}: an array of {dtype} is not plain data")
    return np.asarray(array, dtype=dtype.newbyteorder("="), order="C")


def _at(where: tuple[str | int, ...]) -> str:
    return "tree" + "".join(f"[{key!r:.60}]" for key in where)
