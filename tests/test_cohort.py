"""Cohorts of strangers: built from photos on this machine, kept privately, used by every model."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path

import numpy as np
import pytest
import sample_photos
from onnx_files import embedder
from running import call, refused, save
from vectors import faces, made_up_cohort

from openfaceplus.classify import cohort, openset
from openfaceplus.classify.cohort import LEVELS, Cohort
from openfaceplus.errors import StorageError


@pytest.fixture
def cache(tmp_path, monkeypatch) -> Path:
    monkeypatch.setenv("OPENFACEPLUS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def crowd(samples, tmp_path_factory) -> Path:
    """Twenty-six people, one photo each, but two of one; and a photo without a face."""
    root = tmp_path_factory.mktemp("crowd")
    for name, pixels in sample_photos.crowd().items():
        save(root / f"{name}.jpg", pixels)
    (root / "twice").mkdir()
    first = next(root.glob("*.jpg"))
    first.rename(root / "twice/one.jpg")
    shutil.copy(root / "twice/one.jpg", root / "twice/again.jpg")
    save(root / "blank.png", np.zeros((90, 90, 3), np.uint8))
    return root


# --- what a cohort is made of ----------------------------------------------------------------


def test_a_cohort_holds_one_vector_a_person_and_typical_faces_of_many():
    x, y = faces(1500, 4, seed=77)
    made = made_up_cohort()
    assert made.vectors.shape == (1500, 128) and made.typicality.shape == (1500,)
    owners = y[(made.vectors @ x.T).argmax(axis=1)]
    assert np.array_equal(owners, np.arange(1500))
    assert made.typical.shape == (64, 128)
    assert np.allclose(np.linalg.norm(made.typical, axis=1), 1, atol=1e-5)
    # Nobody's own vector.
    assert (made.typical @ x.T).max() < 0.9999


def test_typicality_is_cross_fitted():
    made = made_up_cohort()
    seen = openset.typicality(made.vectors, made.typical)
    # Whoever helped to make the typical faces is closer to them.
    assert np.mean(seen - made.typicality) > 0
    strangers, _ = faces(1500, 1, seed=5)
    fresh = openset.typicality(strangers, made.typical)
    assert abs(fresh.mean() - made.typicality.mean()) < 0.2 * made.typicality.std()
    other = faces(9, 1)[0]
    assert np.allclose(made.typicality_by(other), openset.typicality(made.vectors, other))


def test_genuine_scores_rise_with_the_photos_enrolled():
    made = made_up_cohort()
    assert made.genuine.shape == (3, len(LEVELS))  # four photos: at most three enrolled
    assert np.all(np.diff(made.genuine, axis=1) >= 0)
    middle = made.genuine[:, len(LEVELS) // 2]
    assert np.all(np.diff(middle) > 0)


def test_few_people_make_a_plain_cohort():
    made = Cohort.of(*faces(10, 1), "ten")
    assert made.typical.shape == (0, 128) and made.genuine.shape == (0, len(LEVELS))
    assert not made.typicality.any()


def test_a_stored_cohort_is_the_same_and_private(cache):
    made = made_up_cohort()
    path = cohort.save(made, "toy/1v@0")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    (again,) = cohort.find("toy/1v@0")
    for name in ("vectors", "typicality", "typical", "genuine"):
        assert np.array_equal(getattr(again, name), getattr(made, name))
    assert (again.data, again.kind) == (made.data, "built")
    assert cohort.find("toy/1v@1") == []


@pytest.mark.parametrize("harm", ["cut", "flip", "other", "pickle", "nan", "short"])
def test_a_damaged_cohort_is_named_and_not_used(cache, harm):
    made = Cohort.of(*faces(40, 3), "forty")
    path = cohort.save(made, "toy/1v@0")
    data = bytearray(path.read_bytes())
    if harm == "cut":
        path.write_bytes(data[: len(data) // 2])
    elif harm == "flip":
        data[len(data) // 2] ^= 0xFF
        path.write_bytes(data)
    elif harm == "other":
        path.write_bytes(cohort.save(made, "toy/2v@0").read_bytes())
    else:
        parts = dict(np.load(path))
        if harm == "pickle":
            parts["vectors"] = np.array([print], object)
        elif harm == "nan":
            parts["typicality"][0] = np.nan
        else:
            parts["typicality"] = parts["typicality"][1:]
        np.savez(path, **parts)
    with pytest.raises(StorageError, match="not a cohort") as caught:
        cohort.find("toy/1v@0")
    assert path.name in str(caught.value) and caught.value.remedy == "build it anew"


# --- the commands ----------------------------------------------------------------------------


def test_built_listed_used_and_removed(cache, crowd, portraits, tmp_path):
    assert "None was built here" in call("cohort").stdout
    done = call("cohort", "build", crowd, "--jobs", 1)
    assert "A cohort of 26 people for dlib-resnet-v1/2v@55533b28a958" in done.stdout
    assert "1 photo of 28 showed no usable face." in done.stdout
    assert "26 people support a rate of 3.7% at best; 1% takes 99" in done.stderr
    (row,) = json.loads(call("cohort", "list", "--json").stdout)
    assert row["people"] == 26 and Path(row["path"]).is_file()
    said = call("train", portraits / "train", "-o", tmp_path / "m", "--far", "5%", "--jobs", 1)
    assert f"the 26 strangers of {crowd.name} (27 photos)" in said.stdout
    # For one in a hundred they are too few, and the cohort that ships says more.
    said = call("train", portraits / "train", "-o", tmp_path / "m", "--jobs", 1).stdout
    assert "26 strangers support a rate of 3.7% at best" in said and "made-up faces" in said
    assert "nobody" in refused("cohort", "remove", "nobody")
    call("cohort", "remove", row["space"])
    assert json.loads(call("cohort", "--json").stdout) == [] and not Path(row["path"]).exists()


def test_a_built_cohort_makes_any_embedder_calibrated(cache, samples, portraits, tmp_path):
    crowd = tmp_path / "crowd"  # as many "people" as a table of thresholds takes
    for name, pixels in sample_photos.crowd().items():
        for number in range(3):
            save(crowd / f"{name}{number}.jpg", sample_photos.another(pixels, number))
    net = f"onnx:{embedder(tmp_path / 'net.onnx')}"
    words = ("--embedder", net, "--far", "5%")
    train = ("train", portraits / "train", "-o", tmp_path / "m", *words, "--jobs", 1)
    assert "so nobody is accepted" in call(*train).stdout
    photos = (portraits / "test/obama1.jpg", portraits / "test/obama1.jpg")
    assert "cohort build" in refused("verify", *photos, *words)
    made = json.loads(
        call("cohort", "build", crowd, "--embedder", net, "--json", "--jobs", 1).stdout
    )
    assert made["people"] == 78 and Path(made["table"]).is_file()
    said = call(*train).stdout
    assert "the 78 strangers of crowd (78 photos)" in said and "Threshold" in said
    assert "nobody is accepted" not in said
    assert json.loads(call("verify", *photos, *words, "--json").stdout)["same"] is True


def test_cohorts_that_cannot_be_built(cache, tmp_path, portraits):
    assert "folder of photos" in refused("cohort", "build")
    assert "not a folder of strangers" in refused("cohort", "build", tmp_path / "gone")
    (tmp_path / "empty").mkdir()
    assert "one photo a person" in refused("cohort", "build", tmp_path / "empty")
    (tmp_path / "one/alone").mkdir(parents=True)
    shutil.copy(portraits / "test/obama1.jpg", tmp_path / "one/alone")
    assert "one person is no cohort" in refused("cohort", "build", tmp_path / "one")


def test_lfw_is_fetched_by_scikit_learn(cache, crowd, tmp_path, monkeypatch):
    import sklearn.datasets

    home = tmp_path / "data"
    monkeypatch.setenv("SCIKIT_LEARN_DATA", str(home))

    def offline(**options):
        raise OSError("no route to host")

    monkeypatch.setattr(sklearn.datasets, "fetch_lfw_people", offline)
    said = refused("cohort", "build", "--lfw")
    assert "cannot be fetched (no route to host)" in said and "internet" in said

    def fetched(**options):
        shutil.copytree(crowd, home / "lfw_home/lfw_funneled")

    monkeypatch.setattr(sklearn.datasets, "fetch_lfw_people", fetched)
    assert "A cohort of 26 people" in call("cohort", "build", "--lfw", "--jobs", 1).stdout
    (row,) = json.loads(call("cohort", "--json").stdout)
    assert row["data"].startswith("Labeled Faces in the Wild")
    assert "--lfw" in refused("cohort", "build", crowd, "--lfw")
