"""Where a command's worker processes run: on this machine, or where an engine has room for them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Protocol


class Died(Exception):
    """A process died, or could not be started; its text says why, if that is known."""


class Process(Protocol):
    """A process that answers one message after the other, its first with None."""

    def ready(self, seconds: float) -> bool:
        """Whether it has a place to run; waits that long for one."""

    def ask(self, message: bytes, items: int = 0) -> bytes:
        """The reply to a message about so many items. Raises Died."""

    def alive(self) -> bool:
        """Whether it may be asked, as far as is known."""

    def kill(self) -> None:
        """End it, whatever it is doing."""


class Host(Protocol):
    """What starts processes."""

    tries: int
    """How many processes may die at an item before it is given up."""

    local: bool
    """Whether all its processes are on this machine."""

    def count(self) -> int:
        """How many processes there is room for."""

    def start(self) -> Process:
        """A new process, perhaps not ready yet. Raises Died."""

    def speeds(self) -> Mapping[str, float]:
        """How many items a second each machine does."""


_host: ContextVar[Host | None] = ContextVar("host", default=None)


def elsewhere() -> Host | None:
    """What has been chosen in place of this machine, if anything."""
    return _host.get()


@contextmanager
def on(host: Host) -> Iterator[None]:
    """Within the block worker processes start on ``host``."""
    before = _host.set(host)
    try:
        yield
    finally:
        _host.reset(before)


_machine = ""


def name_machine(name: str) -> None:
    """Say that this process is one of a cluster, on the machine of that name."""
    global _machine
    _machine = name


def there() -> str:
    """For a sentence on what cannot be found: on which machine, if others have to do with it."""
    return f" on {_machine}, which must see the same files" if _machine else ""
