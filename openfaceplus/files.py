"""Writing files so that a reader, or the next run, only ever meets whole ones.

No file is replaced that openfaceplus did not write, unless that is allowed (``overwriting``).
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import itertools
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from openfaceplus.errors import InTheWay, StorageError

SHARED = "OPENFACEPLUS_SHARED"
"""The environment variable that, set to 1, lets others read what is written, workers' too."""

OVERWRITE = "OPENFACEPLUS_OVERWRITE"
"""The one that, set to 1, lets files be replaced that openfaceplus did not write."""

STAGING = ".changes"
"""A folder's folder for what is to take its place in it; see ``changes``."""

MARK = "written by openfaceplus"
"""What stands in pictures and reports, so that the next run knows them for its own."""

# What files of ours say in their first or last bytes, some only at their very beginning.
_OURS = re.compile(
    rb"written by openfaceplus"
    rb"|\Aopenfaceplus sealed file"  # whatever is encrypted
    rb"|\A\x80\x04\x8c\x18openfaceplus container"  # classifiers and caches
    rb"|\A\x80.{,90}openfaceplus classifier"  # the same of version 0.1
    rb'|\A\{"format": "openfaceplus gallery"'
    rb'|\A\{\s*"(stage|space)": "'  # manifests; thresholds and other measurements
    rb"|\ASample photos of `openfaceplus demo`"
    rb"|\A(-?\d+\.\d{6},-?\d+\.\d{6}\n){68}\Z"  # mean landmarks
    rb"|\A(video,start,end,person|time,sequence,name,closest),"  # timelines, named frames
    rb'|\A\[(\n \{\n  "person": \d+,\n  "name": |\]\n\Z)'
)
_ENOUGH = 4096  # bytes

_TEMPORARY = re.compile(r"\..+\.\d+-\d+\.tmp", re.DOTALL)
_LONGEST_NAME = 255  # bytes
_NAME_BYTES = 200  # leaves room for dots, process and serial number in the 255 bytes of a name
_serial = itertools.count()

_REMEDIES = {
    errno.ENOSPC: "free some space or choose a folder on another disk",
    errno.EDQUOT: "free some space or choose a folder on another disk",
    errno.EFBIG: "choose a folder on a disk that allows larger files",
    errno.EACCES: "choose a folder you may write to, or change its permissions",
    errno.EPERM: "choose a folder you may write to, or change its permissions",
    errno.EROFS: "choose a folder on a disk that is not read-only",
    errno.ENAMETOOLONG: "choose a shorter name",
    errno.ENOTDIR: "a part of its folder's path is a file: choose another folder",
    errno.EEXIST: "a part of its folder's path is a file: choose another folder",
    errno.EISDIR: "a folder of that name is in the way: remove it or choose another name",
}


def shown(path: str | os.PathLike[str]) -> str:
    """A path as one printable line: line breaks, control and undecodable bytes are escaped."""
    text = os.fspath(path)
    if text.isprintable():
        return text
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def fingerprint(path: Path, missing: str) -> str:
    """What changes when a file does: its size and time; ``missing`` where it cannot be seen."""
    try:
        status = path.stat()
    except (OSError, ValueError):
        return missing
    return f"{status.st_size}-{status.st_mtime_ns}"


def user_folder(own: str, xdg: str, usual: str, what: str) -> Path:
    """The user's folder for ``what``: the one that the environment variable ``own`` names, or by
    the XDG specification; it need not exist. Raises StorageError where there is no home folder."""
    if given := os.environ.get(own):
        return Path(given)
    base = os.environ.get(xdg, "")
    # The XDG specification: a path that is not absolute is to be ignored.
    if not base.startswith("/"):
        base = os.path.expanduser(usual)
    if not base.startswith("/"):
        raise StorageError(f"there is no home folder for {what}", remedy=f"set {own}")
    return Path(base, "openfaceplus")


@contextlib.contextmanager
def sharing(on: bool) -> Iterator[None]:
    """Within the block, if ``on``, files and folders get the modes of the umask."""
    with _set(SHARED, on):
        yield


@contextlib.contextmanager
def overwriting(on: bool) -> Iterator[None]:
    """Within the block, if ``on``, files are replaced whoever wrote them."""
    with _set(OVERWRITE, on):
        yield


def may_overwrite() -> bool:
    """Whether files may be replaced that openfaceplus did not write."""
    return _is_set(OVERWRITE)


@contextlib.contextmanager
def _set(variable: str, on: bool) -> Iterator[None]:
    before = os.environ.get(variable)
    if on:
        os.environ[variable] = "1"
    try:
        yield
    finally:
        if on:
            del os.environ[variable]
        if on and before is not None:
            os.environ[variable] = before


def _is_set(variable: str) -> bool:
    return os.environ.get(variable, "0") not in ("", "0")


def spare(path: str | os.PathLike[str]) -> None:
    """Raises InTheWay if a file is at ``path`` that openfaceplus did not write, or a symbolic link.

    Such a file may be replaced within ``overwriting``. What is no regular file is another matter.
    """
    path = Path(path)
    if may_overwrite() or not (path.is_symlink() or path.is_file()):
        return
    if path.is_symlink() or not _bears_our_mark(path):
        raise InTheWay(
            f"{shown(path)}: is there and was not made here",
            remedy="move it, or allow overwriting",
            field="overwrite",
        )


def _bears_our_mark(path: Path) -> bool:
    try:
        with open(path, "rb") as file:
            head = file.read(_ENOUGH)
            file.seek(max(len(head), path.stat().st_size - _ENOUGH))
            return _OURS.search(head + file.read()) is not None
    except OSError:
        return False


def opener(path: str, flags: int) -> int:
    """For ``open``: a new file is its owner's alone, unless shared."""
    return os.open(path, flags, 0o600 | _others(0o066))


def make_folder(path: Path) -> None:
    """Make a folder and those above it that are missing, their owner's alone, unless shared.

    Those that are there keep their modes.
    """
    mode = 0o700 | _others(0o077)
    try:
        path.mkdir(mode, exist_ok=True)
    except FileNotFoundError:
        if path.parent == path:
            raise
        make_folder(path.parent)
        path.mkdir(mode, exist_ok=True)


def _others(mode: int) -> int:
    return mode if _is_set(SHARED) else 0


@contextlib.contextmanager
def atomic_write(
    path: str | os.PathLike[str], mode: str = "wb", *, ours: bool = False
) -> Iterator[IO[Any]]:
    """Open a temporary neighbour of ``path`` for writing; it becomes ``path`` when the block ends.

    If the block raises, ``path`` stays as it was and nothing is left behind. Folders are made as
    needed; these and the file are its owner's alone, unless shared. Text (``mode="w"``) is UTF-8
    with its line ends as given, and odd bytes of file names survive (surrogateescape). In a folder
    that is marked so (``encrypted_files``) it is encrypted. Nothing is synced to the disk: this
    protects from a killed process, not from a power cut.

    Raises StorageError, with the path and the remedy, where writing fails, and InTheWay as
    ``spare`` does; not so if whatever is called ``path`` is known to be ``ours``.
    """
    path = Path(path)
    temporary = path.with_name(_temporary_name(path.name or "_"))
    from openfaceplus.encrypted_files import layer

    try:
        if not ours and STAGING not in path.parts:
            spare(path)
        if path.exists() and not path.is_file():  # replacing /dev/null would be worse than failing
            raise OSError(errno.EISDIR, "Not a regular file", str(path))
        make_folder(path.parent)
        try:
            with open(temporary, "wb", opener=opener) as raw:
                with contextlib.suppress(OSError):  # not every network disk can lock
                    fcntl.flock(raw, fcntl.LOCK_EX | fcntl.LOCK_NB)
                with layer(raw, path, mode) as file:
                    yield file
            os.replace(temporary, path)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise
    except OSError as error:
        if not _ours(error, path, temporary):
            raise
        raise unwritable(path, error) from error


def unwritable(path: Path, error: OSError) -> StorageError:
    """The error, with the remedy, for a file or folder that could not be written."""
    return StorageError(
        f"{shown(path)}: cannot be written ({error.strerror or error})",
        remedy=_REMEDIES.get(error.errno or 0, "check the folder and the disk"),
    )


def inside(root: str | os.PathLike[str], path: str | os.PathLike[str]) -> Path | None:
    """``path`` if it lies below the folder ``root`` and no symbolic link leads from there to it.

    None if not, or if no file can have that path. Every path that was read from a file passes here
    before anything at it is written or deleted; ``root`` itself may be reached by a link.
    """
    if ".." in Path(path).parts or not possible(path):
        return None
    top, place = os.path.abspath(root), os.path.abspath(path)
    if not place.startswith(os.path.join(top, "")):
        return None
    step = top
    for part in place[len(os.path.join(top, "")) :].split(os.sep):
        step = os.path.join(step, part)
        if os.path.islink(step):
            return None
    return Path(path)


def possible(path: str | os.PathLike[str]) -> bool:
    """Whether a file may have that path: without NUL, each name of 255 bytes at most."""
    try:
        raw = os.fsencode(path)
    except UnicodeEncodeError:
        return False
    return b"\0" not in raw and max(map(len, raw.split(b"/"))) <= _LONGEST_NAME


def sweep(folder: str | os.PathLike[str]) -> int:
    """Remove what killed processes left of ``atomic_write`` below ``folder``; return how many.

    A temporary file whose writer lives is locked and stays. The lock tells this where a process
    number cannot: numbers repeat, and differ between containers that share the folder.
    """
    removed = 0
    for parent, _, names in os.walk(folder):
        for name in filter(_TEMPORARY.fullmatch, names):
            leftover = os.path.join(parent, name)
            with contextlib.suppress(OSError), open(leftover, "rb") as file:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                os.unlink(leftover)
                removed += 1
    return removed


def _temporary_name(name: str) -> str:
    start = os.fsdecode(os.fsencode(name)[:_NAME_BYTES])
    return f".{start}.{os.getpid()}-{next(_serial)}.tmp"


def _ours(error: OSError, path: Path, temporary: Path) -> bool:
    """Whether the error is about this file; the block may well have failed to read another."""
    named = error.filename
    return named is None or Path(os.fsdecode(named)) in {path, temporary, *path.parents}
