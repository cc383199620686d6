"""The process round a command: Ctrl-C whenever it comes, streams, locales, limits, odd folders."""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from running import call, environment, run, save

NAME = "Žofie " + "Příliš žluťoučký kůň úpěl ďábelské ódy" * 2
MODULE = [sys.executable, "-m", "openfaceplus"]
SCRIPT = Path(sys.executable).with_name("openfaceplus")


@pytest.fixture(scope="module")
def enrolled(tmp_path_factory) -> Path:
    """A model of one person with a long name that is not ASCII, and their photo."""
    root = tmp_path_factory.mktemp("edges")
    save(root / "photos" / NAME / f"{NAME}.png")
    call("train", root / "photos", "-o", root / "model", "--jobs", 1)
    return root


def shell(line: str, *words: object, **env: str) -> subprocess.CompletedProcess[str]:
    """A line for bash in which ``{}`` is the command of those words."""
    command = shlex.join([*MODULE, *map(str, words)])
    done = subprocess.run(
        ["bash", "-c", line.replace("{}", command)], env=environment(env), capture_output=True,
        text=True, timeout=120, stdin=subprocess.DEVNULL,
    )  # fmt: skip
    assert "Traceback" not in done.stderr and "Exception ignored" not in done.stderr, done.stderr
    return done


# --- streams ---------------------------------------------------------------------------------


COMMANDS = ["--help"], ["infer", "--help"], ["version", "--json"], ["people", "list"]


def infer(root: Path) -> list[object]:
    return ["infer", "-m", root / "model", root / "photos" / NAME / f"{NAME}.png", "--json"]


def model_of(root: Path) -> dict[str, str]:
    return {"OPENFACEPLUS_CLASSIFIER": str(root / "model")}


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-", "2>/dev/full", "| true"])
def test_streams_that_are_closed(enrolled, words, closed):
    line = "{} " + closed + "; exit ${PIPESTATUS[0]}"
    done = shell(line, *words, **model_of(enrolled))
    assert done.returncode == 0 and done.stderr == ""
    assert bool(done.stdout) == closed.startswith("2")


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_a_disk_that_is_full_under_the_output(enrolled, words):
    done = shell("{} > /dev/full", *words, **model_of(enrolled))
    (said,) = done.stderr.splitlines()
    assert done.returncode == 2
    assert "standard output: cannot be written (No space left on device)" in said


def test_what_is_said_to_nobody_stops_nothing(enrolled, tmp_path):
    """The photo on its own is a warning on standard error, whose reader is gone."""
    save(tmp_path / "photos/ada/1.png")
    (tmp_path / "photos/loose.png").write_bytes(b"")
    line = "{} 2>&1 >/dev/null | true; exit ${PIPESTATUS[0]}"
    done = shell(line, "train", tmp_path / "photos", "-o", tmp_path / "m", "--jobs", 1)
    assert done.returncode == 1 and (tmp_path / "m/generated-embeddings/classifier.pkl").is_file()


def test_files_do_not_take_the_place_of_streams(enrolled, tmp_path):
    """A table that was opened as file 2 would get what libraries print there."""
    shutil.copytree(enrolled / "photos", tmp_path / "photos")
    chips = tmp_path / "chips"
    done = shell("{} <&- >&- 2>&-", "align", tmp_path / "photos", "-o", chips, "--jobs", 1)
    assert done.returncode == 0
    assert json.loads((chips / "alignment.json").read_text())["counts"] == {"ok": 1}


# --- Ctrl-C ----------------------------------------------------------------------------------

AT_IMPORT = """
import os, signal, sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name == {name!r}:
            os.kill(os.getpid(), signal.SIGINT)
sys.meta_path.insert(0, Finder())
from openfaceplus.cli import main
sys.exit(main())
"""
LATER = (
    "argparse", "openfaceplus.cli.infer", "openfaceplus.recipe", "numpy", "numpy._core.multiarray",
    "numpy.linalg", "cv2", "dlib", "onnxruntime", "PIL.Image",
)  # fmt: skip


@pytest.mark.parametrize("name", LATER)
def test_ctrl_c_amid_an_import(enrolled, name):
    command = [sys.executable, "-c", AT_IMPORT.format(name=name)]
    words = map(str, infer(enrolled))
    done = subprocess.run([*command, *words], env=environment(), capture_output=True, text=True)
    assert done.returncode == 130, done.stderr
    (said,) = done.stderr.splitlines()
    assert "interrupted; the same command goes on where it stopped" in said


def interrupted(command: list[object], milliseconds: float) -> tuple[int, str]:
    """The status and standard error of a command that gets Ctrl-C after that time."""
    with subprocess.Popen(
        list(map(str, command)), env=environment(), stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        time.sleep(milliseconds / 1000)
        process.send_signal(signal.SIGINT)
        return process.wait(60), process.communicate()[1]


def answered(enrolled: Path, start: list[object], milliseconds: float) -> bool:
    """Whether Ctrl-C was ours to answer, and well: before and after, Python does so itself."""
    status, said = interrupted([*start, *infer(enrolled)], milliseconds)
    if "Traceback" in said:  # Python starts, or looks for our command
        assert not re.search(r'/cli/\w+\.py", line \d+, in [a-z]', said), said
        return False
    assert status in (0, 130, -signal.SIGINT), said
    lines = [line for line in said.splitlines() if "%|" not in line]  # but for a bar
    assert len(lines) == (status == 130), said
    return status == 130


@pytest.mark.parametrize("start", [MODULE, [SCRIPT]], ids=["module", "script"])
def test_ctrl_c_soon_after_the_start(enrolled, start):
    soon = [answered(enrolled, start, after) for after in (5, 20, 60, 100, 200, 300)]
    assert any(soon) or any(answered(enrolled, start, after) for after in (500, 900, 1500))


@pytest.mark.heavy
@pytest.mark.parametrize("start", [MODULE, [SCRIPT]], ids=["module", "script"])
def test_ctrl_c_at_any_time(enrolled, start):
    ours = [answered(enrolled, start, 5 * step) for step in range(1, 200)]
    assert sum(ours) > 50


def test_ctrl_c_that_was_to_be_ignored_is_ignored(enrolled):
    """As of a command that a shell started in the background."""

    def deaf() -> None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)

    with subprocess.Popen(
        [*MODULE, "people", "list", str(enrolled / "model")], env=environment(), preexec_fn=deaf,
        stdout=subprocess.PIPE, text=True,
    ) as process:  # fmt: skip
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60)[0].startswith("Žofie") and process.returncode == 0


# --- locales ---------------------------------------------------------------------------------

ASCII = {
    "LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii",
}  # fmt: skip


@pytest.mark.heavy
def test_an_ascii_locale(enrolled, tmp_path):
    """Names are found by what tables and manifests say, and typed in; new ones are kept whole."""
    model, photos = tmp_path / "model", tmp_path / "photos"
    done = run("train", enrolled / "photos", "-o", model, "--jobs", 1, env=ASCII)
    assert done.stdout.isascii()
    assert call("people", "list", model).stdout == f"{NAME}: 1 photo\n"
    run("people", "rename", model, NAME, "Zoë", env=ASCII)
    save(photos / "é.png")
    run("people", "add", model, "Zoë", photos, "--jobs", 1, env=ASCII)
    assert call("people", "list", model).stdout == "Zoë: 2 photos\n"
    done = run("people", "list", model, "--json", env=ASCII)
    assert json.loads(done.stdout) == [{"name": "Zoë", "photos": 2}]
    assert run("people", "list", model, env=ASCII).stdout == "Zo\\xeb: 2 photos\n"


# --- limits ----------------------------------------------------------------------------------


def test_few_open_files(enrolled, tmp_path):
    words = ("train", enrolled / "photos", "-o", tmp_path / "m", "--jobs", 2)
    assert shell("ulimit -n 64; {}", *words).returncode == 0


@pytest.mark.parametrize("kilobytes", [200_000, 350_000, 700_000, 900_000])
def test_little_memory(enrolled, tmp_path, kilobytes):
    words = ("train", enrolled / "photos", "-o", tmp_path / "m", "--jobs", 1)
    done = shell(f"ulimit -v {kilobytes}; " + "{}", *words)
    lines = [line for line in done.stderr.splitlines() if line.startswith("openfaceplus")]
    assert done.returncode == 2 and len(lines) == 1 and "out of memory" in lines[0], done.stderr
    assert "ulimit -v" in lines[0] and "should not happen" not in lines[0]


@pytest.mark.heavy
@pytest.mark.skipif(os.geteuid() != 0, reason="only root may unmount /dev/shm")
def test_no_shared_memory(enrolled, tmp_path):
    words = ("train", enrolled / "photos", "-o", tmp_path / "m", "--jobs", 2)
    without = "umount -l /dev/shm; mount -t tmpfs -o ro none /dev/shm"
    done = shell(f"unshare -m bash -c '{without}; " + '"$@"' + "' - {}", *words)
    assert done.returncode == 0, done.stderr


# --- folders ---------------------------------------------------------------------------------


def test_a_working_folder_that_was_deleted(enrolled, tmp_path):
    gone = f"cd {tmp_path}; mkdir gone; cd gone; rmdir ../gone; " + "{}"
    assert shell(gone, *infer(enrolled)).returncode == 0
    for words in (("train", "photos"), ("infer", "photo.jpg"), ("align", "x"), ("demo",),
                  ("find",), ("people", "list")):  # fmt: skip
        done = shell(gone, *words)
        (said,) = done.stderr.splitlines()
        assert done.returncode == 2 and "should not happen" not in said


@pytest.mark.parametrize("links", [2, 12])
def test_folders_linked_to_each_other(tmp_path, links):
    """Every folder in the others: walked by every way there would be links! of them."""
    people = [tmp_path / "photos" / f"p{number}" for number in range(links)]
    for person in people:
        save(person / "a.png")
        for other in people:
            (person / f"to {other.name}").symlink_to(other)
    started = time.monotonic()
    done = call("align", tmp_path / "photos", "-o", tmp_path / "chips", "--json", "--jobs", 1)
    assert time.monotonic() - started < 60
    assert json.loads(done.stdout)["usable"] >= links
