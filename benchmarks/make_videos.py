"""Make videos whose people are known, of photos in a folder per person such as LFW.

    python benchmarks/make_videos.py LFW -o videos/
    python benchmarks/make_videos.py LFW -o videos/ --people 30 --videos 5 --strangers 200

People come into the picture, move, turn and come nearer, leave, and come back with other photos,
in later shots and in other videos; two are on screen at once. Strangers come once, in videos of
their own. Shots differ in background, sharpness and light; the files are H.264, compressed well.
Beside each video lies a CSV file of what is seen: time, person, left, top, right, bottom.

A photo shows one face, in its middle, 100 pixels wide where it is 250 (LFW, deep-funneled).
"""

from __future__ import annotations

import argparse
import csv
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np

from openfaceplus.images import read_photo

RATE = 25
SIDE = 250
HEAD = np.array([[62, 40], [188, 40], [188, 200], [62, 200]], np.float32)  # what is cut out
FACE = np.array([[79, 70], [171, 70], [171, 184], [79, 184]], np.float32)
MARGIN = 20  # over which it fades


@dataclass
class Appearance:
    """A person's way through the picture: when, in which lane, with which photo."""

    person: str
    photo: Path
    start: int
    frames: int
    lane: int


@dataclass
class Shot:
    """Appearances before a background, in frames from ``start``."""

    start: int
    frames: int
    appearances: list[Appearance]


def main() -> None:
    parse = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parse.add_argument("photos_folder", type=Path, metavar="LFW")
    parse.add_argument("-o", "--output", type=Path, required=True)
    parse.add_argument("--people", type=int, default=30, help="who come back")
    parse.add_argument("--videos", type=int, default=5)
    parse.add_argument("--appearances", type=int, default=5, help="of each of them, at most")
    parse.add_argument("--strangers", type=int, default=0, help="who come once")
    parse.add_argument("--size", default="640x360")
    parse.add_argument("--face", type=int, nargs=2, default=(50, 100), help="width, from and to")
    parse.add_argument("--seed", type=int, default=0)
    args = parse.parse_args()
    cv2.setNumThreads(1)
    generator = np.random.default_rng(args.seed)
    args.output.mkdir(parents=True, exist_ok=True)
    photos = {each.name: sorted(each.glob("*.jpg")) for each in args.photos_folder.iterdir()}
    several = sorted(name for name, own in photos.items() if len(own) > 3)
    once = sorted(name for name, own in photos.items() if len(own) == 1)
    width, height = (int(side) for side in args.size.split("x"))
    people = generator.choice(several, args.people, replace=False).tolist()
    strangers = generator.choice(once, args.strangers, replace=False).tolist()
    cast: list[list[tuple[str, Path]]] = [[] for _ in range(args.videos)]
    for person in people:
        own = generator.permutation(len(photos[person]))[: args.appearances]
        order = generator.permutation(args.videos)
        for number, photo in enumerate(own):
            cast[order[number % args.videos]].append((person, photos[person][photo]))
    plans = {f"video-{number + 1:02d}": each for number, each in enumerate(cast)}
    for start in range(0, len(strangers), 20):
        some = [(name, photos[name][0]) for name in strangers[start : start + 20]]
        plans[f"strangers-{start // 20 + 1:02d}"] = some
    for name, each in plans.items():
        shots = schedule(each, generator)
        film(args.output / name, shots, (width, height), args.face, generator)
        print(f"{name}: {len(each)} appearances, {shots[-1].start + shots[-1].frames} frames")


def schedule(cast: list[tuple[str, Path]], generator: np.random.Generator) -> list[Shot]:
    """Shots of up to six appearances, two at once, nobody beside themselves."""
    waiting = [cast[i] for i in generator.permutation(len(cast))]
    shots: list[Shot] = []
    start = 0
    while waiting:
        lanes = [0, 0]
        there: list[Appearance] = []
        for _ in range(min(6, len(waiting))):
            lane = int(np.argmin(lanes))
            begin = lanes[lane] + int(generator.integers(0, 10))
            frames = int(generator.integers(50, 90))
            busy = {
                one.person for one in there if one.start < begin + frames + RATE
                and begin < one.start + one.frames + RATE
            }  # fmt: skip
            at = next((i for i, (who, _) in enumerate(waiting) if who not in busy), None)
            if at is None:
                break
            person, photo = waiting.pop(at)
            there.append(Appearance(person, photo, begin, frames, lane))
            lanes[lane] = begin + frames + 3
        shots.append(Shot(start, max(lanes) + 5, there))
        start += shots[-1].frames
    return shots


def film(
    path: Path, shots: list[Shot], size: tuple[int, int], face: tuple[int, int],
    generator: np.random.Generator,
) -> None:  # fmt: skip
    """Write the video and its labels."""
    crf = str(generator.integers(23, 31))
    with (
        av.open(str(path.with_suffix(".mp4")), "w") as container,
        path.with_suffix(".csv").open("w", newline="") as table,
    ):
        stream = container.add_stream("libx264", rate=RATE, options={"crf": crf})
        stream.width, stream.height = size
        stream.pix_fmt = "yuv420p"
        rows = csv.writer(table)
        rows.writerow(["time", "person", "left", "top", "right", "bottom"])
        for number, (pixels, seen) in enumerate(frames_of(shots, size, face, generator)):
            picture = av.VideoFrame.from_ndarray(pixels, "rgb24")
            picture.pts, picture.time_base = number, Fraction(1, RATE)
            container.mux(stream.encode(picture))
            for person, box in seen:
                rows.writerow([f"{number / RATE:.3f}", person, *np.round(box, 1)])
        container.mux(stream.encode())


def frames_of(
    shots: list[Shot], size: tuple[int, int], face: tuple[int, int], generator: np.random.Generator
) -> Iterator[tuple[np.ndarray, list[tuple[str, np.ndarray]]]]:
    """RGB pixels, and each person that is seen with the box of the face."""
    width, height = size
    for shot in shots:
        behind = background(size, generator)
        blur = generator.uniform(0.3, 1.0)
        grain = generator.normal(0, generator.uniform(0.5, 4), (8, height, width, 1))
        grain = grain.astype(np.float32)
        light = generator.uniform(0.75, 1.15) * generator.uniform(0.93, 1.07, 3)
        ways = [Way(one, size, face, generator) for one in shot.appearances]
        for number in range(shot.frames):
            shift = round(6 * np.sin(number / 40))
            pixels = np.roll(behind, shift, axis=1).astype(np.float32)
            seen = []
            for way in ways:
                box = way.draw(pixels, number)
                if box is not None:
                    seen.append((way.one.person, box))
            pixels = cv2.GaussianBlur(pixels * light.astype(np.float32), (0, 0), blur)
            pixels += grain[generator.integers(len(grain))]
            yield np.clip(pixels, 0, 255).astype(np.uint8), seen


class Way:
    """One appearance, drawn frame by frame: in from a side, to and fro, nearer, out again."""

    def __init__(
        self, one: Appearance, size: tuple[int, int], face: tuple[int, int],
        generator: np.random.Generator,
    ) -> None:  # fmt: skip
        self.one, (self.width, self.height) = one, size
        photo = cv2.resize(read_photo(one.photo).pixels, (SIDE, SIDE))
        alpha = np.zeros((SIDE, SIDE), np.float32)
        middle = tuple(int(v) for v in HEAD.mean(axis=0))
        axes = tuple(int(v) for v in (HEAD[2] - HEAD[0]) / 2)
        cv2.ellipse(alpha, middle, axes, 0, 0, 360, 1.0, -1)
        alpha = cv2.GaussianBlur(alpha, (0, 0), MARGIN / 3)
        self.layer = np.dstack([photo.astype(np.float32) * alpha[..., None], alpha])
        self.scale = generator.uniform(*face) / (FACE[1, 0] - FACE[0, 0])
        self.growth = generator.uniform(0.8, 1.25)
        self.side = 1 if generator.random() < 0.5 else -1
        self.up = generator.uniform(0.42, 0.58) * self.height
        self.phase = generator.uniform(0, 6.28, 4)
        self.turn = generator.uniform(0.3, 1.0)

    def draw(self, pixels: np.ndarray, number: int) -> np.ndarray | None:
        """Draw onto (height, width, 3) pixels; the box of the face where it is seen whole."""
        at = (number - self.one.start) / self.one.frames
        if not 0 <= at < 1:
            return None
        scale = self.scale * (1 + (self.growth - 1) * at)
        home = self.width * (0.27 if self.one.lane == 0 else 0.73)
        away = max(0.0, 1 - at / 0.15, (at - 0.88) / 0.12) * 0.55 * self.height
        x = home + 0.08 * self.width * np.sin(5 * at + self.phase[0])
        y = self.up + 0.04 * self.height * np.sin(4 * at + self.phase[1]) + self.side * away
        yaw = self.turn * 0.16 * np.sin(6 * at + self.phase[2])
        roll = 0.12 * np.sin(5 * at + self.phase[3])
        middle = FACE.mean(axis=0)
        corners = np.array([[0, 0], [SIDE, 0], [SIDE, SIDE], [0, SIDE]], np.float32) - middle
        nearer = 1 + yaw * corners[:, :1] / (SIDE / 2)
        moved = corners * [np.cos(2 * yaw), 1] / nearer
        spin = np.array([[np.cos(roll), np.sin(roll)], [-np.sin(roll), np.cos(roll)]])
        matrix = cv2.getPerspectiveTransform(
            corners + middle, (scale * moved @ spin + [x, y]).astype(np.float32)
        )
        layer = cv2.warpPerspective(
            self.layer, matrix, (self.width, self.height), flags=cv2.INTER_AREA
        )
        pixels *= 1 - layer[..., 3:]
        pixels += layer[..., :3]
        face = cv2.perspectiveTransform(FACE[None], matrix)[0]
        box = np.concatenate([face.min(axis=0), face.max(axis=0)])
        inside = (box[:2] >= 0).all() and box[2] <= self.width and box[3] <= self.height
        return box if inside else None


def background(size: tuple[int, int], generator: np.random.Generator) -> np.ndarray:
    """(height, width, 3) float32: soft blobs, a few lines, nothing like a face."""
    width, height = size
    grey = generator.uniform(40, 190, (5, 8, 1))
    small = (grey + generator.uniform(-30, 30, (5, 8, 3))).astype(np.float32)
    picture = cv2.resize(small, size, interpolation=cv2.INTER_CUBIC)
    for _ in range(12):
        a, b = generator.integers(0, width, 2), generator.integers(0, height, 2)
        shade = [generator.uniform(20, 220)] * 3
        cv2.line(picture, (int(a[0]), int(b[0])), (int(a[1]), int(b[1])), shade, 3)
    return cv2.GaussianBlur(picture, (0, 0), 1.5)


if __name__ == "__main__":
    main()
