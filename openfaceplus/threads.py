"""How many processors and threads there are to use, and what threads make once together."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from threading import RLock
from typing import Any, Generic, TypeVar

from openfaceplus.errors import UsageError

Made = TypeVar("Made")


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def thread_count(threads: int | None) -> int:
    """``threads``, or for None as many as there are cores that this process may use; but one in a
    process that ``multiprocessing`` started, since the others of its pool have the other cores.

    Raises UsageError for fewer than one.
    """
    if threads is None:
        processes = sys.modules.get("multiprocessing.process")
        pooled = processes is not None and processes.parent_process() is not None
        return 1 if pooled else cores()
    if threads < 1:
        raise UsageError(f"{threads} threads cannot run a network; give 1 or more")
    return threads


class once(Generic[Made]):
    """A property that is made when first asked for; threads that ask meanwhile wait for it."""

    def __init__(self, make: Callable[[Any], Made]) -> None:
        self._make = make
        self._lock = RLock()
        self._name = make.__name__
        self.__doc__ = make.__doc__

    def __get__(self, instance: Any, owner: type | None = None) -> Made:
        # What is made lies in the instance, where Python finds it first from then on.
        with self._lock:
            if self._name not in instance.__dict__:
                instance.__dict__[self._name] = self._make(instance)
            made: Made = instance.__dict__[self._name]
            return made
