"""Photo in, embedded faces out, on all cores: decode, detect, align and embed in one pass."""

from __future__ import annotations

import math
import os
from collections import deque
from collections.abc import Iterable, Iterator, Sequence, Sized
from dataclasses import replace
from typing import Any

import numpy as np

from openfaceplus.images import MAX_PIXELS, name_of
from openfaceplus.pipeline import PhotoFaces, Pipeline
from openfaceplus.recipe import Recipe
from openfaceplus.stages.workers import Lost, Workers
from openfaceplus.threads import processes

CHUNK = 16
"""Photos a process takes at once: enough for the network's batches to be full."""
_HELD = 4  # the same for decoded ones, which fill memory


class _Worker:
    """Embeds chunks of photos, in whichever process it is made."""

    def __init__(
        self, recipe: Recipe, options: dict[str, Any], largest: bool, max_pixels: int, photos: bool
    ) -> None:
        self._pipeline = Pipeline(recipe, **options)
        self._options: dict[str, Any] = {
            "largest": largest, "max_pixels": max_pixels, "photos": photos,
        }  # fmt: skip

    def __call__(self, sources: Sequence[Any]) -> list[PhotoFaces]:
        found = self._pipeline.look(sources, **self._options)
        return [replace(one, source=None) for one in found]  # the parent has them


def embed_photos(
    sources: Iterable[Any],
    recipe: Recipe,
    *,
    largest: bool = False,
    jobs: int | None = None,
    device: str = "cpu",
    commercial: bool = False,
    max_pixels: int = MAX_PIXELS,
    photos: bool = False,
) -> Iterator[PhotoFaces]:
    """Embed the faces of many photos, all of them or the most prominent, in the photos' order.

    ``sources`` is a list or an endless stream of whatever ``as_photo`` takes, of which some tens
    are taken in advance. Each of ``jobs`` processes (default: one a core) holds one copy of the
    models; memory does not grow with the number of photos. A photo that cannot be read, or that
    kills the process that reads it, is a result with an error. With ``photos`` results hold the
    decoded photos.
    """
    count = len(sources) if isinstance(sources, Sized) else None
    jobs = processes(jobs)
    if device != "cpu" or (count is not None and count <= CHUNK):
        jobs = 1
    size = CHUNK
    if count:
        rounds = math.ceil(count / (CHUNK * jobs))
        size = math.ceil(count / (rounds * jobs))  # so that all have as much to do
    if photos:
        size = 1
    given: deque[list[Any]] = deque()

    def chunks() -> Iterator[list[Any]]:
        for chunk in _chunks(sources, size):
            given.append(chunk)
            yield [one.read() if hasattr(one, "read") else one for one in chunk]

    options = {"device": device, "commercial": commercial}
    arguments = (recipe, options, largest, max_pixels, photos)
    with Workers[Any, PhotoFaces](_Worker, arguments, jobs) as pool:
        for results in pool.map_chunks(chunks()):
            for source, found in zip(given.popleft(), results, strict=True):
                if isinstance(found, Lost):
                    empty = np.empty((0, 0), np.float32)
                    yield PhotoFaces(source, (), empty, (), found.error(name_of(source)))
                else:
                    yield replace(found, source=source)


def _chunks(sources: Iterable[Any], size: int) -> Iterator[list[Any]]:
    chunk: list[Any] = []
    for source in sources:
        chunk.append(source)
        small = isinstance(source, (str, os.PathLike, bytes))
        if len(chunk) >= (size if small else min(size, _HELD)):
            yield chunk
            chunk = []
    if chunk:
        yield chunk
