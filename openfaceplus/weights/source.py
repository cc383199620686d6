"""Opening files that somebody else may have made: regular ones only, and none beyond a ceiling."""

from __future__ import annotations

import io
import os
import stat
from typing import BinaryIO

from openfaceplus.encrypted_files import opened
from openfaceplus.errors import ModelCorrupt, ModelMissing
from openfaceplus.files import shown

LARGEST = 2 << 30
"""Bytes of a file of weights; the largest in use have 0.3 GB."""


def open_regular(
    path: str | os.PathLike[str], largest: int = LARGEST, remedy: str = "check the path"
) -> tuple[BinaryIO, int]:
    """The file, opened, and its size in bytes.

    Raises ModelMissing where it cannot be read, ModelCorrupt where it is too large or no regular
    file: a pipe would block, and /dev/zero never end.
    """
    name = shown(path)
    try:
        # Opening a pipe waits for its other end, unless told not to.
        number = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
        status = os.fstat(number)
        if stat.S_ISREG(status.st_mode) and status.st_size <= largest:
            file = opened(os.fdopen(number, "rb"), name)
            size = len(file.getbuffer()) if isinstance(file, io.BytesIO) else status.st_size
            return file, size
        os.close(number)
    except OSError as error:
        reason = error.strerror or str(error)
        raise ModelMissing(f"{name}: cannot be read ({reason})", remedy=remedy) from None
    if stat.S_ISDIR(status.st_mode):
        raise ModelMissing(f"{name}: is a folder, not a file", remedy=remedy)
    if not stat.S_ISREG(status.st_mode):
        raise ModelCorrupt(f"{name}: is not a regular file", remedy=remedy)
    raise ModelCorrupt(
        f"{name}: has {status.st_size:,} bytes, more than the {largest:,} such a file may have",
        remedy=remedy,
    )


def read_regular(path: str | os.PathLike[str], largest: int = LARGEST) -> bytes:
    """The whole file; the same errors."""
    file, size = open_regular(path, largest)
    with file:
        data = file.read(size)
    if len(data) != size:
        raise ModelCorrupt(f"{shown(path)}: changed while it was read", remedy="try again")
    return data
