"""Photo in, embedded faces out, on all cores: decode, detect, align and embed in one pass."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from openfaceplus.errors import PhotoError
from openfaceplus.faces import Face
from openfaceplus.images import MAX_PIXELS
from openfaceplus.pipeline import Pipeline
from openfaceplus.quality import flaw
from openfaceplus.recipe import Recipe
from openfaceplus.stages import workers

CHUNK = 16
"""Photos a process takes at once: enough for the network's batches to be full."""


@dataclass(frozen=True, slots=True, eq=False)
class PhotoFaces:
    """The faces of one photo with their unit vectors (n, dimensions) float32.

    ``flaws`` says of each face why it cannot be judged, if so. A photo that failed has ``error``
    and ``status``, and no faces; one without a face has neither.
    """

    path: Path
    faces: Sequence[Face] = ()
    vectors: np.ndarray = field(default_factory=lambda: np.empty((0, 0), np.float32))
    flaws: Sequence[str | None] = ()
    status: str = "ok"
    error: str | None = None


class _Worker:
    """Embeds chunks of photos, in whichever process it is made."""

    def __init__(
        self, recipe: Recipe, options: dict[str, Any], threads: int, largest: bool, max_pixels: int
    ) -> None:
        self._pipeline = Pipeline(recipe, threads=threads, **options)
        self._largest = largest
        self._max_pixels = max_pixels

    def __call__(self, paths: Sequence[Path]) -> list[PhotoFaces]:
        found: list[tuple[Path, list[Face], str | None, str]] = []
        views = []
        for path in paths:
            try:
                photo, faces = self._pipeline.read(
                    path, largest=self._largest, max_pixels=self._max_pixels
                )
                views += [self._pipeline.views(photo, face) for face in faces]
                found.append((path, faces, None, "ok"))
            except PhotoError as error:
                found.append((path, [], str(error), error.status))
        vectors = self._pipeline.embed(views)
        results, start = [], 0
        for path, faces, error, status in found:
            part = slice(start, start + len(faces))
            flaws = [flaw(chips[0]) for chips in views[part]]
            results.append(PhotoFaces(path, faces, vectors[part], flaws, status, error))
            start = part.stop
        return results


def embed_photos(
    paths: Iterable[Path],
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
    jobs = 1 if device != "cpu" else jobs
    several = (workers.cores() if jobs is None else jobs) > 1 and len(paths) > CHUNK
    threads = 1 if several else workers.cores()
    chunks = [paths[i : i + CHUNK] for i in range(0, len(paths), CHUNK)]
    arguments = (recipe, {"device": device, "commercial": commercial}, threads, largest, max_pixels)
    for results in workers.run(_Worker, arguments, chunks, jobs):
        yield from results
