"""OpenFace's nn4.small2: its golden output, and its weights from every kind of file."""

from __future__ import annotations

import json

import numpy as np
import pytest
from running import ALIGN, REPRESENT, call, people, refused, table
from weight_files import T7Writer, lua_network, nn4_state, own_cache, write_csvs, write_pt

from openfaceplus import embedding
from openfaceplus.embedding.nets import nn4_plan
from openfaceplus.embedding.openface import OpenFaceNn4Small2
from openfaceplus.errors import ModelMissing

CLOSE = {"rtol": 0, "atol": 1e-5}

cache = pytest.fixture(own_cache, scope="module", autouse=True)


@pytest.fixture(scope="module")
def state():
    return nn4_state()


@pytest.fixture(scope="module")
def network(state):
    from openfaceplus.embedding.nets.nn4_small2 import NN4Small2

    return NN4Small2().fill(state)


@pytest.fixture(scope="module")
def from_pt(state, tmp_path_factory):
    path = write_pt(tmp_path_factory.mktemp("pt") / "nn4.small2.v1.pt", state)
    return embedding.create("openface", weights=path, threads=1)


@pytest.fixture
def chips():
    return np.random.default_rng(0).integers(0, 256, (3, 96, 96, 3), np.uint8)


def features(network, pixels):
    import torch

    with torch.inference_mode():
        return network.features(torch.tensor(pixels)).numpy()


def test_parameters(network, state):
    assert sum(values.numel() for values in network.parameters()) == 3_733_968
    assert sum(values.numel() for values in network.state_dict().values()) == 3_743_280
    assert list(network.state_dict()) == list(state)


def test_keys_are_upstreams(state, golden):
    lines = [f"{key} {list(values.shape)}" for key, values in state.items()]
    assert lines == (golden / "nn4_small2_keys.txt").read_text().splitlines()


def test_golden_output(network, golden):
    made = json.loads((golden / "nn4_small2_golden.json").read_text())
    pixels = np.random.default_rng(0).uniform(0, 1, (2, 3, 96, 96)).astype(np.float32)
    np.testing.assert_allclose(features(network, pixels), made["output"], **CLOSE)


def test_pixels_are_taken_as_they_are(from_pt, network, chips):
    vectors = from_pt.embed(chips)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, **CLOSE)
    scaled = chips.transpose(0, 3, 1, 2) / np.float32(255)
    np.testing.assert_allclose(features(network, scaled), vectors, **CLOSE)


def test_every_kind_of_file_gives_the_same(tmp_path, from_pt, state, chips):
    files = [
        T7Writer().write(tmp_path / "nn4.small2.v1.t7", lua_network(state)),
        write_csvs(tmp_path / "csv", nn4_plan.layers(), state),
    ]
    expected = from_pt.embed(chips)
    digests = {from_pt.space.weights}
    for path in files:
        other = embedding.create("openface", weights=str(path))
        np.testing.assert_allclose(other.embed(chips), expected, **CLOSE)
        digests.add(other.space.weights)
    assert len(digests) == 3
    (tmp_path / "csv" / "bn1_w.csv").write_text("1\n" * 64)
    assert embedding.create("openface", weights=files[1]).space.weights not in digests


def test_weights_that_are_nowhere(tmp_path):
    with pytest.raises(ModelMissing, match="absent"):
        embedding.create("openface", weights=tmp_path / "absent.t7")
    with pytest.raises(ModelMissing, match="no CSV"):
        embedding.create("openface", weights=tmp_path)


def test_weights_come_with_the_package(portraits, monkeypatch):
    monkeypatch.setenv("OPENFACEPLUS_OFFLINE", "1")
    monkeypatch.setenv("OPENFACEPLUS_MODELS", "")
    (first, *_), *others = (
        sorted(one.iterdir()) for one in sorted((portraits / "train").iterdir())
    )
    mate = next(photos for photos in others if len(photos) > 1)
    words = ("verify", "--profile", "openface", "--json")
    same = json.loads(call(*words, *mate[:2]).stdout)
    different = json.loads(call(*words, first, mate[0], expect=1).stdout)
    assert same["same"] and not different["same"]
    assert same["distance"] < different["distance"] - 0.2
    assert "commercially" in refused(*words, *mate[:2], "--commercial")


def test_the_weights_that_are_here_come_first(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENFACEPLUS_MODELS", str(tmp_path))
    for file, name in [
        ("another.pt", "nn4.small2-lfw"),
        ("nn4.small2.v1.t7", "nn4.small2-t7"),
        ("nn4.small2.v1.pt", "nn4.small2"),
    ]:
        (tmp_path / file).touch()
        assert OpenFaceNn4Small2.model() == name


def test_the_lua_file_alone_will_do_for_the_commands(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENFACEPLUS_OFFLINE", "1")
    root = people(tmp_path / "photos", a=1)
    align = (ALIGN, root, "align", "outerEyesAndNose")
    represent = (REPRESENT, "-outDir", tmp_path / "e", "-data")
    call(*align, tmp_path / "without", "--jobs", 1)
    monkeypatch.setenv("OPENFACEPLUS_MODELS", str(tmp_path))
    (tmp_path / "nn4.small2.v1.t7").touch()
    call(*align, tmp_path / "with", "--jobs", 1)
    points = [
        len(table(tmp_path / chips / "alignment.csv")[0]["landmarks"].split(";"))
        for chips in ("without", "with")
    ]
    assert points == [5, 68]
    # The file is empty here, but it is the one that was chosen.
    assert "nn4.small2.v1.t7" in refused(*represent, tmp_path / "with")
