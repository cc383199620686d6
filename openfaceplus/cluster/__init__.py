"""More than one machine: worker processes are actors of a Ray cluster, and nothing else differs.

    with cluster("auto"):                       # or HOST:PORT, ray://HOST:PORT, local:4
        represent(chips, embeddings)            # its processes run where Ray has room for them

The command that starts this lists the work and alone writes tables, so each result is written once.
Ray only says where a process runs and that it is gone: what is done then is for ``stages.workers``.
"""

from __future__ import annotations

import atexit
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from typing import TYPE_CHECKING, Any

from openfaceplus import extras, hosts
from openfaceplus.errors import UsageError

if TYPE_CHECKING:
    from openfaceplus.cluster.host import RayHost

_LOCAL = "local:"
_PATIENCE = 5.0  # seconds for a cluster's machine to answer
_VARIABLES = {
    "RAY_USAGE_STATS_ENABLED": "0",
    "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # else it warns that this will once be so
    "RAY_worker_niceness": "0",  # of a cluster that is started here; else they stand back
    "RAY_ENABLE_UV_RUN_RUNTIME_ENV": "0",
}


@contextmanager
def cluster(address: str) -> Iterator[RayHost]:
    """Within the block worker processes run on a cluster.

    ``address`` is ``auto`` for the one that this machine is part of, HOST:PORT or ray://HOST:PORT
    for another, or ``local:N`` for N processes of a cluster that is started here and ends with the
    block. Raises UsageError if there is none, or ``ray`` is missing.
    """
    extras.require("ray", "cluster", "working on a cluster")
    from openfaceplus.cluster.host import RayHost

    with ExitStack() as stack:
        local = _connect(address, stack)
        host = RayHost(local)
        try:
            with hosts.on(host):
                yield host
        finally:
            if host.gone:
                stack.pop_all()
                _forget()


def _connect(address: str, stack: ExitStack) -> bool:
    """Join a cluster, or start one here; whether it was started here."""
    for name, value in _VARIABLES.items():
        os.environ.setdefault(name, value)
    local = address.startswith(_LOCAL)
    if local:
        # Else Ray would write one into the user's home, for all clusters from then on.
        os.environ.setdefault("RAY_AUTH_TOKEN", secrets.token_hex(32))
    import ray

    options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
    if local:
        # Its sockets lie below, whose paths may have 107 bytes.
        folder = tempfile.mkdtemp(prefix=f"ray-{os.getpid()}-", dir="/tmp")
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        options |= {
            "address": "local", "num_cpus": _number(address), "num_gpus": 0,
            "include_dashboard": False, "_temp_dir": folder,
        }  # fmt: skip
    else:
        _check_reachable(address)
        options["address"] = address
    _silence()
    stack.callback(ray.shutdown)
    try:
        ray.init(**options)
    except (ConnectionError, RuntimeError, ValueError, TimeoutError, OSError) as error:
        raise _unusable(address, str(error)) from error
    return local


def _silence() -> None:
    """Keep Ray from saying on standard output that a process died: what follows from that is said
    by the command. There is no setting for it."""
    from ray._private import worker

    worker.print_to_stdstream = lambda *_, **__: None


def _forget() -> None:
    """Leave a cluster whose head is gone to itself: leaving it properly would wait for the head,
    until Ray ends this process without a word of ours, and not leaving it crashes at the end."""
    from ray._private import worker

    atexit.unregister(worker.shutdown)
    atexit.register(os._exit, 2)


def _number(address: str) -> int:
    with suppress(ValueError):
        if (number := int(address.removeprefix(_LOCAL))) > 0:
            return number
    raise UsageError(
        f"{address!r} names no number of processes",
        remedy="write local:4 for four here",
        field="ray",
    )


def _check_reachable(address: str) -> None:
    """Ray itself asks for a minute."""
    place = address.removeprefix("ray://")
    host, colon, port = place.rpartition(":")
    if not colon or not port.isdigit():
        if address != "auto":
            raise UsageError(
                f"{address!r} is no address of a cluster",
                remedy="write auto, HOST:6379, ray://HOST:10001 or local:4",
                field="ray",
            )
        return
    try:
        socket.create_connection((host, int(port)), _PATIENCE).close()
    except (OSError, OverflowError) as error:
        raise _unusable(address, str(error)) from error


def _unusable(address: str, reason: str) -> UsageError:
    lines = [line.strip() for line in reason.splitlines() if line.strip()] or [""]
    if lines[0].endswith(":"):
        lines[0] += f" {lines[-1]}"
    return UsageError(
        f"there is no cluster to be used at {address} ({lines[0].rstrip('.')})",
        remedy="start one as docs/scale.md says, and name its address",
        field="ray",
    )
