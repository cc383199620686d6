"""Running a script of the source tree with the Python that ``make`` installed."""

from __future__ import annotations

import os
import sys
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path

from openfaceplus.cli import process

_ROOT = Path(__file__).resolve().parents[2]


def script(name: str) -> int:
    """Run ``openfaceplus.cli.<name>.script()``; in the project's venv if dlib is missing here."""
    python = _ROOT / ".venv" / "bin" / "python"
    if find_spec("dlib") is None and python.exists() and Path(sys.prefix) != _ROOT / ".venv":
        os.execv(python, [str(python), *sys.argv])
    return process.whole(lambda: import_module(f"openfaceplus.cli.{name}").script())
