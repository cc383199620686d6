"""``auto``: which detectors it stands for, in what order they look, and who still uses HOG."""

from __future__ import annotations

import json
import logging
import threading
from pathlib import Path

import numpy as np
import pytest
from running import call, needs_weights, portrait, run, table
from toys import MiddleDetector

import openfaceplus
from openfaceplus import detect, weights
from openfaceplus.detect.chain import Chain
from openfaceplus.errors import ModelMissing, UsageError
from openfaceplus.faces import Box, Face
from openfaceplus.recipe import recipe

BOTH = "yunet+centerface"


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
    assert recipe().detector == recipe(detector="auto").detector == "+".join(names)
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

    def __init__(self, least: int) -> None:
        self.least, self.looks = least, 0

    def _search(self, image: np.ndarray, largest: bool) -> list[Face]:
        self.looks += 1
        return [Face(Box(0, 0, 9, 9), float(self.least))] if image.max() >= self.least else []


def test_the_second_looks_only_where_the_first_found_nothing():
    made = []

    def second() -> Seer:
        made.append(Seer(50))
        return made[-1]

    first = Seer(100)
    chain = Chain(first, second)
    light, dim, dark = (np.full((20, 20, 3), value, np.uint8) for value in (150, 70, 10))
    assert [[f.score for f in faces] for faces in chain.detect([light, light])] == [[100], [100]]
    assert not made
    threads = [threading.Thread(target=chain.detect, args=([dim],)) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    found = chain.detect([light, dim, dark], largest=True)
    assert [[f.score for f in faces] for faces in found] == [[100], [50], []]
    assert len(made) == 1 and (first.looks, made[0].looks) == (9, 6)


def test_names_of_several():
    needs_weights("yunet")
    needs_weights("centerface")
    covered = portrait().copy()
    covered[108:160, 50:180] = 190
    alone, chained = (detect.create(name) for name in ("hog", "hog+centerface"))
    assert [bool(faces) for faces in alone.detect([portrait(), covered])] == [True, False]
    assert [bool(faces) for faces in chained.detect([portrait(), covered])] == [True, True]
    for wrong in ("yunet+", "yunet+nothing", "+", "yunet+auto", "yunet+ssd"):
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
    assert openfaceplus.load(model, detector="auto").pipeline.recipe.detector == "yunet"


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
