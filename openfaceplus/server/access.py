"""Whose request it is: by key, by session, or anybody's on this machine alone."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from http.cookies import CookieError, SimpleCookie
from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from openfaceplus.server.keys import Key, KeyFile, Role
from openfaceplus.server.problems import Refused
from openfaceplus.server.rates import Rate
from openfaceplus.server.sessions import COOKIE, Session, Sessions

if TYPE_CHECKING:
    from openfaceplus.server.kept import Kept
    from openfaceplus.server.settings import Settings


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks: the name of their key, or ``local`` where none is needed, their role, and the id
    of the key."""

    name: str
    role: Role
    session: Session | None = None
    key: str | None = None


NOBODY = Principal("nobody", Role.PUBLIC)
LOCAL = Principal("local", Role.ADMIN)


class Access:
    """The keys and sessions of a server. Without a file of keys everybody may do everything."""

    def __init__(self, settings: Settings, kept: Kept) -> None:
        self.keys = None if settings.keys is None else KeyFile(settings.keys)
        self.sessions = Sessions(kept)
        self._failed = Rate(settings.limits.failures)

    async def who(self, headers: Headers, address: str) -> Principal:
        """Who asks. Raises Refused for a wrong key."""
        if self.keys is None:
            return LOCAL
        scheme, _, given = headers.get("authorization", "").partition(" ")
        if scheme.lower() == "bearer":
            key = await self.check(given.strip(), address)
            return Principal(key.name, key.rank, key=key.id)
        token = _cookie(headers)
        session = self.sessions.find(token) if token else None
        if session is None:
            return NOBODY
        known = self.keys.named(session.key)
        if known is None:
            self.sessions.end(token)
            return NOBODY
        return Principal(known.name, known.rank, session, known.id)

    def stands(self, who: Principal) -> bool:
        """Whether who asked a while ago may still do the same."""
        if self.keys is None or who.key is None:
            return self.keys is None
        known = self.keys.named(who.key)
        ended = who.session is not None and who.session.ends < time.time()
        return known is not None and known.rank >= who.role and not ended

    async def check(self, given: str, address: str) -> Key:
        """Whose key it is. Raises Refused if nobody's, or after too many of those."""
        if self.keys is None:
            raise Refused(409, "no_keys", "this server needs no key", "use it without")
        self._failed.hold(address, "wrong keys", cost=0)
        key = await asyncio.to_thread(self.keys.check, given)
        if key is None:
            self._failed.wait(address)
            raise Refused(
                401, "wrong_key", "this key opens nothing here", "check it, or ask for another",
                headers={"WWW-Authenticate": "Bearer"},
            )  # fmt: skip
        return key


def _cookie(headers: Headers) -> str:
    try:
        found = SimpleCookie(headers.get("cookie", "")).get(COOKIE)
    except CookieError:
        return ""
    return "" if found is None else found.value
