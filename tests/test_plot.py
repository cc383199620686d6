"""Embeddings as a map, and people against people."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from running import call, refused
from test_explain import Page

from openfaceplus.errors import UsageError
from openfaceplus.pictures import maps
from openfaceplus.stages.plot import METHODS, draw_map, flattened


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_who_is_alike_lies_together(method):
    generator = np.random.default_rng(0)
    labels = np.repeat(np.arange(3), 12)
    vectors = np.eye(16)[labels] + 0.05 * generator.normal(size=(36, 16))
    places = flattened(vectors, method)
    assert places.shape == (36, 2)
    np.testing.assert_allclose(places, flattened(vectors, method), rtol=1e-4)  # again the same
    middles = np.stack([places[labels == i].mean(axis=0) for i in range(3)])
    nearest = np.linalg.norm(places[:, None] - middles, axis=2).argmin(axis=1)
    assert (nearest == labels).all()


@pytest.mark.parametrize("count", [1, 2, 4])
def test_few_photos_have_places_too(count):
    for method in ("pca", "tsne"):
        assert np.isfinite(flattened(np.eye(8)[:count], method)).all()


def test_a_map_of_a_model(model, tmp_path):
    words = ("plot", "embeddings", model, "-o", tmp_path, "--by", "pca", "--json")
    told = json.loads(call(*words).stdout)
    assert {point["person"] for point in told["points"]} == {"alex", "biden", "kit", "obama",
                                                             "rose"}  # fmt: skip
    page = (tmp_path / "embeddings.html").read_text()
    assert page.count("<circle") == len(told["points"]) == page.count('data-chip="data:image')
    assert not Page(tmp_path / "embeddings.html").fetched
    assert Image.open(told["files"]["png"]).width > 800
    call(*words[:3], "-o", tmp_path)  # its own files it replaces
    (tmp_path / "embeddings.png").write_bytes(b"mine")
    assert "was not made here" in refused(*words[:3], "-o", tmp_path, "--by", "pca")


def test_a_photo_in_the_wrong_folder_is_named(model, tmp_path):
    """The embedding of one of Obama's photos is said to be Kit's."""
    folder = tmp_path / "generated-embeddings"
    folder.mkdir()
    for name in ("reps.csv", "representation.json"):
        (folder / name).write_bytes((model / "generated-embeddings" / name).read_bytes())
    labels = (model / "generated-embeddings/labels.csv").read_text()
    (folder / "labels.csv").write_text(labels.replace("/obama/obama2", "/kit/obama2"))
    made = draw_map(tmp_path, tmp_path / "out", "pca")
    (number,) = made.odd
    assert Path(made.enrolled.chips[number]).stem == "obama2" and "obama" in made.odd[number]
    assert "kit, like obama" in (tmp_path / "out/embeddings.html").read_text()


def test_people_against_people(model, tmp_path):
    told = json.loads(call("plot", "distances", model, "-o", tmp_path, "--json").stdout)
    distances = [pair["distance"] for pair in told["pairs"]]
    assert len(distances) == 10 and distances == sorted(distances) and distances[0] > 0.3
    page = Page(tmp_path / "distances.html")
    assert len(page.pictures) == 21 and not page.fetched
    assert "Most alike" in call("plot", "distances", model, "-o", tmp_path).stdout


def test_what_cannot_be_drawn(tmp_path, monkeypatch):
    assert "not there" in refused("plot", "embeddings", tmp_path)
    monkeypatch.setitem(sys.modules, "umap", None)
    with pytest.raises(UsageError, match="umap-learn"):
        flattened(np.eye(8), "umap")
    with pytest.raises(UsageError, match="no method"):
        flattened(np.eye(8), "map")
    assert set(METHODS) == {"pca", "tsne", "umap"}
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert "openfaceplus[plots]" in refused("plot", "embeddings", tmp_path)


def test_neighbours_differ_in_colour():
    colours = [maps.colour(number) for number in range(50)]
    assert len(set(colours)) == 50
    values = np.array([[int(c[i : i + 2], 16) for i in (1, 3, 5)] for c in colours], float)
    assert np.linalg.norm(values[1:] - values[:-1], axis=1).min() > 60
