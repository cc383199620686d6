"""Processes that stay: what they give, what kills them, and what that does to a run."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import toy_workers
from running import ROOT, call, environment, face, needs_weights, people, save, table
from test_resume import until
from toy_workers import Chunks, DieOnce, Dying, Toy, Unable

import openfaceplus
from openfaceplus import hosts
from openfaceplus.errors import ModelMissing, OpenFacePlusError, UsageError
from openfaceplus.recipe import recipe
from openfaceplus.stages import align, find, photos, represent
from openfaceplus.stages.worker_process import Here, Process
from openfaceplus.stages.workers import Lost, Workers

HERE = {"PYTHONPATH": f"{ROOT}{os.pathsep}{ROOT / 'tests'}"}


def children() -> set[int]:
    """Worker processes of this one."""
    found = set()
    for task in Path("/proc/self/task").iterdir():
        with suppress(OSError):  # a thread or process that has just ended
            for pid in (task / "children").read_text().split():
                if b"worker_process" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    found.add(int(pid))
    return found


@pytest.fixture
def pool() -> Iterator[Workers[Any, Any]]:
    with Workers[Any, Any](Toy, (3,), 2) as made:
        yield made
    assert not children()


def test_results_come_in_order_and_processes_stay(pool):
    assert not children()
    assert list(pool.map(range(50))) == [3 * item for item in range(50)]
    before = set(pool.map(["pid"] * 8))
    assert before == set(pool.map(["pid"] * 8)) == children() and len(before) == 2
    assert os.getpid() not in before


def test_one_job_works_here():
    with Workers[Any, Any](Toy, (3,), 1) as pool:
        assert list(pool.map(["pid", 5])) == [os.getpid(), 15] and not children()
    with pytest.raises(UsageError) as problem:
        Workers(Toy, (), 0)
    assert problem.value.field == "jobs"


def test_one_item_starts_one_process(pool):
    assert list(pool.map([1])) == [3] and len(children()) == 1


def test_results_do_not_wait_for_a_slow_stream(pool):
    came = threading.Event()

    def stream() -> Iterator[int]:
        yield 1
        assert until(lambda: pool._idle, 30)
        yield 2
        assert came.wait(30), "the first result is held back"
        yield 3

    results = pool.map(stream())
    assert next(results) == 3
    came.set()
    assert list(results) == [6, 9]


def test_a_dead_process_is_replaced_and_its_item_given_again(pool, tmp_path):
    with Workers[Any, Any](DieOnce, (), 2) as other:
        assert list(other.map([tmp_path / "a", tmp_path / "b", tmp_path / "a"])) == [1, 1, 1]
    assert list(pool.map([1, "die", 2, 3])) == [3, Lost("die"), 6, 9]
    list(pool.map(["pid"] * 8))
    for pid in children():
        os.kill(pid, signal.SIGKILL)  # while they have nothing to do
    assert list(pool.map(range(8))) == list(range(0, 24, 3))


def test_of_a_chunk_only_the_poisonous_item_is_lost():
    with Workers[Any, Any](Chunks, (), 2) as pool:
        results = list(pool.map_chunks([[1, 2], [3, "die", 4], [5], ["die"]]))
    assert results == [[2, 4], [6, Lost("die"), 8], [10], [Lost("die")]]


def test_errors_keep_their_type_and_the_processes_live_on(pool):
    for item in ("raise", "odd"):
        with pytest.raises(ModelMissing if item == "raise" else RuntimeError) as problem:
            list(pool.map([1, item, 2]))
        assert "in a worker process" in problem.value.__notes__[0]
    assert "Odd: 1 and 2" in str(problem.value)
    with pytest.raises(TypeError):
        list(pool.map([threading.Lock()]))
    assert list(pool.map([1, 2])) == [3, 6]


def test_a_worker_that_cannot_be_made_says_why():
    with Workers[Any, Any](Unable, (), 2) as pool, pytest.raises(ModelMissing) as problem:
        list(pool.map([1, 2]))
    assert (problem.value.field, problem.value.remedy) == ("network", "get it")
    no_start = pytest.raises(OpenFacePlusError, match="fewer processes")
    with Workers[Any, Any](Dying, (), 2) as pool, no_start:
        list(pool.map([1, 2]))
    assert not children()


def test_closing_ends_what_is_still_worked_on():
    with Workers[Any, Any](Toy, (), 2) as pool:
        results = pool.map([1, "busy", "busy", *range(100)])
        assert next(results) == 2
        start = time.monotonic()
    assert time.monotonic() - start < 5 and not children()


def test_threads_and_maps_share_the_processes(pool):
    def work(start: int) -> list[Any]:
        return list(pool.map(range(start, start + 40)))

    with ThreadPoolExecutor(8) as threads:
        for start, results in zip(range(8), threads.map(work, range(8)), strict=True):
            assert results == [3 * item for item in range(start, start + 40)]
    assert len(children()) == 2
    one, other = pool.map(itertools.count()), pool.map(itertools.count(5))
    assert [(next(one), next(other)) for _ in range(20)] == [
        (3 * k, 3 * (k + 5)) for k in range(20)
    ]


class Elsewhere(Here):
    """A host with room for so many processes, whatever number is wanted."""

    tries, local = 4, False

    def __init__(self, room: int) -> None:
        self.room, self.started = room, 0

    def count(self) -> int:
        return 3

    def start(self) -> Process:
        self.started += 1
        crowded = self.started > self.room  # asked now: other threads start processes too
        made = Process()
        if crowded:
            made.ready = lambda seconds: time.sleep(seconds)
        return made


def test_processes_start_where_the_host_has_room():
    host = Elsewhere(room=1)
    with hosts.on(host), Workers[Any, Any](Toy, (3,)) as pool:
        assert list(pool.map(range(20))) == list(range(0, 60, 3))
        assert host.started == 3, "as many were wanted as it counts, and no more"
    assert not children()
    with hosts.on(Elsewhere(room=9)), Workers[Any, Any](Toy, (3,), 1) as pool:
        assert list(pool.map([1, "pid"]))[1] != os.getpid(), "one job is done there too"
        assert list(pool.map([1, "die", 2])) == [3, Lost("die"), 6]
    assert hosts.elsewhere() is None


# --- in programs of all kinds ----------------------------------------------------------------

PROGRAM = """
import itertools, os, sys, threading
from openfaceplus.stages.workers import Workers
from toy_workers import Toy
print("once")
{}
"""
USES = {
    "script": "with Workers(Toy, (3,), 2) as pool: print(list(pool.map(range(4))))",
    "never closed": "print(list(Workers(Toy, (3,), 2).map(range(4))))",
    "thread": """
def work():
    with Workers(Toy, (3,), 2) as pool: print(list(pool.map(range(4))))
thread = threading.Thread(target=work)
thread.start()
thread.join()
""",
    "few files": """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, (64, 64))
with Workers(Toy, (3,), 2) as pool: print(list(pool.map(range(4))))
""",
    "fork": """
sys.stdout.flush()
with Workers(Toy, (3,), 2) as pool:
    assert list(pool.map(range(4))) == [0, 3, 6, 9]
    child = os.fork()
    if child == 0:
        print(list(pool.map(range(4))), flush=True)
        pool.close()
        os._exit(0)
    assert os.waitpid(child, 0)[1] == 0
    assert list(pool.map(range(4))) == [0, 3, 6, 9]
""",
}


@pytest.mark.parametrize("form", ["file", pytest.param("-c", marks=pytest.mark.heavy)])
@pytest.mark.parametrize("use", USES)
def test_it_works_without_a_guard(tmp_path, use, form):
    code = PROGRAM.format(USES[use])
    script = tmp_path / "program.py"
    script.write_text(code)
    words = [script] if form == "file" else ["-c", code]
    done = subprocess.run(
        [sys.executable, *words], env=environment(HERE), capture_output=True, text=True, timeout=60
    )
    assert (done.stdout, done.stderr) == ("once\n[0, 3, 6, 9]\n", ""), done.stderr


def test_a_killed_parent_takes_busy_workers_along():
    code = "for _ in pool.map(['pid', 'pid', 'busy', 'busy']): print(_, flush=True)"
    code = PROGRAM.format(f"pool = Workers(Toy, (3,), 2)\nif not os.fork(): os._exit(0)\n{code}")
    parent = subprocess.Popen(
        [sys.executable, "-c", code], env=environment(HERE), stdout=subprocess.PIPE, text=True
    )
    assert parent.stdout is not None and parent.stdout.readline() == "once\n"
    pids = {int(parent.stdout.readline()) for _ in range(2)}
    assert pids and all(Path(f"/proc/{pid}").exists() for pid in pids)
    time.sleep(0.2)
    parent.kill()
    parent.wait()
    assert until(lambda: not any(Path(f"/proc/{pid}").exists() for pid in pids), 5)


def test_an_endless_stream_takes_no_more_memory():
    code = PROGRAM.format("""
import resource
def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
stream = (bytes(200_000) for _ in itertools.count())
with Workers(Toy, (1,), 2) as pool:
    results = pool.map(stream)
    for _ in range(100): next(results)
    before = peak()
    for _ in range(1500): next(results)
    print(peak() - before)
""")
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment(HERE), capture_output=True, text=True
    )
    assert int(done.stdout.split()[-1]) < 10_000, done  # kB; the items have 300,000


# --- in the stages ---------------------------------------------------------------------------


@pytest.fixture(scope="module")
def crowd(tmp_path_factory) -> Path:
    return people(tmp_path_factory.mktemp("crowd"), a=24, toxic=1)


def rows(path: Path) -> list[dict[str, str]]:
    hidden = ("fingerprint", "chip")
    return [{k: v for k, v in row.items() if k not in hidden} for row in table(path)]


def test_killing_a_worker_changes_nothing(crowd, tmp_path):
    align.align(crowd, tmp_path / "whole", recipe(), jobs=2)
    killed = []

    def kill() -> None:
        made = tmp_path / "killed/.changes/new/a"
        if until(lambda: len(list(made.glob("*.png"))) > 3) and children():
            killed.append(min(children()))
            os.kill(killed[0], signal.SIGKILL)

    thread = threading.Thread(target=kill)
    thread.start()
    align.align(crowd, tmp_path / "killed", recipe(), jobs=2)
    thread.join()
    assert killed
    assert rows(tmp_path / "whole/alignment.csv") == rows(tmp_path / "killed/alignment.csv")


@pytest.mark.heavy
def test_a_poisonous_photo_is_a_row_with_a_reason(crowd, tmp_path, monkeypatch):
    monkeypatch.setattr(align, "_Worker", toy_workers.PoisonedAlign)
    aligned = align.align(crowd, tmp_path / "chips", recipe(), jobs=2)
    assert aligned.succeeded == 24
    (lost,) = (row for row in aligned.rows if row["status"] != "ok")
    assert lost["person"] == "toxic" and "the process that read it died" in lost["reason"]
    monkeypatch.undo()  # what did not depend on the photo is tried again
    assert align.align(crowd, tmp_path / "chips", recipe(), jobs=2).succeeded == 25

    monkeypatch.setattr(represent, "_Worker", toy_workers.PoisonedRepresent)
    done = represent.represent(tmp_path / "chips", tmp_path / "e", batch=8, jobs=2)
    assert done.counts == {"ok": 24, "unreadable": 1}

    monkeypatch.setattr(photos, "_Worker", toy_workers.PoisonedPhotos)
    sources = sorted(crowd.rglob("*.png"))
    found = list(photos.embed_photos(sources, recipe(), jobs=2))
    assert [one.source for one in found] == sources
    assert [bool(one.error) for one in found] == ["toxic" in str(path) for path in sources]


def test_find_survives_a_poisonous_photo(tmp_path, monkeypatch):
    monkeypatch.setattr(find, "_Worker", toy_workers.PoisonedFind)
    save(tmp_path / "knowns/ada.png")
    for name in ("one", "toxic", "two"):
        save(tmp_path / f"unknowns/{name}.png", face(2))
    options = find.FindOptions(distance=0.6)
    search = find.find(
        tmp_path / "knowns", tmp_path / "unknowns", tmp_path / "out", options, jobs=2
    )
    assert [result["status"] for result in search.results] == ["ok", "unreadable", "ok"]
    assert search.failed == 1 and search.matches == 2


# --- models ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(crowd, tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("model")
    call("train", crowd, "-o", folder, "--jobs", 1)
    return folder


@pytest.fixture(scope="module", params=["hog", "yunet"])
def known(request, trained) -> openfaceplus.Model:
    if request.param == "yunet":
        needs_weights("yunet")
    return openfaceplus.load(trained, detector=request.param)


def test_eight_threads_identify_as_one_does(known, crowd):
    paths = sorted(crowd.rglob("*.png"))[:12]
    expected = [known.identify(path, threshold=0.5) for path in paths]
    fresh = type(known)(known.classifier, type(known.pipeline)(known.pipeline.recipe))
    with ThreadPoolExecutor(8) as threads:
        found = list(threads.map(lambda path: fresh.identify(path, threshold=0.5), paths * 4))
    for several, wanted in zip(found, expected * 4, strict=True):
        assert [(d.name, d.closest, d.box) for d in several] == [
            (d.name, d.closest, d.box) for d in wanted
        ]
        assert np.allclose([d.score for d in several], [d.score for d in wanted], atol=1e-5)


def test_a_stream_is_identified_in_order(known):
    frames = [face(0), np.full((90, 90, 3), 120, np.uint8), face(1), np.zeros(3)]
    for jobs in (1, 2):
        results = known.identify_many(itertools.cycle(frames), jobs=jobs)
        found = list(itertools.islice(results, 8))
        assert [one.status for one in found] == ["ok", "no_face", "ok", "unreadable"] * 2
        assert all(one.source is frame for one, frame in zip(found, frames * 2, strict=True))
        assert [len(one.decisions) for one in found] == [1, 0, 1, 0] * 2
        results.close()
    assert not children()


def test_a_model_is_a_snapshot(known):
    with pytest.raises(AttributeError):
        known.classifier = None
    assert known.identify(np.full((90, 90, 3), 120, np.uint8)) == []
