"""Work on many items by processes that stay, with bounded memory and clean interruption."""

from __future__ import annotations

import os
import pickle
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from openfaceplus import hosts
from openfaceplus.errors import OpenFacePlusError, UnreadablePhoto
from openfaceplus.files import shown
from openfaceplus.hosts import Died, Process
from openfaceplus.stages.worker_process import Here, answer
from openfaceplus.threads import processes

Item = TypeVar("Item")
Result = TypeVar("Result")

_GRACE = 1.0  # seconds in which a process may finish its item when the pool is closed
_LOOK = 0.2  # seconds after which who waits for a new process looks whether another is free


@dataclass(frozen=True, slots=True)
class Lost(Generic[Item]):
    """Stands for the result of an item at which processes died again and again."""

    item: Item

    def error(self, photo: str | os.PathLike[str]) -> UnreadablePhoto:
        """What to say of the photo that it was about."""
        reason = "the process that read it died, perhaps for lack of memory"
        return UnreadablePhoto(f"{shown(photo)}: {reason}")

    def row(self, photo: str | os.PathLike[str]) -> dict[str, str]:
        """The same as columns of a table."""
        error = self.error(photo)
        return {"status": error.status, "reason": str(error)}


class Workers(Generic[Item, Result]):
    """Processes that apply ``make_worker(*arguments)`` to items until they are closed.

    Each of ``jobs`` processes (default: one a core) starts when it is first needed and makes its
    worker once. A process that dies, such as of a crash in native code, is replaced and its item
    given again. ``make_worker``, its arguments, items and results must pickle, and may not be
    defined in ``__main__``, which the processes do not import. One job runs in this process, unless
    it is to be ``apart``, or the processes are those of another host (``hosts.on``).
    Several threads may map at a time: they share the processes, and each gets its own results in
    order. After a fork the child starts its own processes.
    """

    def __init__(
        self,
        make_worker: Callable[..., Callable[[Any], Any]],
        arguments: tuple[Any, ...] = (),
        jobs: int | None = None,
        *,
        apart: bool = False,
    ) -> None:
        self._jobs = processes(jobs)
        elsewhere = hosts.elsewhere()
        self._host = elsewhere or Here()
        self._apart = apart or elsewhere is not None
        self._make_worker, self._arguments = make_worker, arguments
        self._closed = False
        self._reset()

    def _reset(self) -> None:
        self._pid = os.getpid()
        self._here: Callable[[Any], Any] | None = None
        self._lock = threading.Lock()
        self._executor = ThreadPoolExecutor(self._jobs)  # one thread waits for one process
        self._idle: list[Process] = []
        self._coming: list[Process] = []
        self._all: set[Process] = set()

    def __enter__(self) -> Workers[Item, Result]:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the processes; what they work on may be finished within a second."""
        if self._closed or self._pid != os.getpid():
            return
        self._closed = True
        timer = threading.Timer(_GRACE, self._end_all)
        timer.daemon = True
        timer.start()
        self._executor.shutdown(wait=True, cancel_futures=True)
        timer.cancel()
        self._end_all()

    def _end_all(self) -> None:
        for process in tuple(self._all):
            process.kill()

    def map(self, items: Iterable[Item]) -> Iterator[Result | Lost[Item]]:
        """Results in the order of the items, of which only a few are taken in advance.

        An exception in a worker is raised here. Raises OpenFacePlusError if no process can start.
        """
        return self._stream(self._give, items)

    def map_chunks(
        self, chunks: Iterable[Sequence[Item]]
    ) -> Iterator[Sequence[Result | Lost[Item]]]:
        """The same for a worker that takes several items and gives a list of results.

        Where a process dies, the items of its chunk are given one by one.
        """
        return self._stream(self._give_chunk, chunks)

    def _stream(self, give: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        if self._pid != os.getpid():
            self._reset()
        if self._jobs == 1 and not self._apart:
            for item in items:
                with self._lock:
                    if self._here is None:
                        self._here = self._make_worker(*self._arguments)
                    result = self._here(item)
                yield result
            return
        waiting: deque[Future[Any]] = deque()
        try:
            for item in items:
                while waiting and (len(waiting) >= 4 * self._jobs or waiting[0].done()):
                    yield waiting.popleft().result()
                waiting.append(self._executor.submit(give, item))
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()

    def _give(self, item: Item) -> Result | Lost[Item]:
        for _ in range(self._host.tries):
            with suppress(Died):
                result: Result = self._ask(item, 1)
                return result
        return Lost(item)

    def _give_chunk(self, chunk: Sequence[Item]) -> Sequence[Result | Lost[Item]]:
        with suppress(Died):
            return list(self._ask(chunk, len(chunk)))
        return [result for item in chunk for result in self._give_alone(item)]

    def _give_alone(self, item: Item) -> Sequence[Result | Lost[Item]]:
        for _ in range(self._host.tries - 1):
            with suppress(Died):
                return list(self._ask([item], 1))
        return [Lost(item)]

    def _ask(self, item: Any, count: int) -> Any:
        message = pickle.dumps(item)
        process = self._free()
        try:
            reply = process.ask(message, count)
        except Died:
            self._drop(process)
            raise
        self._idle.append(process)
        return answer(reply)

    def _free(self) -> Process:
        """A process that has made its worker and has nothing to do."""
        message = pickle.dumps((self._make_worker, self._arguments))
        tries, reason = self._host.tries, ""
        while tries:
            with suppress(IndexError):
                while not (process := self._idle.pop()).alive():
                    self._drop(process)
                return process
            if self._closed:
                raise CancelledError
            try:
                process = self._next()
                if process.ready(_LOOK):
                    answer(process.ask(message))
                    return process
                self._coming.append(process)
            except Died as death:
                tries, reason = tries - 1, str(death)
        raise OpenFacePlusError(
            f"worker processes cannot start: {reason}", remedy="use fewer processes", field="jobs"
        )

    def _next(self) -> Process:
        """One that was started and was not ready when it was looked at, or a new one."""
        with suppress(IndexError):
            return self._coming.pop()
        process = self._host.start()
        self._all.add(process)
        return process

    def _drop(self, process: Process) -> None:
        process.kill()
        self._all.discard(process)
