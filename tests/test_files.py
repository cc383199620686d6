"""Files appear whole or not at all."""

import errno
import os
import signal
import subprocess
import sys
import time

import pytest

from openfaceplus.errors import StorageError
from openfaceplus.files import atomic_write, shown, sweep


def names(folder):
    return sorted(os.listdir(folder))


def test_a_file_appears_whole_and_alone(tmp_path):
    target = tmp_path / "new" / "folder" / "reps.csv"
    with atomic_write(target) as file:
        file.write(b"1,2")
        file.flush()
        assert not target.exists()
    assert target.read_bytes() == b"1,2"
    assert names(target.parent) == ["reps.csv"]


def test_text_keeps_line_ends_and_odd_names(tmp_path):
    with atomic_write(tmp_path / "t", "w") as file:
        file.write("a\r\nb\n\udcff")
    assert (tmp_path / "t").read_bytes() == b"a\r\nb\n\xff"


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, SystemExit])
def test_a_failing_block_changes_nothing(tmp_path, error):
    target = tmp_path / "t"
    target.write_bytes(b"old")
    with pytest.raises(error), atomic_write(target, ours=True) as file:
        file.write(b"new")
        raise error
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["t"]


def test_a_full_disk_is_said_with_path_and_remedy(tmp_path):
    said = pytest.raises(StorageError, match=r"t\.png.*No space left.*free some space")
    with said, atomic_write(tmp_path / "t.png"):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
    assert names(tmp_path) == []


def test_a_file_that_outgrows_the_disk(tmp_path):
    program = (
        "import resource, sys; from openfaceplus.files import atomic_write\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "with atomic_write(sys.argv[1]) as file: file.write(bytes(5000))"
    )
    done = subprocess.run([sys.executable, "-c", program, tmp_path / "t"], capture_output=True)
    assert b"StorageError" in done.stderr and b"allows larger files" in done.stderr
    assert names(tmp_path) == []


def test_errors_of_other_files_are_not_taken_for_ours(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_write(tmp_path / "t"):
        (tmp_path / "another").read_bytes()


@pytest.mark.parametrize(
    ("name", "remedy"),
    [("file/t", "is a file"), ("folder", "in the way"), ("n" * 300, "shorter name")],
)
def test_places_that_cannot_be_written(tmp_path, name, remedy):
    (tmp_path / "file").touch()
    (tmp_path / "folder").mkdir()
    with pytest.raises(StorageError, match=remedy), atomic_write(tmp_path / name) as file:
        file.write(b"x")
    assert names(tmp_path) == ["file", "folder"]


def test_devices_are_not_replaced():
    with pytest.raises(StorageError, match="in the way"), atomic_write("/dev/null"):
        pass


@pytest.mark.parametrize("name", ["n" * 255, "é" * 127, "\udcff" * 255, "a\nb'\",.png", ".hidden"])
def test_any_name_the_disk_takes(tmp_path, name):
    with atomic_write(tmp_path / name) as file:
        file.write(b"x")
    assert names(tmp_path) == [name]


def test_two_writers_of_one_file_do_not_mix(tmp_path):
    with atomic_write(tmp_path / "t") as one, atomic_write(tmp_path / "t") as two:
        one.write(b"first")
        two.write(b"second")
    assert (tmp_path / "t").read_bytes() == b"first"
    assert names(tmp_path) == ["t"]


def test_sweep_takes_the_dead_and_leaves_the_living(tmp_path):
    inner = tmp_path / "aligned" / "person"
    program = (
        "import sys, time; from openfaceplus.files import atomic_write\n"
        "with atomic_write(sys.argv[1]) as file: print('open', flush=True); time.sleep(60)"
    )
    arguments = [sys.executable, "-c", program, inner / "chip.png"]
    with subprocess.Popen(arguments, stdout=subprocess.PIPE) as writer:
        assert writer.stdout.readline() == b"open\n"
        (inner / ".keep.tmp").touch()
        assert sweep(tmp_path) == 0
        assert len(names(inner)) == 2
        writer.send_signal(signal.SIGKILL)
    time.sleep(0.01)
    assert sweep(tmp_path) == 1
    assert names(inner) == [".keep.tmp"]


def test_sweeping_nothing(tmp_path):
    assert sweep(tmp_path / "missing") == 0


def test_shown_is_one_printable_line():
    assert shown("a b/é.jpg") == "a b/é.jpg"
    assert shown("a\nb\x1b\udcff.jpg") == r"a\nb\x1b\udcff.jpg"
