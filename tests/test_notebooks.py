"""The notebooks of the documentation run from beginning to end, and hold no output."""

from __future__ import annotations

import json
import os
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from running import ROOT, environment

NOTEBOOKS = sorted((ROOT / "docs/notebooks").glob("*.ipynb"))


@pytest.mark.skipif(
    os.environ.get("OPENFACEPLUS_OFFLINE", "0") not in ("", "0"), reason="photos are fetched"
)
def test_the_notebooks_run(tmp_path: Path, monkeypatch):
    """One after the other in one folder, so that the sample photos are fetched once."""
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path / "ipython"))
    assert NOTEBOOKS
    for path in NOTEBOOKS:
        notebook = nbformat.read(path, as_version=4)
        nbformat.validate(notebook)
        resources = {"metadata": {"path": str(tmp_path)}}
        client = NotebookClient(notebook, timeout=120, kernel_name="python3", resources=resources)
        client.execute(env=environment())


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_nothing_that_came_out_is_committed(path):
    for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]:
        assert not cell.get("outputs") and not cell.get("execution_count"), path
