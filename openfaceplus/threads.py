"""How many processors, processes and threads to use, and what threads make once together."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from threading import RLock
from typing import Any, Generic, TypeVar

from openfaceplus import hosts
from openfaceplus.errors import UsageError

Made = TypeVar("Made")

_shared = False


def share_cores() -> None:
    """Say that this process is one of a pool, whose others have the other cores."""
    global _shared
    _shared = True


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processes(jobs: int | None, items: int | None = None) -> int:
    """How many share so many items: ``jobs``, or one a core, here or on the host that was chosen,
    and no more than there are items.

    Raises UsageError for a number of jobs below one.
    """
    if jobs is not None and jobs < 1:
        raise UsageError(f"{jobs} processes cannot work", remedy="give 1 or more", field="jobs")
    if jobs is None:
        host = hosts.elsewhere()
        jobs = cores() if host is None else host.count()
    return jobs if items is None else min(jobs, max(1, items))


def thread_count(threads: int | None) -> int:
    """``threads``, or for None as many as there are cores that this process may use; but one in a
    process of a pool, of ours or of ``multiprocessing``, whose others have the other cores.

    Raises UsageError for fewer than one.
    """
    if threads is None:
        processes = sys.modules.get("multiprocessing.process")
        pooled = processes is not None and processes.parent_process() is not None
        return 1 if _shared or pooled else cores()
    if threads < 1:
        raise UsageError(f"{threads} threads cannot run a network", remedy="give 1 or more")
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
