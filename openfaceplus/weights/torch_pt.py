"""Reading torch's state dicts without torch; whatever else a ``.pt`` may hold is refused unrun.

Now a file is a zip archive, nothing in it compressed: ``data.pkl`` names the tensors, and the
numbers of each storage are a member ``data/<key>``. Before torch 1.6 it was pickles in a row (a
number, a version, the machine, the tensors, the keys of storages) and then each storage, its count
in front. Source: torch/serialization.py.
"""

from __future__ import annotations

import io
import math
import struct
import zipfile
from pathlib import Path
from typing import Any, BinaryIO, ClassVar

import numpy as np

from openfaceplus.errors import ModelCorrupt, UnsafeFile
from openfaceplus.files import shown
from openfaceplus.weights import arrays
from openfaceplus.weights.inert import DAMAGE, Bounded, Foreign, Pickle
from openfaceplus.weights.source import open_regular

_MAGIC = 0x1950A86A20F9469CFC6C
_DIRECTORY = 1 << 24  # bytes of an archive's list of members
_LARGER = 8  # times the file, what is read may be: bytes become floats, and some share numbers
_KINDS = {
    "Float": "<f4", "Double": "<f8", "Half": "<f2", "Byte": "|u1", "Char": "|i1", "Short": "<i2",
    "Int": "<i4", "Long": "<i8", "Bool": "|u1",
}  # fmt: skip


class _Storage:
    """A row of ``count`` numbers; ``values`` are there once they were read."""

    def __init__(self, dtype: str, count: int) -> None:
        self.dtype, self.count, self.values = dtype, count, np.empty(0)


class _Tensor:
    """A tensor's place in its storage."""

    def __init__(self, storage: Any, start: Any, shape: Any, strides: Any, *_: Any) -> None:
        numbers = (start, *shape, *strides)
        if type(storage) is not _Storage or any(type(n) is not int or n < 0 for n in numbers):
            raise ValueError("a tensor that is none")
        last = start + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
        arrays.check(storage.dtype, shape)
        count = math.prod(shape)
        # Strides of 0 could make a tensor of any size of one number.
        if count > storage.count or (count and last >= storage.count):
            raise ValueError(f"a tensor {shape} is larger than its {storage.count} numbers")
        self.storage, self.start, self.shape, self.strides = storage, start, shape, strides
        self.count = count

    def array(self) -> np.ndarray:
        values = self.storage.values
        if len(values) != self.storage.count:
            raise ValueError("a tensor without its numbers")
        strides = [step * values.itemsize for step in self.strides]
        view = np.lib.stride_tricks.as_strided(values[self.start :], self.shape, strides)
        return np.array(view, np.float32, order="C")


def read(path: Path) -> dict[str, np.ndarray]:
    """All tensors of the state dict in ``path`` as float32; see ``formats``."""
    file, size = open_regular(path)
    with file:
        try:
            found = (_read_zip if file.read(2) == b"PK" else _read_row)(file, size)
            if type(found) is not dict:
                raise TypeError(f"it holds a {type(found).__name__}, not a state dict")
            for key, value in found.items():
                if type(value) is not _Tensor:
                    raise TypeError(f"{key} is a {type(value).__name__}, not a tensor")
            if 4 * sum(tensor.count for tensor in found.values()) > _LARGER * size:
                raise ValueError("its tensors are the same numbers again and again")
            return {key: value.array() for key, value in found.items()}
        except Foreign as error:
            raise UnsafeFile(
                f"{shown(path)}: would call {shown(str(error)[:200])} when loaded, so nothing in "
                "it was run",
                remedy="name a file of weights alone (a state dict)",
            ) from None
        except (*DAMAGE, OSError, RuntimeError, zipfile.BadZipFile) as error:
            raise ModelCorrupt(
                f"{shown(path)}: no torch state dict, or damaged ({shown(str(error)[:200])})",
                remedy="name the right file, or download it again",
            ) from None


class _Directory:
    """A file that refuses a list of members that would take much memory."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.largest = file, _DIRECTORY
        self.seek, self.tell, self.seekable = file.seek, file.tell, file.seekable

    def read(self, count: int = _DIRECTORY) -> bytes:
        if count > self.largest:
            raise ValueError("it has too many members")
        return self.file.read(count)


def _read_zip(file: BinaryIO, size: int) -> Any:
    """What an archive holds."""
    source = _Directory(file)
    with zipfile.ZipFile(source) as archive:
        source.largest = size
        members = archive.infolist()
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise ValueError("it is compressed")
        if sum(member.file_size for member in members) > size:
            raise ValueError("its parts overlap")
        names = {member.filename for member in members}
        (listed,) = (name for name in names if name.endswith("data.pkl"))
        folder = listed.removesuffix("data.pkl")
        order = f"{folder}byteorder"
        if order in names and archive.read(order) != b"little":
            raise ValueError("its numbers are of foreign byte order")
        text = archive.read(listed)
        pickle = _StateDict(Bounded(io.BytesIO(text), len(text)))
        found = pickle.load()
        for key, storage in pickle.storages.items():
            data = archive.read(f"{folder}data/{key}")
            storage.values = arrays.view(storage.dtype, (storage.count,), data, 0)
    return found


def _read_row(file: BinaryIO, size: int) -> Any:
    """What pickles in a row hold."""
    file.seek(0)
    stream = Bounded(file, size)
    magic, version, _ = (_StateDict(stream).load() for _ in range(3))
    if (magic, version) != (_MAGIC, 1001):
        raise ValueError("it begins otherwise than torch's files")
    pickle = _StateDict(stream)
    found = pickle.load()
    for key in _StateDict(stream).load():
        storage = pickle.storages[key]
        (count,) = struct.unpack("<q", stream.read(8))
        if count != storage.count:
            raise ValueError("a storage of another size than its tensors'")
        data = stream.read(count * np.dtype(storage.dtype).itemsize)
        storage.values = arrays.view(storage.dtype, (count,), data, 0)
    return found


class _StateDict(Pickle):
    """What a pickle holds, its tensors described, and the ``storages`` that it names."""

    known: ClassVar = {
        "collections.OrderedDict": lambda: {},
        "torch._utils._rebuild_tensor": _Tensor,
        "torch._utils._rebuild_tensor_v2": _Tensor,
        "torch._utils._rebuild_parameter": lambda tensor, *_: tensor,
        **{f"torch.{name}Storage": dtype for name, dtype in _KINDS.items()},
        **{f"torch.cuda.{name}Storage": dtype for name, dtype in _KINDS.items()},
    }

    def __init__(self, stream: Bounded) -> None:
        super().__init__(stream)
        self.storages: dict[str, _Storage] = {}

    def persistent_load(self, identity: Any) -> _Storage:
        what, dtype, key, _, count, *view = identity
        known = what == "storage" and dtype in _KINDS.values()
        if not known or view not in ([], [None]) or type(key) is not str:
            raise ValueError("a storage that is none")
        arrays.check(dtype, (count,))
        made = self.storages.setdefault(key, _Storage(dtype, count))
        if (made.dtype, made.count) != (dtype, count):
            raise ValueError("a storage of two kinds")
        return made

    def build(self, target: Any, state: Any) -> Any:
        if type(target) is not dict:  # whose versions of modules are of no use here
            raise ValueError("a state of what is no state dict")
        return target
