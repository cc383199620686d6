"""What libraries warn of and log does not reach the user's screen."""

from __future__ import annotations

import pytest
from PIL import Image
from running import face, run


@pytest.mark.parametrize("jobs", [1, 2])
def test_libraries_are_not_heard_but_for_debug(tmp_path, jobs):
    photos = tmp_path / "photos"
    (photos / "ada").mkdir(parents=True)
    for number in range(3):  # Pillow warns of the Exif and logs the tags' types
        Image.fromarray(face(number)).save(
            photos / f"ada/{number}.jpg", exif=b"Exif\0\0MM\0*\xff\xff\xff\xff"
        )
    words = ("align", photos, "-o")
    said = run(*words, tmp_path / "quiet", "--jobs", jobs).stderr
    assert "arn" not in said and "EXIF" not in said
    if jobs == 1:
        assert "Corrupt EXIF" in run(*words, tmp_path / "loud", "--jobs", 1, "--debug").stderr
