"""Print the measured columns of docs/models.md: detectors and embedders whose weights are here.

    python benchmarks/models_table.py LFW
    python benchmarks/models_table.py LFW --embedder arcface:w600k_r50.onnx --detector ssd:face.onnx
    python benchmarks/models_table.py LFW --pairs hog=evaluation/pairs.json

LFW is a folder per person. Times are processor time of one thread, so they bear other work on the
machine; every network gets --seconds, at most --photos. --pairs adds the accuracy that
`openfaceplus evaluate pairs LFW pairs.txt -o evaluation` wrote.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import cv2
import numpy as np

from openfaceplus import detect, embedding, weights
from openfaceplus.errors import ModelMissing, UsageError
from openfaceplus.images import photos_in, read_photo

BATCH = 16


def main() -> None:
    parse = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parse.add_argument("photos_folder", type=Path, metavar="LFW")
    parse.add_argument("--photos", type=int, default=300)
    parse.add_argument("--seconds", type=float, default=20)
    parse.add_argument("--detector", action="append", default=[], metavar="NAME:PATH")
    parse.add_argument("--embedder", action="append", default=[], metavar="NAME:PATH")
    parse.add_argument("--pairs", action="append", default=[], metavar="NAME=FILE")
    args = parse.parse_args()
    cv2.setNumThreads(1)
    every = photos_in([args.photos_folder])
    step = max(1, len(every) // args.photos)
    pictures = [read_photo(path).pixels for path in every[::step][: args.photos]]
    accuracy = {}
    for text in args.pairs:
        name, _, path = text.partition("=")
        accuracy[name] = json.loads(Path(path).read_text())["accuracy"]
    print("| detector | photos | a face found | core-ms a photo | accuracy, dlib's network |")
    print("| --- | --- | --- | --- | --- |")
    detectors = [name for name in detect.DETECTORS if not detect.kind_of(name).brought]
    for name in (*detectors, *args.detector):
        print(row(name, lambda name=name: detector_cells(name, pictures, args), accuracy))
    print("\n| embedder | numbers | chip | core-ms a face | accuracy |")
    print("| --- | --- | --- | --- | --- |")
    embedders = [name for name in embedding.EMBEDDERS if embedding.kind_of(name).models]
    for name in (*embedders, *args.embedder):
        print(row(name, lambda name=name: embedder_cells(name, args.seconds), accuracy))


def row(name: str, measure: Callable[[], list[str]], accuracy: dict[str, float]) -> str:
    """One line of a table; the reason where there is nothing to measure."""
    try:
        cells = measure()
    except (ModelMissing, UsageError):
        return f"| {name} | weights not here | | | |"
    found = accuracy.get(name.partition(":")[0])
    return " | ".join(["| " + name, *cells, "" if found is None else f"{100 * found:.2f}"]) + " |"


def detector_cells(name: str, pictures: list[np.ndarray], args: argparse.Namespace) -> list[str]:
    """Photos looked at, the share with a face, and the time."""
    made = detect.create(name, require=here)
    made.detect(pictures[:1])
    found = list(timed(lambda picture: bool(made.detect([picture])[0]), pictures, args.seconds))
    share = np.mean([one for one, _ in found])
    return [str(len(found)), f"{100 * share:.1f}%", f"{1e3 * np.mean([t for _, t in found]):.1f}"]


def embedder_cells(text: str, seconds: float) -> list[str]:
    """Numbers of a vector, the chip, and the time of a face among 16."""
    name, _, path = text.partition(":")
    made = embedding.create(name, weights=path or None, require=here, threads=1)
    shape = (BATCH, made.chip.size, made.chip.size, 3)
    chips = np.random.default_rng(0).integers(0, 256, shape, np.uint8)
    made.embed(chips)
    found = list(timed(made.embed, [chips] * 20, seconds))
    time_each = np.median([t for _, t in found]) / BATCH
    return [str(made.dim), str(made.chip), f"{1e3 * time_each:.1f}"]


def here(name: str) -> Path:
    """A catalogued file that is here already; nothing is downloaded."""
    if weights.locate(name) is None:
        raise ModelMissing(name)
    return weights.require(name)


def timed(do: Callable, inputs: Iterable, seconds: float) -> Iterable[tuple]:
    """(result, processor seconds) of each input, until the time is spent."""
    end = time.monotonic() + seconds
    for one in inputs:
        start = time.process_time()
        result = do(one)
        yield result, time.process_time() - start
        if time.monotonic() > end:
            break


if __name__ == "__main__":
    main()
