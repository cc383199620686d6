"""What ``benchmarks/run.py`` measures of this project alone: training, search, the machine."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
from peers.pairs import spread

GMAC = 0.27  # of dlib's network, a face
DIM = 128
PROBES = 200

_SGEMM = """
import time, numpy as np
a = np.random.default_rng(0).normal(size=(1536, 1536)).astype(np.float32)
best = 9.0
for _ in range(12):
    start = time.perf_counter(); a @ a; best = min(best, time.perf_counter() - start)
print(2 * 1536**3 / best / 1e9)
"""


def faces(people: int, photos: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """(people * photos, 128) vectors in clusters of few dimensions, as faces lie, and a probe of
    each person, all float32 of unit length."""
    rng = np.random.default_rng(seed)
    basis = rng.normal(size=(48, DIM)).astype(np.float32)
    centres = _unit(rng.normal(size=(people, 48)).astype(np.float32) @ basis)
    noise = np.float32(0.25 / np.sqrt(DIM))

    def around(rows: np.ndarray) -> np.ndarray:
        return _unit(rows + noise * rng.standard_normal(rows.shape, np.float32))

    return around(np.repeat(centres, photos, axis=0)), around(centres)


def training(people: tuple[int, ...], rounds: int) -> dict[str, Any]:
    """Seconds from embeddings to a classifier with its threshold, 5 embeddings a person."""
    from openfaceplus.classify.classifier import Classifier
    from openfaceplus.recipe import recipe

    found = {}
    for count in people:
        vectors, _ = faces(count, 5)
        names = [f"{i // 5:05}" for i in range(len(vectors))]
        seconds = []
        for _ in range(rounds if count <= 400 else min(3, rounds)):
            start = time.perf_counter()
            Classifier.train(vectors, names, names, recipe=recipe().to_dict(), space="synthetic")
            seconds.append(time.perf_counter() - start)
        found[str(count)] = spread(seconds)
    return {"unit": "s", "seconds": found, "embeddings a person": 5}


def search(sizes: tuple[int, ...], kinds: tuple[str, ...]) -> dict[str, Any]:
    """Milliseconds for one probe by number of templates, and recall against exact search."""
    from openfaceplus import gallery

    found: dict[str, Any] = {}
    for size in sizes:
        vectors, probes = faces(size // 4, 4)
        probes = probes[:: max(1, len(probes) // PROBES)][:PROBES]
        names = [str(i) for i in range(size)]
        answers: dict[str, list[list[str]]] = {}
        for kind in kinds:
            made = gallery.create(kind, "synthetic")
            start = time.perf_counter()
            made.add(names, vectors)
            built = time.perf_counter() - start
            ms, answers[kind] = [], []
            for probe in probes:
                start = time.perf_counter()
                matches = made.search(probe, k=10)[0]
                ms.append((time.perf_counter() - start) * 1e3)
                answers[kind].append([match.person for match in matches])
            start = time.perf_counter()
            made.search(probes, k=10)
            together = (time.perf_counter() - start) * 1e3 / len(probes)
            row = {"ms": spread(ms), "ms a probe of many": together, "build s": built}
            if "exact" in answers:
                both = list(zip(answers["exact"], answers[kind], strict=True))
                row["recall@1"] = float(np.mean([a[0] == b[0] for a, b in both]))
                row["recall@10"] = float(np.mean([len({*a} & {*b}) / 10 for a, b in both]))
            row |= _stored(made, probes)
            found.setdefault(kind, {})[str(size)] = row
            print(f"{kind}, {size}: {row}", file=sys.stderr)
            del made
    return {"unit": "ms", "galleries": found}


def _stored(made: Any, probes: np.ndarray) -> dict[str, float]:
    """Seconds to save and to map, and the first probe's milliseconds then."""
    from openfaceplus import gallery

    with tempfile.TemporaryDirectory() as scratch:
        start = time.perf_counter()
        made.save(Path(scratch))
        saved = time.perf_counter() - start
        size = sum(path.stat().st_size for path in Path(scratch).iterdir()) / 1e6
        start = time.perf_counter()
        mapped = gallery.load(Path(scratch))
        loaded = time.perf_counter() - start
        start = time.perf_counter()
        mapped.search(probes[:1], k=10)
        first = (time.perf_counter() - start) * 1e3
    return {"save s": saved, "load s": loaded, "first search ms": first, "MB": size}


def limit() -> dict[str, Any]:
    """What the machine can do: GFLOP/s of a matrix product, and the milliseconds a face that
    follow from it."""
    import os

    found = {}
    for threads in sorted({1, len(os.sched_getaffinity(0))}):
        names = ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS")
        environment = os.environ | dict.fromkeys(names, str(threads))
        command = [sys.executable, "-c", _SGEMM]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
        gflops = float(done.stdout)
        found[str(threads)] = {"GFLOP/s": gflops, "ms a face": 2 * GMAC / gflops * 1e3}
    return {"unit": "GFLOP/s", "threads": found}


def _unit(vectors: np.ndarray) -> np.ndarray:
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
