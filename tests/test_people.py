"""People come and go in a trained model; who is removed leaves no trace."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest
from running import CLASSIFIER, call, command_line, environment, refused, run, save, table

from openfaceplus import photo_folder
from openfaceplus.classify.classifier import Classifier
from openfaceplus.stages import people as stage
from openfaceplus.store.vectors import read_vectors

CHIPS, EMBEDDINGS = "aligned-images", "generated-embeddings"
PKL = "generated-embeddings/classifier.pkl"


@pytest.fixture
def photos(portraits, tmp_path) -> Path:
    """The portraits' own copy of photos, which a test may delete."""
    return Path(shutil.copytree(portraits / "train", tmp_path / "photos"))


@pytest.fixture
def trained(model, photos, tmp_path) -> Path:
    """A copy of the model, whose tables name the copied photos."""
    folder = Path(shutil.copytree(model, tmp_path / "model"))
    origin = Path(table(folder / CHIPS / "alignment.csv")[0]["photo"]).parents[1]
    for name in ("alignment.csv", "alignment.json"):
        text = (folder / CHIPS / name).read_text()
        assert str(origin) in text
        (folder / CHIPS / name).write_text(text.replace(str(origin), str(photos)))
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch) -> Path:
    folder = tmp_path_factory.getbasetemp() / "cache"
    monkeypatch.setenv("OPENFACEPLUS_CACHE", str(folder))
    return folder


def listed(model: Path) -> dict[str, int]:
    rows = json.loads(call("people", "list", model, "--json").stdout)
    return {row["name"]: row["photos"] for row in rows}


def holding(root: Path, *needles: bytes) -> list[Path]:
    """Files below a folder that hold one of the byte strings, or have it in their path."""
    found = []
    for path in root.rglob("*"):
        data = path.read_bytes() if path.is_file() else b""
        where = os.fsencode(path.relative_to(root))
        if any(needle in data or needle in where for needle in needles):
            found.append(path)
    return found


def traces(folder: Path, name: str) -> tuple[bytes, ...]:
    """What gives a person away: the name and each embedding, as bytes and as text."""
    vectors, chips = read_vectors(folder / EMBEDDINGS)
    mine = vectors[[Path(chip).parent.name == name for chip in chips]]
    made = Classifier.load(folder / PKL)
    mine = np.concatenate([mine, made.rule.scorer.gallery.vectors[[made.people.index(name)]]])
    texts = [f"{vector[0]:.9g},{vector[1]:.9g}".encode() for vector in mine]
    return (name.encode(), *texts, *(vector[8:16].tobytes() for vector in mine))


def closest(model: Path, photo: Path) -> set[str]:
    said = json.loads(call("infer", "-m", model, photo, "--multi", "--json").stdout)
    return {face["closest"] for face in said["faces"]}


def test_list_by_both_commands(trained, monkeypatch):
    said = call("people", "list", trained).stdout
    assert said.splitlines()[:2] == ["alex: 1 photo", "biden: 2 photos"]
    assert call(CLASSIFIER, "list", trained / PKL).stdout == said
    monkeypatch.chdir(trained)
    assert call(CLASSIFIER, "list").stdout == call("people", "list").stdout == said
    assert listed(trained)["obama"] == 2


@pytest.mark.parametrize("script", [False, True], ids=["console", "script"])
def test_removed_without_trace(trained, photos, portraits, cache, script):
    database = photos.parent / "db"
    shutil.copytree(photos / "obama", database)
    from openfaceplus import PhotoFolder

    assert "obama" in PhotoFolder(database, distance=0.6).names
    needles = traces(trained, "obama")
    assert holding(trained, *needles) and holding(cache / "databases", b"obama")
    words = (CLASSIFIER,) if script else ("people",)
    said = call(*words, "remove", trained, "obama")
    assert not holding(trained, *needles)
    assert not holding(cache, *needles)
    assert "Removed obama" in said.stdout and "2 embeddings, 4 rows" in said.stdout
    assert said.stdout.count("deleted ") >= 3 and "obama2.png" in said.stdout
    assert "2 photos of obama left alone" in said.stderr
    assert len(list((photos / "obama").iterdir())) == 2
    assert listed(trained).keys() == {"alex", "biden", "kit", "rose"}
    assert "obama" not in closest(trained, portraits / "test/obama1.jpg")
    said = call("infer", "-m", trained, portraits / "test/obama1.jpg").stdout
    assert "Predict unknown (closest: " in said and "obama" not in said.partition("Predict")[2]
    manifest = json.loads((trained / CHIPS / "alignment.json").read_text())
    assert manifest["counts"] == {"ok": 7}
    assert "nobody called 'obama'" in refused("people", "remove", trained, "obama")


def test_with_photos_their_photos_go_too(trained, photos, tmp_path):
    (photos / "obama/notes.txt").write_text("mine")
    said = json.loads(call("people", "remove", trained, "biden", "--photos", "--json").stdout)
    assert said["removed"] == "biden" and said["vectors"] == 2 and said["rows"] == 4
    assert not (photos / "biden").exists() and said["photos_left"] == said["not_found"] == []
    gone = {Path(file).name for file in said["files"]}
    assert {"biden.jpg", "biden2.jpg", "biden.png", "biden2.png"} <= gone
    assert not any(Path(file).exists() for file in said["files"])
    assert not holding(photos, b"biden") and not holding(trained, b"biden")
    # What is not a photo of theirs stays, and so does a photo that has changed since.
    save(photos / "obama/obama.jpg")
    said = json.loads(call("people", "remove", trained, "obama", "--photos", "--json").stdout)
    assert {path.name for path in (photos / "obama").iterdir()} == {"obama.jpg", "notes.txt"}
    assert said["photos_left"] == [str(photos / "obama/obama.jpg")]


def test_photos_that_are_elsewhere_are_said_to_be(trained, photos):
    (photos / "obama").rename(photos / "president")
    said = call("people", "remove", trained, "obama", "--photos")
    assert "Not found, and so not deleted" in said.stderr and "obama2.jpg" in said.stderr
    assert len(list((photos / "president").iterdir())) == 2


def test_a_copy_of_a_model_is_a_model_of_its_own(trained, tmp_path, portraits, astronaut):
    copy = Path(shutil.copytree(trained, tmp_path / "elsewhere/copy"))
    before = sorted(path for path in trained.rglob("*") if path.is_file())
    call("people", "remove", copy, "obama")
    assert sorted(path for path in trained.rglob("*") if path.is_file()) == before
    call("people", "add", copy, "eileen", astronaut.parent, "--jobs", 1)
    assert listed(copy) == {
        "alex": 1, "biden": 2, "eileen": 1, "kit": 2, "rose": 2,
    }  # fmt: skip
    assert sorted(path for path in trained.rglob("*") if path.is_file()) == before
    assert not holding(copy / EMBEDDINGS, os.fsencode(trained / CHIPS))


def test_added_to_a_model_that_moved(trained, tmp_path, monkeypatch, astronaut):
    (tmp_path / "far").mkdir()
    moved = trained.rename(tmp_path / "far/away")
    monkeypatch.chdir(moved / EMBEDDINGS)
    old = Classifier.load(moved / PKL)
    said = call(CLASSIFIER, "add", "classifier.pkl", "eileen", os.path.relpath(astronaut.parent))
    assert "eileen is enrolled" in said.stdout and "knows 6 people" in said.stdout
    new = Classifier.load(moved / PKL)
    keep = new.labels != new.people.index("eileen")
    assert np.array_equal(new.vectors[keep], old.vectors)
    assert closest(moved, astronaut) == {"eileen"}
    call("people", "remove", ".", "eileen")
    assert not holding(moved, b"eileen")
    again = Classifier.load(moved / PKL)
    assert np.array_equal(again.vectors, old.vectors)
    assert np.allclose(again.namer.coef, old.namer.coef, atol=1e-5)
    assert again.calibrate().value == pytest.approx(old.calibrate().value, abs=1e-6)


def test_more_photos_of_somebody_known(trained, tmp_path, portraits):
    (tmp_path / "more").mkdir()
    shutil.copy(portraits / "test/obama1.jpg", tmp_path / "more/obama.jpg")
    call("people", "add", trained, "obama", tmp_path / "more", "--jobs", 1)
    assert listed(trained)["obama"] == 3 and len(listed(trained)) == 5
    call("people", "add", trained, "obama", tmp_path / "more", "--jobs", 1)
    assert listed(trained)["obama"] == 3


def test_unusable_photos_change_nothing(trained, tmp_path):
    before = (trained / PKL).read_bytes(), (trained / EMBEDDINGS / "reps.csv").read_bytes()
    save(tmp_path / "bad/blank.png", np.zeros((90, 90, 3), np.uint8))
    (tmp_path / "bad/broken.jpg").write_bytes(b"no photo")
    said = refused("people", "add", trained, "ada", tmp_path / "bad")
    assert "no usable photo of ada" in said and "blank.png: no face found" in said
    assert "broken.jpg: not an image" in said and not (trained / CHIPS / "ada").exists()
    (tmp_path / "empty").mkdir()
    assert "holds no photos" in refused("people", "add", trained, "ada", tmp_path / "empty")
    assert "nowhere" in refused("people", "add", trained, "ada", tmp_path / "nowhere")
    after = (trained / PKL).read_bytes(), (trained / EMBEDDINGS / "reps.csv").read_bytes()
    assert after == before and not holding(trained / EMBEDDINGS, b"ada")
    assert not holding(trained / CHIPS, b"/ada/", b"blank.png")


def test_photos_of_somebody_else_are_not_taken_over(trained, photos):
    said = refused("people", "add", trained, "barack", photos / "obama")
    assert "photo of obama already" in said
    assert listed(trained)["obama"] == 2


def test_good_and_bad_photos_together(trained, astronaut, tmp_path):
    shutil.copy(astronaut, tmp_path / "mixed.png")
    save(tmp_path / "mixed/blank.png", np.zeros((90, 90, 3), np.uint8))
    shutil.move(tmp_path / "mixed.png", tmp_path / "mixed/face.png")
    said = call("people", "add", trained, "eileen", tmp_path / "mixed", expect=1)
    assert "no_face" in said.stderr and listed(trained)["eileen"] == 1


@pytest.mark.parametrize(
    "name", ["Zoë Ångström", 'O\'Neil, "Shaq"', "-names-x", "line\nbreak", "x" * 90]
)
def test_odd_names(trained, astronaut, portraits, name):
    call("people", "add", trained, "--", name, astronaut.parent)
    assert listed(trained)[name] == 1
    call("people", "rename", trained, "--", name, "plain")
    assert listed(trained)["plain"] == 1 and closest(trained, astronaut) == {"plain"}
    assert list((trained / CHIPS / name).iterdir())  # folders keep their names
    call("people", "rename", trained, "--", "plain", name)
    call("people", "remove", trained, "--", name)
    assert len(listed(trained)) == 5 and not holding(trained, name.encode(), b"plain")


@pytest.mark.parametrize("name", ["", ".", "..", "../x", "a/b", ".hidden", "/etc"])
def test_names_that_are_no_folders_are_refused(trained, astronaut, name):
    (trained / "x").mkdir()
    save(trained / "x/kept.png")
    refused("people", "add", trained, name, astronaut.parent)
    refused("people", "rename", trained, "obama", name)
    refused("people", "remove", trained, name)
    assert (trained / "x/kept.png").is_file() and listed(trained)["obama"] == 2


def test_rename_keeps_everything_else(trained, portraits):
    before = {path: path.stat().st_mtime_ns for path in trained.rglob("*") if path.is_file()}
    said = call(CLASSIFIER, "rename", trained, "obama", "Barack Obama").stdout
    assert "called Barack Obama" in said
    after = {path: path.stat().st_mtime_ns for path in trained.rglob("*") if path.is_file()}
    assert {path for path in after if after[path] != before.get(path)} == {
        trained / EMBEDDINGS / "people.json"
    }
    assert closest(trained, portraits / "test/obama1.jpg") == {"Barack Obama"}
    assert "is there already" in refused("people", "rename", trained, "biden", "Barack Obama")
    assert "nobody called" in refused("people", "rename", trained, "obama", "x")
    call("people", "add", trained, "Barack Obama", portraits / "test/obama1.jpg")
    assert listed(trained)["Barack Obama"] == 3


def test_the_last_person(trained):
    for name in list(listed(trained)):
        call("people", "remove", trained, name)
    assert not (trained / PKL).exists() and not list(trained.rglob("*.png"))
    assert "train first" in refused("people", "list", trained)


def test_training_again_enrols_what_lies_there(trained, photos, astronaut):
    call("people", "remove", trained, "obama", "--photos")
    call("people", "add", trained, "eileen", astronaut.parent)
    call("train", photos, "-o", trained, "--jobs", 1)
    assert listed(trained).keys() == {"alex", "biden", "kit", "rose"}


def test_wrong_numbers_of_arguments(trained):
    for words in (("add", "x"), ("remove",), ("rename", "a"), ("list", "a", "b")):
        done = call("people", *words, expect=2)
        assert words[0] in done.stderr
        assert "takes" in done.stderr or "required" in done.stderr


@pytest.mark.parametrize("place", ["forget", "sweep", "save"])
def test_a_removal_that_was_stopped_is_finished_by_the_next(trained, place, monkeypatch):
    def stop(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        if place == "save":
            patch.setattr(Classifier, "save", stop)
        else:
            patch.setattr(photo_folder if place == "forget" else stage, place, stop)
        assert "interrupted" in call("people", "remove", trained, "obama", expect=130).stderr
    assert len(listed(trained)) == 5
    call("people", "remove", trained, "obama")
    assert len(listed(trained)) == 4 and not holding(trained, b"obama")


@pytest.mark.parametrize("delay", [0.8, 1.6])
def test_a_kill_leaves_the_old_model_or_the_new(trained, astronaut, delay):
    words = command_line("people", "remove", trained, "obama")
    process = subprocess.Popen(words, env=environment(), stdout=subprocess.DEVNULL,
                               stderr=subprocess.DEVNULL)  # fmt: skip
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait()
    left = listed(trained)
    assert len(left) in (4, 5)
    if "obama" in left:
        run("people", "remove", trained, "obama")
    assert len(listed(trained)) == 4 and not holding(trained, b"obama")
