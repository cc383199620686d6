"""Work on a Ray cluster: as on this machine, whatever dies meanwhile, and nothing stays behind."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import suppress
from contextvars import copy_context
from pathlib import Path
from threading import Thread
from typing import Any

import pytest
import toy_workers
from running import call, command_line, environment, numbers, people, refused, run, table
from test_resume import until
from test_video_segments import check_same, film, followed, watching, whole  # noqa: F401

from openfaceplus.cluster import cluster
from openfaceplus.recipe import recipe
from openfaceplus.stages import align, represent
from openfaceplus.stages.photos import embed_photos
from openfaceplus.stages.workers import Workers
from openfaceplus.store.layout import REPRESENTATION

ray = pytest.importorskip("ray")


@pytest.fixture(scope="module")
def machines() -> Iterator[Any]:
    """A cluster of two nodes of one processor each."""
    from ray.cluster_utils import Cluster

    os.environ["RAY_AUTH_MODE"] = "disabled"  # it can be reached from this machine only
    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 1})
    made.add_node(num_cpus=1)
    yield made
    made.shutdown()
    del os.environ["RAY_AUTH_MODE"]


@pytest.fixture(scope="module")
def chips(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("crowd")
    people(folder / "photos", ada=12, bob=11, toxic=1)
    align.align(folder / "photos", folder / "chips", recipe())
    return folder / "chips"


def rows(folder: Path) -> list[dict[str, str]]:
    return table(folder / "representation.csv")


def processes_of(driver: int) -> list[int]:
    """What runs of the cluster that a process has started."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        with suppress(OSError):
            if f"/tmp/ray-{driver}-".encode() in path.read_bytes():
                found.append(int(path.parent.name))
    return found


@pytest.mark.heavy
def test_a_node_dies_and_another_comes_and_nothing_differs(machines, chips, tmp_path, monkeypatch):
    represent.represent(chips, tmp_path / "here", batch=1)
    monkeypatch.setattr(represent, "_Worker", toy_workers.SlowRepresent)
    journal = tmp_path / "there" / REPRESENTATION.journal

    with cluster(machines.address) as host:
        assert host.count() == 2
        work = Thread(
            target=copy_context().run,  # which knows of the cluster
            args=(lambda: represent.represent(chips, tmp_path / "there", batch=1),),
        )
        work.start()
        assert until(lambda: journal.exists() and journal.read_bytes().count(b"\n") > 4, 60)
        machines.remove_node(next(iter(machines.worker_nodes)), allow_graceful=False)
        machines.add_node(num_cpus=1)
        work.join()
        speeds = host.speeds()
    assert len(speeds) == 3 and all(speed > 0 for speed in speeds.values())
    assert rows(tmp_path / "here") == rows(tmp_path / "there")
    assert len(rows(tmp_path / "here")) == 24
    assert (numbers(tmp_path / "here/reps.csv") == numbers(tmp_path / "there/reps.csv")).all()


@pytest.mark.heavy
def test_a_poisonous_photo_is_one_failed_row(machines, chips, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr(represent, "_Worker", toy_workers.PoisonedRepresent)
    with cluster(machines.address):
        done = represent.represent(chips, tmp_path / "e", batch=8)
    assert done.counts == {"ok": 23, "unreadable": 1}
    (lost,) = (row for row in done.rows if row["status"] != "ok")
    assert lost["person"] == "toxic" and "the process that read it died" in lost["reason"]
    assert capfd.readouterr().out == ""


@pytest.mark.heavy
def test_workers_there_are_as_those_here(machines):
    with cluster(machines.address), Workers[Any, Any](toy_workers.Toy, (3,)) as pool:
        assert list(pool.map(range(20))) == list(range(0, 60, 3))
        assert len(set(pool.map(["pid"] * 8))) == 2
        with pytest.raises(RuntimeError, match="Odd: 1 and 2"):
            list(pool.map([1, "odd"]))
        results = pool.map([1, "busy", "busy", *range(100)])
        assert next(results) == 3
        start = time.monotonic()
    assert time.monotonic() - start < 10


@pytest.mark.heavy
def test_what_a_machine_cannot_see_says_which(machines, tmp_path):
    with cluster(machines.address):
        (found,) = embed_photos([tmp_path / "nothing.png"], recipe())
    assert "no such file on " in str(found.error) and "must see the same files" in str(found.error)


@pytest.mark.heavy
def test_a_command_there_gives_the_same_and_leaves_nothing(chips, tmp_path):
    represent.represent(chips, tmp_path / "here", batch=4)
    process = subprocess.Popen(
        command_line("represent", chips, "-o", tmp_path / "there", "--ray", "local:2", "--json"),
        env=environment({"HOME": str(tmp_path)}), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip
    out, err = process.communicate(timeout=100)
    assert process.returncode == 0 and err == "", err
    assert json.loads(out)["usable"] == 24
    assert not processes_of(process.pid) and not list(Path("/tmp").glob(f"ray-{process.pid}-*"))
    assert rows(tmp_path / "here") == rows(tmp_path / "there")
    assert not (tmp_path / ".ray").exists(), "a token was left"


@pytest.mark.heavy
def test_ctrl_c_ends_it_cleanly_and_the_same_command_goes_on(tmp_path):
    photos = people(tmp_path / "photos", ada=60, bob=60)
    words = command_line("train", photos, "-o", tmp_path / "model", "--ray", "local:2")
    process = subprocess.Popen(
        words, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        start_new_session=True,
    )  # fmt: skip
    chips = tmp_path / "model/aligned-images"
    assert until(lambda: len(list(chips.rglob("*.png"))) > 10, 60)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does
    out, err = process.communicate(timeout=30)
    assert process.returncode == 130 and out == "", out
    assert [line for line in err.splitlines() if "%|" not in line] == [
        "openfaceplus train: interrupted; the same command goes on where it stopped"
    ]
    assert until(lambda: not processes_of(process.pid), 10)
    assert "kept from before" in run("train", photos, "-o", tmp_path / "model").stdout


def test_what_is_no_cluster_is_refused(chips, tmp_path):
    words = ["represent", chips, "-o", tmp_path]
    assert "local:4" in refused(*words, "--ray", "local:no")
    assert "HOST:6379" in refused(*words, "--ray", "nowhere")
    assert "no cluster to be used" in refused(*words, "--ray", "127.0.0.1:9")
    assert "its processors" in refused(*words, "--ray", "local:2", "--cuda")
    assert "--ray" in call("cohort", "build", "--help").stdout


@pytest.mark.heavy
def test_twenty_killed_workers_lose_and_double_nothing(machines, tmp_path):
    dice = random.Random(0)
    with cluster(machines.address), Workers[Any, Any](toy_workers.Telling, (tmp_path,)) as pool:
        results, found = pool.map(range(400)), []
        for _ in range(20):
            found += [next(results) for _ in range(10)]
            alive = [pid for pid in toy_workers.Telling.alive(tmp_path)]
            os.kill(dice.choice(alive), signal.SIGKILL)
        found += results
    assert found == list(range(400))


@pytest.mark.heavy
def test_a_process_that_dies_costs_a_segment_of_a_video(machines, film, whole, tmp_path):  # noqa: F811
    with (
        cluster(machines.address),
        watching(toy_workers.DyingWatcher, tmp_path, 3, jobs=2) as pool,
    ):
        check_same(whole, followed(film, pool, 1.0))
    looked = [path.read_text().split() for path in tmp_path.iterdir()]
    assert sorted(map(len, looked)) == [1] * 8 + [4]
