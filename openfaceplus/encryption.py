"""What is encrypted at rest, and the keys that it takes.

What is sealed is ``MAGIC``, the id of its key (8 bytes), a salt (16 bytes), and pieces of 1 MiB,
each by AES-256-GCM under a key of its own, which HKDF-SHA256 makes from the salt. The nonces count
the pieces and tell the last, so that none can be left out or moved (STREAM, Hoang et al. 2015, as
age uses it). AES-GCM and not Fernet, which takes a third more space and has 128-bit keys.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import secrets
import stat
from functools import lru_cache
from pathlib import Path
from typing import Any

from openfaceplus.errors import StorageError
from openfaceplus.extras import require
from openfaceplus.files import atomic_write, fingerprint, shown

KEYFILE = "OPENFACEPLUS_KEYFILE"
"""The environment variable that names the file of keys, for workers too."""

MAGIC = b"openfaceplus sealed file 1\n"
"""How a sealed file begins; ``files.spare`` knows it for ours."""

_ABOUT = "encryption keys, written by openfaceplus"
_PIECE = 1 << 20
_ID, _SALT, _TAG = 8, 16, 16


def make_keyfile(path: Path) -> None:
    """Make a file with a new key, its owner's alone; in one that is there the new key comes first,
    and the earlier ones still open what they sealed.

    Raises StorageError for a file that is none of keys, or that others may read.
    """
    keys = [secrets.token_bytes(32), *(_keys(path) if path.exists() else ())]
    with atomic_write(path, "w") as file:
        os.fchmod(file.fileno(), 0o600)  # however others' files are shared
        json.dump({"about": _ABOUT, "keys": [key.hex() for key in keys]}, file, indent=1)
        file.write("\n")


def check_keyfile() -> None:
    """Raises StorageError if no file of keys is set, or it cannot be used."""
    _known()


def seal(data: bytes | memoryview) -> bytes:
    """Data encrypted by the newest key."""
    key, *_ = _known()
    head = newest() + secrets.token_bytes(_SALT)
    cipher = _cipher(key, head)
    whole = memoryview(data)
    starts = range(0, max(len(whole), 1), _PIECE)
    pieces = [
        cipher.encrypt(_nonce(n, start == starts[-1]), whole[start : start + _PIECE], None)
        for n, start in enumerate(starts)
    ]
    return b"".join((head, *pieces))


def unseal(sealed: bytes, name: str) -> bytes:
    """What ``seal`` was given; data that are not sealed are returned as they are.

    Raises StorageError, about the file ``name``, without the right key and for damaged data.
    """
    if not sealed.startswith(MAGIC):
        return sealed
    from cryptography.exceptions import InvalidTag

    start = len(MAGIC) + _ID + _SALT
    head, body = sealed[:start], memoryview(sealed)[start:]
    number = head[len(MAGIC) : -_SALT]
    key = next((key for key in _known(name) if _id(key) == number), None)
    if key is None:
        raise StorageError(
            f"{name}: was encrypted with another key",
            remedy=f"set {KEYFILE} to the file of that key",
        )
    cipher, size = _cipher(key, head), _PIECE + _TAG
    starts = range(0, max(len(body), 1), size)
    try:
        return b"".join(
            cipher.decrypt(_nonce(n, start == starts[-1]), body[start : start + size], None)
            for n, start in enumerate(starts)
        )
    except (InvalidTag, ValueError) as error:
        raise StorageError(
            f"{name}: was damaged or changed, and cannot be decrypted",
            remedy="put a copy in its place",
        ) from error


def on() -> bool:
    """Whether a file of keys is set: then what lies in no marked folder is sealed as well."""
    return bool(os.environ.get(KEYFILE))


def newest() -> bytes:
    """How begins what the newest key sealed."""
    return MAGIC + _id(_known()[0])


def _known(name: str = "") -> tuple[bytes, ...]:
    """The keys of the file that is set, the newest first."""
    given = os.environ.get(KEYFILE)
    if not given:
        about = f"{name}: is encrypted" if name else "encryption takes a key"
        raise StorageError(about, remedy=f"set {KEYFILE} to the file of the key")
    require("cryptography", "serve", "encryption")
    with contextlib.suppress(OSError):  # said when it is read
        _refuse_shared(Path(given))
    return _keys_of(given, fingerprint(Path(given), ""))


@lru_cache(maxsize=4)
def _keys_of(path: str, _: str) -> tuple[bytes, ...]:
    return _keys(Path(path))


def _keys(path: Path) -> tuple[bytes, ...]:
    try:
        _refuse_shared(path)
        data = json.loads(path.read_text(encoding="utf-8"))
        keys = tuple(map(bytes.fromhex, data["keys"]))
        if data["about"] != _ABOUT or not keys or any(len(key) != 32 for key in keys):
            raise ValueError("other fields")
        return keys
    except FileNotFoundError as error:
        raise StorageError(
            f"{shown(path)}: no such file of keys",
            remedy="name another, or make one: openfaceplus keys file PATH",
        ) from error
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise StorageError(
            f"{shown(path)}: not a file of encryption keys ({error})", remedy="name another"
        ) from error


def _refuse_shared(path: Path) -> None:
    if stat.S_IMODE(path.stat().st_mode) & 0o077:
        raise StorageError(
            f"{shown(path)}: others may read it", remedy=f"run: chmod 600 {shown(path)}"
        )


def _id(key: bytes) -> bytes:
    return hashlib.sha256(b"openfaceplus key id" + key).digest()[:_ID]


def _cipher(key: bytes, head: bytes) -> Any:
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.kdf.hkdf import HKDF

    return AESGCM(HKDF(SHA256(), 32, head[-_SALT:], head[:-_SALT]).derive(key))


def _nonce(number: int, last: bool) -> bytes:
    return number.to_bytes(11, "big") + bytes([last])
