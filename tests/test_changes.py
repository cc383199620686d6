"""One writer a folder, and several files change in one commit."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from openfaceplus.changes import LOCK, STAGING, changing, current, unchanging
from openfaceplus.errors import StorageError
from openfaceplus.files import inside


def tree(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.fixture
def folder(tmp_path) -> Path:
    root = tmp_path / "folder"
    (root / "sub").mkdir(parents=True)
    for name in ("a", "b", "sub/c"):
        (root / name).write_text("old")
    return root


def stage(change) -> None:
    for name in ("a", "new/d"):
        path = change.staged(name, ours=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("new")
    change.staged("never-written")
    change.remove("sub/c")
    change.remove("not-there")


NEW = {"a": b"new", "b": b"old", "new/d": b"new"}
OLD = {"a": b"old", "b": b"old", "sub/c": b"old"}


def test_all_or_nothing(folder):
    with pytest.raises(ZeroDivisionError), changing(folder) as change:
        stage(change)
        assert 1 / 0
    assert tree(folder) == OLD
    with changing(folder) as change:
        stage(change)
        assert {k: v for k, v in tree(folder).items() if not k.startswith(".")} == OLD
        change.commit()
        change.commit()
    assert tree(folder) == NEW and not (folder / "sub").exists()


def test_a_kill_at_every_step_leaves_one_of_both(folder, tmp_path, monkeypatch):
    seen = set()
    for step in range(1, 40):
        here = tmp_path / str(step)
        here.mkdir()
        for name, data in OLD.items():
            (here / name).parent.mkdir(exist_ok=True)
            (here / name).write_bytes(data)
        child = os.fork()
        if not child:
            die_at(step)
            with changing(here) as change:
                stage(change)
                change.commit()
            os._exit(0)
        killed = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0
        # A reader that may not write sees the same as the next writer.
        there = {name: current(here, name).is_file() for name in ("new/d", "sub/c")}
        assert there["new/d"] != there["sub/c"]
        with changing(here):
            pass
        seen.add("new/d" in tree(here))
        assert tree(here) == (NEW if there["new/d"] else OLD)
        if not killed:
            break
    assert step > 5 and seen == {True, False}


def die_at(step: int) -> None:
    """End this process, as if killed, before the so many-th rename or deletion."""
    left = [step]

    def dying(function):
        def call(*words, **options):
            left[0] -= 1
            if not left[0]:
                os._exit(9)
            return function(*words, **options)

        return call

    for name in ("replace", "rename", "unlink", "remove", "rmdir"):
        setattr(os, name, dying(getattr(os, name)))


def test_a_second_writer_waits_and_says_so_once(folder):
    said, order = [], []

    def second() -> None:
        with changing(folder, waiting=said.append):
            order.append("second")

    with changing(folder):
        thread = threading.Thread(target=second)
        thread.start()
        time.sleep(0.3)
        order.append("first")
        busy = pytest.raises(StorageError, match=rf"written by process {os.getpid()} \(")
        with busy, changing(folder, limit=0.05):
            pass
    thread.join()
    assert order == ["first", "second"] and len(said) == 1
    assert f"waiting for process {os.getpid()}" in said[0]
    assert not (folder / LOCK).exists()


def test_the_lock_of_a_killed_process_holds_nobody(folder):
    code = (
        "import sys, time; from pathlib import Path; from openfaceplus.changes import changing\n"
        "with changing(Path(sys.argv[1])) as change:\n"
        "    path = change.staged('a', ours=True)\n"
        "    path.parent.mkdir(parents=True); path.write_text('half')\n"
        "    print('held', flush=True); time.sleep(60)"
    )
    with subprocess.Popen([sys.executable, "-c", code, folder], stdout=subprocess.PIPE) as other:
        assert other.stdout.readline() == b"held\n"
        with pytest.raises(StorageError, match=f"process {other.pid}"), changing(folder, limit=0):
            pass
        other.send_signal(signal.SIGKILL)
        other.wait()
    with changing(folder, limit=0):
        pass
    assert tree(folder) == OLD


def test_a_folder_that_was_not_there(tmp_path):
    with pytest.raises(ValueError), changing(tmp_path / "x/y"):
        raise ValueError
    assert not (tmp_path / "x").exists()
    with changing(tmp_path / "x/y") as change:
        change.staged("f").parent.mkdir(parents=True)
        change.staged("f").write_text("1")
        change.commit()
    assert tree(tmp_path) == {"x/y/f": b"1"}


def test_what_cannot_be_written_can_be_read(folder, monkeypatch):
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write anywhere
    with unchanging(folder):
        assert not (folder / LOCK).exists()
    with unchanging(folder / "nothing"):
        pass
    assert tree(folder) == OLD


@pytest.mark.parametrize("name", ["../victim", "/etc/victim", "link/victim", "sub/../../victim"])
def test_nothing_outside_is_touched(folder, tmp_path, name):
    victim = tmp_path / "victim"
    victim.write_text("mine")
    (folder / "link").symlink_to(tmp_path)
    with changing(folder) as change:
        change.remove(name)
        change.commit()
        with pytest.raises(StorageError, match="leads out"):
            change.staged(name)
    (folder / STAGING).mkdir()
    for forged in ({"new": [], "gone": [name]}, {"new": [name], "gone": []}):
        (folder / STAGING / "commit.json").write_text(json.dumps(forged))
        with pytest.raises(StorageError, match="leads out"), changing(folder):
            pass
    for broken in ("", "{}", "[1]", '{"new": 1, "gone": []}'):
        (folder / STAGING / "commit.json").write_text(broken)
        with pytest.raises(StorageError, match=r"commit.json.*delete it"), changing(folder):
            pass
    assert victim.read_text() == "mine"


def test_inside(tmp_path):
    (tmp_path / "real/deep").mkdir(parents=True)
    (tmp_path / "way").symlink_to(tmp_path / "real")
    (tmp_path / "real/file").touch()
    (tmp_path / "real/alias").symlink_to(tmp_path / "real/file")
    (tmp_path / "real/out").symlink_to(tmp_path)
    assert inside(tmp_path / "way", tmp_path / "way/deep/x") == tmp_path / "way/deep/x"
    assert inside("/", tmp_path / "real/file")
    for path in ("real", "real/alias", "real/out/x", "real/deep/../file", "realm/x", "/etc/passwd"):
        assert inside(tmp_path / "real", tmp_path / path) is None, path
