"""The network in 8-bit integers: near the float one, never mixed with it, the same everywhere."""

from __future__ import annotations

import numpy as np
import pytest
from running import call, portrait, refused
from weight_files import dlib_layers, own_cache, write_dlib

from openfaceplus import embedding, gallery, weights
from openfaceplus.alignment import chip
from openfaceplus.embedding.nets import dlib_int8, dlib_plan
from openfaceplus.errors import ModelCorrupt, SpaceMismatch, UsageError
from openfaceplus.faces import ChipSpec
from openfaceplus.pipeline import Pipeline
from openfaceplus.recipe import recipe
from openfaceplus.weights.formats import read_dlib_dat

cache = pytest.fixture(own_cache, scope="module", autouse=True)


@pytest.fixture(scope="module")
def float32(cache):
    return embedding.create("dlib", threads=1)


@pytest.fixture(scope="module")
def int8(cache):
    return embedding.create("dlib-int8", threads=1)


@pytest.fixture(scope="module")
def graph(cache):
    path = weights.require("dlib-resnet")
    return dlib_int8.build(dlib_plan.fold(read_dlib_dat(path), path))


@pytest.fixture(scope="module")
def chips():
    """(12, 150, 150, 3): one face with each border of six views, darker and brighter, mirrored."""
    pipeline = Pipeline(recipe(views=6), threads=1)
    (face,) = pipeline.look([portrait()])[0].faces
    views = np.stack(
        [
            chip.crop(portrait(), face.landmarks, ChipSpec(150, "dlib", padding))
            for padding in (0.20, 0.25, 0.32)
        ]
    )
    lights = np.concatenate([views * 0.6, np.minimum(views * 1.2, 255)]).astype(np.uint8)
    return np.concatenate([lights, lights[:, :, ::-1]])


def unit(vectors):
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def cosines(a, b):
    return (unit(a) * unit(b)).sum(axis=1)


# Its vectors


def test_vectors_are_near_the_float_ones(float32, int8, chips):
    found = cosines(int8.embed(chips), float32.embed(chips))
    assert found.min() > 0.998 and np.median(found) > 0.999


def test_vectors_of_several_people_are_as_far_apart(float32, int8, portraits):
    pipeline = Pipeline(recipe(), threads=1)
    faces = []
    for path in sorted(portraits.glob("train/*/*.jpg")):
        (found,) = pipeline.look([path], largest=True, vectors="none", chips=True)
        faces += [chip.pixels for chip in found.chips]
    a, b = (unit(one.embed(np.stack(faces))) for one in (float32, int8))
    assert len(faces) >= 5
    np.testing.assert_allclose(b @ b.T, a @ a.T, rtol=0, atol=0.01)


def test_neither_batch_nor_threads_play_a_part(int8, chips):
    together = int8.embed(chips)
    np.testing.assert_array_equal(int8.embed(chips), together)
    alone = np.concatenate([int8.embed(chip[None]) for chip in chips])
    np.testing.assert_allclose(alone, together, rtol=0, atol=1e-6)
    threads = embedding.create("dlib-int8", threads=2).embed(chips)
    np.testing.assert_allclose(threads, together, rtol=0, atol=1e-6)


def test_the_graph_means_what_onnx_says(graph, int8, chips):
    """ONNX's own slow evaluator, operation by operation, on maps that were rounded to integers."""
    from onnx import ModelProto
    from onnx.reference import ReferenceEvaluator

    newer = ModelProto.FromString(graph.SerializeToString())
    newer.opset_import[0].version = 19  # the oldest with quantising that the evaluator knows
    (expected,) = ReferenceEvaluator(newer).run(None, {"pixels": chips[:1]})
    assert cosines(int8.embed(chips[:1]), expected) > 0.9999


# Its graph


def test_sixteen_bits_hold_any_two_products(graph):
    from onnx import TensorProto, numpy_helper

    kernels = [
        numpy_helper.to_array(values).astype(int)
        for values in graph.graph.initializer
        if values.data_type == TensorProto.INT8 and len(values.dims) == 4
    ]
    assert len(kernels) == 29
    largest = max(np.abs(kernel).max() for kernel in kernels)
    assert largest == 64 and 255 * 2 * largest < 2**15


def test_only_the_end_is_float(graph, tmp_path):
    import onnx
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.optimized_model_filepath = str(tmp_path / "run.onnx")
    onnxruntime.InferenceSession(
        graph.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    run = [node.op_type for node in onnx.load(tmp_path / "run.onnx").graph.node]
    assert run.count("QLinearConv") == 29 and run.count("QLinearAdd") == 13
    assert not {"Conv", "QuantizeLinear", "AveragePool", "Cast"} & set(run)


def test_channels_without_weights_keep_their_bias():
    rng = np.random.default_rng(0)
    kernel = rng.normal(0, 1, (4, 3, 3, 3)).astype(np.float32)
    kernel[1] = kernel[2] = 0
    bias = np.array([0.5, -3, 0, 1e4], np.float32)
    rounded, scales = dlib_int8.quantize(dlib_plan.Conv(kernel, bias), np.float32(0.02))
    assert np.isfinite(scales).all() and (scales > 0).all()
    step = np.float32(0.02) * scales
    np.testing.assert_allclose(np.rint(bias / step) * step, bias, rtol=1e-3)
    assert np.abs(rounded * scales[:, None, None, None] - kernel)[:3].max() < 0.05


# Its place


def test_its_space_is_its_own(float32, int8, chips):
    assert int8.chip == float32.chip and int8.dim == float32.dim
    assert int8.space.weights == float32.space.weights and int8.space != float32.space
    made = gallery.create("exact", float32.space, dim=128)
    made.add(["a"], unit(float32.embed(chips[:1])))
    with pytest.raises(SpaceMismatch, match="int8"):
        made.search(unit(int8.embed(chips[:1])), space=int8.space)


@pytest.mark.parametrize("views", [1, 2, 6])
def test_all_views_work(views):
    pipeline = Pipeline(recipe(embedder="dlib-int8", views=views), threads=1)
    (vector,) = pipeline.look([portrait()])[0].vectors
    assert np.linalg.norm(vector) == pytest.approx(1, abs=1e-5)
    assert f"int8/{views}v@" in str(pipeline.space)
    other = Pipeline(recipe(views=views), threads=1)
    assert vector @ other.look([portrait()])[0].vectors[0] > 0.998


def test_other_weights_are_refused(tmp_path):
    path = write_dlib(tmp_path / "other.dat", dlib_layers())
    with pytest.raises(ModelCorrupt, match=r"other\.dat.*embedder dlib "):
        embedding.create("dlib-int8", weights=path)
    whole = weights.require("dlib-resnet").read_bytes()
    damaged = tmp_path / "damaged.dat"
    damaged.write_bytes(whole[:-70_000])
    with pytest.raises(ModelCorrupt, match=r"damaged\.dat"):
        embedding.create("dlib-int8", weights=damaged)


@pytest.mark.parametrize("options", [{"device": "cuda"}, {"engine": "torch"}, {"engine": "caffe"}])
def test_it_runs_on_the_cpu_only(options):
    with pytest.raises(UsageError, match=r"CPU.*embedder dlib"):
        embedding.create("dlib-int8", **options)


def test_train_and_infer(portraits, tmp_path, model):
    made = tmp_path / "model"
    call("train", portraits / "train", "-o", made, "--embedder", "dlib-int8", "--jobs", 1)
    for photo, name in (("obama1", "obama"), ("alex1", "alex")):
        said = call("infer", "-m", made, portraits / f"test/{photo}.jpg").stdout
        assert f"Predict {name} with" in said
    from openfaceplus.weights import safe

    tree = safe.load(model / "generated-embeddings/classifier.pkl")
    changed = tree | {"recipe": tree["recipe"] | {"embedder": "dlib-int8"}}
    safe.dump(tmp_path / "classifier.pkl", changed)
    said = refused("infer", "-m", tmp_path / "classifier.pkl", portraits / "test/obama1.jpg")
    assert "dlib-resnet-v1-int8/2v" in said and "dlib-resnet-v1/2v" in said
