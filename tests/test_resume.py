"""Long runs: what a kill leaves, what the next run does, and what it keeps."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from running import (
    ALIGN,
    ROOT,
    call,
    chips_of,
    command_line,
    environment,
    kept,
    leftovers,
    numbers,
    people,
    refused,
    run,
    save,
    table,
)

MANY = 40
STAGED, JOURNAL = ".changes/new", ".changes/representation.journal"
HOLD = """
import sys, time

def wait(event, arguments):
    if event == "open" and str(arguments[0]).endswith("/last.png"):
        time.sleep(600)

sys.addaudithook(wait)
"""
"""A sitecustomize: whoever reads the last photo never ends, so a run cannot end before its kill."""


def processes(marker: str) -> list[int]:
    """Processes that carry the marker in their environment."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            alive = (folder / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
            if alive and marker.encode() in (folder / "environ").read_bytes():
                found.append(int(folder.name))
    return found


def until(happens: Callable[[], object], seconds: float = 60) -> bool:
    end = time.monotonic() + seconds
    while not happens():
        if time.monotonic() > end:
            return False
        time.sleep(0.005)
    return True


def interrupt(
    *words: object, when: Callable[[], object], by: signal.Signals
) -> tuple[int, str, bool]:
    """Start a command, stop it once something happens; its status, what it said, all gone.

    It is held at the crowd's last photo until then.
    """
    marker = f"OFP_TEST_{uuid.uuid4().hex}"
    held = Path(tempfile.mkdtemp(prefix=marker))
    (held / "sitecustomize.py").write_text(HOLD)
    process = subprocess.Popen(
        command_line(*words), env=environment({marker: "1", "PYTHONPATH": f"{held}:{ROOT}"}),
        stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True,
        # A shell that runs the tests in the background has them ignore it, and so their children.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )  # fmt: skip
    try:
        assert until(lambda: when() or process.poll() is not None), "it never happened"
        assert process.poll() is None, "it was done before it could be stopped"
        if by is signal.SIGINT:
            os.killpg(process.pid, by)  # as the terminal does
        else:
            process.send_signal(by)
        said = process.communicate(timeout=60)[1]
        return process.returncode, said, until(lambda: not processes(marker), 30)
    finally:
        for pid in processes(marker):
            os.kill(pid, signal.SIGKILL)
        shutil.rmtree(held)


def rows_in(journal: Path) -> int:
    """How many whole rows a journal has, after the line it begins with."""
    return max(0, journal.read_bytes().lstrip().count(b"\n") - 1) if journal.exists() else 0


@pytest.fixture(scope="module")
def crowd(tmp_path_factory):
    """Many photos of one person, the last of which holds an interrupted run."""
    root = people(tmp_path_factory.mktemp("crowd") / "photos", a=MANY - 1)
    save(root / "a/last.png")
    return root


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux's /proc")
@pytest.mark.parametrize("by", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_alignment_goes_on_where_it_stopped(crowd, tmp_path, by):
    output = tmp_path / "chips"
    status, said, gone = interrupt(
        "align", crowd, "-o", output, "--jobs", 2, by=by,
        when=lambda: rows_in(output / ".changes/alignment.journal") >= 1
        and len(chips_of(output / STAGED)) >= 6,
    )  # fmt: skip
    assert gone, "worker processes outlive the command"
    if by is signal.SIGINT:
        assert status == 130 and "Traceback" not in said and "interrupted" in said
    before = chips_of(output / STAGED)
    assert 0 < len(before) < MANY and not (output / "a").exists()
    for name in before:
        Image.open(output / STAGED / name).load()
    assert not (output / "alignment.csv").exists()
    assert "interrupted" in refused("represent", output, "-o", tmp_path / "e")
    done = call("align", crowd, "-o", output, "--jobs", 1)
    after = chips_of(output)
    unchanged = sum(after[name] == time for name, time in before.items())
    assert len(after) == len(table(output / "alignment.csv")) == MANY
    assert unchanged == kept(done.stdout) >= 1
    assert leftovers(output) == []


def test_an_interrupted_embedding_goes_on_where_it_stopped(crowd, tmp_path):
    chips, output = tmp_path / "chips", tmp_path / "e"
    call("align", crowd, "-o", chips, "--jobs", 1)
    journal = output / JOURNAL
    _, _, gone = interrupt(
        "represent", chips, "-o", output, "--batch", 2, "--jobs", 2, by=signal.SIGKILL,
        when=lambda: rows_in(journal) >= 2,
    )  # fmt: skip
    assert gone
    assert not (output / "reps.csv").exists()
    done = call("represent", chips, "-o", output, "--jobs", 1)
    assert 1 <= kept(done.stdout) < MANY
    assert len(numbers(output / "reps.csv")) == MANY
    assert leftovers(output) == []
    call("represent", chips, "-o", tmp_path / "again", "--jobs", 1)
    assert np.allclose(
        numbers(output / "reps.csv"), numbers(tmp_path / "again/reps.csv"), atol=1e-6
    )


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux's /proc")
def test_interrupted_inference_ends_at_once(crowd, tmp_path):
    call("train", people(tmp_path / "photos", a=1), "-o", tmp_path / "model", "--jobs", 1)
    pictures = tmp_path / "annotated"
    status, said, gone = interrupt(
        "infer", "-m", tmp_path / "model", crowd, "--annotate", pictures, "--jobs", 2,
        when=lambda: pictures.exists() and len(list(pictures.glob("*.png"))) >= 3,
        by=signal.SIGINT,
    )  # fmt: skip
    assert gone, "worker processes outlive the command"
    assert status == 130 and "Traceback" not in said and "interrupted" in said
    assert leftovers(pictures) == [] and len(list(pictures.iterdir())) < MANY


def test_a_run_killed_with_other_settings_leaves_none_of_its_chips(crowd, tmp_path):
    output = tmp_path / "chips"
    usual = (ALIGN, crowd, "align", "outerEyesAndNose", output, "--jobs", 2)
    run(*usual)

    def some_are_large() -> bool:
        with suppress(OSError):
            return Image.open(output / STAGED / "a/1.png").size == (200, 200)
        return False

    interrupt(*usual, "--size", 200, when=some_are_large, by=signal.SIGKILL)
    assert "interrupted" in refused("represent", output, "-o", tmp_path / "e")
    assert {Image.open(output / name).size for name in chips_of(output) if name[0] == "a"} == {
        (96, 96)
    }
    run(*usual)
    assert leftovers(output) == []
    assert {Image.open(output / name).size for name in chips_of(output)} == {(96, 96)}


@pytest.mark.heavy
def test_memory_does_not_grow_with_the_photos(tmp_path):
    peaks = []
    for count in (40, 800):
        root = tmp_path / f"photos-{count}/a"
        photo = save(tmp_path / "one.png")
        root.mkdir(parents=True)
        for number in range(count):
            (root / f"{number}.png").symlink_to(photo)
        code = (
            "import resource, sys; from openfaceplus.cli import main; main(); "
            "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
        )
        words = ["train", root.parent, "-o", tmp_path / f"model-{count}", "--jobs", "1"]
        command = [command_line("x")[0], "-c", code, *map(str, words)]
        said = subprocess.run(command, env=environment(), capture_output=True, text=True)
        peaks.append(int(said.stdout.split()[-1]))
    assert peaks[1] - peaks[0] < 40_000, peaks  # kB; a photo has 150
