"""Sessions of browsers, opened by a key; they go on when the server is started anew."""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openfaceplus.server.kept import Kept

COOKIE = "openfaceplus"
SECONDS = 12 * 3600
_MOST = 1000


@dataclass(frozen=True, slots=True)
class Session:
    """Who it is, by the id of their key, the token that writing requests bear, and its end."""

    key: str
    csrf: str
    ends: float


class Sessions:
    """Sessions by what the cookie holds; of that only the hash is kept, and the token follows from
    it."""

    def __init__(self, kept: Kept) -> None:
        self._kept = kept

    def begin(self, key: str) -> tuple[str, Session]:
        """A new session: what the cookie is to hold, and the session."""
        token, ends = secrets.token_urlsafe(32), time.time() + SECONDS
        self._kept.begin_session(_hash(token), key, ends, _MOST)
        return token, Session(key, _csrf(token), ends)

    def find(self, token: str) -> Session | None:
        """The session of a cookie, unless it has ended."""
        found = self._kept.session(_hash(token))
        if found is None or found[1] < time.time():
            return None
        return Session(found[0], _csrf(token), found[1])

    def end(self, token: str) -> None:
        """Forget a session."""
        self._kept.end_session(_hash(token))


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="replace")).digest()


def _csrf(token: str) -> str:
    return hashlib.blake2b(token.encode(errors="replace"), person=b"csrf").hexdigest()[:43]
