"""One JSON request a line on standard input, one JSON answer a line on standard output.

Imported by workers in the peers' environments too, so it needs nothing but Python.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import sys
import threading
import time
from collections.abc import Callable
from typing import Any


def serve(handlers: dict[str, Callable[..., Any]]) -> None:
    """Answer requests until the input ends: ``do`` names the handler, the rest is for it.

    The answer is what the handler returns, with the seconds that it took.
    """
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # whatever a library prints must not be taken for an answer
    for line in sys.stdin:
        request = json.loads(line)
        handler = handlers[request.pop("do")]
        start = time.perf_counter()
        answer = handler(**request) or {}
        answer.setdefault("seconds", time.perf_counter() - start)
        answers.write(json.dumps(answer) + "\n")
        answers.flush()


def memory() -> dict[str, float]:
    """Peak resident megabytes of this process."""
    return {"peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


class Descendants:
    """Watches, while its block runs, the processes below this one; ``peak_mb`` is the largest's.

    A fork server stands between us and its workers, so rusage does not tell of them. Linux only.
    """

    peak_mb = 0.0

    def __enter__(self) -> Descendants:
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()

    def _watch(self) -> None:
        while not self._done.wait(0.3):
            pending = [os.getpid()]
            while pending:
                process = pending.pop()
                try:
                    for task in os.listdir(f"/proc/{process}/task"):
                        with open(f"/proc/{process}/task/{task}/children") as file:
                            pending += map(int, file.read().split())
                    with open(f"/proc/{process}/status") as file:
                        high = [line.split()[1] for line in file if line.startswith("VmHWM")]
                except OSError:  # it ended meanwhile
                    continue
                if process != os.getpid() and high:
                    self.peak_mb = max(self.peak_mb, int(high[0]) / 1024)


def timed(call: Callable[..., Any], *arguments: Any) -> tuple[float, Any]:
    """Milliseconds that a call took, and what it gave."""
    start = time.perf_counter()
    result = call(*arguments)
    return (time.perf_counter() - start) * 1e3, result


def medians(steps: dict[str, list[float]]) -> dict[str, float]:
    """The median of each step's milliseconds."""
    return {name: statistics.median(values) for name, values in steps.items() if values}
