"""Running commands and scripts as a user does, and the photos that tests can always have."""

from __future__ import annotations

import csv
import io
import os
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping
from contextlib import chdir, redirect_stderr, redirect_stdout
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from openfaceplus.cli import module_of

ROOT = Path(__file__).resolve().parents[1]
ALIGN = ROOT / "util/align-dlib.py"
REPRESENT = ROOT / "batch_represent/main.py"
CLASSIFIER = ROOT / "demos/classifier.py"
OPENFACEPLUS = ("-c", "import sys; from openfaceplus.cli import main; sys.exit(main())")
SOURCE = {"PYTHONPATH": str(ROOT)}
MODULES = {str(ALIGN): "align", str(REPRESENT): "represent", str(CLASSIFIER): "classifier"}


def command_line(*words: object) -> list[str]:
    """A script and its arguments, or a command of ``openfaceplus``, under this Python."""
    first, *rest = map(os.fspath, map(_text, words))
    start = [first] if first.endswith(".py") else [*OPENFACEPLUS, first]
    return [sys.executable, *start, *rest]


def run(
    *words: object,
    cwd: Path | None = None,
    env: Mapping[str, str] | None = None,
    timeout: float = 180,
    expect: int | None = 0,
    before: Any = None,
) -> subprocess.CompletedProcess[str]:
    """Run a script or command to its end; its exit status must be ``expect`` unless None.

    Whatever happens, it may never show a traceback (but with --debug).
    """
    done = subprocess.run(
        command_line(*words),
        cwd=cwd,
        env=environment(env),
        timeout=timeout,
        capture_output=True,
        text=True,
        errors="surrogateescape",
        preexec_fn=before,
    )
    said = f"{words}\nstatus {done.returncode}\n{done.stdout}\n{done.stderr}"
    assert "--debug" in words or "Traceback" not in done.stderr, said
    assert expect is None or done.returncode == expect, said
    return done


def call(
    *words: object, cwd: Path | None = None, expect: int | None = 0
) -> subprocess.CompletedProcess[str]:
    """The same in this process, which is ten times as fast; an exception is not caught."""
    first, *rest = map(os.fspath, map(_text, words))
    command = import_module(module_of(MODULES.get(first, first)))
    out, err = io.StringIO(), io.StringIO()
    with chdir(cwd or os.curdir), redirect_stdout(out), redirect_stderr(err):
        try:
            status = (command.script if first in MODULES else command.main)(rest)
        except SystemExit as stop:
            status = stop.code
    done = subprocess.CompletedProcess(rest, status, out.getvalue(), err.getvalue())
    said = f"{words}\nstatus {status}\n{done.stdout}\n{done.stderr}"
    assert expect is None or status == expect, said
    return done


def refused(*words: object, **options: Any) -> str:
    """Run what cannot work: status 2 and one line that says why, which is returned.

    In this process unless there are options for a new one.
    """
    done = (run if options else call)(*words, expect=2, **options)
    lines = [line for line in done.stderr.splitlines() if line.strip() and "%|" not in line]
    assert len(lines) == 1 and ": " in lines[0], done.stderr
    assert "this should not happen" not in lines[0], lines[0]
    return lines[0]


def environment(more: Mapping[str, str] | None = None) -> dict[str, str]:
    """That of the tests, without what a developer may have set, and this source tree first."""
    kept = {k: v for k, v in os.environ.items() if k != "OPENFACEPLUS_CLASSIFIER"}
    return {**kept, **SOURCE, **(more or {})}


def table(path: Path) -> list[dict[str, str]]:
    """The rows of a CSV with a header."""
    with path.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        return list(csv.DictReader(file))


def statuses(path: Path) -> dict[str, int]:
    """How many rows of each status a table holds."""
    return dict(Counter(row["status"] for row in table(path)))


def by_name(path: Path) -> dict[str, str]:
    """File name -> status."""
    return {Path(row["photo"]).name: row["status"] for row in table(path)}


def numbers(path: Path) -> np.ndarray:
    """``reps.csv`` as an array."""
    return np.loadtxt(path, delimiter=",", ndmin=2)


@cache
def portrait() -> np.ndarray:
    """(220, 230, 3) RGB uint8: the one real face that comes with scikit-image, cropped."""
    from skimage import data

    return data.astronaut()[20:240, 110:340]


def face(number: int = 0) -> np.ndarray:
    """The face again, a little brighter with each number and mirrored for odd ones."""
    pixels = portrait()[:, ::-1] if number % 2 else portrait()
    return np.clip(pixels * (0.8 + 0.05 * (number % 8)), 0, 255).astype(np.uint8)


def save(path: Path, pixels: np.ndarray | None = None, **options: Any) -> Path:
    """Write a photo, by default of the face, making its folder."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(face() if pixels is None else pixels).save(path, **options)
    return path


def people(root: Path, **photos: int) -> Path:
    """A folder per person with that many photos each."""
    number = 0
    for name, count in photos.items():
        for i in range(count):
            save(root / name / f"{i}.png", face(number))
            number += 1
    return root


def chips_of(folder: Path) -> dict[str, int]:
    """Each chip below a folder and when it was written."""
    return {
        str(path.relative_to(folder)): path.stat().st_mtime_ns
        for path in folder.rglob("*.png")
        if not path.name.startswith(".")
    }


def kept(said: str) -> int:
    """How many inputs the summary says were kept."""
    match = re.search(r"(\d+) kept from before", said)
    return int(match[1]) if match else 0


def leftovers(root: Path) -> list[Path]:
    """Hidden files: what an interrupted run left."""
    return sorted(path for path in root.rglob(".*") if path.is_file())


def _text(word: object) -> str | os.PathLike[str]:
    return word if isinstance(word, (str, os.PathLike)) else str(word)


def needs_weights(name: str) -> None:
    """Skip the test where a catalogued model that pip does not bring is not here."""
    from openfaceplus import weights

    if not weights.locate(name):
        pytest.skip(f"the weights of {name} are not here")
