"""Reading torch's state dicts; whatever else a ``.pt`` may hold is refused unrun."""

from __future__ import annotations

import contextlib
import io
import pickle
import pickletools
import re
import struct
import warnings
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from openfaceplus.errors import ModelCorrupt, ModelMissing, UnsafeFile

_HARMLESS = re.compile(
    r"collections\.OrderedDict|torch\._utils\._rebuild_\w+|torch(\.cuda)?\.\w+Storage"
)
_PICKLE_LIMIT = 1 << 24  # bytes; a state dict's own pickle has kilobytes, its tensors lie beside it
# What torch.load was seen to raise on files cut off, with bytes changed, or of other kinds.
_DAMAGE = (
    RuntimeError, ValueError, TypeError, LookupError, AttributeError, AssertionError, EOFError,
    OverflowError, MemoryError, ImportError, struct.error, zlib.error, pickle.UnpicklingError,
    zipfile.BadZipFile,
)  # fmt: skip


def read(path: Path) -> dict[str, np.ndarray]:
    """All tensors of the state dict in ``path`` as float32; see ``formats``."""
    import torch

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # about old forms of storage; not the user's concern
            found = torch.load(path, map_location="cpu", weights_only=True)
        if not isinstance(found, dict):
            raise TypeError(f"it holds a {type(found).__name__}, not a state dict")
        return {_key(key): _values(key, value) for key, value in found.items()}
    except OSError as error:
        reason = error.strerror or str(error)
        raise ModelMissing(f"{path}: cannot be read ({reason}); check the path") from None
    except _DAMAGE as error:
        if name := _named(path):
            raise UnsafeFile(
                f"{path}: would call {name} when loaded, so nothing in it was run; "
                "name a file of weights alone (a state dict)"
            ) from None
        first_line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelCorrupt(
            f"{path}: no torch state dict, or damaged ({first_line}); "
            "name the right file, or download it again"
        ) from None


def _key(key: object) -> str:
    if not isinstance(key, str):
        raise TypeError(f"{key!r} is no name of a tensor")
    return key


def _values(key: str, value: object) -> np.ndarray:
    import torch

    if not isinstance(value, torch.Tensor):
        raise TypeError(f"{key} is a {type(value).__name__}, not a tensor")
    return value.detach().to(torch.float32).numpy()


def _named(path: Path) -> str | None:
    """The first thing the file's pickle names that is not part of a state dict; nothing is run."""
    # Where it is no pickle to its end, what it named before that counts.
    with contextlib.suppress(OSError, *_DAMAGE), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name in _names(io.BytesIO(_pickles(path))):
            if not _HARMLESS.fullmatch(name):
                return name
    return None


def _names(pickles: io.BytesIO) -> Iterator[str]:
    """What pickles that follow each other name, with its module."""
    strings: list[str] = []
    while True:  # genops ends with a pickle, and raises where none begins
        for opcode, argument, _ in pickletools.genops(pickles):
            if opcode.name in ("GLOBAL", "INST"):
                yield argument.replace(" ", ".")
            elif opcode.name == "STACK_GLOBAL":
                yield ".".join(strings[-2:])
            elif isinstance(argument, str):
                strings.append(argument)


def _pickles(path: Path) -> bytes:
    """The pickles in the file: in a zip archive now, one after another in older files."""
    if not zipfile.is_zipfile(path):
        with open(path, "rb") as file:
            return file.read(_PICKLE_LIMIT)
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith("data.pkl")]
        with archive.open(names[0]) as file:
            return file.read(_PICKLE_LIMIT)
