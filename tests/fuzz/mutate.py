"""Changes to files by a seed: any bytes of any file, and parts of those whose form is known."""

from __future__ import annotations

import copy
import io
import json
import math
import random
import re
import struct
import zipfile
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from openfaceplus.weights import safe

_NUMBERS = [
    0, 1, 2, 3, 4, 7, 8, 127, 128, 255, 256, 1000, 32767, 65535, 65536, 2**24, 2**31 - 1, 2**31,
    2**32 - 1, 2**40, 2**62, 2**63 - 1,
]  # fmt: skip
_TEXTS = [
    "", "0", "-1", "1e999", "nan", "inf", "9" * 400, "0x10", "1_0", "\0", "\r", '"', "'=1", ",",
    "\n\n", "../../x", "/etc/passwd", "\x1b[2J", "é", "\udcff", "x" * 140_000, "[" * 3000, "{}",
    "null", "٣", "a/b", "ok", " ", "\ufeff", "1;2 3", "no_face",
]  # fmt: skip
_NODES: list[Any] = [
    None, True, -1, 0, 1.5, 2**70, float("nan"), float("inf"), "", "a\0b", "../../x", "/", "\ud800",
    "x" * 300, [], {}, [[]], {"a": 1}, [1, 2, 3], ["a"], 10**9,
]  # fmt: skip


def chance(seed: int, kind: str, number: int) -> random.Random:
    """What decides a case."""
    return random.Random(f"{seed} {kind} {number}")


def case(files: list[Path], chance: random.Random) -> tuple[Path, bytes]:
    """One of ``files``, and its content changed."""
    path = chance.choice(files)
    data = path.read_bytes()
    known = _KNOWN.get(path.suffix)
    if known and chance.random() < 0.6:
        data = known(data, chance)
    if not known or chance.random() < 0.5:
        for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
            data = _bytes(data, chance, files)
    return path, _mended(data) if chance.random() < 0.8 else data


def _bytes(data: bytes, chance: random.Random, files: list[Path]) -> bytes:
    made = bytearray(data)
    # Where a file says what it holds is mostly near its beginning.
    at = chance.randrange(len(made) or 1) if chance.random() < 0.6 else chance.randrange(200)
    end = at + chance.choice((1, 1, 2, 4, 8, 40))
    what = chance.randrange(9)
    if what == 0:
        made[at : at + 1] = bytes([made[at] ^ 1 << chance.randrange(8)]) if at < len(made) else b""
    elif what == 1:
        made[at:end] = chance.randbytes(end - at)
    elif what == 2:
        number, size = chance.choice(_NUMBERS), chance.choice((1, 2, 4, 8))
        order = chance.choice(("little", "big"))
        made[at : at + size] = (number % 256**size).to_bytes(size, order)
    elif what == 3:
        del made[at:end]
    elif what == 4:
        made[at:at] = chance.randbytes(end - at)
    elif what == 5:
        start = chance.randrange(len(made) or 1)
        made[at:at] = made[start : start + 40] * chance.choice((1, 2, 50))
    elif what == 6:
        del made[chance.randrange(len(made) or 1) :]
    elif what == 7 and files:
        other = chance.choice(files).read_bytes()
        start = chance.randrange(len(other) or 1)
        made[at:end] = other[start : start + 60]
    else:
        size = chance.choice((2, 4, 8))
        number = int.from_bytes(made[at : at + size], "little") + chance.choice((-1, 1, 16, -16))
        made[at : at + size] = (number % 256**size).to_bytes(size, "little")
    return bytes(made)


def _mended(data: bytes) -> bytes:
    """PNG with checksums that are right again, so that what follows them is reached."""
    if not data.startswith(b"\x89PNG"):
        return data
    made, at = bytearray(data), 8
    while at + 12 <= len(made):
        (length,) = struct.unpack_from(">I", made, at)
        end = at + 8 + length
        if end + 4 > len(made):
            break
        struct.pack_into(">I", made, end, zlib.crc32(made[at + 4 : end]))
        at = end + 4
    return bytes(made)


def _text(data: bytes, chance: random.Random) -> bytes:
    """A cell or number replaced, or lines doubled, dropped or swapped."""
    text = data.decode("utf-8", "surrogateescape")
    lines = text.splitlines(keepends=True)
    if chance.random() < 0.3 and lines:
        at = chance.randrange(len(lines))
        lines[at : at + 1] = chance.choice(
            ([], lines[at : at + 1] * 2, lines[: at + 1], [lines[0]])
        )
        text = "".join(lines)
    else:
        cells = list(re.finditer(r"[^,\n]+", text))
        if cells:
            cell = chance.choice(cells)
            text = text[: cell.start()] + chance.choice(_TEXTS) + text[cell.end() :]
    return text.encode("utf-8", "surrogatepass" if "\ud800" in text else "surrogateescape")


def _json(data: bytes, chance: random.Random) -> bytes:
    try:
        tree = json.loads(data)
    except ValueError:
        return _text(data, chance)
    if chance.random() < 0.03:
        return b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}"
    return json.dumps(_tree(tree, chance)).encode()


def _container(data: bytes, chance: random.Random) -> bytes:
    """A classifier of ours with one value or array changed; other pickles as they are."""
    import tempfile

    with tempfile.NamedTemporaryFile(suffix=".pkl") as file:
        path = Path(file.name)
        path.write_bytes(data)
        try:
            tree = safe.load(path)
        except Exception:  # noqa: BLE001 - not ours
            return data
        try:
            safe.dump(path, _tree(copy.deepcopy(tree), chance))
        except (TypeError, ValueError):  # what ours cannot hold
            return data
        return path.read_bytes()


def _tree(tree: Any, chance: random.Random) -> Any:
    """The tree with one node replaced, dropped, doubled or renamed."""
    places: list[tuple[Any, Any]] = []

    def collect(node: Any) -> None:
        inner = node.items() if isinstance(node, dict) else enumerate(node)
        for key, part in inner:
            places.append((node, key))
            if isinstance(part, dict | list):
                collect(part)

    if not isinstance(tree, dict | list) or chance.random() < 0.03:
        return chance.choice(_NODES)
    collect(tree)
    if not places:
        return tree
    node, key = chance.choice(places)
    part, what = node[key], chance.randrange(6)
    if what == 0:
        del node[key]
    elif what == 1 and isinstance(node, dict):
        node[chance.choice(("a", "", "$", "../x", str(key) + "s"))] = node.pop(key)
    elif isinstance(part, np.ndarray) and what < 5:
        node[key] = _array(part, chance)
    elif what == 2 and isinstance(part, int | float) and not isinstance(part, bool):
        node[key] = chance.choice((-part, part + 1, part * 1000, math.nan, -math.inf, 10**18))
    elif what == 3 and isinstance(part, str):
        node[key] = chance.choice(_TEXTS[:20])
    elif what == 4:
        donor, place = chance.choice(places)
        node[key] = copy.deepcopy(donor.get(place) if isinstance(donor, dict) else part)
    else:
        node[key] = chance.choice(_NODES)
    return tree


def _array(part: np.ndarray, chance: random.Random) -> np.ndarray:
    made, what = part.copy(), chance.randrange(8)
    if what == 0:
        return made.reshape(-1)
    if what == 1:
        return made[: len(made) // 2] if made.ndim else made
    if what == 2:
        return made.astype(chance.choice(("f2", "f4", "f8", "i1", "i4", "i8", "u1", "?", "U9")))
    if what == 3:
        return np.empty((0, *made.shape[1:]), made.dtype)
    if what == 4:
        return np.concatenate([made, made]) if made.ndim else made
    if what == 5:
        return made.T
    if made.size and made.dtype.kind in "fiu":
        with np.errstate(all="ignore"):
            wild = [np.nan, np.inf, -np.inf, 1e300, 0.0, -1.0] if made.dtype.kind == "f" else [
                np.iinfo(made.dtype).max, np.iinfo(made.dtype).min, 0, len(made),
            ]  # fmt: skip
            value = made.dtype.type(chance.choice(wild))
        if what == 6:
            made.fill(value)
        else:
            made.reshape(-1)[chance.randrange(made.size)] = value
    return made


def _archive(data: bytes, chance: random.Random) -> bytes:
    """A zip archive, whole again, with one of its members changed, dropped or doubled."""
    if not data.startswith(b"PK"):
        return data
    packed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(packed, "w") as new:
        members = [(info.filename, old.read(info)) for info in old.infolist()]
        at = chance.randrange(len(members))
        if chance.random() < 0.6:  # where the tensors are described
            at = next(i for i, (name, _) in enumerate(members) if name.endswith("data.pkl"))
        name, content = members[at]
        for _ in range(chance.choice((1, 1, 2))):
            content = _bytes(content, chance, []) if chance.random() < 0.9 else b""
        members[at] = name, content
        for name, content in members:
            new.writestr(zipfile.ZipInfo(name), content)
    return packed.getvalue()


def _graph(data: bytes, chance: random.Random) -> bytes:
    """An ONNX graph with another operator, attribute, shape, name or edge."""
    import onnx

    made = onnx.load_from_string(data)
    node = chance.choice(made.graph.node)
    what = chance.randrange(6)
    if what == 0:
        operators = (
            "Reshape",
            "Conv",
            "Gather",
            "Tile",
            "Expand",
            "Loop",
            "Pad",
            "Resize",
            "Slice",
        )
        node.op_type = chance.choice((*operators, "OneHot", "Range", "ConstantOfShape", "x"))
    elif what == 1 and node.attribute:
        attribute = chance.choice(node.attribute)
        attribute.i = chance.choice(_NUMBERS) * chance.choice((1, -1))
        if attribute.ints:
            attribute.ints[chance.randrange(len(attribute.ints))] = attribute.i
    elif what == 2 and node.input:
        names = [name for one in made.graph.node for name in (*one.input, *one.output)]
        node.input[chance.randrange(len(node.input))] = chance.choice(names)
    elif what == 3:
        tensor = chance.choice(made.graph.initializer)
        if tensor.dims:
            tensor.dims[chance.randrange(len(tensor.dims))] = chance.choice(_NUMBERS)
    elif what == 4:
        tensor = chance.choice(made.graph.initializer)
        tensor.raw_data = _bytes(tensor.raw_data, chance, []) or b"\0"
    else:
        kind = chance.choice(made.graph.input).type.tensor_type
        kind.elem_type = chance.choice((1, 2, 6, 7, 8, 9, 10, 11, 99))
        if kind.shape.dim:
            chance.choice(kind.shape.dim).dim_value = chance.choice(_NUMBERS)
    return made.SerializeToString()


_KNOWN: dict[str, Callable[[bytes, random.Random], bytes]] = {
    ".csv": _text, ".json": _json, ".journal": _text, ".pkl": _container, ".pt": _archive,
    ".onnx": _graph,
}  # fmt: skip
