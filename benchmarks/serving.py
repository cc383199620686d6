"""How fast a server identifies, beside the folder pipeline; its memory; and what it does when
asked for more than it can.

    python benchmarks/serving.py MODEL PHOTOS
    python benchmarks/serving.py MODEL PHOTOS --rounds 0 --requests 20000 --crowd 0

MODEL is a model folder, PHOTOS a folder of JPEGs. In each of --rounds ``infer`` first names the
people in them and then --clients clients of ``openfaceplus serve`` do for --seconds, over loopback;
what starting costs is not in the rates. The clients run on the same cores as the server: what they
took of them is said. --requests are then asked while the memory of the server and its processes is
looked at, and at last --crowd clients ask at once for --seconds. On a shared machine read the
ratios, and the milliseconds of a processor that a photo takes. Locust comes with the extra
``benchmarks``.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

COMMAND = (sys.executable, "-m", "openfaceplus")
HERE = Path(__file__).parent


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", type=Path)
    parser.add_argument("photos", type=Path)
    parser.add_argument("--rounds", type=int, default=3, help="default: %(default)s")
    parser.add_argument("--seconds", type=int, default=60, help="default: %(default)s")
    parser.add_argument("--clients", type=int, default=16, help="default: %(default)s")
    parser.add_argument("--requests", type=int, default=2000, help="default: %(default)s")
    parser.add_argument("--crowd", type=int, default=200, help="default: %(default)s")
    parser.add_argument("-o", "--output", type=Path, metavar="FILE", help="write all numbers there")
    args = parser.parse_args()
    results: dict[str, Any] = {"cores": len(os.sched_getaffinity(0)), "rounds": []}
    with serving(args.model) as (url, pid):
        for _ in range(args.rounds):
            results["rounds"].append(one_round(url, pid, args))
        if args.rounds:
            ratios = [one["ratio"] for one in results["rounds"]]
            print(
                f"ratio: {statistics.median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
            )
        if args.requests:
            results["memory"] = memory(url, pid, args)
        if args.crowd:
            results["crowd"] = crowd(url, args)
    if args.output:
        args.output.write_text(json.dumps(results, indent=1))
    return 0


@contextmanager
def serving(model: Path) -> Iterator[tuple[str, int]]:
    """The address and process of a server that does not count requests."""
    with tempfile.TemporaryDirectory() as folder:
        words = ("serve", "-m", model, "--port", "0", "--rate", str(10**9), "--audit",
                 Path(folder) / "audit.jsonl")  # fmt: skip
        server = subprocess.Popen([*COMMAND, *words], stdout=subprocess.PIPE, text=True)
        assert server.stdout is not None
        try:
            found = re.search(r"http://\S+", server.stdout.readline())
            assert found is not None, "the server did not start"
            yield found[0], server.pid
        finally:
            server.terminate()
            server.wait(60)


def one_round(url: str, pid: int, args: argparse.Namespace) -> dict[str, Any]:
    """Photos a second of the folder pipeline and of the server, and their ratio."""
    folder, folder_ms = pipeline(args.model, args.photos)
    before = processor_seconds(pid)
    load = ask(url, args, clients=args.clients, seconds=args.seconds)
    server_ms = 1000 * (processor_seconds(pid) - before) / sum(load["seen"].values())
    ratio = load["rate"] / folder
    print(
        f"infer {folder:.1f} photos/s, {folder_ms:.1f} ms of a processor each; {args.clients} "
        f"clients {load['rate']:.1f} photos/s, {server_ms:.1f} ms each, ratio {ratio:.2f}; "
        f"p50 {load['p50_ms']:.0f} ms, p95 {load['p95_ms']:.0f} ms, {load['errors']} errors; "
        f"the clients took {load['client_cores']:.2f} cores",
        flush=True,
    )
    return {"infer": folder, "infer_ms": folder_ms, "server_ms": server_ms, "ratio": ratio, **load}


def pipeline(model: Path, photos: Path) -> tuple[float, float]:
    """Photos a second of ``infer`` and milliseconds of a processor for each, by how much more it
    takes for all of them than for few."""
    paths = sorted(photos.rglob("*.jp*g"))
    few = max(64, len(paths) // 8)  # from 64 on it uses all cores
    assert len(paths) >= 2 * few, "give more photos"

    def spent(some: list[Path]) -> tuple[float, float]:
        start, before = time.perf_counter(), resource.getrusage(resource.RUSAGE_CHILDREN)
        done = subprocess.run(
            [*COMMAND, "infer", "-m", model, "--multi", "--json", *some], capture_output=True
        )
        assert done.returncode in (0, 1), done.stderr.decode()  # 1: some show no face
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        busy = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        return time.perf_counter() - start, busy

    (seconds, busy), (few_seconds, few_busy) = spent(paths), spent(paths[:few])
    count = len(paths) - few
    return count / (seconds - few_seconds), 1000 * (busy - few_busy) / count


def memory(url: str, pid: int, args: argparse.Namespace) -> dict[str, Any]:
    """The memory of the server and its processes over many requests."""
    samples: list[tuple[float, float]] = []
    ended = threading.Event()

    def watch() -> None:
        start = time.time()
        while not ended.wait(2):
            samples.append((time.time() - start, mebibytes(pid)))

    watcher = threading.Thread(target=watch)
    watcher.start()
    load = ask(url, args, clients=args.clients, requests=args.requests)
    ended.set()
    watcher.join()
    tenth = max(1, len(samples) // 10)
    taken = [mib for _, mib in samples]
    early = statistics.median(taken[tenth : 2 * tenth])
    late = statistics.median(taken[-tenth:])
    asked = sum(load["seen"].values())
    print(
        f"memory over {asked} requests ({load['seconds']:.0f} s): {early:.0f} MiB in the second "
        f"tenth, {late:.0f} MiB in the last, at most {max(taken):.0f} MiB; {load['errors']} errors"
    )
    return {"early_mib": early, "late_mib": late, "samples": samples, **load}


def crowd(url: str, args: argparse.Namespace) -> dict[str, Any]:
    """What many more clients than it can serve are told."""
    load = ask(url, args, clients=args.crowd, seconds=args.seconds)
    print(
        f"{args.crowd} clients: {load['rate']:.1f} photos/s; {load['seen']}, {load['errors']} "
        f"errors; slowest answers {load['slowest_ms']} ms"
    )
    return load


def ask(
    url: str, args: argparse.Namespace, *, clients: int, seconds: int = 3600, requests: int = 0
) -> dict[str, Any]:
    """What so many clients see, for so many seconds or requests."""
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "result.json"
        told = {"PHOTOS": str(args.photos), "REQUESTS": str(requests), "RESULT": str(result)}
        subprocess.run(
            [sys.executable, "-m", "locust", "-f", HERE / "locustfile.py", "--headless",
             "--only-summary", "--skip-log", "-u", str(clients), "-r", str(clients),
             "-t", f"{seconds}s", "--host", url],
            env={**os.environ, **told}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        )  # fmt: skip
        found: dict[str, Any] = json.loads(result.read_text())
        return found


def mebibytes(pid: int) -> float:
    """The memory of a process and those it started, what they share counted once."""
    total = 0
    for each in (pid, *children(pid)):
        try:
            rollup = Path(f"/proc/{each}/smaps_rollup").read_text()
        except OSError:
            continue  # it has ended
        total += sum(int(kib) for kib in re.findall(r"^Pss:\s+(\d+)", rollup, re.MULTILINE))
    return total / 1024


def processor_seconds(pid: int) -> float:
    """What a process and those it started took of the processors so far."""
    total = 0
    for each in (pid, *children(pid)):
        fields = Path(f"/proc/{each}/stat").read_text().rpartition(")")[2].split()
        total += int(fields[11]) + int(fields[12])
    return total / os.sysconf("SC_CLK_TCK")


def children(pid: int) -> Iterator[int]:
    """All processes that a process started, and those that they did."""
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        for child in map(int, task.read_text().split()):
            yield child
            yield from children(child)


if __name__ == "__main__":
    sys.exit(main())
