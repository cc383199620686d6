"""Print how a database of made-up sequences grows: loading, searching, its index, disk and memory.

    python benchmarks/database.py
    python benchmarks/database.py --rows 1000000 --db /tmp/benchmark
    python benchmarks/database.py --rows 100000 --db postgresql://me@host/empty

Descriptors are people with ten sequences each that lie like those of dlib's network: two of one
person have a cosine of about 0.96, two people's of 0.80 to 0.93. Each video has a hundredth of the
sequences. Probes are further vectors of the same people. An index weighs --candidates rows. --full
loads that many whole sequences as well, with 100 faces and 5 crops each, for the disk each takes.
"""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from openfaceplus.database import connect, search
from openfaceplus.database.connection import Database
from openfaceplus.database.rows import VideoFile
from openfaceplus.database.search import index, nearest
from openfaceplus.database.videos import copy, halfvec
from openfaceplus.faces import Box
from openfaceplus.sequences import Crop, FaceSequence, Pose, Seen

DIMENSIONS, EACH, VIDEOS, K = 128, 10, 100, 10
SPACE = "made-up/2v@0"


def main() -> None:
    parse = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parse.add_argument("--rows", type=int, nargs="+", default=[10_000, 100_000])
    parse.add_argument("--probes", type=int, default=200)
    parse.add_argument("--candidates", type=int, default=search.CANDIDATES, metavar="N")
    parse.add_argument("--full", type=int, default=1000, metavar="N")
    parse.add_argument("--db", help="a folder that is not there yet, or the URL of an empty one")
    args = parse.parse_args()
    search.CANDIDATES = args.candidates
    print(
        "| rows | load, rows/s | exact p50/p95, ms | in a video | index, s | index, MB | "
        "indexed p50/p95, ms | recall@10 | in a video | recall@10 | table, MB | server, MB | "
        "load with index, rows/s |"
    )
    print(f"|{' --- |' * 13}")
    for rows in args.rows:
        with made(args.db) as db:
            print("|", " | ".join(measured(db, rows, args.probes)), "|", flush=True)
    if args.full:
        with made(args.db) as db:
            print(f"\n{whole(db, args.full)}")


@contextlib.contextmanager
def made(place: str | None) -> Iterator[Database]:
    """An empty database, in a temporary folder unless a place is given."""
    with contextlib.ExitStack() as stack:
        folder = place or stack.enter_context(tempfile.TemporaryDirectory()) + "/db"
        db = stack.enter_context(connect(folder))
        db.run("TRUNCATE video, space CASCADE")
        yield db


def measured(db: Database, rows: int, probes: int) -> list[str]:
    """A line of the table."""
    people = People(rows // EACH)
    seconds = timed(lambda: load(db, people, rows))
    loading = rows / seconds
    asked = people.vectors(np.random.default_rng(1).integers(0, rows // EACH, probes), 1)
    db.run("ANALYZE vector")
    exact, slow = searched(db, asked)
    exact_in, slow_in = searched(db, asked, video=7)
    building = timed(lambda: index(db, rows=0))
    db.run("ANALYZE vector")
    searched(db, asked[:50])  # the index is read from the disk
    found, fast = searched(db, asked)
    found_in, fast_in = searched(db, asked, video=7)
    sizes = [
        db.rows(f"SELECT {what}")[0][0] / 1e6
        for what in ("pg_relation_size('vector_1_sequence')", "pg_table_size('vector')")
    ]
    more = min(rows, 5000)
    later = more / timed(lambda: load(db, people, more, videos=5, seed=5))
    return [
        f"{rows:,}", f"{loading:,.0f}", slow, slow_in, f"{building:.1f}", f"{sizes[0]:.0f}", fast,
        f"{recall(exact, found):.3f}", fast_in, f"{recall(exact_in, found_in):.3f}",
        f"{sizes[1]:.0f}", f"{memory(db):.0f}", f"{later:,.0f}",
    ]  # fmt: skip


class People:
    """Made-up people: a common direction, and their own, of which twenty dimensions matter."""

    def __init__(self, count: int) -> None:
        self.strength = np.where(np.arange(DIMENSIONS) < 20, 1.0, 0.35).astype(np.float32)
        own = np.random.default_rng(0).standard_normal((count, DIMENSIONS), np.float32)
        self.own = own * self.strength * 0.33 / np.linalg.norm(self.strength)
        self.own[:, 0] += 1

    def vectors(self, labels: np.ndarray, seed: int) -> np.ndarray:
        """(n, dimensions) float32 of unit length, of the people of those numbers."""
        generator = np.random.default_rng(seed)
        blur = generator.standard_normal((len(labels), DIMENSIONS), np.float32)
        blur *= 0.2 / DIMENSIONS**0.5 * np.exp(0.35 * generator.standard_normal((len(labels), 1)))
        raw = (self.own[labels] + blur).astype(np.float32)
        return raw / np.linalg.norm(raw, axis=1, keepdims=True)


def load(db: Database, people: People, rows: int, videos: int = VIDEOS, seed: int = 2) -> None:
    """Write sequences and their descriptors, a video at a time, in an order without any."""
    labels = np.random.default_rng(seed).integers(0, len(people.own), rows)
    for number, some in enumerate(np.array_split(labels, videos)):
        file = VideoFile(f"{seed}-{number}", "", SPACE, DIMENSIONS, f"{number}.mp4")
        video = db.videos.begin(file)
        assert video is not None
        space = db.space(SPACE)
        ids = [
            row[0]
            for row in db.rows(
                "SELECT nextval(pg_get_serial_sequence('sequence', 'id')) "
                "FROM generate_series(1, %s)", (len(some),),
            )
        ]  # fmt: skip
        vectors = people.vectors(some, 1000 * seed + number)
        times = ((n, video, 2.0 * i, 2.0 * i + 1, 25, 0.5, 0.01) for i, n in enumerate(ids))
        rows_of_vectors = ((space, video, n, halfvec(v)) for n, v in zip(ids, vectors, strict=True))
        with db.transaction() as connection:
            copy(
                connection, "sequence", "id, video, starts, ends, faces, evidence, spread",
                "int8 int4 float8 float8 int4 float4 float4", times,
            )  # fmt: skip
            copy(
                connection, "vector", "space, video, sequence, value", "int4 int4 int8 halfvec",
                rows_of_vectors,
            )  # fmt: skip
        db.videos.finish(video)


def searched(db: Database, probes: np.ndarray, video: int | None = None) -> tuple[list[Any], str]:
    """What is found for each probe, and the median and 95th percentile of the time, as text."""
    found, taken = [], []
    for probe in probes:
        start = time.perf_counter()
        (one,) = nearest(db, "sequence", probe, SPACE, K, video)
        taken.append(1000 * (time.perf_counter() - start))
        found.append({number for number, _ in one})
    return found, "/".join(f"{value:.1f}" for value in np.percentile(taken, (50, 95)))


def recall(exact: list[Any], found: list[Any]) -> float:
    """The share of what is there to be found that was."""
    return float(np.mean([len(a & b) / len(a) for a, b in zip(exact, found, strict=True)]))


def whole(db: Database, count: int) -> str:
    """What sequences with their faces and crops take of time and disk."""
    people, noise = People(count), np.random.default_rng(0)
    vectors = people.vectors(np.repeat(np.arange(count), 5), 0).reshape(count, 5, DIMENSIONS)
    points = np.zeros((5, 2), np.float32)
    grey = noise.integers(0, 255, (19, 19, 3), np.uint8).repeat(8, 0).repeat(8, 1)[:150, :150]
    some = [
        FaceSequence(
            tuple(Seen(4 * i + t / 30, Box(1, 2, 90, 99), 0.9, points, Pose(1, 2, 3), 0.5)
                  for t in range(100)),
            tuple(Crop(4.0 * i, 0.9, grey) for _ in range(5)),
            five, five[0], 0.01,
        )
        for i, five in enumerate(vectors)
    ]  # fmt: skip
    video = db.videos.begin(VideoFile("whole", "", SPACE, DIMENSIONS, "whole.mp4"))
    assert video is not None
    seconds = timed(lambda: db.videos.add(video, some))
    sizes = db.rows(
        "SELECT relname::text, pg_total_relation_size(oid) FROM pg_class WHERE relname IN "
        "('face', 'crop', 'vector', 'sequence') ORDER BY relname"
    )
    each = ", ".join(f"{name} {size / count:,.0f}" for name, size in sizes)
    return f"whole sequences: {count / seconds:,.0f}/s; bytes for each: {each}"


def memory(db: Database) -> float:
    """Megabytes that the server's processes hold together, shared pages once; nan for others'."""
    total = 0.0
    with contextlib.suppress(OSError, IndexError):
        start = (Path(db.where) / "data/postmaster.pid").read_text().split()[0]
        for folder in Path("/proc").glob("[0-9]*"):
            with contextlib.suppress(OSError):
                parent = (folder / "stat").read_text().rpartition(")")[2].split()[1]
                if start in (folder.name, parent):
                    rolled = (folder / "smaps_rollup").read_text()
                    total += int(rolled.split("Pss:")[1].split()[0]) / 1000
    return total or float("nan")


def timed(call: Callable[[], object]) -> float:
    """Seconds that a call takes."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
