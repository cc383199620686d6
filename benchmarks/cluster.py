"""A Ray cluster against the pool of this machine, with the same cores, and with a node that dies.

    python benchmarks/cluster.py PHOTOS --photos 400 --rounds 3
    python benchmarks/cluster.py PHOTOS --photos 600 --rounds 0 --kill --empty 3000

PHOTOS is a folder per person, such as LFW. A cluster of two nodes of one processor each is started
on this machine, and the same photos are embedded by it and by two processes of the pool, in turn:
the ratio compares runs of the same minutes. With ``--kill`` the photos are aligned and represented,
a node is killed amid each step and another added, and both tables are compared with those of the
pool, row by row.
"""

from __future__ import annotations

import argparse
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from contextvars import copy_context
from functools import partial
from pathlib import Path
from threading import Thread
from typing import Any

from openfaceplus.cluster import cluster
from openfaceplus.images import walk
from openfaceplus.recipe import recipe
from openfaceplus.stages import align, represent
from openfaceplus.stages.photos import embed_photos
from openfaceplus.stages.workers import Workers
from openfaceplus.store.layout import ALIGNMENT, REPRESENTATION
from openfaceplus.store.tables import read_table

JOBS = 2


def main() -> None:
    """Measure and print."""
    parse = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parse.add_argument("folder", type=Path, metavar="PHOTOS")
    parse.add_argument("--photos", type=int, default=400)
    parse.add_argument("--rounds", type=int, default=3)
    parse.add_argument("--empty", type=int, default=0, help="so many messages without work")
    parse.add_argument("--kill", action="store_true")
    args = parse.parse_args()
    files = walk(args.folder)[: args.photos]
    with machines() as made:
        ratios = [compare([str(file.path) for file in files], made) for _ in range(args.rounds)]
        if ratios:
            print(f"ratio {statistics.median(ratios):.2f} (of {len(ratios)})", flush=True)
        if args.empty:
            messages(args.empty, made)
        if args.kill:
            kill(args.folder, files, made)


@contextmanager
def machines() -> Iterator[Any]:
    """A cluster of two nodes of one processor each."""
    os.environ["RAY_worker_niceness"] = "0"  # noqa: SIM112 - as those of the pool
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    made.add_node(num_cpus=1)
    yield made
    made.shutdown()


def compare(paths: list[str], made: Any) -> float:
    """Photos a second of processor time in the cluster over those in the pool, Ray's own processes
    included, from the first result on; on a busy machine the clock says less."""

    def speed() -> tuple[float, float, float]:
        start = time.perf_counter()
        results = embed_photos(paths, recipe(), jobs=JOBS)
        next(results)
        first, used = time.perf_counter(), processor_time()
        for _ in range(len(paths) - 1):
            next(results)
        seconds, used = time.perf_counter() - first, processor_time() - used
        results.close()
        return len(paths) / seconds, len(paths) / used, first - start

    before = speed()
    with cluster(made.address):
        there = speed()
    after = speed()
    pool = [(one + other) / 2 for one, other in zip(before, after, strict=True)]
    print(
        f"photos/s: pool {pool[0]:.1f}, cluster {there[0]:.1f}; a second of processor time: "
        f"{pool[1]:.1f}, {there[1]:.1f}; first after {pool[2]:.1f} s, {there[2]:.1f} s",
        flush=True,
    )
    return there[1] / pool[1]


def messages(number: int, made: Any) -> None:
    """How many items a second a command can hand out, one a message."""
    with cluster(made.address), Workers[int, int](partial, (abs,), JOBS) as pool:
        next(pool.map([0]))
        start, used = time.perf_counter(), time.process_time()
        assert sum(1 for _ in pool.map(range(number))) == number
        seconds = time.perf_counter() - start
        used = time.process_time() - used
    print(f"{number / seconds:.0f} messages/s, {number / used:.0f} a second of the command's own")


def processor_time() -> float:
    """Seconds that this process and all below it have used, those that have ended too."""
    used, parents = {}, {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = path.read_text().rpartition(")")[2].split()
            pid = int(path.parent.name)
            parents[pid] = int(fields[1])
            used[pid] = sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")
    total = 0.0
    for pid in used:
        above = pid
        while above in parents and above != os.getpid():
            above = parents[above]
        total += used[pid] if above == os.getpid() else 0.0
    return total


def kill(folder: Path, files: list[Any], made: Any) -> None:
    """Compare the tables of both, where a node of the cluster dies amid each step."""
    with tempfile.TemporaryDirectory() as place, ExitStack() as stack:
        root = Path(place)
        photos = root / "photos"
        for file in files:
            link = photos / file.relative
            link.parent.mkdir(parents=True, exist_ok=True)
            link.symlink_to(file.path.absolute())
        chips, vectors = root / "chips", root / "vectors"
        start = time.perf_counter()
        align.align(photos, chips, recipe(), jobs=JOBS)
        represent.represent(chips, vectors, jobs=JOBS)
        print(f"pool: {time.perf_counter() - start:.0f} s", flush=True)
        here = tables(chips, vectors)
        chips.rename(root / "other-chips")
        vectors.rename(root / "other-vectors")
        start = time.perf_counter()
        stack.enter_context(cluster(made.address))
        journal = chips / ALIGNMENT.journal
        amid(lambda: align.align(photos, chips, recipe(), jobs=JOBS), journal, len(files), made)
        journal = vectors / REPRESENTATION.journal
        amid(lambda: represent.represent(chips, vectors, jobs=JOBS), journal, len(files), made)
        seconds = time.perf_counter() - start
        there = tables(chips, vectors)
        same = sum(one == other for one, other in zip(here, there, strict=True))
        print(
            f"cluster with two nodes killed: {seconds:.0f} s; {same} of {len(here)} rows the same"
        )


def amid(step: Any, journal: Path, total: int, made: Any) -> None:
    """Run a step, and kill a node and add another when its journal is half full."""
    work = Thread(target=copy_context().run, args=(step,))
    work.start()
    while not (journal.exists() and journal.read_bytes().count(b"\n") > total // 2):
        time.sleep(0.1)
        assert work.is_alive(), "it was done before a node could be killed"
    made.remove_node(next(iter(made.worker_nodes)), allow_graceful=False)
    made.add_node(num_cpus=1)
    work.join()


def tables(chips: Path, vectors: Path) -> list[Any]:
    """All rows of both tables, without what changes when a file is written again, and vectors."""
    aligned = read_table(chips / ALIGNMENT.table, ALIGNMENT.columns)
    made = read_table(vectors / REPRESENTATION.table, REPRESENTATION.columns)
    for row in made:
        row.pop("fingerprint")
    lines = (vectors / "reps.csv").read_text().splitlines()
    return [*aligned, *made, *lines]


if __name__ == "__main__":
    main()
