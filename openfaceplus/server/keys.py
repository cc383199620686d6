"""Keys that open a server, each with a name and a role; a file holds their hashes."""

from __future__ import annotations

import hashlib
import json
import os
import re
import secrets
import stat
import threading
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from enum import IntEnum
from pathlib import Path
from typing import Any

from openfaceplus.changes import changing
from openfaceplus.errors import StorageError, UsageError
from openfaceplus.extras import require
from openfaceplus.files import atomic_write, fingerprint, shown

_ABOUT = "keys of openfaceplus serve, written by openfaceplus"
_KEY = re.compile(r"ofp_([0-9a-f]{8})_[\w-]{43}")
_MOST_CHECKED = 1000


class Role(IntEnum):
    """What a key may do; each role may do what those below it may."""

    PUBLIC = 0
    VIEWER = 1
    ENROLLER = 2
    ADMIN = 3

    def __str__(self) -> str:
        return self.name.lower()


ROLES = tuple(str(role) for role in Role if role)
"""The names of roles that a key may have."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key, without what it takes to use it."""

    id: str
    name: str
    role: str
    hash: str
    added: str

    @property
    def rank(self) -> Role:
        """Its role, to be compared."""
        return Role[self.role.upper()]


class KeyFile:
    """A file of keys, read anew when it changes. Threads may share it.

    Raises StorageError for a file that is not one, or that others may read.
    """

    def __init__(self, path: Path) -> None:
        require("argon2", "serve", "keys")
        self.path = path
        self._mark = ""
        self._keys: dict[str, Key] = {}
        self._checked: dict[bytes, str] = {}
        self._lock = threading.Lock()
        self._slow = threading.Lock()  # a check takes 19 MB: one at a time
        self._pepper = secrets.token_bytes(32)

    def all(self) -> list[Key]:
        """The keys, in the order in which they were added."""
        with self._lock:
            self._refresh()
            return list(self._keys.values())

    def add(self, name: str, role: str) -> str:
        """Add a key; returns it, the only time that it is known."""
        if role not in ROLES:
            raise UsageError(
                f"{role!r} is no role", remedy=f"give one of {', '.join(ROLES)}", field="role"
            )
        if not re.fullmatch(r"\w[\w .@-]{0,63}", name):
            raise UsageError(
                f"{name!r} cannot be a key's name",
                remedy="give up to 64 letters, digits, spaces, dots, @, - or _",
                field="name",
            )
        number = secrets.token_hex(4)
        key = f"ofp_{number}_{secrets.token_urlsafe(32)}"
        now = datetime.now(UTC).isoformat(timespec="seconds")
        with changing(self.path.parent), self._lock:
            self._refresh()
            if name in [one.name for one in self._keys.values()]:
                raise UsageError(
                    f"there is a key called {name!r}", remedy="remove it first", field="name"
                )
            made = Key(number, name, role, _hasher().hash(key), now)
            self._write([*self._keys.values(), made])
        return key

    def remove(self, name: str) -> None:
        """Remove a key: it opens nothing from now on. Raises UsageError if there is none."""
        with changing(self.path.parent), self._lock:
            self._refresh()
            rest = [one for one in self._keys.values() if one.name != name]
            if len(rest) == len(self._keys):
                known = ", ".join(one.name for one in rest) or "there are none"
                raise UsageError(
                    f"there is no key called {name!r}", remedy=f"known: {known}", field="name"
                )
            self._write(rest)

    def check(self, key: str) -> Key | None:
        """The key that this is, None if it is none. A key's first check takes some 20 ms."""
        from argon2.exceptions import Argon2Error, InvalidHashError

        found = _KEY.fullmatch(key)
        if found is None:
            return None
        digest = hashlib.blake2b(key.encode(), key=self._pepper).digest()
        known = self.named(found[1])
        if known is None or self._checked.get(digest) == known.hash:
            return known
        try:
            with self._slow:
                _hasher().verify(known.hash, key)
        except (Argon2Error, InvalidHashError):
            return None
        if len(self._checked) >= _MOST_CHECKED:
            self._checked.clear()
        self._checked[digest] = known.hash
        return known

    def named(self, number: str) -> Key | None:
        """The key of an id, if it is still there."""
        with self._lock:
            self._refresh()
            return self._keys.get(number)

    def _refresh(self) -> None:
        mark = fingerprint(self.path, "")
        if mark == self._mark:
            return
        self._keys = {one.id: one for one in _read(self.path)}
        self._mark = mark

    def _write(self, keys: list[Key]) -> None:
        with atomic_write(self.path, "w") as file:
            os.fchmod(file.fileno(), 0o600)  # however others' files are shared
            json.dump({"about": _ABOUT, "keys": [asdict(one) for one in keys]}, file, indent=1)
            file.write("\n")


def _hasher() -> Any:
    """Argon2id with the least that OWASP's Password Storage Cheat Sheet (2023) asks for: a key is
    random, so no more is gained by more."""
    from argon2 import PasswordHasher

    return PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)


def _read(path: Path) -> list[Key]:
    try:
        mode = path.stat().st_mode
        if stat.S_IMODE(mode) & 0o077:
            raise StorageError(
                f"{shown(path)}: others may read it", remedy=f"run: chmod 600 {shown(path)}"
            )
        data = json.loads(path.read_text(encoding="utf-8"))
        found = [Key(**{k: str(v) for k, v in one.items()}) for one in data["keys"]]
        if not all(one.role in ROLES for one in found):
            raise ValueError("a role that is none")
        return found
    except FileNotFoundError:
        return []
    except (OSError, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise StorageError(
            f"{shown(path)}: not a file of keys ({error})", remedy="name another"
        ) from error
