"""The Python interface of the README."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image
from running import face, people, portrait, run, save

import openfaceplus
from openfaceplus.errors import PhotoError, TrainingError, UnreadablePhoto, UsageError


def test_load_and_identify(model, portraits):
    known = openfaceplus.load(model)
    left, right = known.identify(portraits / "test/kit_with_rose.jpg")
    assert (left.name, right.name) == ("rose", "kit")
    for decision in (left, right):
        assert decision.closest == decision.name and decision.note is None
        assert 0.5 <= decision.confidence <= 1 and decision.score >= decision.threshold
        assert decision.box.width > 20
    assert left.box.left < right.box.left


def test_decisions_come_from_left_to_right_not_by_size(model):
    known, small = openfaceplus.load(model), np.full((440, 230, 3), 120, np.uint8)
    small[:220] = portrait()
    photo = np.hstack([small, np.kron(portrait(), np.ones((2, 2, 1), np.uint8))])
    (found,) = known.pipeline.look([photo], vectors="none")
    assert [face.box.left > 230 for face in found.faces] == [True, False]
    assert [decision.box.left > 230 for decision in known.identify(photo)] == [False, True]


def test_a_stranger_has_no_name(model, astronaut):
    (decision,) = openfaceplus.load(str(model)).identify(astronaut)
    assert decision.name is None and decision.closest and decision.score < decision.threshold
    (bold,) = openfaceplus.load(model).identify(astronaut, threshold=-1.0)
    assert bold.name == decision.closest and bold.threshold == -1.0


def test_photos_may_come_in_any_form(model, astronaut):
    known = openfaceplus.load(model)
    pixels = np.asarray(Image.open(astronaut))
    with astronaut.open("rb") as file:
        forms = [str(astronaut), astronaut.read_bytes(), pixels, Image.open(astronaut), file]
        scores = [known.identify(form)[0].score for form in forms]
    assert np.ptp(scores) < 1e-6


def test_errors_are_ours(model, tmp_path):
    known = openfaceplus.load(model)
    assert known.identify(np.zeros((90, 90, 3), np.uint8)) == []
    with pytest.raises(UnreadablePhoto, match=r"gone\.jpg"):
        known.identify(tmp_path / "gone.jpg")
    with pytest.raises(PhotoError):
        openfaceplus.align(np.zeros((90, 90, 3), np.float32))
    with pytest.raises(openfaceplus.OpenFacePlusError):
        openfaceplus.load(tmp_path)
    save(tmp_path / "photos/a/a.png", np.zeros((80, 80, 3), np.uint8))
    with pytest.raises(TrainingError, match="no usable face in 1 photo "):
        openfaceplus.train(tmp_path / "photos", tmp_path / "model", jobs=1)


def test_align_gives_chips_and_where_they_came_from(astronaut):
    (chip,) = openfaceplus.align(astronaut)
    assert chip.pixels.shape == (150, 150, 3) and chip.pixels.dtype == np.uint8
    assert chip.photo == str(astronaut) and chip.face.landmarks.shape == (5, 2)
    box = chip.face.box
    assert 0 < box.left < box.right < portrait().shape[1]
    (small,) = openfaceplus.align(face(), profile="openface")
    assert small.pixels.shape == (96, 96, 3) and small.photo is None
    assert len(small.face.landmarks) == 68
    assert openfaceplus.align(np.zeros((90, 90, 3), np.uint8)) == []


def test_embed_takes_chips_or_a_photo(astronaut):
    chips = openfaceplus.align(astronaut)
    one = openfaceplus.embed(astronaut)
    assert one.shape == (1, 128) and one.dtype == np.float32
    assert np.allclose(np.linalg.norm(one, axis=1), 1, atol=1e-6)
    for form in (chips, chips[0], np.asarray(Image.open(astronaut))):
        assert np.allclose(openfaceplus.embed(form), one, atol=1e-6)
    assert np.allclose(openfaceplus.embed([*chips, *chips]), one, atol=1e-6)
    assert openfaceplus.embed([]).shape == (0, 128)
    assert openfaceplus.embed(np.zeros((90, 90, 3), np.uint8)).shape == (0, 128)
    six = openfaceplus.embed(astronaut, views=6)
    assert six.shape == (1, 128) and 0.95 < (six @ one.T).item() < 0.9999
    # The mean with the mirrored chip is the same for a mirrored photo but for its landmarks.
    mirrored = openfaceplus.embed(portrait()[:, ::-1])
    assert (mirrored @ one.T).item() > 0.98


def test_chips_of_another_kind_are_refused(astronaut):
    with pytest.raises(UsageError, match="pass the photo"):
        openfaceplus.embed(openfaceplus.align(astronaut, profile="openface"))
    with pytest.raises(UsageError, match="pass the photo"):
        openfaceplus.embed(openfaceplus.align(astronaut), views=6)
    with pytest.raises(UsageError, match="list of chips"):
        openfaceplus.embed([astronaut])
    with pytest.raises(UsageError, match="views=1"):
        openfaceplus.embed(astronaut, unit=False)
    with pytest.raises(UsageError, match="no profile"):
        openfaceplus.align(astronaut, profile="facenet")


def test_raw_output_is_dlibs_descriptor(astronaut, portraits):
    import dlib

    from openfaceplus import weights

    network = dlib.face_recognition_model_v1(str(weights.require("dlib-resnet")))
    shaper = dlib.shape_predictor(str(weights.require("dlib-landmarks-5")))
    detector = dlib.get_frontal_face_detector()
    photos = [astronaut, *sorted((portraits / "train").glob("*/*"))[:2]]
    for photo in photos:
        pixels = np.ascontiguousarray(Image.open(photo).convert("RGB"))
        box = detector(pixels, 1)[0]
        chip = dlib.get_face_chip(pixels, shaper(pixels, box), size=150, padding=0.25)
        theirs = np.array(network.compute_face_descriptor(chip))
        ours = openfaceplus.embed(photo, detector="hog-full", views=1, unit=False)[0]
        assert np.abs(ours - theirs).max() < 1e-5


def test_train_makes_what_the_command_makes(tmp_path, astronaut):
    made = openfaceplus.train(
        people(tmp_path / "photos", eileen=2), tmp_path / "model", views=1, jobs=1
    )
    assert made.aligned.counts == {"ok": 2} and made.path.is_file()
    (decision,) = openfaceplus.load(tmp_path / "model").identify(astronaut)
    assert decision.name == "eileen"


@pytest.mark.heavy
def test_a_script_needs_no_guard(tmp_path):
    """Worker processes must not run the script that started them again."""
    people(tmp_path / "photos", eileen=3)
    script = tmp_path / "script.py"
    script.write_text(
        "import openfaceplus\nprint('once')\n"
        "print(openfaceplus.train('photos', 'model', jobs=2).aligned.counts)\n"
    )
    assert run(script, cwd=tmp_path).stdout == "once\n{'ok': 3}\n"
