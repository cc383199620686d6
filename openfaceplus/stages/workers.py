"""Work on many photos by several processes, with bounded memory and clean interruption."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import contextmanager
from multiprocessing import forkserver, resource_tracker
from types import ModuleType
from typing import Any, TypeVar

from openfaceplus.errors import OpenFacePlusError, UsageError
from openfaceplus.threads import cores

Item = TypeVar("Item")
Result = TypeVar("Result")

_worker: Callable[[Any], Any] | None = None


def processes(jobs: int | None, items: int) -> int:
    """How many share so many items: ``jobs``, or one a core, and no more than there are items.

    Raises UsageError for a number of jobs below one.
    """
    if jobs is not None and jobs < 1:
        raise UsageError("--jobs takes a number from 1 up")
    return min(cores() if jobs is None else jobs, max(1, items))


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
    jobs = processes(jobs, len(items))
    if jobs == 1:
        yield from map(make_worker(*arguments), items)
        return
    # A forked child would inherit the threads' locks of libraries loaded here; a server started
    # fresh does not.
    context = multiprocessing.get_context("forkserver" if os.name == "posix" else "spawn")
    _start_server_deaf()
    executor = ProcessPoolExecutor(jobs, context, _start, (make_worker, arguments))
    waiting: deque[Future[Result]] = deque()
    try:
        for item in items:
            with _main_hidden():
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


def _start_server_deaf() -> None:
    """Start the fork server with Ctrl-C blocked, which its workers inherit.

    Ctrl-C reaches the whole process group; the parent alone decides what it means. A worker that
    ignored it only once it runs would die of it, with a traceback, while it still imports.
    """
    if os.name != "posix":
        return
    resource_tracker.ensure_running()  # unblocks signals itself, so before
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        with _main_hidden():
            forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@contextmanager
def _main_hidden() -> Iterator[None]:
    """Within, new processes do not import the program's main module.

    They need nothing from it, and a script that calls ``openfaceplus.train`` without a guard
    ``if __name__ == "__main__"`` would train again in each of them.
    """
    main = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = main


def _start(make_worker: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    global _worker
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
