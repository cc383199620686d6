"""Print how well pairs of photos are told apart when the photos are turned by random angles.

    python benchmarks/turned_pairs.py LFW pairs.txt
    python benchmarks/turned_pairs.py LFW pairs.txt --angle 180 --folds 3 --detector yunet

Each photo is turned about its middle by an angle drawn from -A to A degrees, or by exactly A with
--exactly; upright photos come first. A photo without a face counts as wrong in a genuine pair.
"""

from __future__ import annotations

import argparse
from concurrent.futures import ProcessPoolExecutor
from functools import cache, partial
from pathlib import Path

import cv2
import numpy as np
from degradations import turned

from openfaceplus.evaluate.metrics import fold_accuracies, tar_at_far
from openfaceplus.evaluate.protocols import read_pairs
from openfaceplus.images import read_photo
from openfaceplus.pipeline import Pipeline
from openfaceplus.recipe import Recipe, recipe


def main() -> None:
    parse = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parse.add_argument("photos_folder", type=Path, metavar="LFW")
    parse.add_argument("pairs", type=Path)
    parse.add_argument("--angle", type=float, nargs="+", default=[0, 60], metavar="A")
    parse.add_argument("--exactly", action="store_true")
    parse.add_argument("--folds", type=int, default=10)
    parse.add_argument("--detector", default="auto")
    parse.add_argument("--jobs", type=int, default=2)
    args = parse.parse_args()
    pairs = [pair for pair in read_pairs(args.pairs) if pair.fold < args.folds]
    photos = sorted({photo for pair in pairs for photo in (pair.first, pair.second)})
    place = {photo: number for number, photo in enumerate(photos)}
    first, second = (np.array([place[getattr(p, k)] for p in pairs]) for k in ("first", "second"))
    same = np.array([pair.first[0] == pair.second[0] for pair in pairs])
    folds = np.array([pair.fold for pair in pairs])
    chosen = recipe(detector=args.detector)
    print(f"{chosen.detector}, {len(pairs)} pairs of {len(photos)} photos\n")
    print("| degrees | face found, % | accuracy, % | TAR at FAR 1%, % |")
    print("| --- | --- | --- | --- |")
    for angle in args.angle:
        angles = np.random.default_rng(0).uniform(-angle, angle, len(photos))
        if args.exactly:
            angles[:] = angle
        paths = [args.photos_folder / n / f"{n}_{k:04}.jpg" for n, k in photos]
        with ProcessPoolExecutor(args.jobs) as pool:
            made = pool.map(partial(embed, chosen), paths, angles, chunksize=16)
            vectors = np.array(list(made))
        scores = np.sum(vectors[first] * vectors[second], axis=1)
        accuracy = fold_accuracies(scores, same, folds).mean()
        tar = tar_at_far(scores[same], scores[~same], 0.01)
        shares = 100 * np.array([np.mean(vectors.any(axis=1)), accuracy, tar])
        print(f"| {angle:g} | {' | '.join(f'{share:.2f}' for share in shares)} |", flush=True)


@cache
def pipeline(chosen: Recipe) -> Pipeline:
    cv2.setNumThreads(1)
    return Pipeline(chosen, threads=1)


def embed(chosen: Recipe, path: Path, angle: float) -> np.ndarray:
    """(128,) of the photo turned; zeros where no face was found."""
    picture = read_photo(path).pixels
    if angle:
        picture = turned(angle)(picture, np.random.default_rng())
    (found,) = pipeline(chosen).look([picture], largest=True)
    return found.vectors[0] if len(found.faces) else np.zeros(found.vectors.shape[1])


if __name__ == "__main__":
    main()
