"""What ``benchmarks/run.py`` measures with a peer beside: one function a section."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from peers.install import HERE, Worker
from peers.pairs import alternate, paired, ratios, spread

PEER = "face_recognition"
LARGE = 4000, 3000


@dataclass(frozen=True)
class Bench:
    """What is measured with: photos, detectors of ours, the peer's Python."""

    photos: Sequence[Path]
    detectors: Sequence[str]
    peer: Path
    rounds: int
    cycle: int
    large: int

    def ours(self) -> Worker:
        return Worker(sys.executable, "ours_worker.py")

    def theirs(self, threads: int | None = None) -> Worker:
        """The peer with its own number of threads, or with this one."""
        return Worker(self.peer, "face_recognition_worker.py", threads)

    def variants(self) -> dict[str, dict[str, Any]]:
        """Our recipes by what they are called: what the peer does, the defaults, and 8 bits."""
        named = {}
        for detector in self.detectors:
            if detector != "hog-full":
                for views in (1, 2):
                    named[f"{detector}, views {views}"] = {"detector": detector, "views": views}
                eight = {"detector": detector, "views": 1, "embedder": "dlib-int8"}
                named[f"{detector}, views 1, dlib-int8"] = eight
        return named

    def paths(self, part: int | None = None) -> list[str]:
        """All photos, or those of one round."""
        chosen = self.photos if part is None else self.photos[part :: self.rounds]
        return [str(path) for path in chosen]


def single(bench: Bench) -> dict[str, Any]:
    """One photo at a time in one process: read, find the largest face, embed."""
    with bench.ours() as ours, bench.theirs() as theirs:
        calls = {
            name: lambda i, c=changes: ours.ask("encode", paths=bench.paths(i), **c)["seconds"]
            for name, changes in bench.variants().items()
        }
        calls[PEER] = lambda i: theirs.ask("encode", paths=bench.paths(i))["seconds"]
        for call in calls.values():
            call(0)  # load the models
        count = len(bench.photos) / bench.rounds
        return paired(calls, [PEER], bench.rounds, count, "photos a second")


def folder(bench: Bench) -> dict[str, Any]:
    """A folder by all cores, the start of the processes included; the peer in one process and in
    as many as there are cores, each then with one thread, which serves it best."""
    cores = len(os.sched_getaffinity(0))
    paths = bench.paths()
    many = (paths * (bench.cycle // len(paths) + 1))[: bench.cycle]
    with ExitStack() as stack:
        ours = stack.enter_context(bench.ours())
        alone = [stack.enter_context(bench.theirs())]
        peers = [stack.enter_context(bench.theirs(threads=1)) for _ in range(cores)]

        def together(i: int, workers: Sequence[Worker]) -> float:
            """Seconds for ``many`` photos, measured on one round's photos."""
            part = bench.paths(i)
            start = time.perf_counter()
            for n, worker in enumerate(workers):
                worker.send("encode", paths=part[n :: len(workers)])
            for worker in workers:
                worker.answer()
            return (time.perf_counter() - start) * len(many) / len(part)

        calls = {
            name: lambda i, c=changes: ours.ask("folder", paths=many, **c)["seconds"]
            for name, changes in bench.variants().items()
        }
        several = f"{PEER}, {cores} processes"
        calls[PEER] = lambda i: together(i, alone)
        calls[several] = lambda i: together(i, peers)
        for name in (PEER, several):
            calls[name](0)  # load the models
        result = paired(calls, [PEER, several], bench.rounds, len(many), "photos a second")
        return result | {"photos": len(many)}


def steps(bench: Bench) -> dict[str, Any]:
    """Milliseconds of each step, one process each, medians over photos and rounds."""
    with bench.ours() as ours, bench.theirs() as theirs:
        found: dict[str, list[float]] = {}
        for i in range(bench.rounds + 1):
            answers = (
                ("", ours.ask("steps", paths=bench.paths(i % bench.rounds),
                              detectors=bench.detectors)),
                (f"{PEER}: ", theirs.ask("steps", paths=bench.paths(i % bench.rounds))),
            )  # fmt: skip
            for who, answer in answers if i else ():
                for name, ms in answer["ms"].items():
                    found.setdefault(who + name, []).append(ms)
    return {"unit": "ms", "ms": {name: spread(values) for name, values in found.items()}}


def cold(bench: Bench) -> dict[str, Any]:
    """``infer`` of one photo as a whole process against the peer's shortest script."""
    from openfaceplus import train

    photo = str(bench.photos[0])
    with tempfile.TemporaryDirectory() as scratch:
        people = Path(scratch) / "photos"
        for i, path in enumerate(bench.photos[:40]):
            target = people / f"person{i // 2:02}" / path.name
            target.parent.mkdir(parents=True, exist_ok=True)
            target.symlink_to(path.resolve())
        model = Path(scratch) / "model"
        train(people, model)
        code = "from openfaceplus.cli import main; raise SystemExit(main())"
        base = [sys.executable, "-c", code, "infer", "-m", str(model)]
        commands = {
            f"infer, {detector}": [*base, "--detector", detector, photo]
            for detector in bench.detectors
            if detector != "hog-full"
        }
        commands[PEER] = [str(bench.peer), str(HERE / "cold_encode.py"), photo]

        def run(command: list[str]) -> float:
            start = time.perf_counter()
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
            return time.perf_counter() - start

        calls = {name: lambda i, c=command: run(c) for name, command in commands.items()}
        for call in calls.values():
            call(0)  # files into the cache
        return paired(calls, [PEER], bench.rounds + 2, 1, "starts a second")


def memory(bench: Bench) -> dict[str, Any]:
    """Peak resident megabytes: of one photo at a time, and of a folder's largest process after
    few and after many photos."""
    paths, found = bench.paths(), {}
    many = (paths * (bench.cycle // len(paths) + 1))[: bench.cycle]
    with bench.ours() as ours, bench.theirs() as theirs:
        ours.ask("encode", paths=paths, detector=bench.detectors[0], views=1)
        found["one process"] = ours.ask("memory")["peak_mb"]
        theirs.ask("encode", paths=bench.paths(0))
        found[PEER] = theirs.ask("memory")["peak_mb"]
    for photos in (paths, many):
        with bench.ours() as ours:
            answer = ours.ask(
                "folder", paths=photos, detector=bench.detectors[0], views=2, jobs=2
            ) | ours.ask("memory")
        found[f"folder of {len(photos)}, largest worker"] = answer["child_mb"]
        found[f"folder of {len(photos)}, parent"] = answer["peak_mb"]
    return {"unit": "MB", "mb": found}


def large(bench: Bench) -> dict[str, Any]:
    """Photos of 12 megapixels with one large face: the largest face against HOG on the doubled
    photo; decoding is not counted."""
    with tempfile.TemporaryDirectory() as scratch:
        photos = [
            _enlarged(path, Path(scratch) / f"{i}.jpg")
            for i, path in enumerate(bench.photos[: bench.large])
        ]
        with bench.ours() as ours, bench.theirs() as theirs:
            boxes: dict[str, list[Any]] = {}
            calls = {}
            for detector in bench.detectors:
                if detector != "hog-full":
                    calls[detector] = lambda i, d=detector: _look(
                        boxes, d, ours.ask("largest", path=str(photos[i]), detector=d)
                    )
            calls[PEER] = lambda i: _look(boxes, PEER, theirs.ask("largest", path=str(photos[i])))
            for name in list(calls)[:-1]:
                calls[name](0)
            boxes.clear()
            seconds = alternate(calls, len(photos))
    result = {
        "unit": "ms",
        "rates": {name: spread([s * 1e3 for s in own]) for name, own in seconds.items()},
        "ratios": {PEER: ratios(seconds, PEER)},
    }
    result["iou"] = {
        name: [_iou(a, b) for a, b in zip(own, boxes[PEER], strict=True)]
        for name, own in boxes.items()
        if name != PEER
    }
    return result


def _look(boxes: dict[str, list[Any]], name: str, answer: dict[str, Any]) -> float:
    boxes.setdefault(name, []).append(answer["box"])
    return answer["ms"] / 1e3


def _iou(a: Any, b: Any) -> float:
    from openfaceplus.faces import Box

    return round(Box(*a).iou(Box(*b)), 3) if a and b else 0.0


def _enlarged(path: Path, target: Path) -> Path:
    """A 12-megapixel JPEG whose middle is the photo, its face some 1,300 pixels wide."""
    from PIL import Image

    with Image.open(path) as image:
        photo = image.convert("RGB")
    width, height = LARGE
    canvas = photo.resize((width // 8, height // 8)).resize(LARGE)
    side = min(LARGE)
    canvas.paste(photo.resize((side, side), Image.Resampling.BICUBIC), ((width - side) // 2, 0))
    canvas.save(target, quality=90)
    return target
