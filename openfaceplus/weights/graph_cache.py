"""ONNX graphs kept on disk, so that a cold start neither reads the weights nor loads onnx."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable
from pathlib import Path

from openfaceplus.errors import StorageError
from openfaceplus.files import atomic_write
from openfaceplus.weights.pins import cache_folder

_DIGEST = hashlib.sha256().digest_size


def cached(name: str, build: Callable[[], bytes]) -> bytes:
    """The graph called ``name``, from the cache or from ``build``, which then fills the cache.

    ``name`` must change with whatever goes into the graph. A file holds the graph's sha256 and the
    graph; one that does not match is made anew. A cache that cannot be written is done without.
    """
    path = cache_folder() / "graphs" / f"{name}.graph"
    graph = _read(path)
    if graph is None:
        graph = build()
        with contextlib.suppress(StorageError), atomic_write(path, ours=True) as file:
            file.write(hashlib.sha256(graph).digest())
            file.write(graph)
    return graph


def _read(path: Path) -> bytes | None:
    try:
        with open(path, "rb") as file:
            digest, graph = file.read(_DIGEST), file.read()
    except OSError:
        return None
    return graph if hashlib.sha256(graph).digest() == digest else None
