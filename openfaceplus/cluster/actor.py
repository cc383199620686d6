"""What runs in a cluster: a process that makes a worker once and answers messages."""

from __future__ import annotations

import contextlib
import os
import socket
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from openfaceplus import __version__, hosts, memory
from openfaceplus.stages.worker_process import Answering


@dataclass(frozen=True, slots=True)
class Setting:
    """What a process of a command has from it: where modules are that it does not find itself, its
    variables, folder and mask of modes, and how many bytes of memory large photos may take in it,
    None for a share of what its machine has."""

    modules: Sequence[str]
    variables: Mapping[str, str]
    folder: str
    umask: int
    ceiling: int | None


@dataclass(frozen=True, slots=True)
class Place:
    """Where an actor is: its node's id and machine, and which version of this package it has."""

    node: str
    machine: str
    version: str


class Actor:
    """One process of ``Workers``; Ray makes it where there is room."""

    def __init__(self, setting: Setting) -> None:
        sys.path += [folder for folder in setting.modules if folder not in sys.path]
        os.environ.update(setting.variables)
        os.umask(setting.umask)
        with contextlib.suppress(OSError):  # relative paths then say that they are not there
            os.chdir(setting.folder)
        ceiling = setting.ceiling or memory.free() // 2 // (os.cpu_count() or 1)
        memory.limited(ceiling).__enter__()  # for as long as the process lives
        hosts.name_machine(socket.gethostname())
        self._answering = Answering()

    def place(self) -> Place:
        """Where it is."""
        import ray

        node = ray.get_runtime_context().get_node_id()
        return Place(node, socket.gethostname(), __version__)

    def answer(self, message: bytes) -> bytes:
        """The reply to a message."""
        return self._answering(message)
