"""Prints ``RANGES`` of ``openfaceplus/embedding/nets/dlib_ranges.py``: between which numbers the
maps of dlib's face ResNet lie when it looks at faces.

    .venv/bin/python benchmarks/int8_ranges.py LFW pairs.txt

Looks at one photo each of 200 people of the first two folds, so that the other eight can judge:
three chips of each, half of them mirrored. Takes a minute. The shipped numbers are of an earlier
search for faces, whose boxes differ a little: then 39 of the 43 rows came out the same, and four
within 4%.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np
from onnx import TensorProto, helper

from openfaceplus import weights
from openfaceplus.alignment import chip
from openfaceplus.embedding.nets.dlib_int8 import LEVELS
from openfaceplus.embedding.nets.dlib_onnx import Graph, network
from openfaceplus.embedding.nets.dlib_plan import fold
from openfaceplus.evaluate.protocols import read_pairs
from openfaceplus.pipeline import Pipeline
from openfaceplus.recipe import recipe
from openfaceplus.weights.formats import read_dlib_dat
from openfaceplus.weights.onnx_session import open_session

PEOPLE = 200
FOLDS = 2
BATCH = 16
SAMPLE = 20_000  # numbers of a map in a batch
POWER = 3


class Watched(Graph):
    """The float network: ``ranged`` are its kept maps, ``read`` what convolutions read of them."""

    def __init__(self) -> None:
        super().__init__()
        self.ranged: list[str] = []
        self.read: list[str] = []
        self.pooled = ""

    def chips(self) -> str:
        return self.kept(super().chips())

    def kept(self, x: str) -> str:
        if x == self.pooled:
            self.read[-1] = x
        else:
            self.ranged.append(x)
            self.read.append(x)
        return x

    def pool(self, x: str, operator: str, size: int) -> str:
        self.pooled = super().pool(x, operator, size)
        return self.pooled


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parse.add_argument("lfw", type=Path)
    parse.add_argument("pairs", type=Path)
    args = parse.parse_args()
    pixels = chips(args.lfw, args.pairs)
    graph, path = Watched(), weights.require("dlib-resnet")
    model = network(graph, fold(read_dlib_dat(path), path))
    wanted = list(dict.fromkeys(graph.ranged + graph.read))
    for name in wanted:
        value = helper.make_tensor_value_info(name, TensorProto.FLOAT, None)
        model.graph.output.append(value)
    session = open_session(model.SerializeToString(), 1)
    seen: dict[str, list[np.ndarray]] = {name: [] for name in wanted}
    means, ends = dict.fromkeys(wanted, 0.0), {name: (0.0, 0.0) for name in wanted}
    for start in range(0, len(pixels), BATCH):
        batch = pixels[start : start + BATCH]
        for name, values in zip(wanted, session.run(wanted, {"pixels": batch}), strict=True):
            flat = values.ravel()
            seen[name].append(flat[:: max(1, flat.size // SAMPLE)])
            means[name] += values.mean() * len(batch) / len(pixels)
            ends[name] = min(ends[name][0], flat.min()), max(ends[name][1], flat.max())
    print(f"    (0, 255, {means[graph.read[0]]:.1f}),")
    for name, reading in zip(graph.ranged[1:], graph.read[1:], strict=True):
        low, high = best_range(np.concatenate(seen[name]), *ends[name])
        print(f"    ({low:.3f}, {high:.3f}, {means[reading]:.3f}),")


def chips(lfw: Path, pairs: Path) -> np.ndarray:
    """(600, 150, 150, 3) uint8."""
    photos: dict[str, set[Path]] = {}
    for pair in read_pairs(pairs):
        if pair.fold < FOLDS:
            for person, number in (pair.first, pair.second):
                photos.setdefault(person, set()).add(lfw / person / f"{person}_{number:04d}.jpg")
    generator = np.random.default_rng(1)
    pipeline = Pipeline(recipe(), threads=1)
    found: list[np.ndarray] = []
    for person in generator.permutation(sorted(photos)):
        (seen,) = pipeline.look(
            [generator.choice(sorted(photos[person]))], largest=True, vectors="none", photos=True
        )
        if seen.photo and len(seen.faces) and len(found) < 3 * PEOPLE:
            for padding in (0.20, 0.25, 0.32):
                spec = replace(pipeline.recipe.chip, padding=padding)
                pixels = chip.crop(seen.photo.pixels, seen.faces[0].landmarks, spec)
                found.append(pixels[:, ::-1] if len(found) % 2 else pixels)
    return np.stack(found)


def best_range(values: np.ndarray, low: float, high: float) -> tuple[float, float]:
    """The part of low..high whose rounding and clipping have the least mean error to the third.

    Squares would clip the rare large numbers on which some faces turn; the whole range rounds all
    others coarsely.
    """
    tries = []
    for a in low * np.linspace(0.3, 1, 15) if low < 0 else (0.0,):
        for b in high * np.linspace(0.2, 1, 33):
            scale = np.float32((b - a) / LEVELS)
            zero = np.rint(-a / scale)
            kept = (np.clip(np.rint(values / scale) + zero, 0, LEVELS) - zero) * scale
            tries.append((np.mean(np.abs(kept - values) ** POWER), a, b))
    return min(tries)[1:]


if __name__ == "__main__":
    main()
