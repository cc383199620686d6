"""Work on many photos by several processes, with bounded memory and clean interruption."""

from __future__ import annotations

import multiprocessing
import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from typing import Any, TypeVar

from openfaceplus.errors import OpenFacePlusError, UsageError

Item = TypeVar("Item")
Result = TypeVar("Result")

_worker: Callable[[Any], Any] | None = None


def cores() -> int:
    """How many processors this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run(
    make_worker: Callable[..., Callable[[Item], Result]],
    arguments: tuple[Any, ...],
    items: Iterable[Item],
    jobs: int | None = None,
) -> Iterator[Result]:
    """Results of ``make_worker(*arguments)(item)`` in the order of the items.

    Each of ``jobs`` processes (default: one a core) makes its worker once; one job runs in this
    process. Only a few items a process are in flight, so memory stays flat. Items and results
    must pickle. Raises UsageError for a number of jobs below one, OpenFacePlusError if a worker
    process dies.
    """
    items = list(items)
    jobs = min(cores() if jobs is None else jobs, max(1, len(items)))
    if jobs < 1:
        raise UsageError("--jobs takes a number from 1 up")
    if jobs == 1:
        yield from map(make_worker(*arguments), items)
        return
    # A forked child would inherit the threads' locks of libraries loaded here; a server started
    # fresh does not.
    context = multiprocessing.get_context("forkserver" if os.name == "posix" else "spawn")
    executor = ProcessPoolExecutor(jobs, context, _start, (make_worker, arguments))
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            waiting.append(executor.submit(_call, item))
            if len(waiting) >= 4 * jobs:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    except BrokenProcessPool as error:
        raise OpenFacePlusError(
            "a worker process died, perhaps for lack of memory; run the same command again to go "
            "on where it stopped, with fewer --jobs"
        ) from error
    finally:
        executor.shutdown(wait=True, cancel_futures=True)


def _start(make_worker: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    global _worker
    # Ctrl-C reaches the whole process group; the parent alone decides what it means.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    # A parent that is killed cannot tell its workers to stop.
    threading.Thread(target=_die_with_parent, daemon=True).start()
    _worker = make_worker(*arguments)


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)


def _call(item: Any) -> Any:
    assert _worker is not None
    return _worker(item)
