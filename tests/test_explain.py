"""One photo, step by step: the pictures, the page, and what is said where there is no face."""

from __future__ import annotations

import json
import re
import sys
from html.parser import HTMLParser

import numpy as np
import pytest
from PIL import Image
from running import call, refused, save

from openfaceplus.errors import UsageError
from openfaceplus.faces import Box
from openfaceplus.pictures import face, hog, shapes
from openfaceplus.pipeline import Pipeline
from openfaceplus.recipe import recipe
from openfaceplus.stages.explain import explain


class Page(HTMLParser):
    """Headings, pictures and whatever a page would fetch."""

    def __init__(self, path) -> None:
        super().__init__()
        self.text = path.read_text(encoding="utf-8")
        self.pictures, self.fetched, self.headings, self.tag = [], [], [], ""
        self.feed(self.text)

    def handle_starttag(self, tag, attributes):
        self.tag = tag
        for name, value in attributes:
            if name in ("src", "href", "xlink:href"):
                inline = value.startswith("data:")
                (self.pictures if inline else self.fetched).append(value)

    def handle_data(self, data):
        if self.tag in ("h1", "h2") and data.strip():
            self.headings.append(data.strip())


def test_a_model_s_photo_is_told_from_pixels_to_a_name(model, portraits, tmp_path):
    photo = portraits / "test/obama_and_biden.jpg"
    done = call("explain", photo, "-m", model, "-o", tmp_path / "out", "--face", 1, "--json")
    told = json.loads(done.stdout)
    assert len(told["faces"]) == 3 and told["explained"] == 1 and told["status"] == "ok"
    (inferred,) = json.loads(call("infer", "-m", model, photo, "--json").stdout)["faces"]
    assert inferred["name"] and told["decision"]["name"] == inferred["name"]
    closest = told["measured"]["closest"]
    assert closest[0]["name"] == inferred["name"] and len(closest) == 5
    assert closest[0]["distance"] < told["measured"]["limit"] < closest[1]["distance"]
    assert [p["distance"] for p in closest] == sorted(p["distance"] for p in closest)
    assert closest[0]["score"] == pytest.approx(told["decision"]["score"], abs=1e-3)
    assert np.linalg.norm(told["measured"]["vector"]) == pytest.approx(1, abs=1e-3)
    for what in ("boxes", "hog", "landmarks", "align"):
        assert Image.open(told["files"][what]).width > 300
    page = Page(tmp_path / "out/index.html")
    assert not page.fetched and len(page.pictures) >= 6 and "<script" not in page.text
    assert page.headings[0] == f"This is {inferred['name']}" and len(page.headings) == 7
    call("explain", photo, "-m", model, "-o", tmp_path / "out", "--face", 2)  # its own files
    assert inferred["name"] not in Page(tmp_path / "out/index.html").headings[0]
    assert "1 to 3" in refused("explain", photo, "-m", model, "-o", tmp_path / "o", "--face", 4)


def test_without_a_model_nobody_is_named(astronaut, tmp_path):
    told = json.loads(call("explain", astronaut, "-o", tmp_path, "--json").stdout)
    assert told["decision"] is None and not told["measured"]["closest"]
    assert told["measured"]["nearest_stranger"] > 0 and 0 < told["measured"]["limit"] < 1
    assert Page(tmp_path / "index.html").headings[:2] == ["1 face found", "Find the faces"]
    assert "--far" in refused("explain", astronaut, "-o", tmp_path, "--far", "1%")
    assert "recipe" in refused("explain", astronaut, "-m", tmp_path, "--embedder", "dlib")


def test_a_photo_without_a_face(tmp_path):
    blank = save(tmp_path / "blank.png", np.full((300, 400, 3), 120, np.uint8))
    done = call("explain", blank, "-o", tmp_path / "out", expect=1)
    assert "no face found" in done.stdout
    assert Page(tmp_path / "out/index.html").headings[0] == "No face was found"
    call("explain", blank, "-o", tmp_path / "hog", "--step", "hog", expect=1)
    assert "no face" in refused("explain", blank, "-o", tmp_path / "a", "--step", "align")
    (tmp_path / "theirs").mkdir()
    (tmp_path / "theirs/index.html").write_text("mine")
    assert "was not made here" in refused("explain", blank, "-o", tmp_path / "theirs")


@pytest.mark.parametrize("step", ["hog", "landmarks", "align"])
def test_one_step_alone(step, astronaut, tmp_path):
    call("explain", astronaut, "-o", tmp_path, "--step", step)
    assert [path.name for path in tmp_path.iterdir()] == [f"{step}.png"]


def test_an_unknown_step_is_refused(astronaut, tmp_path):
    with pytest.raises(UsageError, match="no step"):
        explain(astronaut, tmp_path, Pipeline(recipe()), step="nose")


def test_what_is_missing_is_named(astronaut, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "skimage", None)
    said = refused("explain", astronaut, "-o", tmp_path, "--step", "hog")
    assert "openfaceplus[plots]" in said


def test_edges_are_where_the_picture_has_them():
    """A bright right half: strokes stand along its edge, and nowhere else."""
    pixels = np.zeros((240, 240, 3), np.uint8)
    pixels[:, 120:] = 255
    small, strokes = hog.hog(pixels, Box(80, 80, 160, 160))
    assert small.shape == strokes.shape
    columns = strokes[:8, ..., 1].max(axis=0).reshape(-1, 32).max(axis=1)  # a cell each
    bright = np.flatnonzero(columns > 100)
    assert len(bright) <= 2 and abs(bright.mean() - len(columns) / 2) <= 1


def test_the_face_fills_the_picture_however_large_it_is():
    for side in (30, 100, 1500):
        pixels = np.zeros((2000, 2000, 3), np.uint8)
        pixels[200 : 200 + side, 300 : 300 + side] = 255
        part, scale, _ = face.around(pixels, Box(300, 200, 300 + side, 200 + side), room=2.0)
        assert part.shape == (640, 640, 3) and scale == pytest.approx(320 / side)
        assert (part > 127).mean() == pytest.approx(0.25, abs=0.03)


def test_bars_and_hills_stay_in_their_frame():
    path = shapes.bars(np.array([1.0, -2.0, 5.0]), 300, 100, 2.0)
    tall = [float(h) for h in re.findall(r"v(-?[\d.]+)", path)]
    assert tall == [-25, 50, -50]
    hill = shapes.density(np.array([0.5] * 9 + [0.9]), 0, 1, 300, 100)
    numbers = np.array([float(n) for n in re.findall(r"-?\d+\.?\d*", hill)]).reshape(-1, 2)
    assert numbers[:, 1].min() == 0 and numbers[:, 1].max() == 100
    assert numbers[numbers[:, 1].argmin(), 0] == pytest.approx(150, abs=5)
    assert shapes.density(np.zeros(0), 0, 1, 300, 100) == ""
