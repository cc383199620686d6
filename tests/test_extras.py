"""A small installation: the default profile needs no extra, and a missing one is named."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from running import ROOT, environment, people, run, save

from openfaceplus.embedding.dlib_resnet import DlibResnet
from openfaceplus.embedding.facenet import FaceNet
from openfaceplus.embedding.openface import OpenFaceNn4Small2
from openfaceplus.errors import UsageError
from openfaceplus.extras import require
from openfaceplus.weights.formats import read_keras_h5

BLOCKED = (
    "av", "click", "fsspec", "h5py", "matplotlib", "pandas", "psycopg", "s3fs", "torch", "usearch",
)  # fmt: skip
BLOCK = f"""
import subprocess
import sys
class Finder:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {BLOCKED!r}:
            raise ModuleNotFoundError(f"No module named {{name!r}}", name=name)
sys.meta_path.insert(0, Finder())
"""


@pytest.fixture
def bare(tmp_path: Path) -> dict[str, str]:
    """An environment in which nothing of an extra can be imported, by workers neither."""
    folder = tmp_path / "blocked"
    folder.mkdir()
    (folder / "sitecustomize.py").write_text(BLOCK)
    # An empty cache, so that the network's graph is made here.
    return {"PYTHONPATH": f"{folder}:{ROOT}", "OPENFACEPLUS_CACHE": str(tmp_path / "cache")}


def test_the_default_profile_needs_no_extra(bare, tmp_path):
    photos, model = people(tmp_path / "photos", ada=3, alan=3), tmp_path / "model"
    visitor = save(tmp_path / "new/visitor.png")
    run("train", photos, "-o", model, "--jobs", "2", env=bare)
    assert "=== " in run("infer", "-m", model, visitor, env=bare).stdout
    assert "distance" in run("verify", visitor, photos / "ada/0.png", env=bare).stdout
    piles = ("--knowns", photos, "--unknowns", visitor.parent, "--results", tmp_path / "found")
    assert "match" in run("find", *piles, env=bare).stdout
    # It was no empty promise: nothing of an extra can be had here.
    assert "openfaceplus[plots]" in run("evaluate", "openset", photos, "-o", tmp_path / "e",
                                        env=bare, expect=2).stderr  # fmt: skip
    assert not (tmp_path / "e").exists()


@pytest.mark.parametrize(
    ("library", "extra", "use"),
    [
        ("torch", "torch", lambda path: OpenFaceNn4Small2(path)),
        ("torch", "torch", lambda path: FaceNet(path / "net.pt")),
        ("torch", "torch", lambda path: DlibResnet(device="cuda")),
        ("h5py", "facenet", lambda path: read_keras_h5(path / "net.h5")),
    ],
)
def test_a_missing_extra_is_named(
    library: str, extra: str, use: Callable[[Path], object], tmp_path, monkeypatch
):
    monkeypatch.setitem(sys.modules, library, None)
    for name in ("net.pt", "net.h5"):
        (tmp_path / name).write_bytes(b"weights")
    with pytest.raises(UsageError, match=rf"needs {library}, which is not installed") as caught:
        use(tmp_path)
    assert caught.value.remedy == f"run: pip install 'openfaceplus[{extra}]'"


def test_a_library_that_is_there_is_no_error():
    assert require("json", "torch", "a test") is None


def test_python_m_is_the_command():
    said = subprocess.run(
        [sys.executable, "-m", "openfaceplus", "--version"],
        env=environment(), capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert said.stdout == run("version").stdout
