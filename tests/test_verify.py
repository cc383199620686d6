"""One to one, and a folder with one photo a person: commands, cache and the Python interface."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from running import ROOT, call, refused, run, save

import openfaceplus
from openfaceplus import photo_folder, thresholds, verification
from openfaceplus.errors import ModelMissing, NoFace, UsageError
from openfaceplus.pipeline import Pipeline
from openfaceplus.recipe import CLASSIC, recipe

COMPARE = ROOT / "demos/compare.py"
FARS = (0.05, 0.01, 0.001, 0.0001)
COSINES = (0.90, 0.92, 0.94, 0.96)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch) -> Path:
    """A cache folder without thresholds of anybody's; graphs in it serve all tests."""
    folder = tmp_path_factory.getbasetemp() / "verify-cache"
    monkeypatch.setenv("OPENFACEPLUS_CACHE", str(folder))
    return folder


@pytest.fixture(scope="session")
def rates(tmp_path_factory) -> Path:
    """A table of thresholds for the default recipe, with round numbers."""
    path = tmp_path_factory.mktemp("table") / "rates.json"
    row = {
        "space": str(Pipeline(recipe()).space), "data": "made up", "measured": "2025-01-01",
        "fars": FARS, "cosines": COSINES, "tars": (1.0, 0.99, 0.95, 0.9),
    }  # fmt: skip
    path.write_text(json.dumps(row))
    return path


@pytest.fixture(scope="session")
def pair(portraits, tmp_path_factory) -> tuple[Path, Path, Path]:
    """Two photos of one person and one of another, made small so that faces are found quickly."""
    folder = tmp_path_factory.mktemp("pair")
    for name in ("obama/obama.jpg", "obama/obama2.jpg", "biden/biden.jpg"):
        photo = Image.open(portraits / "train" / name).convert("RGB")
        photo.thumbnail((360, 360))
        photo.save(folder / Path(name).name, quality=95)
    return folder / "obama.jpg", folder / "obama2.jpg", folder / "biden.jpg"


@pytest.fixture
def staff(pair, tmp_path) -> Path:
    folder = tmp_path / "staff"
    folder.mkdir()
    for name, photo in (("Barack", pair[0]), ("Joe", pair[2])):
        shutil.copy(photo, folder / f"{name}.jpg")
    return folder


def contents(folder: Path) -> dict[Path, tuple[bytes, int]]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in files}


# --- two photos ------------------------------------------------------------------------------


def test_the_same_and_another(pair, rates):
    one, two, other = pair
    said = call("verify", one, two, "--table", rates).stdout
    assert said.startswith("Same person: distance 0.") and "false-accept rate of 0.1%" in said
    said = call("verify", one, other, "--table", rates, expect=1).stdout
    assert said.startswith("Different people: distance 0.")
    data = json.loads(call("verify", one, other, "--table", rates, "--json", expect=1).stdout)
    assert data["same"] is False and data["far"] == 0.001 and len(data["boxes"]) == 2
    assert data["limit"] == pytest.approx((2 - 2 * 0.94) ** 0.5, abs=1e-4)
    assert data["limit"] < data["distance"]
    data = json.loads(call("verify", one, one, "--table", rates, "--json").stdout)
    assert data["same"] and data["distance"] < 1e-3


def test_the_rate_moves_the_limit(pair, rates):
    made = openfaceplus.verify(*pair[:2], far=0.01, table=rates)
    assert made.far == 0.01 and made.same == (made.distance <= made.limit)
    fars = (0.05, 0.02, 0.01, 0.001, 0.0001)
    limits = [verification.Comparer(far=far, table=rates).limit() for far in fars]
    assert sorted(limits, reverse=True) == limits and len(set(limits)) == 5
    expected = [(2 - 2 * cosine) ** 0.5 for cosine in COSINES]
    assert np.allclose([limits[0], *limits[2:]], expected) and limits[2] == made.limit


@pytest.mark.parametrize("far", ["0.5", "0.00001", "0", "-1", "nan", "1"])
def test_a_rate_outside_of_what_was_measured_is_refused(pair, rates, far):
    said = refused("verify", *pair[:2], "--table", rates, "--far", far)
    assert "--far" in said and "0.0001 to 0.05" in said and "made up" in said


def test_classic_distances_are_those_of_the_networks_own_output(pair):
    words = ("verify", *pair[:2], "--distance", "0.6", "--detector", "hog")
    data = json.loads(call(*words, "--json").stdout)
    raw = [openfaceplus.embed(photo, detector="hog", views=1, unit=False)[0] for photo in pair]
    assert data["distance"] == pytest.approx(np.linalg.norm(raw[0] - raw[1]), abs=1e-4)
    assert data["limit"] == 0.6 and data["far"] is None
    assert "limit 0.600, as given" in call("verify", *pair[:2], "--distance", 0.6).stdout
    call("verify", pair[0], pair[2], "--distance", 0.6, expect=1)
    for bad in ("0", "-1", "nan", "inf"):
        assert "--distance" in refused("verify", *pair[:2], "--distance", bad)
    done = call("verify", *pair[:2], "--distance", 0.6, "--far", 0.1, expect=2)
    assert "not allowed with" in done.stderr


def test_without_a_table_the_command_that_makes_one_is_named():
    with pytest.raises(ModelMissing, match="openfaceplus cohort build") as error:
        thresholds.load("nobody's/2v@0")
    assert "nobody's/2v@0" in str(error.value) and "give a distance" in str(error.value)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"space": 1}', "no json"])
def test_a_broken_table_is_one_line(pair, tmp_path, text):
    (tmp_path / "t.json").write_text(text)
    said = refused("verify", *pair[:2], "--table", tmp_path / "t.json")
    assert str(tmp_path / "t.json") in said


def test_a_table_of_another_embedding_is_refused(pair, rates):
    said = refused("verify", *pair[:2], "--views", "6", "--table", rates)
    assert "/2v" in said and "/6v" in said


def test_photos_that_cannot_be_used(pair, rates, tmp_path):
    blank = save(tmp_path / "blank.png", np.zeros((90, 90, 3), np.uint8))
    assert "blank.png: no face" in refused("verify", pair[0], blank, "--table", rates)
    assert "gone.jpg" in refused("verify", pair[0], tmp_path / "gone.jpg", "--table", rates)
    assert "two photos" in refused("verify", pair[0])
    assert "two photos" in refused("verify", *pair)
    assert "--as and --db" in refused("verify", pair[0], "--as", "x")


# --- compare.py ------------------------------------------------------------------------------


def test_compare_prints_what_openface_prints(pair):
    said = run(COMPARE, *pair).stdout.splitlines()
    assert said[0] == f"Comparing {pair[0]} with {pair[1]}." and len(said) == 6
    distances = [float(line.rsplit(" ", 1)[1]) for line in said[1::2]]
    assert all(line.startswith("  + Squared l2 distance between representations: ")
               for line in said[1::2])  # fmt: skip
    raw = [openfaceplus.embed(photo, detector=CLASSIC, views=1, unit=False)[0] for photo in pair]
    true = [np.sum((raw[i] - raw[j]) ** 2) for i, j in ((0, 1), (0, 2), (1, 2))]
    assert np.allclose(distances, true, atol=6e-4)


def test_compare_with_itself_and_alone(pair):
    from openfaceplus.cli import compare

    assert compare.script([str(pair[0]), str(pair[0])]) == 0
    assert compare.script([str(pair[0]), str(pair[0]), "--json"]) == 0
    assert compare.script([str(pair[0])]) == 2


# --- a folder --------------------------------------------------------------------------------


def test_the_door(staff, pair, rates):
    before = contents(staff)
    words = ("--db", staff, "--table", rates)
    said = call("verify", pair[1], "--as", "Barack", *words).stdout
    assert "It is Barack" in said and "The door opens." in said
    assert "photo of a photo" in said and "liveness" in said
    said = call("verify", pair[1], "--as", "Joe", *words, expect=1).stdout
    assert "not Joe" in said and "stays shut" in said
    said = refused("verify", pair[1], "--as", "Ada", *words)
    assert "nobody in it is called 'Ada'" in said and "Barack, Joe" in said
    assert contents(staff) == before and len(list(staff.iterdir())) == 2


def test_whois(staff, pair, rates, astronaut):
    words = ("--db", staff, "--table", rates)
    assert call("whois", pair[1], *words).stdout.startswith("It is Barack: distance 0.")
    said = call("whois", astronaut, *words, expect=1).stdout
    assert said.startswith("Not in the database; the closest is ")
    data = json.loads(call("whois", pair[1], *words, "--json").stdout)
    assert data["name"] == data["closest"] == "Barack" and data["far"] == 0.001
    # Two people are two chances for a stranger.
    one = openfaceplus.verify(*pair[:2], far=0.0005, table=rates).limit
    assert data["limit"] == pytest.approx(one, abs=1e-4)
    said = refused("whois", pair[1], *words, "--far", "0.0001")
    assert "--far: a rate of 0.0001" in said and "among 2 people" in said
    assert "give a distance" in said
    assert call("whois", pair[1], "--db", staff, "--distance", 0.6).stdout.startswith("It is")


@pytest.fixture
def count(monkeypatch) -> list[Path]:
    """Which photos are embedded."""
    seen: list[Path] = []
    embed = verification.Comparer.embed

    def counted(self, source, single=False):
        seen.append(Path(source).name)
        return embed(self, source, single)

    monkeypatch.setattr(verification.Comparer, "embed", counted)
    return seen


def test_the_cache_follows_the_folder(staff, pair, count, monkeypatch):
    made = openfaceplus.PhotoFolder(staff, distance=0.6)
    assert sorted(made.names) == ["Barack", "Joe"] and len(count) == 2
    openfaceplus.PhotoFolder(staff, distance=0.6)
    made.refresh()
    monkeypatch.chdir(staff.parent)
    assert openfaceplus.PhotoFolder("staff", distance=0.6).whois(pair[1]).name == "Barack"
    assert count == ["Barack.jpg", "Joe.jpg", "obama2.jpg"]
    shutil.copy(pair[2], staff / "Barack.jpg")  # another person's photo under the old name
    made.refresh()
    assert made.whois(pair[1]).name is None and made.verify(pair[2], "Barack").same
    count.clear()
    (staff / "Barack.jpg").unlink()
    shutil.copy(pair[1], staff / "New One.jpg")
    again = openfaceplus.PhotoFolder(staff, distance=0.6)
    assert sorted(again.names) == ["Joe", "New One"] and count == ["New One.jpg"]
    assert b"Barack" not in photo_folder.cache_file(staff, again.comparer.space).read_bytes()
    # Vectors of two kinds never meet.
    count.clear()
    other = openfaceplus.PhotoFolder(staff, views=1, distance=0.6)
    assert len(count) == 0 and other.comparer.space == again.comparer.space


def test_caches_that_are_broken_or_cannot_be_written_are_done_without(staff, count, cache):
    openfaceplus.PhotoFolder(staff, distance=0.6)
    for path in (cache / "databases").iterdir():
        path.write_bytes(b"rubbish")
    assert len(openfaceplus.PhotoFolder(staff, distance=0.6).names) == 2 and len(count) == 4
    shutil.rmtree(cache / "databases")
    (cache / "databases").write_text("in the way")
    assert len(openfaceplus.PhotoFolder(staff, distance=0.6).names) == 2
    (cache / "databases").unlink()


def test_photos_left_out_of_a_database_are_said(staff, portraits, rates, pair):
    save(staff / "Nobody.png", np.zeros((90, 90, 3), np.uint8))
    shutil.copy(portraits / "test/obama_and_biden.jpg", staff / "Both.jpg")
    (staff / "Broken.jpg").write_bytes(b"no photo")
    (staff / "Linked.jpg").symlink_to("nowhere.jpg")
    shutil.copy(pair[0], staff / "Joe.png")
    shutil.copytree(portraits / "train/biden", staff / "folder")
    save(staff / ".hidden.png")
    done = call("whois", pair[1], "--db", staff, "--table", rates)
    assert "It is Barack" in done.stdout
    lines = [line for line in done.stderr.splitlines() if line.startswith("left out: ")]
    assert len(lines) == 7, lines
    said = "\n".join(lines)
    for reason in ("Nobody.png: no face", "faces found where one", "Broken.jpg", "Linked.jpg",
                   "another photo already", "folder of its own"):  # fmt: skip
        assert reason in said
    assert openfaceplus.PhotoFolder(staff, table=rates).names == ["Barack", "Joe"]


def test_databases_that_hold_nothing(tmp_path, pair, rates):
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "gone"):
        assert str(folder) in refused("whois", pair[0], "--db", folder, "--table", rates)


def test_odd_names_in_a_database(tmp_path, pair):
    folder = tmp_path / "d"
    folder.mkdir()
    names = ["Zoë Å", "a.b", "x\ny", os.fsdecode(b"caf\xe9")]
    for name in names:
        shutil.copy(pair[0], folder / f"{name}.jpg")
    for _ in range(2):
        assert sorted(openfaceplus.PhotoFolder(folder, distance=0.6).names) == sorted(names)


# --- Python ----------------------------------------------------------------------------------


def test_the_former_name_goes_on_working_and_says_so(staff):
    with pytest.warns(DeprecationWarning, match="Database is now called PhotoFolder"):
        made = openfaceplus.Database(staff, distance=0.6)
    assert isinstance(made, openfaceplus.PhotoFolder) and len(made.names) == 2


def test_whois_is_a_decision_by_distance(staff, pair):
    folder = openfaceplus.PhotoFolder(staff, distance=0.6)
    found = folder.whois(pair[1])
    assert (found.person, found.name, found.closest) == ("Barack", "Barack", "Barack")
    apart = folder.verify(pair[1], "Barack")
    assert found.distance == pytest.approx(apart.distance, abs=1e-6) and found.limit == 0.6
    assert found.score == -found.distance and found.threshold == -0.6 and found.confidence is None
    assert repr(found) == f"<Barack, distance {found.distance:.3f}>"
    nobody = openfaceplus.PhotoFolder(staff, distance=0.05).whois(pair[1])
    assert nobody.name is nobody.person is None and nobody.closest == "Barack"


def test_the_python_interface(pair, rates, staff):
    made = openfaceplus.verify(*pair[:2], table=rates)
    assert made.same and 0 < made.distance < made.limit and made.boxes[0].width > 50
    pixels = [np.asarray(Image.open(photo)) for photo in pair[:2]]
    again = openfaceplus.verify(*pixels, table=rates)
    assert again.distance == pytest.approx(made.distance, abs=1e-5)
    assert not openfaceplus.verify(pair[0], pair[2], distance=0.6).same
    database = openfaceplus.PhotoFolder(staff, table=rates)
    assert database.verify(pair[1], "Barack").same
    found = database.whois(pair[1])
    assert found.name == "Barack" and found.distance < found.limit
    with pytest.raises(UsageError, match="nobody in it"):
        database.verify(pair[1], "Ada")
    with pytest.raises(NoFace):
        openfaceplus.verify(pair[0], np.zeros((90, 90, 3), np.uint8), table=rates)
    with pytest.raises(UsageError, match="profile"):
        openfaceplus.verify(*pair[:2], profile="facenet", distance=1)
