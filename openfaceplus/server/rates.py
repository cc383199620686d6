"""How often somebody may ask."""

from __future__ import annotations

import math
import time

from openfaceplus.server.problems import Refused

_MOST = 10_000  # who is remembered at a time


class Rate:
    """So many a minute for each who asks, half of that at once (a token bucket)."""

    def __init__(self, per_minute: int) -> None:
        self._second = per_minute / 60
        self._full = max(1.0, per_minute / 2)
        self._left: dict[str, tuple[float, float]] = {}

    def wait(self, who: str, cost: float = 1.0) -> int:
        """Count a request; 0 if it may pass, else the seconds after which the next one may."""
        now = time.monotonic()
        left, then = self._left.pop(who, (self._full, now))
        left = min(self._full, left + (now - then) * self._second)
        passes = left >= 1
        self._left[who] = (left - cost if passes else left, now)
        if len(self._left) > _MOST:
            del self._left[next(iter(self._left))]  # who has not asked for longest
        return 0 if passes else math.ceil((1 - left) / self._second)

    def hold(self, who: str, what: str, cost: float = 1.0) -> None:
        """Count a request. Raises Refused if there were too many."""
        if seconds := self.wait(who, cost):
            raise Refused(
                429, "too_many", f"too many {what}", f"try again in {seconds} s",
                headers={"Retry-After": str(seconds)},
            )  # fmt: skip
