"""A gallery on disk: a folder of plain arrays and one JSON file that says which belong together.

``gallery.json`` holds the space, the people and the names of the data files. Each save writes data
files under new names and replaces the JSON last, so a reader, and a gallery mapped from the files
before, meets only whole ones. Nothing is pickled.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from tokenize import TokenError
from typing import IO, Any

import numpy as np

from openfaceplus.errors import StorageError
from openfaceplus.files import atomic_write, shown
from openfaceplus.weights import sha256_of

FORMAT = "openfaceplus gallery"
VERSION = 1
HEADER = "gallery.json"
_REMEDY = "save the gallery again, or copy the whole folder again"
_DATA = re.compile(r"(vectors|labels|ids|index)-[0-9a-f]{16}\.(npy|usearch)")


@dataclass(frozen=True, slots=True)
class Header:
    """What ``gallery.json`` says. ``files`` maps a part to its file, ``sha256`` to its hash where
    a damaged one could not be told otherwise; ``given`` is how many templates were ever added."""

    kind: str
    space: str
    dim: int
    count: int
    people: list[str]
    files: dict[str, str]
    sha256: dict[str, str]
    given: int = 0


def write(folder: Path, header: Header, parts: Mapping[str, Callable[[IO[bytes]], Any]]) -> None:
    """Write data files by ``parts``, then the header, then remove the data of earlier saves.

    ``header.files`` and ``header.sha256`` are filled in here. Raises StorageError.
    """
    stamp = os.urandom(8).hex()
    files, hashes = {}, {}
    for part, put in parts.items():
        files[part] = f"{part}-{stamp}.{'usearch' if part == 'index' else 'npy'}"
        with atomic_write(folder / files[part]) as file:
            put(file)
        if part == "index":
            hashes[part] = sha256_of(folder / files[part])
    data = {"format": FORMAT, "version": VERSION} | asdict(header)
    data |= {"files": files, "sha256": hashes}
    with atomic_write(folder / HEADER) as file:
        file.write(json.dumps(data).encode("ascii"))
    for old in folder.iterdir():
        if _DATA.fullmatch(old.name) and old.name not in files.values():
            with contextlib.suppress(OSError):  # a reader on Windows may hold it
                old.unlink()


def read_header(folder: Path) -> Header:
    """The header of a saved gallery. Raises StorageError if it is missing or not one."""
    path = folder / HEADER
    try:
        data = json.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise StorageError(
            f"{shown(path)}: not there", remedy="name the folder of a gallery"
        ) from error
    except (OSError, ValueError, RecursionError) as error:
        raise StorageError(f"{shown(path)}: cannot be read ({error})", remedy=_REMEDY) from error
    if not isinstance(data, dict) or data.pop("format", None) != FORMAT:
        raise StorageError(f"{shown(path)}: not the header of a gallery", remedy=_REMEDY)
    version = data.pop("version", None)
    if version != VERSION:
        raise StorageError(
            f"{shown(path)}: version {version!r}, and this program reads {VERSION}",
            remedy="update it",
        )
    try:
        data.setdefault("given", data.get("count"))
        header = Header(**data)
        sound = (
            all(isinstance(text, str) for text in (header.kind, header.space, *header.people))
            and isinstance(header.people, list)
            and type(header.dim) is type(header.count) is int
            and header.dim > 0
            and header.count >= 0
            and type(header.given) is int
            and all(_DATA.fullmatch(name) for name in header.files.values())
            and all(isinstance(text, str) for text in header.sha256.values())
        )
    except (TypeError, AttributeError):
        sound = False
    if not sound:
        raise StorageError(f"{shown(path)}: fields are missing or wrong", remedy=_REMEDY)
    return header


def array(folder: Path, header: Header, part: str, dtype: type, shape: tuple[int, ...]) -> Any:
    """One part's array, mapped read-only. Raises StorageError if it is not of dtype and shape."""
    path = part_file(folder, header, part)
    try:
        # An empty array cannot be mapped.
        found = np.load(path, mmap_mode="r" if header.count else None, allow_pickle=False)
    except (OSError, ValueError, EOFError, SyntaxError, TokenError) as error:
        raise StorageError(f"{shown(path)}: cannot be read ({error})", remedy=_REMEDY) from error
    if not isinstance(found, np.ndarray) or found.dtype != dtype or found.shape != shape:
        raise StorageError(f"{shown(path)}: not the array that {HEADER} tells of", remedy=_REMEDY)
    return found


def part_file(folder: Path, header: Header, part: str) -> Path:
    """The file of one part. Raises StorageError if it is missing or its hash is wrong."""
    path = folder / header.files.get(part, part)
    if not path.is_file():
        raise StorageError(f"{shown(path)}: not there", remedy=_REMEDY)
    wanted = header.sha256.get(part)
    if part == "index" and wanted != sha256_of(path):
        raise StorageError(f"{shown(path)}: damaged, its hash is wrong", remedy=_REMEDY)
    return path
