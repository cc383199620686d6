"""One look: the same faces, judged the same, from whatever door a photo comes in."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from running import call, people, portrait, refused, save

import openfaceplus
from openfaceplus.errors import FaceTooBlurred, FlawedFace, PhotoTooLarge
from openfaceplus.faces import Box, Face
from openfaceplus.images import as_photo
from openfaceplus.photo_folder import PhotoFolder
from openfaceplus.pipeline import Pipeline
from openfaceplus.recipe import recipe
from openfaceplus.verification import Comparer


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return Pipeline(recipe())


@pytest.fixture(scope="module")
def blurred(tmp_path_factory) -> Path:
    """A face that moved: it is found, but too blurred to be recognised."""
    pixels = cv2.filter2D(cv2.resize(portrait(), None, fx=3, fy=3), -1, np.full((1, 60), 1 / 60))
    return save(tmp_path_factory.mktemp("b") / "blur.png", pixels)


# What a look gives


def test_what_was_asked_for_is_there(pipeline, astronaut):
    (full,) = pipeline.look([astronaut], chips=True, photos=True)
    assert full.vectors.shape == (1, 128) and full.flaws == [None] and full.error is None
    assert full.chips[0].spec == pipeline.recipe.chip and full.chips[0].face is full.faces[0]
    assert full.photo is not None and full.photo.pixels.shape == portrait().shape
    (bare,) = pipeline.look([astronaut], vectors="none")
    assert bare.vectors.shape == (1, 0) and bare.flaws == [None]
    assert bare.chips == () and bare.photo is None
    (network,) = pipeline.look([astronaut], vectors="network")
    assert np.abs(network.vectors[0] - pipeline.raw(full.chips)[0]).max() < 1e-6
    assert full.vectors[0] @ pipeline.embed([full.chips])[0] == pytest.approx(1)


def test_a_face_is_the_sum_of_its_chip_and_its_mirror_image(astronaut):
    pipeline = Pipeline(recipe(views=2))
    (found,) = pipeline.look([astronaut], chips=True)
    pixels = found.chips[0].pixels[None]
    both = [pipeline.embedder.embed(one)[0] for one in (pixels, pixels[:, :, ::-1])]
    total = sum(one / np.linalg.norm(one) for one in both)
    np.testing.assert_allclose(found.vectors[0], total / np.linalg.norm(total), atol=1e-5)


def test_the_subject_is_in_the_middle_rather_than_at_the_edge(pipeline, monkeypatch):
    corner, middle = Face(Box(0, 0, 110, 110), 1.0), Face(Box(150, 100, 250, 200), 1.0)
    assert corner.prominence > middle.prominence
    seen = SimpleNamespace(detect=lambda images, largest: [[corner, middle]])
    monkeypatch.setattr(pipeline, "detector", seen)
    photo = as_photo(np.full((300, 400, 3), 120, np.uint8))
    assert pipeline.detect([photo]) == [[middle, corner]]


def test_a_small_face_in_a_large_photo_is_looked_for_at_full_size(pipeline, tmp_path):
    pixels = np.full((2400, 2400, 3), 120, np.uint8)
    pixels[200:310, 300:415] = cv2.resize(portrait(), (115, 110), interpolation=cv2.INTER_AREA)
    photo = save(tmp_path / "large.png", pixels)
    assert pipeline.detector.reduces
    (found,) = pipeline.look([photo], largest=True, vectors="none")
    assert [200 < f.box.top < 310 and 300 < f.box.left < 415 for f in found.faces] == [True]


def test_sources_keep_their_places(pipeline, astronaut, tmp_path):
    wall = np.full((90, 90, 3), 120, np.uint8)
    sources = [tmp_path / "gone.jpg", astronaut, wall, np.hstack([portrait(), portrait()])]
    found = pipeline.look(sources)
    assert [one.source for one in found] == sources
    assert [len(one.faces) for one in found] == [0, 1, 0, 2]
    assert [one.error is None for one in found] == [False, True, True, True]
    for one in found:
        assert len(one.faces) == len(one.vectors) == len(one.flaws)
    (alone,) = pipeline.look([sources[3]])
    np.testing.assert_allclose(alone.vectors, found[3].vectors, atol=1e-5)


@pytest.mark.parametrize("scale", [1, 3])
def test_faces_known_before_are_not_looked_for(pipeline, scale):
    pixels = cv2.resize(portrait(), None, fx=2, fy=2)
    photo = as_photo(pixels, working_pixels=pixels[..., 0].size // scale)
    (found,) = pipeline.look([photo])
    (again,) = pipeline.look([photo], known=[found.faces])
    assert again.faces[0] is found.faces[0]
    np.testing.assert_allclose(again.vectors, found.vectors, atol=1e-6)
    box = openfaceplus.Face(found.faces[0].box, 1.0)
    (marked,) = pipeline.look([photo], known=[[box]])
    np.testing.assert_allclose(marked.faces[0].landmarks, found.faces[0].landmarks, atol=0.01)
    np.testing.assert_allclose(marked.vectors, found.vectors, atol=1e-4)


def test_arrays_are_not_copied_and_large_ones_are_reduced(pipeline):
    pixels = np.ascontiguousarray(portrait())
    (found,) = pipeline.look([pixels], photos=True)
    assert np.shares_memory(found.photo.pixels, pixels)
    assert np.shares_memory(as_photo(pixels[:100]).pixels, pixels)
    part = as_photo(pixels[:, ::-1])
    assert part.pixels.flags.c_contiguous and not np.shares_memory(part.pixels, pixels)
    large = cv2.resize(pixels, None, fx=3, fy=3)
    photo = as_photo(large, working_pixels=pixels[..., 0].size)
    assert (photo.height, photo.width) == large.shape[:2] and photo.scale == pytest.approx(3, 0.02)
    assert (
        np.abs(photo.pixels.astype(int) - cv2.resize(large, photo.pixels.shape[1::-1])).mean() < 9
    )
    with pytest.raises(PhotoTooLarge):
        as_photo(large, max_pixels=large[..., 0].size - 1)


# One judgement


def test_a_face_too_blurred_for_one_is_too_blurred_for_all(pipeline, blurred, tmp_path):
    (found,) = pipeline.look([blurred])
    assert found.flaws == ["too_blurred"]
    photos = people(tmp_path / "photos", eileen=2)
    save(photos / "eileen/blur.png", as_photo(blurred).pixels)
    call("train", photos, "-o", tmp_path / "model", "--jobs", 1, expect=1)
    with open(tmp_path / "model/aligned-images/alignment.csv", newline="") as file:
        assert [row["status"] for row in csv.DictReader(file)].count("too_blurred") == 1
    (decision,) = openfaceplus.load(tmp_path / "model").identify(blurred)
    assert decision.note == "too_blurred" and decision.name is None
    sharp = photos / "eileen/0.png"
    for pair in ((blurred, sharp), (sharp, blurred)):
        with pytest.raises(FaceTooBlurred, match=r"blur\.png: the face is too blurred") as caught:
            openfaceplus.verify(*pair)
        assert caught.value.status == "too_blurred" and isinstance(caught.value, FlawedFace)
    assert "too blurred" in refused("verify", sharp, blurred)
    # A limit of one's own judges all faces.
    assert openfaceplus.verify(sharp, blurred, distance=3.0).same
    folder = tmp_path / "staff"
    save(folder / "eileen.png")
    save(folder / "blur.png", as_photo(blurred).pixels)
    staff = PhotoFolder(folder)
    assert staff.names == ["eileen"] and "too blurred" in min(staff.unusable.values())
    with pytest.raises(FlawedFace):
        staff.whois(blurred)
    assert "blur.png: the face is too" in call("whois", blurred, "--db", folder, expect=2).stderr
    assert len(PhotoFolder(folder, distance=3.0).names) == 2
    (tmp_path / "pile").mkdir()
    save(tmp_path / "pile/blur.png", as_photo(blurred).pixels)
    said = call("find", "--knowns", folder, "--unknowns", tmp_path / "pile", "--results",
                tmp_path / "results", "--jobs", 1, "--json")  # fmt: skip
    (face,) = json.loads(said.stdout.splitlines()[0])["faces"]
    assert face["decision"] == "too_blurred" and "reference left out" in said.stderr


def test_the_limit_on_pixels_holds_everywhere(astronaut, tmp_path):
    save(tmp_path / "staff/eileen.png")
    pixels = portrait()[..., 0].size
    for words in (
        ("verify", astronaut, astronaut),
        ("whois", astronaut, "--db", tmp_path / "staff"),
    ):
        said = refused(*words, "--max-pixels", pixels - 1)
        assert "--max-pixels" in said if words[0] == "verify" else "no usable photo" in said
        call(*words, "--max-pixels", pixels, expect=None)
    for look in (openfaceplus.align, openfaceplus.embed):
        look(portrait(), max_pixels=pixels)
        with pytest.raises(PhotoTooLarge) as caught:
            look(portrait(), max_pixels=pixels - 1)
        assert caught.value.field == "max_pixels" and str(pixels) in caught.value.remedy
    with pytest.raises(PhotoTooLarge):
        openfaceplus.verify(astronaut, astronaut, max_pixels=pixels - 1)
    with pytest.raises(PhotoTooLarge):
        Comparer(max_pixels=pixels - 1).embed(astronaut)


# Once


def test_a_photo_is_decoded_once(monkeypatch, tmp_path):
    from openfaceplus import decoding

    decoded: list[str] = []
    decode = decoding.decode

    def noted(file, path, limits):
        decoded.append(Path(path).name)
        return decode(file, path, limits)

    monkeypatch.setattr(decoding, "decode", noted)
    photos = people(tmp_path / "photos", eileen=3)
    call("train", photos, "-o", tmp_path / "six", "--views", 6, "--jobs", 1)
    assert sorted(decoded) == ["0.png", "1.png", "2.png"]
    decoded.clear()
    call("infer", "-m", tmp_path / "six", photos / "eileen/0.png", "--annotate", tmp_path / "a")
    assert decoded == ["0.png"]
    # What an interrupted or partial run lacks is cut from the photo again, and is the same.
    vectors = np.loadtxt(tmp_path / "six/generated-embeddings/reps.csv", delimiter=",")
    call("represent", tmp_path / "six/aligned-images", "-o", tmp_path / "e", "--views", 6)
    again = np.loadtxt(tmp_path / "e/reps.csv", delimiter=",")
    np.testing.assert_allclose(again, vectors, atol=1e-5)


def test_weights_are_resolved_once(monkeypatch):
    from openfaceplus import weights

    asked: list[str] = []
    require = weights.require
    monkeypatch.setattr(
        weights, "require", lambda name, **how: asked.append(name) or require(name, **how)
    )
    Pipeline(recipe(detector="hog", landmarks=68)).look([portrait()])
    assert sorted(asked) == ["dlib-landmarks-68", "dlib-resnet"]


def test_unknown_keywords_are_refused_by_name(astronaut, tmp_path):
    for call_it in (
        lambda: openfaceplus.train(tmp_path, tmp_path / "m", viws=1),
        lambda: openfaceplus.align(astronaut, viws=1),
        lambda: openfaceplus.embed(astronaut, viws=1),
        lambda: openfaceplus.load(tmp_path, viws=1),
        lambda: openfaceplus.verify(astronaut, astronaut, viws=1),
    ):
        with pytest.raises(TypeError, match=r"(train|align|embed|load|verify)\(\).*'viws'"):
            call_it()
