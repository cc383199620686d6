"""How many processors and threads there are to use."""

from __future__ import annotations

import os
import sys

from openfaceplus.errors import UsageError


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
