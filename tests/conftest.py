"""What several test files share."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from running import ALIGN, CLASSIFIER, REPRESENT, ROOT, run, save

if (ROOT.parent / "shared/models").is_dir():  # weights that pip does not install
    os.environ.setdefault("OPENFACEPLUS_MODELS", str(ROOT.parent / "shared/models"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of photographs beside the project; it is not part of it."""
    folder = ROOT.parent / "shared"
    if not (folder / "data").is_dir():
        pytest.skip(f"needs the photos in {folder}")
    return folder


@pytest.fixture(scope="session")
def portraits(shared: Path) -> Path:
    """Five people: ``train/<person>/`` and ``test/``."""
    return shared / "data/portraits"


@pytest.fixture(scope="session")
def astronaut(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photo of a real face that is always there."""
    return save(tmp_path_factory.mktemp("astronaut") / "astronaut.png")


@pytest.fixture(scope="session")
def model(portraits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The portraits as a model folder, by the one command. Not to be changed."""
    folder = tmp_path_factory.mktemp("one-command") / "model"
    run("train", portraits / "train", "-o", folder)
    return folder


@pytest.fixture(scope="session")
def openface(portraits: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working folder in which OpenFace's commands were run on the portraits. Not to be changed.

    It holds ``training-images``, ``aligned-images`` and ``generated-embeddings``.
    """
    folder = tmp_path_factory.mktemp("openface")
    shutil.copytree(portraits / "train", folder / "training-images")
    here = {"cwd": folder, "env": {"OPENFACEPLUS_CACHE": str(folder / "cache")}}
    run(ALIGN, "./training-images/", "align", "outerEyesAndNose", "./aligned-images/",
        "--size", "96", **here)  # fmt: skip
    run(REPRESENT, "-outDir", "./generated-embeddings/", "-data", "./aligned-images/", **here)
    run(CLASSIFIER, "train", "./generated-embeddings/", **here)
    return folder
