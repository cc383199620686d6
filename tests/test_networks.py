"""Networks that people bring: FaceNet, ONNX embedders, TensorFlow detectors; and bad files."""

from __future__ import annotations

import itertools
import json
import shutil

import numpy as np
import onnx_files
import pytest
import sample_photos
from running import call, portrait, refused
from weight_files import facenet_state, own_cache, write_facenet_h5, write_pt

import openfaceplus
from openfaceplus import detect, embedding
from openfaceplus.alignment.chip import crop, similarity
from openfaceplus.embedding.facenet import from_keras
from openfaceplus.embedding.onnx import prepare
from openfaceplus.errors import ModelCorrupt, ModelMissing, StorageError, UnsafeFile, UsageError
from openfaceplus.faces import Box, ChipSpec
from openfaceplus.recipe import EmbedderChoice, Recipe, recipe
from openfaceplus.weights.embedder_spec import EmbedderSpec, read_spec
from openfaceplus.weights.formats import read_keras_h5

CLOSE = {"rtol": 0, "atol": 1e-5}

cache = pytest.fixture(own_cache, scope="module", autouse=True)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("networks")


@pytest.fixture(scope="module")
def tiny(folder):
    return onnx_files.embedder(folder / "tiny.onnx")


@pytest.fixture(scope="module")
def state():
    return facenet_state()


@pytest.fixture(scope="module")
def network(state):
    from openfaceplus.embedding.nets.inception_resnet_v1 import InceptionResnetV1

    return InceptionResnetV1().fill(state)


def chips(size, count=2):
    return np.random.default_rng(1).integers(0, 256, (count, size, size, 3), np.uint8)


# FaceNet


def test_facenets_golden_output(state, network, golden):
    import torch

    lines = [f"{key} {list(values.shape)}" for key, values in state.items()]
    keys = golden / "inception_resnet_v1_keys.txt"
    assert lines == keys.read_text().splitlines()
    assert sum(values.numel() for values in network.parameters()) == 23_482_624
    made = json.loads((golden / "inception_resnet_v1_golden.json").read_text())
    pixels = np.random.default_rng(0).normal(0, 1, (2, 3, 160, 160)).astype(np.float32)
    with torch.inference_mode():
        found = torch.nn.functional.normalize(network.features(torch.tensor(pixels))).numpy()
    np.testing.assert_allclose(found, made["output"], **CLOSE)


def test_facenet_pytorchs_file(state, network, folder):
    import torch

    # Upstream's file has the classifier it was trained with, and counters.
    extra = {
        "logits.weight": np.zeros((8631, 512), np.float32),
        "logits.bias": np.zeros(8631, np.float32),
        "last_bn.num_batches_tracked": np.float32(3),
    }
    made = embedding.create("facenet", weights=write_pt(folder / "vggface2.pt", state | extra))
    pixels = chips(160)
    found = made.embed(pixels)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, **CLOSE)
    scaled = (pixels.transpose(0, 3, 1, 2).astype(np.float32) - 127.5) / 128
    with torch.inference_mode():
        raw = network.features(torch.tensor(scaled)).numpy()
    np.testing.assert_allclose(found, raw / np.linalg.norm(raw, axis=1, keepdims=True), **CLOSE)


@pytest.mark.heavy
def test_the_tutorials_keras_file(folder):
    import torch

    from openfaceplus.embedding.nets.inception_resnet_v1 import InceptionResnetV1, keras_names

    path, written = write_facenet_h5(folder / "facenet_keras.h5", facenet_state(128))
    # Weights saved alone lie one level higher.
    alone, _ = write_facenet_h5(folder / "weights.h5", written, whole=False)
    arrays = read_keras_h5(alone)
    found = from_keras(arrays, keras_names(), alone)
    assert set(found) == set(written)
    assert all(np.array_equal(found[key], written[key]) for key in written)
    made = embedding.create("facenet", weights=path)
    assert made.dim == 128
    pixels = np.concatenate([chips(160), np.full((1, 160, 160, 3), 200, np.uint8)])
    found = made.embed(pixels)
    x = pixels.astype(np.float64)
    mean, deviation = x.mean((1, 2, 3), keepdims=True), x.std((1, 2, 3), keepdims=True)
    white = (x - mean) / np.maximum(deviation, 1 / np.sqrt(160 * 160 * 3))
    network = InceptionResnetV1(128).fill(written)
    with torch.inference_mode():
        wanted = network.features(torch.tensor(white.transpose(0, 3, 1, 2).astype(np.float32)))
    np.testing.assert_allclose(found, wanted.numpy(), rtol=1e-5, atol=1e-5)
    assert np.abs(np.linalg.norm(found, axis=1) - 1).min() > 0.01, "not of unit length"


def test_facenet_files_that_are_none(folder, tiny, state):
    bad = folder / "noise.h5"
    bad.write_bytes(b"no hdf5" * 100)
    with pytest.raises(ModelCorrupt, match="no HDF5 file"):
        embedding.create("facenet", weights=bad)
    import h5py

    with h5py.File(folder / "other.h5", "w") as file:
        file["dense/dense/kernel:0"] = np.zeros((2, 2))
    with pytest.raises(ModelCorrupt, match="Conv2d_1a_3x3/kernel is missing"):
        embedding.create("facenet", weights=folder / "other.h5")
    with pytest.raises(ModelCorrupt, match="last_linear"):
        embedding.create("facenet", weights=write_pt(folder / "x.pt", {"a": np.zeros(2, "f4")}))
    cut_short = {k: v for k, v in state.items() if k != "block8.conv2d.bias"}
    with pytest.raises(ModelCorrupt, match=r"block8\.conv2d\.bias is missing"):
        embedding.create("facenet", weights=write_pt(folder / "y.pt", cut_short))
    with pytest.raises(ModelCorrupt, match="112x112, not nx3x160x160"):
        embedding.create("facenet", weights=tiny)
    with pytest.raises(UsageError, match="std belongs to the network"):
        embedding.create("facenet", weights=write_pt(folder / "z.pt", {"a": np.zeros(2, "f4")}),
                         spec=EmbedderSpec(160, std=1.0))  # fmt: skip
    import torch

    torch.save({"a": print}, folder / "code.pt")
    with pytest.raises((UnsafeFile, ModelCorrupt)):
        embedding.create("facenet", weights=folder / "code.pt")


# ONNX embedders


@pytest.mark.parametrize("name, colour, mean, std", [
    ("arcface", "RGB", 127.5, 127.5), ("adaface", "BGR", 127.5, 127.5), ("sface", "RGB", 0, 1),
])  # fmt: skip
def test_presets_prepare_pixels_as_upstream_does(name, colour, mean, std, tiny):
    import onnxruntime

    pixels = chips(112)
    ordered = pixels if colour == "RGB" else pixels[..., ::-1]
    given = (ordered.transpose(0, 3, 1, 2).astype(np.float32) - mean) / std
    session = onnxruntime.InferenceSession(str(tiny), providers=["CPUExecutionProvider"])
    made = embedding.create(name, weights=tiny, threads=1)
    np.testing.assert_allclose(
        made.embed(pixels), session.run(None, {"x": given.astype(np.float32)})[0], atol=2e-4
    )
    assert made.space.name == name and made.chip == ChipSpec(112, "arcface")


def test_a_spec_describes_any_network(folder, tiny):
    nhwc = onnx_files.embedder(folder / "nhwc.onnx", 96, layout="NHWC", batch=2, dim=5)
    path = folder / "spec.json"
    path.write_text('{"size": 96, "layout": "NHWC", "standardise": true, "template": "dlib",'
                    '"unit": true}')  # fmt: skip
    chosen = recipe(embedder=EmbedderChoice(f"onnx:{nhwc}", path))
    assert chosen.chip == ChipSpec(96, "dlib", 0.25) and chosen.network == str(nhwc)
    assert Recipe.from_dict(json.loads(json.dumps(chosen.to_dict()))) == chosen
    assert recipe(embedder=f"onnx:{nhwc}", spec=path) == chosen
    made = embedding.create("onnx", weights=nhwc, spec=chosen.spec, threads=1)
    pixels = chips(96, 5)
    found = made.embed(pixels)
    assert found.shape == (5, 5)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, **CLOSE)
    np.testing.assert_allclose(made.embed(pixels[4:]), found[4:], **CLOSE)
    other = embedding.create("onnx", weights=nhwc, spec=EmbedderSpec(96, "NHWC"))
    assert other.space.weights == made.space.weights and other.space.name != made.space.name
    x = prepare(pixels, chosen.spec)
    assert x.shape == (5, 96, 96, 3)
    np.testing.assert_allclose(x.mean((1, 2, 3)), 0, atol=1e-5)
    np.testing.assert_allclose(x.std((1, 2, 3)), 1, atol=1e-4)
    three = prepare(chips(112), EmbedderSpec(mean=(1, 2, 3), std=(2, 2, 4)))
    np.testing.assert_allclose(three[0, 2], (chips(112)[0, :, :, 2] - np.float32(3)) / 4)
    both = onnx_files.embedder(folder / "both.onnx", outputs=2)
    assert embedding.create("onnx", weights=both, spec=EmbedderSpec(output="v")).dim == 16


@pytest.mark.parametrize("text, said", [
    ("[1]", "no JSON object"), ("{", "is no JSON"), ('{"sise": 1}', "no field 'sise'"),
    ('{"size": 4}', "16 to 2048"), ('{"size": "big"}', "16 to 2048"), ('{"layout": 1}', "layout"),
    ('{"colour": "grey"}', "colour"), ('{"mean": [1, 2]}', "mean"), ('{"mean": NaN}', "mean"),
    ('{"std": 0}', "above 0"), ('{"std": "x"}', "std"), ('{"unit": 1}', "unit"),
    ('{"template": "mine"}', "template"), ('{"template": ["dlib"]}', "template"),
    ('{"padding": 0.2}', "padding"), ('{"template": "box", "padding": -1}', "padding"),
    ('{"output": 3}', "output"),
])  # fmt: skip
def test_specs_that_make_no_sense(text, said, tmp_path):
    path = tmp_path / "spec.json"
    path.write_text(text)
    with pytest.raises(UsageError, match=said) as caught:
        read_spec(path, EmbedderSpec())
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


@pytest.mark.parametrize("options, said", [
    ({"size": 96}, "input is nx3x96x96, not nx3x112x112"),
    ({"layout": "NHWC"}, "input is nx112x112x3, not nx3x112x112"),
    ({"outputs": 2}, "2 outputs"), ({"inputs": 2}, "2 inputs"),
    ({"kind": "map"}, "shape"), ({"kind": "total"}, "no fixed length"), ({"kind": "nan"}, "NaN"),
])  # fmt: skip
def test_networks_that_are_no_embedder(options, said, tmp_path):
    path = onnx_files.embedder(tmp_path / "odd.onnx", **options)
    with pytest.raises(ModelCorrupt, match=said) as caught:
        embedding.create("arcface", weights=path)
    assert str(path) in str(caught.value) and "\n" not in str(caught.value)


def test_files_that_are_no_network(tmp_path, tiny):
    noise = tmp_path / "noise.onnx"
    noise.write_bytes(b"\x00no network" * 50)
    half = tmp_path / "half.onnx"
    half.write_bytes(tiny.read_bytes()[: tiny.stat().st_size // 2])
    for path in (noise, half):
        with pytest.raises(ModelCorrupt, match=path.name):
            embedding.create("onnx", weights=path)
        with pytest.raises(ModelCorrupt, match=path.name):
            detect.create(f"ssd:{path}")
    with pytest.raises(ModelMissing, match="absent"):
        embedding.create("sface", weights=tmp_path / "absent.onnx")
    with pytest.raises(UsageError, match=r"arcface:PATH"):
        embedding.create("arcface")
    with pytest.raises(UsageError, match="cuda"):
        embedding.create("arcface", weights=tiny, device="cuda")


def test_recipes_of_other_networks(tiny):
    assert recipe(embedder="arcface").chip == ChipSpec(112, "arcface")
    assert recipe(embedder="facenet").chip == ChipSpec(160, "dlib", 0.35)
    own = ChipSpec(160, "box", 0.2)
    assert recipe(embedder="facenet", chip=own).chip == own
    assert recipe("openface", embedder=None).chip == ChipSpec(96, "outerEyesAndNose")
    with pytest.raises(UsageError, match="dlib needs no spec"):
        recipe(embedder="dlib", spec=EmbedderSpec())
    with pytest.raises(StorageError):
        Recipe.from_dict(recipe().to_dict() | {"spec": {"size": "x"}})
    from openfaceplus.pipeline import Pipeline

    with pytest.raises(UsageError, match=r"several borders.*use 2"):
        Pipeline(recipe(embedder=f"arcface:{tiny}", views=6))


# Chips


def test_a_similarity_is_found_again():
    rng = np.random.default_rng(0)
    points, turn = rng.normal(0, 50, (5, 2)), 0.7 * np.exp(0.4j)
    matrix = np.array([[turn.real, -turn.imag, 12], [turn.imag, turn.real, -3]])
    np.testing.assert_allclose(similarity(points, points @ matrix[:, :2].T + matrix[:, 2]), matrix)
    assert np.isfinite(similarity(np.zeros((3, 2)), rng.normal(0, 1, (3, 2)))).all()


def test_arcface_chips_from_5_and_68_landmarks_are_alike():
    from openfaceplus import weights
    from openfaceplus.alignment.landmarks import MODELS, Landmarks

    photo, box, spec = portrait(), Box(60, 40, 170, 150), ChipSpec(112, "arcface")
    made = [
        crop(photo, Landmarks(weights.require(MODELS[count])).find(photo, box), spec).astype(float)
        for count in (5, 68)
    ]
    assert np.corrcoef(made[0].ravel(), made[1].ravel())[0, 1] > 0.8


def test_a_box_is_cut_with_its_border():
    photo = np.zeros((400, 400, 3), np.uint8)
    photo[100:300, 150:250] = 255  # a box of 100 x 200 pixels
    box, landmarks = Box(150, 100, 250, 300), np.zeros((5, 2), np.float32)
    assert crop(photo, landmarks, ChipSpec(50, "box", 0.0), box).min() > 200
    bordered = crop(photo, landmarks, ChipSpec(100, "box", 0.25), box)
    assert abs((bordered[50, :, 0] > 127).sum() * 1.5 - 100) <= 2
    assert abs((bordered[:, 50, 0] > 127).sum() * 1.5 - 100) <= 2
    with pytest.raises(UsageError, match="box"):
        crop(photo, landmarks, ChipSpec(100, "box", 0.25))


def test_large_faces_are_not_aliased():
    stripes = np.zeros((1120, 1120, 3), np.uint8)
    stripes[:, ::2] = 200
    box = Box(0, 0, 1120, 1120)
    chip = crop(stripes, np.zeros((5, 2), np.float32), ChipSpec(112, "box", 0.0), box)
    assert np.abs(chip[5:-5, 5:-5].astype(int) - 100).max() <= 2


# Detectors


def test_ssd_finds_faces_in_pictures_of_any_size(folder):
    made = detect.create(f"ssd:{onnx_files.ssd(folder / 'ssd.onnx')}")
    for height, width in ((300, 300), (480, 640), (2000, 1500)):
        photo = onnx_files.red_square(height, width, (0.6, 0.3), 0.25)
        ((face,),) = made.detect([photo])
        assert 0.7 <= face.score <= 1
        true = Box(0.475 * width, 0.175 * height, 0.725 * width, 0.425 * height)
        assert face.box.iou(true) > 0.45
        assert face.box.width == pytest.approx(face.box.height)
    two = np.maximum(onnx_files.red_square(400, 400, (0.25, 0.25), 0.25),
                     onnx_files.red_square(400, 400, (0.75, 0.75), 0.25))  # fmt: skip
    two[150:250] = 90
    assert len(made.detect([two])[0]) == 2


def test_ssds_threshold(folder):
    path = onnx_files.ssd(folder / "threshold.onnx")
    photo = onnx_files.red_square(300, 300, (0.6, 0.3), 0.25)
    ((face,),) = detect.create(f"ssd:{path}").detect([photo])
    assert detect.create(f"ssd@{face.score + 0.01}:{path}").detect([photo]) == [[]]
    assert len(detect.create(f"ssd@0.11:{path}").detect([photo])[0]) >= 1
    assert detect.split_name(f"ssd@0.5:{path}") == ("ssd", 0.5, str(path))
    for text in ("ssd@x:a", "ssd@2:a"):
        with pytest.raises(UsageError, match="between 0 and 1"):
            detect.split_name(text)


def test_detector_files_that_are_none(folder, tiny):
    def refuse(name, said, error=ModelCorrupt):
        with pytest.raises(error, match=said) as caught:
            detect.create(name)
        assert "\n" not in str(caught.value)

    refuse(f"ssd:{tiny}", "no output detection_boxes")
    refuse(f"ssd:{onnx_files.ssd(folder / 'b.onnx', boxes='corners')}", "no output detection_boxes")
    refuse(f"ssd:{onnx_files.ssd(folder / 'f.onnx', kind=onnx_files.FLOAT)}", "uint8")
    refuse("ssd", "ssd:PATH", UsageError)
    refuse("ssd:absent.onnx", "absent.onnx", ModelMissing)
    refuse("hog:file", "neither a file", UsageError)
    frozen = folder / "frozen.pb"
    frozen.write_bytes(b"\x0a\xff\xff no graph" * 20)
    refuse(f"ssd:{frozen}", "frozen.pbtxt: not there", ModelMissing)
    frozen.with_suffix(".pbtxt").write_text("node { name: nonsense")
    refuse(f"ssd:{frozen}", "OpenCV cannot read")


# Commands


def test_a_new_embedding_gets_its_table_and_then_serves(samples, tiny, tmp_path, monkeypatch):
    own = tmp_path / "cache"
    monkeypatch.setenv("OPENFACEPLUS_CACHE", str(own))
    photos = sample_photos.many(tmp_path / "photos", *15 * [4])
    people = sorted(folder.name for folder in photos.iterdir())
    with_it = ["--embedder", f"arcface:{tiny}"]
    pair = sorted((photos / people[0]).iterdir())[:2]
    said = refused("verify", *pair, *with_it)
    assert "openfaceplus cohort build" in said and "measured for arcface/" in said
    assert "as given" in call("verify", *pair, *with_it, "--distance", "1e9").stdout
    pairs = tmp_path / "pairs.txt"
    lines = ["2\t7"]
    for fold in (people[:8], people[7:]):
        lines += [f"{one}\t1\t2" for one in fold[1:]]
        lines += [f"{one}\t1\t{two}\t1" for one, two in itertools.pairwise(fold)]
    pairs.write_text("\n".join(lines))
    call("evaluate", "pairs", photos, pairs, "-o", tmp_path / "evaluation", "--all",
         "--save-table", *with_it, "--jobs", "1")  # fmt: skip
    (table,) = (own / "thresholds").glob("*.json")
    rate = ["--far", str(json.loads(table.read_text())["fars"][-1])]
    done = call("verify", *pair, *with_it, *rate, expect=None)
    assert done.returncode in (0, 1) and "for a false-accept rate of" in done.stdout
    knowns, unknowns = tmp_path / "knowns", tmp_path / "unknowns"
    for folder, file in ((knowns, pair[0]), (unknowns, pair[0]), (unknowns, pair[1])):
        folder.mkdir(exist_ok=True)
        shutil.copy(file, folder)
    found = call("find", "--knowns", knowns, "--unknowns", unknowns, "--results",
                 tmp_path / "results", "--jobs", "1", *with_it, *rate)  # fmt: skip
    assert "match!" in found.stdout
    few = tmp_path / "few"
    for name in people[:4]:
        shutil.copytree(photos / name, few / name)
    call("train", few, "-o", tmp_path / "model", *with_it, "--jobs", "1")
    monkeypatch.chdir(tmp_path)  # the network's path was made absolute
    seen = call("infer", pair[0], "-m", tmp_path / "model", "--json")
    assert json.loads(seen.stdout)["faces"][0]["closest"] == people[0]


def test_what_is_wrong_is_said_in_one_line(astronaut, tiny, tmp_path):
    two = [astronaut, astronaut]
    noise = tmp_path / "noise.onnx"
    noise.write_bytes(b"nothing")
    for options, said in (
        (["--embedder", f"arcface:{noise}"], "noise.onnx"),
        (["--embedder", f"arcface:{tmp_path}/absent.onnx"], "absent.onnx"),
        (["--embedder", "arcface"], "arcface:PATH"),
        (["--embedder-spec", str(noise)], "--embedder"),
        (["--embedder", f"onnx:{tiny}", "--embedder-spec", str(noise)], "JSON"),
        (["--embedder", "dlib", "--embedder-spec", str(noise)], "needs no spec"),
        (["--detector", "ssd"], "ssd:PATH"),
        (["--detector", f"ssd:{noise}"], "noise.onnx"),
        (["--detector", "hog", "--detector-threshold", "0.5"], "ssd:PATH"),
        (["--detector", f"ssd:{noise}", "--detector-threshold", "7"], "between 0 and 1"),
        (["--detector", f"hog:{noise}"], "neither a file"),
    ):
        assert said in refused("verify", *two, "--distance", "1", *options), options
    said = refused("verify", *two, "--embedder", f"arcface:{tiny}", "--views", "6")
    assert "--views" in said and "use 2" in said
    for flag in ("--embedder", "--detector"):
        done = call("verify", *two, flag, "nothing", expect=2)
        assert f"argument {flag}: invalid choice: there is no" in done.stderr


def test_python_takes_the_same_names(astronaut, tiny):
    found = openfaceplus.embed(astronaut, embedder=f"sface:{tiny}")
    assert found.shape == (1, 16)
    (chip,) = openfaceplus.align(astronaut, embedder=f"sface:{tiny}")
    assert chip.pixels.shape == (112, 112, 3)
    result = openfaceplus.verify(astronaut, astronaut, embedder=f"sface:{tiny}", distance=1.0)
    assert result.same and result.distance < 1e-3
