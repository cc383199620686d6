"""Print how many faces of group photos each detector finds, by the size of the faces.

    python benchmarks/group_photos.py LFW
    python benchmarks/group_photos.py LFW --faces 300 --detector yunet --detector centerface

A group photo has 640x480 pixels and is a grid of photos of LFW, a folder per person of photos with
a face in the middle, made smaller until their faces have so many pixels (as WIDER FACE draws
boxes). YuNet and CenterFace search larger group photos at that size: at twice the size a face needs
twice the pixels. A face is found if a box of half to twice its size holds its middle.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import cv2
import numpy as np
from degradations import FACE, detectors

from openfaceplus.detect.base import Detector
from openfaceplus.images import photos_in, read_photo

SIZES = (12, 16, 20, 28, 40, 60, 90)
WIDTH, HEIGHT = 640, 480


def main() -> None:
    parse = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parse.add_argument("photos_folder", type=Path, metavar="LFW")
    parse.add_argument("--faces", type=int, default=100, help="at least, of each size")
    parse.add_argument("--detector", action="append", metavar="NAME[:PATH]")
    args = parse.parse_args()
    cv2.setNumThreads(1)
    every = photos_in([args.photos_folder])
    order = np.random.default_rng(0).permutation(len(every))
    pictures = [read_photo(every[number]).pixels for number in order[: max(args.faces, 400)]]
    print("| faces found, % | " + " | ".join(f"{size} px" for size in SIZES) + " | ms a photo |")
    print("| --- |" + " --- |" * (len(SIZES) + 1))
    for name, one in detectors(args.detector):
        start, photos, cells = time.process_time(), 0, []
        for size in SIZES:
            found = [seen(one, group) for group in groups(pictures, size, args.faces)]
            photos += len(found)
            cells.append(f"{100 * np.mean(np.concatenate(found)):.1f}")
        cells.append(f"{1e3 * (time.process_time() - start) / photos:.0f}")
        print(f"| {name} | {' | '.join(cells)} |", flush=True)


def groups(
    pictures: list[np.ndarray], size: int, faces: int
) -> list[tuple[np.ndarray, list[tuple[float, float]], int]]:
    """Group photos of at least so many faces in all, each with the faces' middles and size."""
    side = round(pictures[0].shape[0] * size / FACE)
    across, down = WIDTH // side, HEIGHT // side
    made, number = [], 0
    while number < faces:
        group = np.full((HEIGHT, WIDTH, 3), 110, np.uint8)
        middles = []
        for place in range(across * down):
            x, y = place % across * side, place // across * side
            picture = pictures[number % len(pictures)]
            small = cv2.resize(picture, (side, side), interpolation=cv2.INTER_AREA)
            group[y : y + side, x : x + side] = small
            middles.append((x + side / 2, y + side / 2))
            number += 1
        made.append((group, middles, size))
    return made


def seen(one: Detector, group: tuple[np.ndarray, list[tuple[float, float]], int]) -> list[bool]:
    """Whether each face of a group photo is found."""
    picture, middles, size = group
    boxes = [face.box for face in one.detect([picture])[0]]
    boxes = [box for box in boxes if 0.5 < box.side / size < 2]
    return [
        any(box.left < x < box.right and box.top < y < box.bottom for box in boxes)
        for x, y in middles
    ]


if __name__ == "__main__":
    main()
