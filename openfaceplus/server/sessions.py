"""Sessions of browsers, opened by a key, kept in memory until the server stops."""

from __future__ import annotations

import hashlib
import secrets
import time
from dataclasses import dataclass

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
    """Sessions by what the cookie holds; of that only the hash is kept."""

    def __init__(self) -> None:
        self._open: dict[bytes, Session] = {}

    def begin(self, key: str) -> tuple[str, Session]:
        """A new session: what the cookie is to hold, and the session."""
        token = secrets.token_urlsafe(32)
        session = Session(key, secrets.token_urlsafe(32), time.time() + SECONDS)
        self._open[_hash(token)] = session
        if len(self._open) > _MOST:
            del self._open[next(iter(self._open))]
        return token, session

    def find(self, token: str) -> Session | None:
        """The session of a cookie, unless it has ended."""
        session = self._open.get(_hash(token))
        if session is not None and session.ends < time.time():
            self.end(token)
            return None
        return session

    def end(self, token: str) -> None:
        """Forget a session."""
        self._open.pop(_hash(token), None)


def _hash(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()
