"""This project, asked for the same as its peers."""

from __future__ import annotations

from collections import defaultdict
from functools import lru_cache
from pathlib import Path

import numpy as np
from serving import Descendants, medians, memory, serve, timed

from openfaceplus.alignment import chip
from openfaceplus.embedding.dlib_resnet import DlibInt8, DlibResnet
from openfaceplus.images import read_photo
from openfaceplus.pipeline import Pipeline
from openfaceplus.recipe import recipe
from openfaceplus.stages.photos import embed_photos


@lru_cache
def _pipeline(**changes: str | int) -> Pipeline:
    return Pipeline(recipe(**changes))


def encode(paths: list[str], **changes: str | int) -> dict:
    """Read each photo, find its largest face and embed it by the recipe with these changes."""
    pipeline = _pipeline(**changes)
    found = (pipeline.look([path], largest=True)[0] for path in paths)
    return {"faces": sum(len(photo.vectors) for photo in found)}


def folder(paths: list[str], jobs: int | None = None, **changes: str | int) -> dict:
    """The same for many photos at once, by processes on all cores that are started for it."""
    with Descendants() as below:
        photos = embed_photos(map(Path, paths), recipe(**changes), largest=True, jobs=jobs)
        faces = sum(len(photo.faces) for photo in photos)
    return {"faces": faces, "child_mb": below.peak_mb}


def steps(paths: list[str], detectors: list[str]) -> dict:
    """Median milliseconds of each step."""
    ms, chips = defaultdict(list), []
    networks = {
        f"{label}{text}": kind(threads=threads)
        for label, kind in (("", DlibResnet), ("dlib-int8, ", DlibInt8))
        for text, threads in (("all threads", None), ("one thread", 1))
    }
    for path in paths:
        took, photo = timed(read_photo, path)
        ms["decode"].append(took)
        for detector in detectors:
            pipeline = _pipeline(detector=detector, views=1)
            took, (found,) = timed(pipeline.detector.detect, [photo.pixels])
            ms[f"detect, {detector}"].append(took)
            took, _ = timed(pipeline.detector.detect, [photo.pixels], True)
            ms[f"detect the largest, {detector}"].append(took)
        if not found:
            continue
        took, marks = timed(pipeline.predictor.find, photo.pixels, found[0].box)
        ms["landmarks"].append(took)
        took, pixels = timed(chip.crop, photo.pixels, marks, pipeline.recipe.chip)
        ms["chip"].append(took)
        chips.append(pixels)
    for pixels in chips:
        for name, network in networks.items():
            took, _ = timed(network.embed, pixels[None])
            ms[f"embed 1, {name}"].append(took)
    batch = np.stack([chips[i % len(chips)] for i in range(32)])
    for _ in range(5):
        for name, network in networks.items():
            took, _ = timed(network.embed, batch)
            ms[f"embed 32, a face, {name}"].append(took / 32)
    return {"ms": medians(ms)}


def largest(path: str, detector: str) -> dict:
    """Box of the largest face; decoding is not counted."""
    photo = read_photo(path)
    finder = _pipeline(detector=detector, views=1).detector
    ms, (found,) = timed(finder.detect, [photo.pixels], True)
    return {"ms": ms, "box": found and list(found[0].box.scaled(photo.scale).rounded())}


if __name__ == "__main__":  # processes of ``folder`` import this module
    serve(
        {"encode": encode, "folder": folder, "steps": steps, "largest": largest, "memory": memory}
    )
