"""Embedders: equal to dlib, and true to the contract, whatever the engine, batch or file."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from weight_files import dlib_layers, nn4_state, own_cache, write_dlib, write_pt

from openfaceplus import embedding, weights
from openfaceplus.embedding import engine
from openfaceplus.errors import ModelCorrupt, UsageError
from openfaceplus.faces import ChipSpec
from openfaceplus.weights import graph_cache

ENGINES = "onnx", "torch"
CLOSE = {"rtol": 0, "atol": 1e-5}

cache = pytest.fixture(own_cache, scope="module", autouse=True)


@pytest.fixture(scope="module")
def dlib_embedders(cache):
    return {name: embedding.create("dlib", engine=name, threads=1) for name in ENGINES}


@pytest.fixture(scope="module")
def chips():
    """(18, 150, 150, 3): a face, its mirror image, and noise."""
    from PIL import Image
    from skimage import data

    photo = Image.fromarray(data.astronaut()).crop((150, 20, 310, 180)).resize((150, 150))
    face = np.asarray(photo)
    noise = np.random.default_rng(0).integers(0, 256, (16, 150, 150, 3), np.uint8)
    return np.concatenate([face[None], face[None, :, ::-1], noise])


@pytest.fixture(scope="module")
def dlib_network():
    import dlib

    return dlib.face_recognition_model_v1(str(weights.require("dlib-resnet")))


@pytest.fixture(scope="module")
def nn4(cache, tmp_path_factory):
    """OpenFace's network with synthetic weights."""
    path = write_pt(tmp_path_factory.mktemp("pt") / "nn4.small2.v1.pt", nn4_state())
    return embedding.create("openface", weights=path, threads=1)


def reference(network, chips):
    return np.array([network.compute_face_descriptor(np.ascontiguousarray(c)) for c in chips])


# dlib's ResNet


@pytest.mark.parametrize("name", ENGINES)
def test_dlib_agrees_with_dlib(dlib_embedders, dlib_network, chips, name):
    found = dlib_embedders[name].embed(chips)
    assert found.dtype == np.float32 and found.shape == (len(chips), 128)
    np.testing.assert_allclose(found, reference(dlib_network, chips), **CLOSE)


def test_dlib_agrees_with_dlib_on_real_faces(dlib_embedders, dlib_network, portraits):
    import dlib
    from PIL import Image

    detector = dlib.get_frontal_face_detector()
    points = dlib.shape_predictor(str(weights.require("dlib-landmarks-5")))
    chips = []
    for path in sorted(portraits.glob("train/*/*.jpg")):
        photo = Image.open(path).convert("RGB")
        photo.thumbnail((600, 600))
        photo = np.array(photo)
        for box in detector(photo, 0):
            chips.append(dlib.get_face_chip(photo, points(photo, box), size=150, padding=0.25))
    assert len(chips) >= 5
    expected = reference(dlib_network, chips)
    for embedder in dlib_embedders.values():
        np.testing.assert_allclose(embedder.embed(np.stack(chips)), expected, **CLOSE)


def test_dlib_from_a_file_of_other_weights(tmp_path, chips):
    path = write_dlib(tmp_path / "other.dat", dlib_layers())
    first, second = (embedding.create("dlib", weights=path, engine=name) for name in ENGINES)
    assert first.space == second.space != embedding.create("dlib").space
    expected = first.embed(chips)
    assert np.abs(expected).max() > 0.1
    np.testing.assert_allclose(second.embed(chips), expected, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("damage", [lambda data: data[:-70_000], lambda data: b"nothing"])
def test_dlib_from_damaged_files(tmp_path, damage):
    path = write_dlib(tmp_path / "other.dat", dlib_layers())
    path.write_bytes(damage(path.read_bytes()))
    for name in ENGINES:
        with pytest.raises(ModelCorrupt, match=r"other\.dat"):
            embedding.create("dlib", weights=path, engine=name)


# What every embedder promises


@pytest.fixture(params=["onnx", "torch", "nn4"])
def embedder(request, dlib_embedders, nn4):
    return (dlib_embedders | {"nn4": nn4})[request.param]


def random_chips(embedder, count, seed=0):
    size = embedder.chip.size
    return np.random.default_rng(seed).integers(0, 256, (count, size, size, 3), np.uint8)


def test_embedding_is_deterministic_and_batch_invariant(embedder):
    chips = random_chips(embedder, 37)
    together = embedder.embed(chips)
    np.testing.assert_array_equal(embedder.embed(chips), together)
    alone = np.concatenate([embedder.embed(chip[None]) for chip in chips])
    np.testing.assert_allclose(alone, together, **CLOSE)
    np.testing.assert_allclose(embedder.embed(chips[::-1]), together[::-1], **CLOSE)


def test_no_chips_give_no_rows(embedder):
    assert embedder.embed(random_chips(embedder, 0)).shape == (0, embedder.dim)


def test_views_and_read_only_chips_will_do(embedder):
    chips = random_chips(embedder, 2)
    expected = embedder.embed(np.ascontiguousarray(chips[:, :, ::-1]))
    chips.flags.writeable = False
    np.testing.assert_allclose(embedder.embed(chips[:, :, ::-1]), expected, **CLOSE)


def test_wrong_chips_are_refused(embedder):
    chips, size = random_chips(embedder, 2), embedder.chip.size
    wrong = [chips[0], chips[..., 0], chips[:, :-1], chips.transpose(0, 3, 1, 2)]
    wrong += [chips.astype(np.float32), [chips], None]
    for pixels in wrong:
        with pytest.raises(UsageError, match=rf"expects chips .*\(n, {size}, {size}, 3\).*; got "):
            embedder.embed(pixels)


def test_embedders_say_what_they_want_and_give(dlib_embedders, nn4):
    catalogued = weights.find("dlib-resnet").sha256
    for found in dlib_embedders.values():
        assert found.chip == ChipSpec(150, "dlib", 0.25) and found.dim == 128
        assert (found.space.name, found.space.weights) == ("dlib-resnet-v1", catalogued)
    assert nn4.chip == ChipSpec(96, "outerEyesAndNose") and nn4.dim == 128
    assert nn4.space.name == "openface-nn4.small2-v1" and len(nn4.space.weights) == 64


def test_unknown_names_and_options():
    with pytest.raises(UsageError, match=r"'nothing'.*dlib, openface"):
        embedding.create("nothing")
    with pytest.raises(UsageError, match=r"'caffe'.*auto, onnx, torch"):
        embedding.create("dlib", engine="caffe")
    with pytest.raises(UsageError, match="device 'abacus'"):
        embedding.create("dlib", device="abacus")
    with pytest.raises(UsageError, match="engine torch"):
        embedding.create("dlib", device="cuda", engine="onnx")
    with pytest.raises(UsageError, match="0 threads"):
        embedding.create("dlib", threads=0)


def test_the_onnx_engine_loads_no_torch(cache):
    embedding.create("dlib", engine="onnx")
    code = (
        "import sys, openfaceplus.embedding as e; heavy = lambda: "
        "{'torch', 'onnx', 'onnxruntime', 'dlib', 'cv2'} & set(sys.modules);"
        "assert not heavy(), heavy(); e.create('dlib'); assert heavy() == {'onnxruntime'}, heavy()"
    )
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[1])


# The graph of the ONNX engine


def test_graphs_are_cached_and_mended(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENFACEPLUS_CACHE", str(tmp_path))
    made = []
    get = lambda: graph_cache.cached("g", lambda: made.append(1) or b"graph")  # noqa: E731
    assert (get(), get(), len(made)) == (b"graph", b"graph", 1)
    (file,) = (tmp_path / "graphs").iterdir()
    for damaged in (file.read_bytes()[:-1], b"", b"\x00" * 40):
        file.write_bytes(damaged)
        made.clear()
        assert (get(), get(), len(made)) == (b"graph", b"graph", 1)


def test_a_cache_that_cannot_be_written_is_done_without(tmp_path, monkeypatch, chips):
    blocked = tmp_path / "file"
    blocked.write_text("in the way")
    monkeypatch.setenv("OPENFACEPLUS_CACHE", str(blocked))
    assert embedding.create("dlib", engine="onnx").embed(chips[:1]).shape == (1, 128)
    assert blocked.read_text() == "in the way"


def test_what_is_no_graph_is_refused():
    for graph in (b"", b"no graph", b"\x08" * 1000):
        with pytest.raises(ModelCorrupt, match=r"^some file: "):
            engine.OnnxEngine(graph, name="some file")


# A GPU, where one is at hand


@pytest.mark.parametrize("name", ["dlib", "openface"])
def test_gpu_agrees_with_the_cpu(dlib_embedders, nn4, name, tmp_path):
    torch = pytest.importorskip("torch")
    if not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    cpu = nn4 if name == "openface" else dlib_embedders["onnx"]
    path = write_pt(tmp_path / "nn4.pt", nn4_state()) if name == "openface" else None
    chips = random_chips(cpu, 40)
    found = embedding.create(name, weights=path, device="cuda").embed(chips)
    np.testing.assert_allclose(found, cpu.embed(chips), rtol=0, atol=1e-3)
