"""No command replaces a file that openfaceplus did not write, but with --overwrite."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from running import ALIGN, CLASSIFIER, call, people, refused, save, table

from openfaceplus import thresholds
from openfaceplus.changes import changing
from openfaceplus.errors import InTheWay
from openfaceplus.files import overwriting
from openfaceplus.images import save_image
from openfaceplus.store.layout import CHIPS, EMBEDDINGS
from openfaceplus.store.layout import CLASSIFIER as CLASSIFIER_FILE

pytestmark = pytest.mark.filterwarnings("ignore::openfaceplus.errors.UnsupportedRate")
MINE = b"mine\n"


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("trained")
    people(folder / "photos", ada=2, bob=2)
    call("train", folder / "photos", "-o", folder / "model", "--jobs", 1)
    return folder


@pytest.fixture
def place(trained, tmp_path):
    shutil.copytree(trained, tmp_path / "place", symlinks=True)
    return tmp_path / "place"


def own(path: Path) -> Path:
    """A file of the user's."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(MINE)
    return path


def replaced(path: Path, *words: object) -> None:
    """The command leaves the user's file alone, and with --overwrite it does not."""
    own(path)
    said = refused(*words)
    assert path.name in said and "not made here" in said and "--overwrite" in said
    assert path.read_bytes() == MINE
    call(*words, "--overwrite")
    assert path.read_bytes() != MINE
    call(*words)


@pytest.mark.parametrize("ending", ["jpg", "png", "webp"])
def test_infer_leaves_the_photos_in_the_folder_that_it_writes_to(place, ending):
    photo = save(place / f"pictures/a.{ending}")
    before = photo.read_bytes()
    words = ("infer", "-m", place / "model", photo, "--annotate", photo.parent, "--json")
    said = json.loads(call(*words, expect=1).stdout)
    assert photo.read_bytes() == before and said["faces"]
    assert said["error"]["field"] == "overwrite" and "not made here" in said["error"]["problem"]
    # Into another folder as often as one likes; the photo's own only when told.
    for _ in range(2):
        call(*words[:-2], place / "labelled")
    assert call(*words, "--overwrite") and photo.read_bytes() != before
    with Image.open(photo) as picture:
        assert picture.size == (230, 220)


def test_infer_leaves_a_link_alone(place):
    photo = place / "photos/ada/0.png"
    (place / "labelled").mkdir()
    (place / "labelled/0.png").symlink_to(photo)
    call("infer", "-m", place / "model", photo, "--annotate", place / "labelled", expect=1)
    assert (place / "labelled/0.png").is_symlink()


@pytest.mark.parametrize("extra", [(), ("--overwrite",)])
@pytest.mark.parametrize("target", ["mine.png", "nothing"])
def test_a_chip_that_is_a_link_is_that_photos_row(place, target, extra):
    mine, chips = save(place / "mine.png"), place / "chips"
    before = mine.read_bytes()
    (chips / "ada").mkdir(parents=True)
    (chips / "ada/0.png").symlink_to(place / target)
    said = call("align", place / "photos", "-o", chips, "--jobs", 1, *extra, expect=1)
    rows = [row["status"] for row in table(chips / "alignment.csv")]
    assert rows == ["in_the_way", "ok", "ok", "ok"] and "symbolic link" in said.stderr
    assert (chips / "ada/0.png").is_symlink() and mine.read_bytes() == before
    assert not (place / "nothing").exists() and (chips / "bob/1.png").is_file()


def test_a_folder_of_chips_that_is_a_link_is_its_photos_rows(place):
    (place / "elsewhere").mkdir()
    (place / "chips").mkdir()
    (place / "chips/ada").symlink_to(place / "elsewhere")
    call("align", place / "photos", "-o", place / "chips", "--jobs", 1, expect=1)
    rows = [row["status"] for row in table(place / "chips/alignment.csv")]
    assert rows == ["in_the_way", "in_the_way", "ok", "ok"]
    assert not list((place / "elsewhere").iterdir())


def test_chips_are_known_without_their_table(place):
    chips = place / "model" / CHIPS
    for path in chips.glob("alignment.*"):
        path.unlink()
    photos = place / "photos"
    call("align", photos, "-o", chips, "--jobs", 1, "--profile", "openface", "--landmarks", 68)
    with Image.open(chips / "ada/0.png") as chip:
        assert chip.size == (96, 96)


def test_people_add_leaves_a_file_where_a_chip_would_go(place):
    mine = own(place / "model" / CHIPS / "eve/0.png")
    save(place / "new/0.png")
    words = ("people", "add", place / "model", "eve", place / "new", "--jobs", 1)
    assert "not made here" in refused(*words) and mine.read_bytes() == MINE
    call(*words, "--overwrite")
    assert mine.read_bytes() != MINE


@pytest.mark.parametrize("name", ["reps.csv", "labels.csv"])
def test_represent_and_other_programs_embeddings(place, name):
    output = place / "embeddings"
    replaced(output / name, "represent", place / "model" / CHIPS, "-o", output, "--jobs", 1)


def test_train_and_another_programs_classifier(place):
    embeddings = place / "model" / EMBEDDINGS
    replaced(embeddings / CLASSIFIER_FILE, CLASSIFIER, "train", embeddings, "--jobs", 1)
    before = sorted(place.rglob("*"))
    words = ("train", place / "photos", "-o", place / "other", "--jobs", 1)
    own(place / "other" / EMBEDDINGS / CLASSIFIER_FILE)
    refused(*words)
    assert not {p.name for p in place.rglob("*")} - {p.name for p in before} - {"other"}
    call(*words, "--overwrite")


@pytest.mark.heavy
def test_mean_landmarks(place):
    for name in ("mean.csv", "std.csv"):
        replaced(
            place / "means" / name,
            ALIGN, place / "photos", "computeMean", "--modelDir", place / "means", "--jobs", 1,
        )  # fmt: skip


def test_evaluate(trained, tmp_path):
    pytest.importorskip("matplotlib")
    pairs = own(tmp_path / "pairs.list")
    pairs.write_text("2\t1\nada\t1\t2\nada\t1\tbob\t1\nbob\t1\t2\nada\t2\tbob\t2\n")
    for photo in people(tmp_path / "lfw", ada=2, bob=2).rglob("*.png"):
        photo.rename(photo.with_name(f"{photo.parent.name}_{int(photo.stem) + 1:04}.png"))
    output = tmp_path / "out"
    words = ("evaluate", "pairs", tmp_path / "lfw", pairs, "-o", output, "--jobs", 1)
    names = ("pairs.json", "pairs.txt", "pairs-roc.png", "pairs-det.png", "pairs-scores.png")
    for name in names:
        mine = own(output / name)
        assert name in refused(*words) and mine.read_bytes() == MINE
        mine.rename(tmp_path / name)
    for name in names:
        own(output / name)
    call(*words, "--overwrite")
    assert MINE not in [(output / name).read_bytes() for name in names]
    call(*words)


def test_a_table_of_thresholds(tmp_path):
    made = thresholds.ThresholdTable("dlib", "some", "today", (0.1, 0.01), (0.5, 0.6), (1, 1))
    mine = own(tmp_path / "mine.json")
    with pytest.raises(InTheWay):
        thresholds.save(made, mine)
    for name in ("new.json", "new.json"):
        thresholds.save(made, tmp_path / name)


def test_a_lock_that_is_not_ours(tmp_path):
    mine = own(tmp_path / ".lock")
    with pytest.raises(InTheWay, match="not made here"), changing(tmp_path):
        pass
    assert mine.read_bytes() == MINE
    mine.write_bytes(b"process 1 (another)")
    with changing(tmp_path):
        assert mine.read_bytes() != b"process 1 (another)"


def test_pictures_are_known_again(tmp_path):
    pixels = np.zeros((20, 30, 3), np.uint8)
    for ending in ("png", "jpg", "jpeg", "webp"):
        path = tmp_path / f"a.{ending}"
        for value in (1, 2):
            save_image(path, pixels + value)
        Image.open(path).load()
        Image.fromarray(pixels).save(path)
        with pytest.raises(InTheWay):
            save_image(path, pixels)
        with overwriting(True):
            save_image(path, pixels)
