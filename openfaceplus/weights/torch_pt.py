"""Reading torch's state dicts; whatever else a ``.pt`` may hold is refused unrun."""

from __future__ import annotations

import pickle
import pickletools
import re
import struct
import warnings
import zipfile
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
    OverflowError, MemoryError, ImportError, struct.error, pickle.UnpicklingError,
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
        reason = error.strerror or error
        raise ModelMissing(f"{path}: cannot be read ({reason}); check the path") from None
    except _DAMAGE as error:
        if name := _named(path):
            raise UnsafeFile(
                f"{path}: would call {name} when loaded, so nothing in it was run; "
                "name a file of weights alone (a state dict)"
            ) from None
        reason = str(error).strip().splitlines()[:1] or [type(error).__name__]
        raise ModelCorrupt(
            f"{path}: no torch state dict, or damaged ({reason[0]}); "
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
    strings: list[str] = []
    try:
        for opcode, argument, _ in pickletools.genops(_pickle(path)):
            if opcode.name in ("GLOBAL", "INST"):
                name = argument.replace(" ", ".")
            elif opcode.name == "STACK_GLOBAL":
                name = ".".join(strings[-2:])
            else:
                strings += [argument] if isinstance(argument, str) else []
                continue
            if not _HARMLESS.fullmatch(name):
                return name
    except (ValueError, OSError, zipfile.BadZipFile, struct.error, OverflowError):
        pass  # not a pickle to its end; what it named before was harmless
    return None


def _pickle(path: Path) -> bytes:
    """The pickle in the file: torch's newer form is a zip archive, the older a bare pickle."""
    if not zipfile.is_zipfile(path):
        with open(path, "rb") as file:
            return file.read(_PICKLE_LIMIT)
    with zipfile.ZipFile(path) as archive:
        names = [name for name in archive.namelist() if name.endswith("data.pkl")]
        if not names:
            return b""
        with archive.open(names[0]) as file:
            return file.read(_PICKLE_LIMIT)
