"""Measure this project and its peers on the same photos, in alternation, on this machine.

    python benchmarks/run.py PHOTOS --peers ~/.cache/openfaceplus-peers -o results/
    python benchmarks/run.py PHOTOS --peers ... -o results/ --only single,folder --rounds 9

PHOTOS is a folder of photos with a face each (LFW's, for instance). The peer, face_recognition
1.3.0 with dlib-bin, is installed with pip into --peers the first time; --source-dlib builds dlib
with the system's BLAS instead (minutes). `openfaceplus models pull yunet` adds YuNet.
Writes results.json and results.png into -o, and prints tables. Ratios are medians over rounds with
their least and greatest: only runs of one round, a moment apart, are compared.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

from peers import alone, sections
from peers.install import dlib_of, environment
from peers.pairs import lines
from peers.plot import draw

from openfaceplus.images import photos_in
from openfaceplus.weights import locate

WITH_PEER = ("single", "folder", "steps", "cold", "memory", "large")
ALONE = ("training", "search", "limit")


def main() -> int:
    args = parse()
    chosen = args.only or [*WITH_PEER, *ALONE]
    detectors = ["hog", *(["yunet"] if locate("yunet") else []), "hog-full"]
    bench = None
    if {*chosen} & {*WITH_PEER}:
        every = photos_in([args.photos_folder])
        photos = every[:: max(1, len(every) // args.photos)][: args.photos]
        if len(photos) < 2 * args.rounds:
            sys.exit(f"{args.photos_folder}: holds {len(photos)} photos, too few; give --rounds")
        peer = environment(args.peers, args.source_dlib)
        bench = sections.Bench(photos, detectors, peer, args.rounds, args.cycle, args.large)
    args.output.mkdir(parents=True, exist_ok=True)
    store = args.output / "results.json"
    results: dict[str, Any] = {}
    about = {"machine": machine()} | ({"peer's dlib": dlib_of(bench.peer)} if bench else {})
    for name in chosen:
        print(f"\n## {name}\n", flush=True)
        start = time.perf_counter()
        found = measure(name, bench, args)
        found |= about | {"took s": round(time.perf_counter() - start, 1)}
        # Sections measured earlier, or by another run meanwhile, stay.
        results = json.loads(store.read_text()) if store.exists() else {}
        results[name] = found
        show(found)
        store.write_text(json.dumps(results, indent=1) + "\n")
    draw(results, args.output / "results.png")
    return 0


def measure(name: str, bench: sections.Bench | None, args: argparse.Namespace) -> dict[str, Any]:
    """One section's results."""
    if name == "training":
        return alone.training(args.people, args.rounds)
    if name == "search":
        return alone.search(args.sizes, args.galleries)
    if name == "limit":
        return alone.limit()
    return getattr(sections, name)(bench)


def show(found: dict[str, Any]) -> None:
    """A section's results as a table."""
    if "ratios" in found:
        print("\n".join(lines(found)))
        if "iou" in found:
            print(f"\nIoU with the peer's box: {found['iou']}")
        return
    for name, value in found.items():
        if isinstance(value, dict):
            for key, row in value.items():
                print(f"| {key} | {_text(row)} |")
        elif name != "unit":
            print(f"{name}: {value}")


def _text(row: Any) -> str:
    if isinstance(row, dict):
        return ", ".join(f"{key} {_text(value)}" for key, value in row.items())
    return f"{row:.4g}" if isinstance(row, float) else str(row)


def machine() -> str:
    """Cores and load, with nothing that names the machine."""
    load = f"load {os.getloadavg()[0]:.1f}"
    return f"{platform.machine()}, {len(os.sched_getaffinity(0))} cores, {load}"


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    numbers = _list(int)
    parser.add_argument("photos_folder", metavar="PHOTOS", type=Path)
    parser.add_argument("--peers", type=Path, required=True, metavar="DIR",
                        help="where the peers' environments are or will be")  # fmt: skip
    parser.add_argument("--source-dlib", action="store_true", help="build the peer's dlib")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="DIR")
    parser.add_argument("--only", type=_list(str), metavar="A,B",
                        help=f"sections of: {', '.join((*WITH_PEER, *ALONE))}")  # fmt: skip
    parser.add_argument("--photos", type=int, default=120, help="default: %(default)s")
    parser.add_argument("--rounds", type=int, default=5, help="default: %(default)s")
    parser.add_argument("--cycle", type=int, default=1200,
                        help="photos in the folder, the same again and again")  # fmt: skip
    parser.add_argument("--large", type=int, default=3, help="photos of 12 megapixels")
    parser.add_argument("--people", type=numbers, default=(100, 400, 1000))
    parser.add_argument("--sizes", type=numbers, default=(10_000, 100_000), help="of galleries")
    parser.add_argument("--galleries", type=_list(str), default=("exact", "approximate"))
    args = parser.parse_args()
    unknown = {*(args.only or ())} - {*WITH_PEER, *ALONE}
    if unknown:
        parser.error(f"no section {', '.join(sorted(unknown))}")
    return args


def _list(kind: type) -> Any:
    return lambda text: tuple(kind(part) for part in text.split(","))


if __name__ == "__main__":
    sys.exit(main())
