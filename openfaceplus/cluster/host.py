"""A Ray cluster as a host of worker processes, and what each of its machines has done."""

from __future__ import annotations

import os
import socket
import sys
import threading
import time
from collections import Counter, deque
from contextlib import suppress
from typing import Any

from openfaceplus import __version__, memory
from openfaceplus.cluster.actor import Actor, Place, Setting
from openfaceplus.errors import OpenFacePlusError
from openfaceplus.hosts import Died

_PATIENCE = 300.0  # seconds in which a cluster must find room for a first process, or answer
_SILENCE = 5.0  # seconds without an answer, after which the head is asked whether it is there
_WINDOW = 30.0  # seconds over which speeds are measured


class RayHost:
    """The cluster that this process has joined; ``local`` if it was started here for it alone."""

    tries = 4  # a machine that goes takes along what had nothing to do with it

    def __init__(self, local: bool) -> None:
        import ray

        self.local = local
        outside: Any = ray.util.client.ray.is_connected  # untyped
        self._head = None if outside() else _head()
        self.actors: Any = ray.remote(num_cpus=1, max_restarts=0)(Actor)
        self.gone = False  # the head, and with it all that could be asked
        self.heard = time.monotonic()
        self._lock = threading.Lock()
        self._done: deque[tuple[float, Place, int]] = deque()
        self._since = time.monotonic()

    def count(self) -> int:
        """One process a processor of the cluster as it is now."""
        import ray

        resources: Any = ray.cluster_resources  # untyped
        return max(1, int(resources().get("CPU", 1)))

    def setting(self) -> Setting:
        """What its processes have from this one."""
        mine = {k: v for k, v in os.environ.items() if k.startswith("OPENFACEPLUS_")}
        mask = os.umask(0o077)
        os.umask(mask)
        ceiling = memory.allowed()
        share = None if ceiling is None else ceiling // self.count()
        return Setting(sys.path, mine, os.getcwd(), mask, share)

    def start(self) -> RayProcess:
        """A new process, which Ray places when there is room."""
        return RayProcess(self)

    def done(self, place: Place, items: int) -> None:
        """Count what a process has done."""
        now = time.monotonic()
        with self._lock:
            self._done.append((now, place, items))
            while self._done[0][0] < now - _WINDOW:
                self._done.popleft()

    def check(self) -> None:
        """Raises OpenFacePlusError if the head, without which Ray ends this process after a
        minute, does not answer."""
        if self._head is None:
            return
        try:
            socket.create_connection(self._head, _SILENCE).close()
        except OSError as error:
            self.gone = True
            raise OpenFacePlusError(
                f"the head of the cluster is gone ({error})",
                remedy="start it again, and run the same again to go on",
                field="ray",
            ) from error

    def speeds(self) -> dict[str, float]:
        """Items a second by machine, over the last half minute."""
        total: Counter[Place] = Counter()
        with self._lock:
            for _, place, items in self._done:
                total[place] += items
        span = max(1e-3, min(_WINDOW, time.monotonic() - self._since))
        machines = Counter(place.machine for place in total)
        speeds = {}
        for place, items in sorted(total.items(), key=lambda pair: pair[0].node):
            alone = machines[place.machine] == 1
            name = place.machine if alone else f"{place.machine}-{place.node[:4]}"
            speeds[name] = items / span
        return speeds


def _head() -> tuple[str, int]:
    """Where the head listens, of the cluster that this machine is part of."""
    import ray

    host, _, port = str(ray.get_runtime_context().gcs_address).rpartition(":")
    return host.strip("[]"), int(port)


class RayProcess:
    """One actor, as ``Workers`` sees a process."""

    def __init__(self, host: RayHost) -> None:
        self._host = host
        self._actor: Any = host.actors.remote(host.setting())
        self._coming: Any = self._actor.place.remote()
        self._place: Place | None = None
        self._lost = False

    def ready(self, seconds: float) -> bool:
        """Whether it has its place in the cluster. Raises Died, or OpenFacePlusError if in five
        minutes the cluster had room for no process, or the machine has another version."""
        import ray

        if not ray.wait([self._coming], timeout=seconds)[0]:
            if time.monotonic() - self._host.heard > _PATIENCE:
                raise OpenFacePlusError(
                    "the cluster has had no room for a process for five minutes",
                    remedy="add a machine, or wait until others have ended their work",
                    field="ray",
                )
            self._host.check()
            return False
        place: Place = self._get(self._coming)
        if place.version != __version__:
            raise OpenFacePlusError(
                f"{place.machine} has openfaceplus {place.version}, and here is {__version__}",
                remedy="install the same on all machines",
                field="ray",
            )
        self._place = place
        return True

    def ask(self, message: bytes, items: int = 0) -> bytes:
        """The reply to a message. Raises Died."""
        reply: bytes = self._get(self._actor.answer.remote(message))
        if self._place is not None and items:
            self._host.done(self._place, items)
        return reply

    def _get(self, reference: Any) -> Any:
        import ray
        from ray.exceptions import RayError, RayTaskError

        try:
            while not ray.wait([reference], timeout=_SILENCE)[0]:
                self._host.check()
            found = ray.get(reference)
        except RayTaskError as error:  # not of the worker, whose errors come in replies
            raise OpenFacePlusError(
                f"a machine of the cluster cannot work ({type(error.cause).__name__}: "
                f"{error.cause})",
                remedy="install openfaceplus on all of them",
                field="ray",
            ) from error
        except (RayError, ValueError) as error:  # ValueError once this process has left
            self._lost = True
            raise Died(str(error).strip().partition("\n")[0]) from error
        self._host.heard = time.monotonic()
        return found

    def alive(self) -> bool:
        """Whether it is not known to be lost."""
        return not self._lost

    def kill(self) -> None:
        """End it; nothing else may then be done twice by it."""
        import ray

        with suppress(Exception):  # it is gone
            if not self._host.gone:  # else this would wait for the head
                ray.kill(self._actor)
