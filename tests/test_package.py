"""What is shipped: the wheel's contents and metadata, and documentation whose links hold."""

from __future__ import annotations

import shutil
import subprocess
import sys
import zipfile
from email import message_from_bytes
from pathlib import Path

import pytest
from running import ROOT, environment


def copy(to: Path, *names: str) -> Path:
    """Parts of the source tree, so that nothing is built in the tree itself."""
    for name in names:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__", "sample-photos", "model")
            shutil.copytree(ROOT / name, to / name, ignore=ignored)
        else:
            shutil.copy(ROOT / name, to)
    return to


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    source = copy(
        tmp_path_factory.mktemp("source"),
        "openfaceplus", "setup.cfg", "pyproject.toml", "README.md", "LICENSE",
    )  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation",
         "--no-index", "--wheel-dir", str(source / "out"), str(source)],
        capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (file,) = (source / "out").glob("openfaceplus-*-py3-none-any.whl")
    return zipfile.ZipFile(file)


def test_the_wheel_holds_the_package_and_nothing_else(wheel):
    shipped = {name for name in wheel.namelist() if ".dist-info/" not in name}
    package = ROOT / "openfaceplus"
    files = {p for p in package.rglob("*") if p.is_file() and "__pycache__" not in p.parts}
    assert shipped == {str(path.relative_to(ROOT)) for path in files}
    assert {"openfaceplus/py.typed", "openfaceplus/thresholds.json"} <= shipped


def test_the_metadata_says_what_it_is(wheel):
    (name,) = (name for name in wheel.namelist() if name.endswith("/METADATA"))
    metadata = message_from_bytes(wheel.read(name))
    assert metadata["License-Expression"] == "Apache-2.0" and metadata["License-File"] == "LICENSE"
    assert metadata["Author"] and metadata["Keywords"]
    core = [line for line in metadata.get_all("Requires-Dist") if "extra ==" not in line]
    names = {line.split(">")[0].split("=")[0].strip() for line in core}
    assert not names & {"torch", "torchfile", "matplotlib", "pandas"}
    extras = set(metadata.get_all("Provides-Extra"))
    assert {"all", "ann", "compat", "facenet", "frames", "plots", "torch"} <= extras


def build_docs(root: Path) -> subprocess.CompletedProcess[str]:
    build = [sys.executable, str(root / "docs/build.py")]
    return subprocess.run(build, env=environment(), capture_output=True, text=True)


def test_a_broken_link_fails_the_documentation(tmp_path):
    copy(tmp_path, "docs", "README.md", "CHANGELOG.md", "CONTRIBUTING.md")
    done = build_docs(tmp_path)
    assert done.returncode == 0, done.stderr
    site = tmp_path / "build/docs/site"
    assert "--strangers" in (site / "commands/train.html").read_text()
    assert "Who is it?" in (site / "notebooks/identify_people.html").read_text()
    assert 'id="verify"' in (site / "api/openfaceplus.html").read_text()
    page = tmp_path / "docs/models.md"
    page.write_text(page.read_text() + "\n[gone](accuracy.md#no-such-heading)\n")
    done = build_docs(tmp_path)
    assert done.returncode and "no-such-heading" in done.stderr
