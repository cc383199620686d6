"""What is wrong with training photos: planted faults are found, good photos are left in peace."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import sample_photos
from running import ROOT, call, refused, save, table

from openfaceplus.recipe import recipe
from openfaceplus.stages.doctor import examine

LFW = ROOT.parent / "shared/data/lfw-dev/lfw"


def tree(root: Path) -> dict[str, bytes]:
    return {str(p.relative_to(root)): p.read_bytes() for p in root.rglob("*") if p.is_file()}


@pytest.fixture(scope="module")
def folder(samples, tmp_path_factory) -> Path:
    """Ten people with three photos each, one of them in the wrong folder, and other faults."""
    root = sample_photos.many(tmp_path_factory.mktemp("doctor") / "photos", *[3] * 6)
    shutil.move(root / "actor/actor_0002.jpg", root / "obama/visitor.jpg")
    shutil.copy(root / "biden/biden_0001.jpg", root / "biden/again.jpg")
    save(root / "rose/wall.png", np.full((200, 200, 3), 99, np.uint8))
    (root / "rose/notes.txt").write_text("no photo")
    return root


@pytest.fixture(scope="module")
def told(folder, tmp_path_factory):
    out = tmp_path_factory.mktemp("told")
    before = tree(folder)
    words = ("doctor", folder, "-o", out / "out", "--fix", out / "clean", "--json", "--jobs", 1)
    done = call(*words, expect=1)
    assert tree(folder) == before
    return json.loads(done.stdout), out


def names(told, kind: str) -> set[str]:
    return {Path(f["photo"]).name for f in told["findings"] if f["finding"] == kind}


def test_what_was_planted_is_found(told):
    found, out = told
    assert names(found, "mislabelled") == {"visitor.jpg"}
    (finding,) = (f for f in found["findings"] if f["finding"] == "mislabelled")
    assert (finding["person"], finding["other_person"]) == ("obama", "actor")
    assert "again.jpg" in names(found, "duplicate") | {
        Path(f["other_photo"]).name for f in found["findings"] if f["finding"] == "duplicate"
    }
    assert names(found, "unusable") == {"wall.png", "notes.txt"}
    assert {f["person"] for f in found["findings"] if f["finding"] == "few_photos"} == {"actor"}
    assert not names(found, "unlike") and not found["healthy"]
    rows = table(out / "out/findings.csv")
    assert [row["photo"] for row in rows] == [f["photo"] for f in found["findings"]]
    page = (out / "out/index.html").read_text()
    assert page.count("data:image/jpeg") >= 4 and "<script" not in page and "http" not in page


def test_the_cleaned_copy_holds_the_rest(told, folder):
    found, out = told
    left = {Path(path).relative_to(folder).as_posix() for path in found["left_out"]}
    assert tree(out / "clean").keys() == tree(folder).keys() - left
    # The samples are made from few photos, so most are there twice.
    twice = {Path(f["photo"]).relative_to(folder).as_posix()
             for f in found["findings"] if f["finding"] == "duplicate"}  # fmt: skip
    assert left - twice == {"obama/visitor.jpg", "rose/wall.png", "rose/notes.txt"}
    again = call("doctor", out / "clean", "-o", out / "again", "--jobs", 1)
    assert "nothing is wrong" in again.stdout and "few" in again.stdout.lower()


def test_a_second_run_goes_on_from_the_first(told, folder):
    _, out = told
    chip = next((out / "out/aligned-images/obama").glob("*.png"))
    before = chip.stat().st_mtime_ns
    done = call("doctor", folder, "-o", out / "out", "--jobs", 1, expect=1)
    assert chip.stat().st_mtime_ns == before
    assert "In the wrong folder:" in done.stdout and "visitor.jpg looks like actor" in done.stdout


def test_where_a_copy_may_go(folder, tmp_path):
    for place in (folder / "clean", folder, folder.parent):
        assert "--fix" in refused("doctor", folder, "-o", tmp_path / "o", "--fix", place)
    (tmp_path / "full").mkdir()
    (tmp_path / "full/mine").write_text("mine")
    said = refused("doctor", folder, "-o", tmp_path / "o", "--fix", tmp_path / "full")
    assert "not empty" in said and not (tmp_path / "o").exists()


def test_several_faces_are_advice(portraits, tmp_path):
    photos = tmp_path / "photos"
    for name in ("kit1.jpg", "kit_with_rose.jpg"):
        (photos / "kit").mkdir(parents=True, exist_ok=True)
        shutil.copy(portraits / "test" / name, photos / "kit")
    health = examine(photos, tmp_path / "out", recipe(), jobs=1)
    assert "several_faces" in health.counts and "few_photos" in health.counts


@pytest.mark.heavy
def test_planted_on_lfw(tmp_path):
    """At least 95% of 100 mislabelled photos, and at most 2% of the good ones."""
    if not LFW.is_dir():
        pytest.skip("lfw-dev is not here")
    rng = np.random.default_rng(5)
    photos = {p.name: sorted(p.iterdir()) for p in LFW.iterdir()}
    several = sorted(name for name, files in photos.items() if len(files) >= 2)
    people = rng.permutation(several)[:300].tolist()
    givers, takers = people[:100], people[100:200]
    planted = set()
    for name in people:
        (tmp_path / "photos" / name).mkdir(parents=True)
        for file in photos[name][:4]:
            shutil.copy(file, tmp_path / "photos" / name)
    for giver, taker in zip(givers, takers, strict=True):
        file = photos[giver][0]
        to = tmp_path / "photos" / taker / file.name
        shutil.move(tmp_path / "photos" / giver / file.name, to)
        planted.add(str(to))
    health = examine(tmp_path / "photos", tmp_path / "out", recipe())
    out = {f.photo for f in health.findings if f.kind in ("mislabelled", "unlike")}
    good = len(health.rows) - len(planted)
    found, wrong = len(out & planted), len(out - planted) / good
    assert found >= 95 and wrong <= 0.02, (found, wrong)
