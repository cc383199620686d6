"""``auto``: which detectors it stands for, in what order they look, and who still uses HOG."""

from __future__ import annotations

import json
import logging
import threading
from dataclasses import replace
from pathlib import Path

import cv2
import numpy as np
import onnx_files
import pytest
from running import call, needs_weights, portrait, run, save, table
from toys import MiddleDetector

import openfaceplus
from openfaceplus import detect, weights
from openfaceplus.alignment.chip import ARCFACE_POINTS, similarity
from openfaceplus.detect.chain import Chain
from openfaceplus.errors import ModelMissing, UsageError
from openfaceplus.faces import Box, Face
from openfaceplus.pipeline import Pipeline
from openfaceplus.recipe import recipe
from openfaceplus.store.face_rows import face_from_row, face_to_row


@pytest.fixture
def here(monkeypatch, tmp_path):
    """A function that leaves only the models of some names, nothing in them."""

    def leave(*names: str) -> Path:
        folder = tmp_path / "-".join(("models", *names))
        folder.mkdir()
        for name in names:
            (folder / weights.find(name).file).touch()
        monkeypatch.setenv("OPENFACEPLUS_MODELS", str(folder))
        return folder

    monkeypatch.setenv("OPENFACEPLUS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("OPENFACEPLUS_OFFLINE", "1")
    detect._last.cache_clear()
    return leave


@pytest.mark.parametrize("names", [("yunet", "centerface"), ("yunet",), ("centerface",)])
def test_auto_is_what_is_here(here, names, caplog):
    here(*names)
    wanted = "+".join([*names, "turned"])
    assert recipe().detector == recipe(detector="auto").detector == wanted
    assert detect.upright(wanted) == "+".join(names)
    assert not caplog.records


def test_without_either_hog_looks_and_one_line_says_what_mends_it(here, caplog):
    here()
    with caplog.at_level(logging.WARNING):
        assert recipe().detector == recipe().detector == "hog"
    (record,) = caplog.records
    assert "hog" in record.getMessage() and "\n" not in record.getMessage()
    assert record.getMessage().endswith("openfaceplus models pull centerface")


def test_the_command_line_says_it_once(here, astronaut, tmp_path):
    here()
    done = run("verify", astronaut, astronaut, expect=None)
    assert [line for line in done.stderr.splitlines() if "models pull centerface" in line] == [
        line for line in done.stderr.splitlines() if line.strip()
    ]
    assert done.stderr.count("models pull centerface") == 1
    quiet = run("verify", astronaut, astronaut, "--detector", "hog", expect=None)
    assert quiet.stderr == "" and quiet.stdout == done.stdout


class Seer(MiddleDetector):
    """Finds a face where pictures are brighter than ``least``, and counts its looks."""

    def __init__(self, least: int, sure: float = 0.0) -> None:
        self.least, self.sure, self.looks = least, sure, 0

    def _search(self, image: np.ndarray, largest: bool) -> list[Face]:
        self.looks += 1
        if image.max() < self.least:
            return []
        # Its score is the brightness of the upper half.
        points = np.full((5, 2), 3, np.float32)
        score = float(image[: len(image) // 2].max())
        return [Face(Box(0, 2, 9, 12), score, points=points)]


def test_the_second_looks_only_where_the_first_found_nothing():
    made = []

    def second() -> Seer:
        made.append(Seer(50))
        return made[-1]

    first = Seer(100)
    chain = Chain(first, second)
    light, dim, dark = (np.full((20, 20, 3), value, np.uint8) for value in (150, 70, 10))
    assert [[f.score for f in faces] for faces in chain.detect([light, light])] == [[150], [150]]
    assert not made
    threads = [threading.Thread(target=chain.detect, args=([dim],)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = chain.detect([light, dim, dark], largest=True)
    assert [[f.score for f in faces] for faces in found] == [[150], [70], []]
    assert len(made) == 1 and (first.looks, made[0].looks) == (9, 6)


def test_one_that_is_not_sure_is_asked_no_further_than_need_be():
    picture = np.full((20, 30, 3), 100, np.uint8)

    def chain(first: Seer, second: Seer, **how: bool) -> list[Face]:
        return Chain(first, lambda: second, **how).detect([picture])[0]

    doubtful, blind = Seer(50, sure=120), Seer(200)
    assert [face.score for face in chain(doubtful, blind)] == [100]
    assert (doubtful.looks, blind.looks) == (1, 1)
    assert chain(Seer(50, sure=90), blind) and blind.looks == 1
    assert chain(doubtful, blind, turned=True)[0].box == Box(0, 2, 9, 12)  # nor is it turned
    picture[15:] = 130
    (face,) = chain(doubtful, blind, turned=True)
    assert face.score == 130 and face.box == Box(21, 8, 30, 18)
    np.testing.assert_array_equal(face.points, np.full((5, 2), (26, 16)))


class Places(MiddleDetector):
    """Finds faces at fixed places."""

    def __init__(self, *faces: Face, sure: float = 0.0) -> None:
        self.faces, self.sure = faces, sure

    def _search(self, image: np.ndarray, largest: bool) -> list[Face]:
        return list(self.faces)


def test_a_crowd_gets_what_each_finds():
    near, far = Box(0, 0, 40, 40), Box(60, 60, 70, 70)
    doubtful = Places(Face(near, 0.5), Face(far, 0.5), sure=0.9)
    better = Places(Face(Box(2, 2, 42, 42), 0.8))
    chain = Chain(doubtful, lambda: better)
    picture = np.zeros((90, 90, 3), np.uint8)
    assert [face.score for face in chain.detect([picture])[0]] == [0.8, 0.5]
    assert [face.score for face in chain.detect([picture], largest=True)[0]] == [0.8]
    alone = Chain(doubtful, lambda: Places())
    assert [face.box for face in alone.detect([picture], largest=True)[0]] == [near, far]


def turned(degrees: float) -> np.ndarray:
    """The portrait in a larger picture, turned about its middle."""
    height, width = portrait().shape[:2]
    room = np.full((400, 400, 3), 90, np.uint8)
    top, left = (400 - height) // 2, (400 - width) // 2
    room[top : top + height, left : left + width] = portrait()
    matrix = cv2.getRotationMatrix2D((199.5, 199.5), degrees, 1)
    return cv2.warpAffine(room, matrix, (400, 400), borderValue=(90, 90, 90))


@pytest.mark.parametrize("degrees", [30, -45, 60, -60, 180])
def test_turned_faces_are_embedded_as_upright_ones_are(degrees):
    needs_weights("yunet")
    needs_weights("centerface")
    pipeline = Pipeline(recipe())
    upright, found = pipeline.look([turned(0), turned(degrees)], largest=True)
    assert len(found.faces) == 1
    assert float(found.vectors[0] @ upright.vectors[0]) > 0.96
    # The landmarks turn with the face.
    matrix = cv2.getRotationMatrix2D((199.5, 199.5), degrees, 1)
    wanted = upright.faces[0].landmarks @ matrix[:, :2].T + matrix[:, 2]
    np.testing.assert_allclose(found.faces[0].landmarks, wanted, atol=8)


def test_upright_photos_only(tmp_path):
    needs_weights("yunet")
    needs_weights("centerface")
    names = [recipe().detector, detect.upright(recipe().detector)]
    turns, alone = (Pipeline(recipe(detector=name)) for name in names)
    upright, over = (pipeline.look([turned(0)])[0].vectors for pipeline in (turns, alone))
    np.testing.assert_array_equal(upright, over)
    save(tmp_path / "photos" / "ada" / "1.png")
    call("align", tmp_path / "photos", "-o", tmp_path / "chips", "--upright", "--jobs", "1")
    made = json.loads((tmp_path / "chips" / "alignment.json").read_text())
    assert made["settings"]["detector"] == names[1] != names[0]


def test_names_of_several():
    needs_weights("yunet")
    needs_weights("centerface")
    covered = portrait().copy()
    covered[108:160, 50:180] = 190
    alone, chained = (detect.create(name) for name in ("hog", "hog+centerface"))
    assert [bool(faces) for faces in alone.detect([portrait(), covered])] == [True, False]
    assert [bool(faces) for faces in chained.detect([portrait(), covered])] == [True, True]
    for wrong in ("yunet+", "yunet+nothing", "+", "turned", "turned+yunet", "yunet+ssd"):
        with pytest.raises(UsageError):
            detect.create(wrong)
    assert detect.split_chain("ssd:a+b.onnx") == ["ssd:a+b.onnx"]
    assert "no detector named" in call("verify", "a", "b", "--detector", "yunet+x", expect=2).stderr


def test_a_model_keeps_its_detector_and_says_when_it_is_not_here(here, model):
    needs_weights("centerface")
    kept = openfaceplus.load(model).pipeline
    assert kept.recipe.detector != "hog"
    here("yunet")
    assert openfaceplus.load(model).pipeline.recipe == kept.recipe
    with pytest.raises(ModelMissing, match=r"centerface\.onnx.*is not here"):
        _ = openfaceplus.load(model).pipeline.detector
    auto = openfaceplus.load(model, detector="auto").pipeline.recipe
    assert auto.detector == "yunet+turned"


def test_openfaces_scripts_and_compat_keep_hog(openface, tmp_path):
    made = json.loads((openface / "aligned-images/alignment.json").read_text())
    assert made["settings"]["detector"] == "hog"
    from openfaceplus.compat.face_recognition import models

    assert models.pipeline(5).recipe.detector == "hog"
    infer = openfaceplus.load(openface / "generated-embeddings")
    assert infer.pipeline.recipe.detector == "hog"


def test_training_keeps_what_auto_stood_for(model):
    settings = json.loads(next(model.rglob("alignment.json")).read_text())["settings"]
    assert settings["detector"] == recipe().detector
    assert openfaceplus.load(model).pipeline.recipe.detector == recipe().detector
    assert {row["status"] for row in table(next(model.rglob("alignment.csv")))} == {"ok"}


@pytest.mark.parametrize("name", ["yunet", "centerface"])
def test_arcfaces_chip_is_cut_by_the_detectors_points(name, tmp_path):
    needs_weights(name)
    network = onnx_files.embedder(tmp_path / "arcface.onnx")
    pipeline = Pipeline(recipe(detector=name, embedder=f"arcface:{network}"))
    (seen,) = pipeline.look([turned(20)], largest=True, chips=True)
    (face,) = seen.faces
    wanted = similarity(face.points.astype(float), np.array(ARCFACE_POINTS))
    pixels = cv2.warpAffine(turned(20), wanted, (112, 112))
    assert np.abs(seen.chips[0].pixels.astype(int) - pixels).mean() < 1
    # What alignment.csv keeps of the face gives the same chip.
    (again,) = pipeline.look([turned(20)], known=[[face_from_row(face_to_row(face))]], chips=True)
    assert np.abs(again.chips[0].pixels.astype(int) - pixels).mean() < 2
    # Chips by dlib's landmarks lie elsewhere, and their vectors are another space.
    others = Pipeline(recipe(detector="hog", embedder=f"arcface:{network}"))
    (by_dlib,) = others.look([turned(20)], known=[[replace(face, points=None)]], chips=True)
    assert np.abs(by_dlib.chips[0].pixels.astype(int) - pixels).mean() > 2
    assert pipeline.space.name == f"{others.space.name}/points"
