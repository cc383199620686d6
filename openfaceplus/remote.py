"""Photos and videos in object storage, by URL: ``s3://bucket/photos``, or whatever fsspec reads.

``location`` gives a ``Remote`` for a URL and a ``Path`` for all else. A ``Remote`` answers what is
asked of a ``Path`` where photos are read; nothing is ever written or deleted there. fsspec finds
the library for the URL, its settings and the credentials; it is imported for the first URL.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from openfaceplus import extras, files
from openfaceplus.errors import StorageError, UsageError
from openfaceplus.files import shown

MOST_BYTES = 1 << 30
"""Of a photo that is not a file, and so is held in memory."""

_URL = re.compile(r"([A-Za-z][A-Za-z0-9+.-]*::)*[A-Za-z][A-Za-z0-9+.-]*://")
_S3 = ("s3", "s3a")
# What says that content changed, by the names that libraries give it; times only where nothing
# else is there.
_MARKS = (
    "ETag", "etag", "e_tag", "md5Hash", "LastModified", "last_modified", "mtime", "updated",
    "created",
)  # fmt: skip


@dataclass(frozen=True, order=True, slots=True)
class Remote:
    """What a URL names: an object, or a folder of objects.

    ``mark`` is its fingerprint where a listing told it. Methods that ask the storage raise
    StorageError if it does not answer or refuses, UsageError if no library reads such URLs.
    """

    url: str
    mark: str = field(default="", compare=False)

    def __fspath__(self) -> str:
        return self.url

    def __str__(self) -> str:
        return self.url

    def __truediv__(self, relative: str) -> Remote:
        return Remote(f"{self.url}/{relative}")

    @property
    def name(self) -> str:
        return PurePosixPath(self.url).name

    @property
    def stem(self) -> str:
        return PurePosixPath(self.url).stem

    @property
    def suffix(self) -> str:
        return PurePosixPath(self.url).suffix

    @property
    def parent(self) -> Remote:
        return Remote(self.url.rpartition("/")[0])

    def resolve(self) -> Remote:
        """Itself: nothing leads elsewhere."""
        return self

    def is_dir(self) -> bool:
        """Whether there are objects below it."""
        return self._info().get("type") == "directory"

    def is_file(self) -> bool:
        """Whether it is an object."""
        return self._info().get("type") == "file"

    def below(self) -> Iterator[tuple[str, Remote]]:
        """All objects below it, each with its path from here; none where nothing is."""
        with self._asking() as (storage, path):
            storage.invalidate_cache()
            try:
                found = storage.find(path, detail=True)
            except FileNotFoundError:
                found = {}
        for name, info in found.items():
            inside = name.startswith(start := f"{path.rstrip('/')}/")
            relative = name.removeprefix(start)
            if inside and relative and not relative.endswith("/") and info["type"] == "file":
                yield relative, Remote(f"{self.url}/{relative}", _mark(info))

    def fingerprint(self) -> str:
        """What changes when the object does: its size, and what the storage knows its content by;
        empty if it is not there."""
        if self.mark:
            return self.mark
        info = self._info()
        return _mark(info) if info.get("type") == "file" else ""

    def open(self, mode: str = "rb") -> BinaryIO:
        """The whole object, in memory. Raises StorageError also for one that a listing gave more
        than ``MOST_BYTES``."""
        size = self.mark.partition("-")[0]
        if size.isdecimal() and int(size) > MOST_BYTES:
            raise StorageError(
                f"{shown(self)}: more than {MOST_BYTES >> 20} MiB, which is no photo",
                remedy="keep it elsewhere",
            )
        with self._asking() as (storage, path):
            return io.BytesIO(storage.cat_file(path))

    def fetch(self, to: Path) -> None:
        """Write the object to a new file."""
        with self._asking() as (storage, path):
            storage.get_file(path, os.fspath(to))

    def _info(self) -> Mapping[str, Any]:
        """What the storage says of it; empty if it is not there."""
        with self._asking() as (storage, path):
            try:
                info: Mapping[str, Any] = storage.info(path)
            except FileNotFoundError:
                return {}
        return info

    @contextmanager
    def _asking(self) -> Iterator[tuple[Any, str]]:
        """The file system of fsspec, and the path in it."""
        extras.require("fsspec", "s3", f"reading {shown(self)}")
        import fsspec

        protocol = self.url.partition(":")[0]
        if "::" not in self.url and protocol not in fsspec.available_protocols():
            raise UsageError(
                f"{shown(self)}: fsspec knows no storage called {protocol}", remedy="check the URL"
            )
        try:
            storage, path = fsspec.url_to_fs(self.url)
        except ImportError as error:
            if protocol in _S3:
                extras.require("s3fs", "s3", f"reading {protocol}://")
            raise UsageError(f"{shown(self)}: cannot be read ({shown(str(error))})") from error
        except Exception as error:  # whatever a library makes of its settings
            raise self._failed(error) from error
        try:
            yield storage, path
        except Exception as error:  # each library has errors of its own
            raise self._failed(error) from error

    def _failed(self, error: Exception) -> StorageError:
        if isinstance(error, FileNotFoundError):
            return StorageError(f"{shown(self)}: no such object", remedy="check the URL")
        why = shown(str(error)) or type(error).__name__
        return StorageError(
            f"{shown(self)}: cannot be read ({why})",
            remedy="check the URL, the credentials and the network",
        )


Location = Path | Remote
"""Where a photo lies, or a folder of them."""


def location(text: str | os.PathLike[str]) -> Location:
    """A ``Remote`` for a URL, a ``Path`` for all else; what is one already stays as it is."""
    if isinstance(text, (Path, Remote)):
        return text
    text = os.fspath(text)
    return Remote(_plain(text)) if _URL.match(text) else Path(text)


def absolute(text: str | os.PathLike[str]) -> str:
    """A path that does not depend on the working folder; a URL as it is."""
    text = os.fspath(text)
    return _plain(text) if _URL.match(text) else os.path.abspath(text)


def fingerprint(place: Location, missing: str) -> str:
    """What changes when a photo does; ``missing`` where it cannot be seen."""
    if isinstance(place, Path):
        return files.fingerprint(place, missing)
    try:
        return place.fingerprint() or missing
    except (StorageError, UsageError):
        return missing


def _plain(url: str) -> str:
    """The URL of a folder without the slash at its end."""
    bare = url.rstrip("/")
    return bare if _URL.match(bare) else url


def _mark(info: Mapping[str, Any]) -> str:
    mark = next((info[name] for name in _MARKS if info.get(name)), "")
    return f"{info.get('size')}-{str(mark).strip(chr(34))}"
