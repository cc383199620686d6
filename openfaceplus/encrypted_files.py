"""Files of folders that are encrypted at rest: whatever is written below such a folder is sealed.

A file ``.encrypted`` marks it. ``files.atomic_write`` seals what it writes there, and whoever reads
such files opens them here; without the key that is an error, and nothing is written either. Names
and sizes of files stay visible, and whoever can write may put an older file in a newer's place.
"""

from __future__ import annotations

import base64
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, BinaryIO

from openfaceplus.encryption import MAGIC, check_keyfile, newest, seal, unseal
from openfaceplus.errors import InTheWay, StorageError
from openfaceplus.files import atomic_write, shown

MARK = ".encrypted"
"""The file that marks a folder."""

_LINE = base64.b64encode(MAGIC[: len(MAGIC) // 3 * 3]).decode()  # how a sealed line begins


def opened(file: BinaryIO, name: str) -> BinaryIO:
    """A file that is open at its start, or if it is sealed what it holds. Raises as ``unseal``."""
    start = file.read(len(MAGIC))
    file.seek(0)
    if start != MAGIC:
        return file
    with file:
        return io.BytesIO(unseal(file.read(), name))


def open_file(path: str | os.PathLike[str]) -> BinaryIO:
    """A file opened for reading, decrypted if it is sealed. Raises OSError, and as ``unseal``."""
    return opened(open(path, "rb"), shown(path))


def open_text(path: str | os.PathLike[str], errors: str = "strict") -> io.TextIOWrapper:
    """The same as UTF-8 text, with its line ends as they are."""
    return io.TextIOWrapper(open_file(path), "utf-8", errors, newline="")


def read_text(path: str | os.PathLike[str], errors: str = "strict") -> str:
    """The whole text."""
    with open_text(path, errors) as file:
        return file.read()


def read_bytes(path: str | os.PathLike[str]) -> bytes:
    """The whole file."""
    with open_file(path) as file:
        return file.read()


def marked(path: str | os.PathLike[str]) -> bool:
    """Whether what is written to ``path`` is to be sealed."""
    return any((folder / MARK).exists() for folder in Path(os.path.abspath(path)).parents)


def mark(folder: Path) -> None:
    """Have all that is written below a folder sealed from now on."""
    check_keyfile()
    if not (folder / MARK).exists():
        with atomic_write(folder / MARK, "w") as file:
            file.write("what lies here is encrypted, written by openfaceplus\n")


@contextmanager
def layer(raw: BinaryIO, path: Path, mode: str) -> Iterator[IO[Any]]:
    """What to write the content of ``path`` to, text or bytes, so that it comes to ``raw``, sealed
    if it is to be."""
    sealing = marked(path)
    if sealing:
        check_keyfile()
    inner = io.BytesIO() if sealing else raw
    # Odd bytes of file names survive.
    text = (
        io.TextIOWrapper(inner, "utf-8", "surrogateescape", newline="") if "b" not in mode else None
    )
    yield text or inner
    if text is not None:
        text.flush()
        text.detach()
    if isinstance(inner, io.BytesIO):
        raw.write(seal(inner.getbuffer()))


def seal_line(path: Path, text: str) -> str:
    """A line to be appended to a file, sealed by itself if it is to be."""
    return base64.b64encode(seal(text.encode())).decode() if marked(path) else text


def unseal_line(path: Path, line: str) -> str:
    """The inverse; a line that was cut short is none."""
    if not line.startswith(_LINE):
        return line
    try:
        return unseal(base64.b64decode(line, validate=True), shown(path)).decode()
    except (ValueError, StorageError):
        return ""


def refuse_others(folder: Path, mine: Callable[[str], bool]) -> None:
    """Raises InTheWay if there is a file, by its path below the folder, that is not ``mine``."""
    for path in _files_below(folder):
        if not mine(path.relative_to(folder).as_posix()):
            raise InTheWay(
                f"{shown(path)}: was not made here, and lies in a folder that is to be encrypted",
                remedy="move it",
            )


def encrypt(folder: Path) -> int:
    """Mark a folder, and seal all files in it that the newest key did not; how many.

    Only for who keeps other writers out. Killed on the way, it goes on when it is called again.
    """
    mark(folder)
    return _rewrite(folder, newest(), wanted=True)


def decrypt(folder: Path) -> int:
    """Take the mark from a folder, and write all its files as they were before; how many."""
    check_keyfile()
    (folder / MARK).unlink(missing_ok=True)
    return _rewrite(folder, MAGIC, wanted=False)


def _rewrite(folder: Path, start: bytes, wanted: bool) -> int:
    """Write anew all files that do not begin so, or if that is not ``wanted`` do."""
    count = 0
    for path in _files_below(folder):
        with open(path, "rb") as raw:
            if (raw.read(len(start)) == start) == wanted:
                continue
        data = read_bytes(path)
        with atomic_write(path, ours=True) as into:
            into.write(data)
        count += 1
    return count


def _files_below(folder: Path) -> Iterator[Path]:
    for parent, _, names in os.walk(folder):
        for name in sorted(names):
            path = Path(parent, name)
            if name not in (MARK, ".lock") and not path.is_symlink() and path.is_file():
                yield path
