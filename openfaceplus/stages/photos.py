"""Photo in, embedded faces out, on all cores: decode, detect, align and embed in one pass."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from openfaceplus.images import MAX_PIXELS
from openfaceplus.pipeline import PhotoFaces, Pipeline
from openfaceplus.recipe import Recipe
from openfaceplus.stages import workers

CHUNK = 16
"""Photos a process takes at once: enough for the network's batches to be full."""


class _Worker:
    """Embeds chunks of photos, in whichever process it is made."""

    def __init__(
        self, recipe: Recipe, options: dict[str, Any], largest: bool, max_pixels: int
    ) -> None:
        self._pipeline = Pipeline(recipe, **options)
        self._look = {"largest": largest, "max_pixels": max_pixels}

    def __call__(self, paths: Sequence[Path | bytes]) -> list[PhotoFaces]:
        return self._pipeline.look(paths, **self._look)


def embed_photos(
    paths: Iterable[Path | bytes],
    recipe: Recipe,
    *,
    largest: bool = False,
    jobs: int | None = None,
    device: str = "cpu",
    commercial: bool = False,
    max_pixels: int = MAX_PIXELS,
) -> Iterator[PhotoFaces]:
    """Embed the faces of many photos, all of them or the most prominent, in the photos' order.

    Each of ``jobs`` processes (default: one a core) holds one copy of the models; memory does not
    grow with the number of photos. A photo that cannot be read is a result with an error.
    """
    paths = list(paths)
    jobs = workers.processes(jobs, len(paths))
    if device != "cpu" or len(paths) <= CHUNK:
        jobs = 1
    rounds = math.ceil(len(paths) / (CHUNK * jobs))
    size = math.ceil(len(paths) / max(1, rounds * jobs)) or 1  # so that all have as much to do
    chunks = [paths[i : i + size] for i in range(0, len(paths), size)]
    options = {"device": device, "commercial": commercial, "threads": 1 if jobs > 1 else None}
    for results in workers.run(_Worker, (recipe, options, largest, max_pixels), chunks, jobs):
        yield from results
