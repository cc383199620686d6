"""Indexing that is killed or doubled loses nothing and writes nothing twice."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from running import command_line, environment, run
from test_resume import until
from test_video_flow import ask, clips  # noqa: F401

from openfaceplus.database import connect


def rows(database: Path) -> list[tuple[object, ...]]:
    """Who was where, without the numbers, which depend on the order."""
    people = {one["person"]: one["sequences"] for one in ask(database, "people")}
    return sorted(
        (Path(one["video"]).name, one["start"], one["end"], one["faces"], people[one["person"]])
        for one in ask(database, "appearances")
    )


def start(*words: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command_line(*words), env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
        text=True,
    )  # fmt: skip


@pytest.fixture(scope="module")
def undisturbed(clips, tmp_path_factory) -> list[tuple[object, ...]]:  # noqa: F811
    database = tmp_path_factory.mktemp("undisturbed") / "database"
    run("video", "index", clips, "--db", database)
    return rows(database)


@pytest.mark.heavy
def test_two_indexers_at_once_do_each_video_once(clips, undisturbed, tmp_path):  # noqa: F811
    database = tmp_path / "database"
    both = [start("video", "index", clips, "--db", database, "--json") for _ in range(2)]
    said = [one.communicate(timeout=120) for one in both]
    assert all(one.returncode in (0, 1, 2) for one in both), said
    found = [
        (video["status"], Path(video["video"]).name)
        for out, _ in said
        for video in json.loads(out.splitlines()[-1])["videos"]
    ]
    # The second meets a video that is being indexed, one that was, or has nothing left to do.
    assert {status for status, _ in found} <= {"ok", "kept", "video_claimed"}, found
    run("video", "index", clips, "--db", database)
    assert rows(database) == undisturbed


@pytest.mark.heavy
def test_killed_at_fifty_moments_it_ends_as_if_it_had_not_been(
    clips,  # noqa: F811
    undisturbed,
    tmp_path,
):
    database, chance = tmp_path / "database", random.Random(5)
    for number in range(50):
        process = start("video", "index", clips, "--db", database)
        time.sleep(chance.uniform(0.2, 9))
        process.send_signal(signal.SIGKILL)
        process.communicate()
        if number % 10 == 5:  # and the server as well
            pid = database / "data/postmaster.pid"
            if pid.exists():
                subprocess.run(["kill", "-9", pid.read_text().split()[0]], check=False)
        if number % 10 == 9:
            run("video", "index", clips, "--db", database)
            assert rows(database) == undisturbed
            for one in ask(database, "list"):
                assert one["done"]
            ask(database, "purge", "--older-than", "0h")
            assert ask(database, "people") == []


@pytest.mark.heavy
@pytest.mark.parametrize("words", [("--jobs", "2"), ("--ray", "local:2")], ids=["here", "ray"])
def test_a_server_that_is_restarted_is_waited_for(clips, undisturbed, words):  # noqa: F811
    with tempfile.TemporaryDirectory(dir="/tmp") as short:  # the path of a socket
        folder = Path(short) / "database"
        first = connect(folder)
        process = start("video", "index", clips, "--db", first.url, *words)
        assert until(lambda: first.rows("SELECT 1 FROM video WHERE NOT done"), 60)
        pid = (folder / "data/postmaster.pid").read_text().split()[0]
        subprocess.run(["kill", "-9", pid], check=True)
        first.close()
        time.sleep(3)
        with connect(folder):
            _, err = process.communicate(timeout=150)
            assert process.returncode == 0, err
            assert rows(folder) == undisturbed
