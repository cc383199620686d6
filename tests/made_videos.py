"""Made-up videos of made-up people, and databases to put them into."""

from __future__ import annotations

import itertools
import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import numpy as np
from vectors import DIMENSIONS, SPACE, faces

from openfaceplus.database import connect
from openfaceplus.database.rows import VideoFile
from openfaceplus.faces import Box
from openfaceplus.sequences import Crop, FaceSequence, Pose, Seen

_numbers = itertools.count()


def file(name: str = "a.mp4", **more: object) -> VideoFile:
    """A video that was never filmed; its content is its name."""
    known = {"duration": 60.0, "rate": 25.0, "width": 640, "height": 360} | more
    return VideoFile(f"hash of {name!a}", "settings", SPACE, DIMENSIONS, name, **known)


def sequence(start: float, end: float, vectors: np.ndarray, faces: int = 4) -> FaceSequence:
    """A face from start to end, with a crop for each of (n, dimensions) vectors."""
    seen = tuple(
        Seen(t, Box(10, 20, 30, 40.5), 0.9, np.arange(10, dtype=np.float32).reshape(5, 2),
             Pose(10.0, -5.0, 1.0), 0.5)
        for t in np.linspace(start, end, faces).tolist()
    )  # fmt: skip
    pixels = np.full((32, 32, 3), 128, np.uint8)
    crops = tuple(Crop(start, 0.5 + 0.1 * i, pixels) for i in range(len(vectors)))
    mean = vectors.mean(0)
    return FaceSequence(seen, crops, vectors, mean / np.linalg.norm(mean), 0.01)


def sequences(people: int, each: int, seed: int = 0) -> tuple[list[FaceSequence], list[int]]:
    """Sequences of people, one after the other, and whose each is."""
    vectors, labels = faces(people, 3 * each, seed)
    some = vectors.reshape(people * each, 3, -1)
    return (
        [sequence(2 * i, 2 * i + 1.5, vectors) for i, vectors in enumerate(some)],
        labels[::3].tolist(),
    )


def index(db: object, name: str, some: Sequence[FaceSequence]) -> list[int]:
    """Write a whole video; returns the numbers of its sequences."""
    video = db.videos.begin(file(name))
    numbers = db.videos.add(video, some)
    db.videos.finish(video)
    return numbers


@contextmanager
def server(folder: Path) -> Iterator[str]:
    """The URL of the server that tests use: that of OPENFACEPLUS_TEST_DB, or one in a folder."""
    if given := os.environ.get("OPENFACEPLUS_TEST_DB"):
        yield given
        return
    with connect(folder) as db:
        db.run("ALTER SYSTEM SET fsync = off")  # nothing of it is kept
        db.rows("SELECT pg_reload_conf()")
        yield db.url


@contextmanager
def fresh(url: str, template: str | None = None) -> Iterator[str]:
    """The URL of a database that is made on a server and taken away again."""
    import psycopg

    name = f"openfaceplus_test_{os.getpid()}_{next(_numbers)}"
    copied = f"TEMPLATE {template}" if template else ""
    with psycopg.connect(url, autocommit=True) as connection:
        connection.execute(f"CREATE DATABASE {name} {copied}")
    try:
        yield urlsplit(url)._replace(path=f"/{name}").geturl()
    finally:
        with psycopg.connect(url, autocommit=True) as connection:
            connection.execute(f"DROP DATABASE {name} WITH (FORCE)")


def name_of(url: str) -> str:
    """What the database of a URL is called."""
    return urlsplit(url).path.lstrip("/")
