"""The rate of strangers on the command line: asked at training, asked anew at inference."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import sample_photos
from running import CLASSIFIER, call, refused, save

import openfaceplus
from openfaceplus.errors import UsageError
from openfaceplus.model import Policy


@pytest.fixture
def embeddings(model, tmp_path) -> Path:
    return Path(shutil.copytree(model / "generated-embeddings", tmp_path / "e"))


@pytest.fixture(scope="module")
def strangers(samples, tmp_path_factory) -> Path:
    """Twenty people, one photo each, one of them twice; and a photo without a face."""
    root = tmp_path_factory.mktemp("strangers")
    enrolled = ("obama", "biden", "kit", "rose", "alex")
    alone = [name for name in sample_photos.crowd() if name not in enrolled][-20:]
    for name in alone:
        save(root / f"{name}.jpg", sample_photos.crowd()[name])
    (root / "twice").mkdir()
    (root / f"{alone[0]}.jpg").rename(root / "twice/one.jpg")
    shutil.copy(root / "twice/one.jpg", root / "twice/again.jpg")
    save(root / "blank.png", np.zeros((90, 90, 3), np.uint8))
    return root


def test_training_says_what_the_rate_rests_on(embeddings):
    said = call(CLASSIFIER, "train", embeddings).stdout
    assert "Strangers: at most 1% of faces accepted, on average." in said
    assert "made-up faces, scored against the 5 people enrolled" in said and "interval" in said
    said = call(CLASSIFIER, "train", embeddings, "--far", 0.05, "--sure", 0.95).stdout
    assert "with 95% confidence" in said
    made = json.loads(call(CLASSIFIER, "train", embeddings, "--far", 0.02, "--json").stdout)
    assert made["people"] == 5 and made["threshold"]["uses"] == "shipped"
    calibration = made["threshold"]["calibration"]
    assert calibration["n"] > 1000 and calibration["accepted"] <= 0.02 * (calibration["n"] + 1)
    assert calibration["estimate"] is False and calibration["asked"] == 0.02
    said = call(CLASSIFIER, "train", embeddings, "--far", 1e-6).stdout
    assert "so nobody is accepted" in said and "999,999 strangers" in said


def test_strict_refuses_what_the_data_do_not_support(embeddings):
    pkl = embeddings / "classifier.pkl"
    before = pkl.read_bytes()
    said = refused(CLASSIFIER, "train", embeddings, "--strict", "--far", 1e-6)
    assert re.search(r"--strangers: [0-9,]+ strangers support a rate of 0\.0\d+% at best", said)
    assert pkl.read_bytes() == before
    call(CLASSIFIER, "train", embeddings, "--strict")
    for flag, value in (("--far", 0), ("--far", 1), ("--far", "nan"), ("--sure", 1)):
        assert flag in refused(CLASSIFIER, "train", embeddings, flag, value)


def test_strangers_are_one_each(embeddings, strangers, portraits):
    words = (CLASSIFIER, "train", embeddings, "--strangers", strangers, "--far", 0.05)
    said = call(*words, "--strict", "--jobs", 1).stdout
    assert "Measured on 20 strangers, one photo each, scored against the 5 people enrolled" in said
    assert "0 of 20 were accepted" in said
    known = openfaceplus.load(embeddings / "classifier.pkl")
    for photo in strangers.glob("*.jpg"):
        assert all(decision.name is None for decision in known.identify(photo))
    (decision,) = known.identify(portraits / "test/obama1.jpg")
    assert decision.name == "obama"
    # They stay with the classifier when people come and go.
    call("people", "list", embeddings)
    biden = known.classifier.ids[known.classifier.people.index("biden")]
    assert known.classifier.without(biden).calibrate(0.05).uses == "strangers"
    said = refused(CLASSIFIER, "train", embeddings, "--strangers", strangers / "gone")
    assert "not a folder of strangers" in said


def test_another_rate_at_inference(embeddings, portraits):
    call(CLASSIFIER, "train", embeddings, "--far", 0.3)
    photo, pkl = portraits / "test/obama1.jpg", embeddings / "classifier.pkl"

    def face(*words):
        return json.loads(call("infer", "-m", pkl, photo, "--json", *words).stdout)["faces"][0]

    usual = face()
    assert usual["name"] == "obama" and usual["score"] >= usual["threshold"]
    assert face("--far", 0.2)["threshold"] >= face("--far", 0.4)["threshold"]
    assert face("--threshold", 5)["name"] is None and face("--threshold", -5)["name"] == "obama"
    sure = [face("--prior", prior)["confidence"] for prior in (0.01, 0.5, 0.99)]
    assert sorted(sure, reverse=True) == sure
    done = call("infer", "-m", pkl, photo, "--far", "0.0000001")
    assert "so nobody is accepted" in done.stderr and "unknown" in done.stdout
    for words in (("--far", 0), ("--sure", 2), ("--prior", -1), ("--far", "nan")):
        assert words[0] in refused("infer", "-m", pkl, photo, *words)


def test_a_rate_per_photo_is_shared_by_its_faces(embeddings, portraits):
    call(CLASSIFIER, "train", embeddings, "--far", 0.4)
    known = openfaceplus.load(embeddings / "classifier.pkl")
    one = known.threshold(Policy(per="photo"), 1)
    two = known.threshold(Policy(per="photo"), 2)
    assert one == known.threshold(Policy())
    assert two.calibration.asked == pytest.approx(1 - 0.6**0.5)
    assert two.value >= one.value
    photo = portraits / "test/kit_with_rose.jpg"
    per_face = {d.threshold for d in known.identify(photo)}
    per_photo = {d.threshold for d in known.identify(photo, per="photo")}
    assert per_face == {one.value} and per_photo == {two.value}
    with pytest.raises(UsageError, match="per face or per photo"):
        known.identify(photo, per="day")
    call("infer", "-m", embeddings / "classifier.pkl", photo, "--multi", "--far-per", "photo")


def test_training_leaves_a_picture_of_the_scores_until_people_change(model, tmp_path):
    folder = Path(shutil.copytree(model, tmp_path / "m"))
    picture = folder / "generated-embeddings/classifier-scores.png"
    said = call(CLASSIFIER, "train", picture.parent).stdout
    assert str(picture) in said and picture.read_bytes().startswith(b"\x89PNG")
    call("people", "rename", folder, "kit", "Kit")
    assert picture.is_file()
    call("people", "remove", folder, "Kit")
    assert not picture.exists()
