"""An earlier commit against the tree this script lies in, in alternation: speed, memory and size.

    python benchmarks/before_after.py COMMIT PHOTOS [--photos 200] [--rounds 5]

PHOTOS has a folder a person (LFW's, for instance). Both sides run in this interpreter's environment
and each with a cache of its own, filled before anything is counted. Times are user and system time
of all threads and processes, not the clock's, so that other work on the machine matters little.
Ratios are medians over rounds with their least and greatest: only runs of one round, a moment
apart, are compared. Prints a Markdown table.
"""

from __future__ import annotations

import argparse
import ctypes
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import NamedTuple

HERE = Path(__file__).resolve().parents[1]
PEOPLE, EACH = 1000, 5  # trained from embeddings
SINGLY = 50  # photos, one at a time
DETECTORS = ("hog", "yunet")

COMMAND = "import sys; from openfaceplus.cli import main; sys.exit(main(sys.argv[1:]))"

SINGLE = """
import sys, time
import openfaceplus
detector, *photos = sys.argv[1:]
openfaceplus.embed(photos[0], detector=detector)
start = time.process_time()
for photo in photos:
    openfaceplus.embed(photo, detector=detector)
print(time.process_time() - start)
"""

TRAINING = f"""
import time
import numpy as np
from openfaceplus.classify.classifier import Classifier
random = np.random.default_rng(0)
centres = np.repeat(random.normal(size=({PEOPLE}, 128)), {EACH}, axis=0)
vectors = centres + 0.6 * random.normal(size=centres.shape)
vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
names = [f"p{{number // {EACH}:04}}" for number in range(len(vectors))]
chips = [f"{{name}}/{{number}}.png" for number, name in enumerate(names)]
Classifier.train(vectors[:10], names[:10], chips[:10], recipe={{}}, space="made-up")
start = time.process_time()
Classifier.train(vectors, names, chips, recipe={{}}, space="made-up")
print(time.process_time() - start)
"""


class Used(NamedTuple):
    """What a process and its children used: seconds of processors, MB of the largest of them."""

    seconds: float
    megabytes: float
    printed: str


def reaped(child: subprocess.Popen[bytes]) -> Iterator[resource.struct_rusage]:
    """What a process used, and what those did that it left behind; sets its exit status."""
    while True:
        try:
            number, status, usage = os.wait4(-1, 0)
        except ChildProcessError:
            return
        if number == child.pid:
            child.returncode = os.waitstatus_to_exitcode(status)
        yield usage


class Side:
    """One of the two trees, and a folder for its cache and its models."""

    def __init__(self, tree: Path, folder: Path) -> None:
        self.tree, self.folder = tree, folder
        folder.mkdir()

    def run(self, code: str, *arguments: object) -> Used:
        own = {"PYTHONPATH": str(self.tree), "OPENFACEPLUS_CACHE": str(self.folder / "cache")}
        output = self.folder / "output"
        with open(output, "wb") as file:
            words = [sys.executable, "-P", "-c", code, *map(str, arguments)]
            child = subprocess.Popen(words, env=os.environ | own, stdout=file, stderr=file)
            usages = list(reaped(child))
        printed = output.read_text(errors="replace")
        if child.returncode not in (0, 1):  # 1: a photo showed no face
            sys.exit(f"{self.tree}: exit status {child.returncode}\n{printed}")
        seconds = sum(usage.ru_utime + usage.ru_stime for usage in usages)
        return Used(seconds, max(usage.ru_maxrss for usage in usages) / 1024, printed)

    def train(self, photos: Path, detector: str) -> Used:
        """Of a whole folder, into a model made anew."""
        model = self.folder / detector
        shutil.rmtree(model, ignore_errors=True)
        return self.run(COMMAND, "train", photos, "-o", model, "--detector", detector)

    def size(self) -> tuple[int, int]:
        """Lines and modules of the package."""
        counts = [len(p.read_text().splitlines()) for p in self.tree.glob("openfaceplus/**/*.py")]
        return sum(counts), len(counts)


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parse.add_argument("commit")
    parse.add_argument("people", type=Path, metavar="PHOTOS", help="a folder a person")
    parse.add_argument("--photos", type=int, default=200)
    parse.add_argument("--rounds", type=int, default=5)
    args = parse.parse_args()
    # Processes that lose their parent become children of this one, so that they are counted.
    ctypes.CDLL(None).prctl(36, 1, 0, 0, 0)  # PR_SET_CHILD_SUBREAPER
    with tempfile.TemporaryDirectory() as place, checkout(args.commit, Path(place)) as tree:
        photos = choose(args.people.resolve(), Path(place, "photos"), args.photos)
        sides = [Side(tree, Path(place, "before")), Side(HERE, Path(place, "after"))]
        for side in sides:  # fills caches
            for detector in DETECTORS:
                side.train(photos, detector)
        found = defaultdict(list)
        for number in range(args.rounds):
            for name, pair in measure(sides, photos).items():
                found[name].append(pair)
            print(f"round {number + 1} of {args.rounds}", file=sys.stderr)
        print(*table(found, [side.size() for side in sides], args.commit), sep="\n")


@contextmanager
def checkout(commit: str, place: Path) -> Iterator[Path]:
    """The commit's tree, as a worktree for the time being."""
    git, tree = ["git", "-C", str(HERE), "worktree"], place / "tree"
    subprocess.run([*git, "add", "--quiet", "--detach", str(tree), commit], check=True)
    try:
        yield tree
    finally:
        subprocess.run([*git, "remove", "--force", str(tree)], check=True)


def choose(people: Path, folder: Path, count: int) -> Path:
    """A folder with links to so many photos, of people who have three or more."""
    left = count
    for person in sorted(people.iterdir()):
        photos = sorted(person.iterdir())[: min(left, 10)]
        if len(photos) >= 3:
            (folder / person.name).mkdir(parents=True)
            for photo in photos:
                (folder / person.name / photo.name).symlink_to(photo)
            left -= len(photos)
    return folder


def measure(sides: list[Side], photos: Path) -> dict[str, list[float]]:
    """One round: what each side needed, milliseconds of processors or MB."""
    files = sorted(photos.rglob("*.*"))
    found = defaultdict(list)
    for detector in DETECTORS:
        for side in sides:
            seconds = side.train(photos, detector).seconds
            found[f"folder, `{detector}`, ms a photo"].append(1000 * seconds / len(files))
        for side in sides:
            seconds = float(side.run(SINGLE, detector, *files[:SINGLY]).printed)
            found[f"one photo at a time, `{detector}`, ms"].append(1000 * seconds / SINGLY)
        for side in sides:
            used = side.run(COMMAND, "infer", "-m", side.folder / detector, files[0])
            found[f"cold `infer`, `{detector}`, ms"].append(1000 * used.seconds)
            found[f"the same, peak memory, MB, `{detector}`"].append(used.megabytes)
    for side in sides:
        seconds = float(side.run(TRAINING).printed)
        found[f"training {PEOPLE:,} people, {EACH} embeddings each, ms"].append(1000 * seconds)
    return found


def table(
    found: dict[str, list[list[float]]], sizes: list[tuple[int, int]], commit: str
) -> list[str]:
    lines = [f"| | {commit} | now | times less |", "| --- | --- | --- | --- |"]
    for name, pairs in found.items():
        before, after = (median(pair[side] for pair in pairs) for side in (0, 1))
        ratios = sorted(pair[0] / pair[1] for pair in pairs)
        spread = f"{median(ratios):.2f} ({ratios[0]:.2f} to {ratios[-1]:.2f})"
        lines.append(f"| {name} | {before:.3g} | {after:.3g} | {spread} |")
    for name, before, after in zip(("lines", "modules"), *sizes, strict=True):
        lines.append(f"| {name} | {before:,} | {after:,} | |")
    return lines


if __name__ == "__main__":
    main()
