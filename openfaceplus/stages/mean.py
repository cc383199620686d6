"""OpenFace's ``computeMean``: where the landmarks of an average face lie."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np

from openfaceplus.errors import UsageError
from openfaceplus.files import atomic_write
from openfaceplus.images import walk
from openfaceplus.pipeline import Pipeline
from openfaceplus.recipe import CLASSIC, recipe
from openfaceplus.remote import Location
from openfaceplus.stages.summary import Progress, no_progress
from openfaceplus.stages.workers import Lost, Workers
from openfaceplus.threads import processes


class _Worker:
    """Finds the landmarks of a photo's most prominent face, as shares of its box."""

    def __init__(self, predictor: str | None, commercial: bool) -> None:
        chosen = recipe(detector=CLASSIC, landmarks=68, predictor=predictor)
        self._pipeline = Pipeline(chosen, commercial=commercial)

    def __call__(self, path: Location) -> np.ndarray | None:
        (found,) = self._pipeline.look([path], largest=True, vectors="none")
        if not found.faces:
            return None
        box, points = found.faces[0].box, found.faces[0].landmarks
        assert points is not None
        return (points - (box.left, box.top)) / (box.width, box.height)


def mean_landmarks(
    photos: Location,
    output: Path,
    *,
    predictor: str | None = None,
    sample: int = 0,
    commercial: bool = False,
    jobs: int | None = None,
    progress: Progress = no_progress,
) -> int:
    """Write ``mean.csv`` and ``std.csv``: x and y of each landmark as shares of the face's box.

    ``sample`` photos are drawn, or all for 0. Returns the number of faces used. Raises UsageError
    if there is none.
    """
    paths = [file.path for file in walk(photos)]
    if 0 < sample < len(paths):
        paths = sorted(random.Random(0).sample(paths, sample))
    found = []
    pool = Workers[Location, "np.ndarray | None"](
        _Worker, (predictor, commercial), processes(jobs, len(paths))
    )
    with pool, progress("landmarks", len(paths)) as advance:
        for points in pool.map(paths):
            if points is not None and not isinstance(points, Lost):
                found.append(points)
            advance()
    if not found:
        raise UsageError(f"{photos}: no face found in {len(paths)} photos")
    for name, values in (("mean", np.mean(found, axis=0)), ("std", np.std(found, axis=0))):
        with atomic_write(output / f"{name}.csv") as file:
            file.write("".join(f"{x:.6f},{y:.6f}\n" for x, y in values).encode())
    return len(found)
