"""Print how many faces each detector finds in photos made worse, and how often it sees a face where
there is none.

    python benchmarks/degradations.py LFW
    python benchmarks/degradations.py LFW --photos 300 --detector yunet --detector centerface
    python benchmarks/degradations.py LFW --scores yunet --scores centerface --photos 2000

LFW is a folder per person of photos with a face in the middle, such as the deep-funneled LFW. A
face counts as found if a box holds the photo's middle and is half to twice as large as most are
there. Anything seen in a scrambled photo (squares of 25 pixels, shuffled) or in a picture without
people is a false hit. With --scores the share of false hits is printed by threshold instead, which
is how the thresholds of the detectors were made equal.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import cv2
import numpy as np
from models_table import here

from openfaceplus import detect
from openfaceplus.errors import ModelMissing
from openfaceplus.faces import Face
from openfaceplus.images import photos_in, read_photo
from openfaceplus.recipe import detector_of

FACE = 107  # pixels of a face in LFW, as WIDER FACE draws boxes: mean of width and height
SQUARE = 25  # pixels of the squares of a scrambled photo
TILE = 250  # pixels of the parts of pictures without people
THRESHOLDS = (0.3, 0.35, 0.4, 0.45, 0.5, 0.55, 0.6, 0.65, 0.7, 0.75, 0.8)

Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def main() -> None:
    parse = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parse.add_argument("photos_folder", type=Path, metavar="LFW")
    parse.add_argument("--photos", type=int, default=150)
    parse.add_argument("--seed", type=int, default=0, help="which photos, and what is drawn")
    parse.add_argument("--detector", action="append", metavar="NAME[:PATH]")
    parse.add_argument("--scores", action="append", metavar="NAME[:PATH]")
    args = parse.parse_args()
    cv2.setNumThreads(1)
    every = photos_in([args.photos_folder])
    chosen = np.random.default_rng(args.seed).permutation(len(every))[: args.photos]
    pictures = [read_photo(every[number]).pixels for number in chosen]
    if args.scores:
        print_scores(args.scores, pictures, args.seed)
        return
    made = dict(detectors(args.detector))
    print(f"| {len(pictures)} photos, % | {' | '.join(made)} |")
    print("| --- |" + " --- |" * len(made))
    for name, change in CHANGES.items():
        rng = np.random.default_rng(args.seed)
        worse = [change(picture, rng) for picture in pictures]
        side = SIDES.get(name, FACE)
        right = partial(in_the_middle, side=side)
        cells = [share(one, worse, right) for one in made.values()]
        print(f"| {name} | {' | '.join(cells)} |", flush=True)
    for name, empty in nothing(pictures, args.seed).items():
        cells = [share(one, empty, lambda *_: True) for one in made.values()]
        print(f"| {name}: {len(empty)} | {' | '.join(cells)} |", flush=True)


def detectors(names: list[str] | None) -> Iterator[tuple[str, detect.Detector]]:
    """Those named, else the default and all whose weights are here but the slow one and those that
    are files."""
    for name in names or ["auto", *(n for n in detect.DETECTORS if n not in ("mmod", "ssd"))]:
        try:
            yield name.partition(":")[0], detect.create(detector_of(name), require=here)
        except ModelMissing:
            print(f"(the weights of {name} are not here)")


def share(
    one: detect.Detector, pictures: list[np.ndarray], right: Callable[[Face, np.ndarray], bool]
) -> str:
    """Percent of the pictures in which a face is seen that is ``right``."""
    seen = [any(right(f, p) for f in one.detect([p])[0]) for p in pictures]
    return f"{100 * np.mean(seen):.1f}"


def in_the_middle(face: Face, picture: np.ndarray, side: float) -> bool:
    """Whether it is the face in the picture's middle, for which LFW's photos are cut."""
    box, (height, width) = face.box, picture.shape[:2]
    inside = box.left < width / 2 < box.right and box.top < height / 2 < box.bottom
    return inside and 0.5 < box.side / side < 2


def turned(angle: float) -> Change:
    """Turned about the middle, filled with the photo's own colour."""

    def change(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        height, width = picture.shape[:2]
        matrix = cv2.getRotationMatrix2D(((width - 1) / 2, (height - 1) / 2), angle, 1)
        fill = np.median(picture, axis=(0, 1)).tolist()
        return cv2.warpAffine(picture, matrix, (width, height), borderValue=fill)

    return change


def reduced(pixels: int) -> Change:
    """Made smaller until faces have so many pixels, in the middle of a picture of the old size."""

    def change(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        scale = pixels / FACE
        small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        whole = np.empty_like(picture)
        whole[:] = np.median(picture, axis=(0, 1))
        top, left = ((a - b) // 2 for a, b in zip(picture.shape[:2], small.shape[:2], strict=True))
        whole[top : top + small.shape[0], left : left + small.shape[1]] = small
        return whole

    return change


def covered(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """From the nose down behind something light blue."""
    height, width = picture.shape[:2]
    picture = picture.copy()
    picture[height // 2 + 4 : height // 2 + 62, width // 2 - 48 : width // 2 + 48] = 150, 190, 220
    return picture


def dark(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A tenth of the light, and noise."""
    noisy = picture / 10 + rng.normal(0, 5, picture.shape)
    return np.clip(noisy, 0, 255).astype(np.uint8)


def blurred(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Out of focus by five pixels of a face of a hundred."""
    return cv2.GaussianBlur(picture, (0, 0), 5)


CHANGES: dict[str, Change] = {
    "upright": lambda picture, rng: picture,
    "turned by 30 degrees": turned(30),
    "turned by 60 degrees": turned(60),
    "turned by 90 degrees": turned(90),
    "upside down": turned(180),
    "face of 28 pixels": reduced(28),
    "face of 17 pixels": reduced(17),
    "lower face covered": covered,
    "dark and noisy": dark,
    "out of focus": blurred,
}
SIDES = {"face of 28 pixels": 28, "face of 17 pixels": 17}


def scrambled(picture: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Its squares of 25 pixels in another order."""
    down, across = (side // SQUARE for side in picture.shape[:2])
    cut = picture[: down * SQUARE, : across * SQUARE]
    squares = cut.reshape(down, SQUARE, across, SQUARE, 3).swapaxes(1, 2)
    mixed = squares.reshape(-1, SQUARE, SQUARE, 3)[rng.permutation(down * across)]
    return mixed.reshape(down, across, SQUARE, SQUARE, 3).swapaxes(1, 2).reshape(cut.shape)


def nothing(pictures: list[np.ndarray], seed: int) -> dict[str, list[np.ndarray]]:
    """Pictures without faces, by kind."""
    rng = np.random.default_rng(seed)
    return {
        "scrambled, any hit is wrong": [scrambled(picture, rng) for picture in pictures],
        "no people, any hit is wrong": list(tiles())[: 4 * len(pictures)],
    }


def tiles() -> Iterator[np.ndarray]:
    """Parts of the pictures without people that come with scikit-image, at several scales."""
    from skimage import data

    names = (
        "brick", "chelsea", "coffee", "coins", "grass", "gravel", "horse", "hubble_deep_field",
        "immunohistochemistry", "logo", "moon", "page", "retina", "rocket", "text", "colorwheel",
    )  # fmt: skip
    for name in names:
        try:
            picture = np.asarray(getattr(data, name)())
        except (ImportError, OSError):  # those that are not in the wheel are fetched, or not
            continue
        if picture.dtype == bool:
            picture = picture.astype(np.uint8) * 255
        if picture.ndim == 2:
            picture = np.repeat(picture[..., None], 3, axis=2)
        picture = np.ascontiguousarray(picture[..., :3])
        for scale in (1.0, 0.7, 0.5, 0.35, 0.25):
            small = cv2.resize(picture, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
            for top in range(0, max(1, small.shape[0] - TILE // 2), TILE // 2):
                for left in range(0, max(1, small.shape[1] - TILE // 2), TILE // 2):
                    yield np.ascontiguousarray(small[top : top + TILE, left : left + TILE])


def print_scores(names: list[str], pictures: list[np.ndarray], seed: int) -> None:
    """The share of false hits at each threshold."""
    print("| detector, pictures | " + " | ".join(f"{t:g}" for t in THRESHOLDS) + " |")
    print("| --- |" + " --- |" * len(THRESHOLDS))
    for name in names:
        short, _, path = name.partition(":")
        kind = detect.kind_of(short)
        one = kind(Path(path) if path else here(kind.model), THRESHOLDS[0])
        for what, empty in nothing(pictures, seed).items():
            best = np.array([max((f.score for f in one.detect([p])[0]), default=0) for p in empty])
            cells = " | ".join(f"{100 * np.mean(best >= t):.2f}" for t in THRESHOLDS)
            print(f"| {name}, {what}: {len(empty)} | {cells} |", flush=True)


if __name__ == "__main__":
    main()
