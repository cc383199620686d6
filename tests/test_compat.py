"""The drop-ins: equal to dlib's own calls, to the original's command lines and to its tests."""

from __future__ import annotations

import compileall
import functools
import inspect
import multiprocessing
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import cv2
import dlib
import numpy as np
import pytest
from PIL import Image, ImageFile
from skimage import data
from weight_files import nn4_state

from openfaceplus import embedding, weights
from openfaceplus.compat import face_recognition as fr
from openfaceplus.compat import openface
from openfaceplus.compat.face_recognition import alias, api, models
from openfaceplus.compat.face_recognition.__main__ import main as alias_command
from openfaceplus.errors import ModelCorrupt, PhotoError, StorageError, UsageError

ROOT = Path(__file__).parents[1]
PHOTOS = "astronaut", "test/kit_with_rose.jpg"
CLOSE = {"rtol": 0, "atol": 1e-5}


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    """A cache folder of our own, for pins and graphs."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENFACEPLUS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


def astronaut():
    """One face, in the upper half that holds it."""
    return np.ascontiguousarray(data.astronaut()[:300])


@pytest.fixture(scope="module", params=PHOTOS)
def photo(request):
    if request.param == "astronaut":
        return astronaut()
    return fr.load_image_file(request.getfixturevalue("portraits") / request.param)


@pytest.fixture(scope="module")
def network():
    return dlib.face_recognition_model_v1(str(weights.require("dlib-resnet")))


@functools.cache
def predictor(points):
    return dlib.shape_predictor(str(weights.require(f"dlib-landmarks-{points}")))


def shapes_by_dlib(picture, points):
    boxes = dlib.get_frontal_face_detector()(picture, 1)
    return [predictor(points)(picture, box) for box in boxes]


def python(*arguments, path=(), **options):
    """Another process, with ``path`` in front of what it imports from."""
    paths = os.pathsep.join([*map(str, path), str(ROOT)])
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        env=os.environ | {"PYTHONPATH": paths},
        capture_output=True,
        text=True,
        timeout=100,
        **options,
    )


# face_recognition: functions


def test_signatures_are_the_originals():
    expected = {
        "load_image_file": "(file, mode='RGB')",
        "face_locations": "(img, number_of_times_to_upsample=1, model='hog')",
        "batch_face_locations": "(images, number_of_times_to_upsample=1, batch_size=128)",
        "face_landmarks": "(face_image, face_locations=None, model='large')",
        "face_encodings": ("(face_image, known_face_locations=None, num_jitters=1, model='small')"),
        "face_distance": "(face_encodings, face_to_compare)",
        "compare_faces": "(known_face_encodings, face_encoding_to_check, tolerance=0.6)",
    }
    assert sorted(fr.__all__) == sorted(expected)
    for name, signature in expected.items():
        found = inspect.signature(getattr(fr, name))
        bare = [p.replace(annotation=p.empty) for p in found.parameters.values()]
        assert str(inspect.Signature(bare)) == signature


def test_importing_loads_no_model_and_no_dlib():
    heavy = "{'dlib', 'cv2', 'torch', 'onnxruntime', 'PIL', 'click', 'sklearn'}"
    code = f"import sys, openfaceplus.compat.face_recognition; print({heavy} & set(sys.modules))"
    assert python("-c", code).stdout == "set()\n"


def test_locations_are_dlibs(photo):
    height, width = photo.shape[:2]
    boxes = dlib.get_frontal_face_detector()(photo, 1)
    assert len(boxes) > 0
    assert fr.face_locations(photo) == [
        (max(b.top(), 0), min(b.right(), width), min(b.bottom(), height), max(b.left(), 0))
        for b in boxes
    ]


def test_locations_are_trimmed_to_the_picture():
    left = fr.face_locations(astronaut())[0][3]
    cut = np.ascontiguousarray(astronaut()[:, left + 10 :])
    (box,) = dlib.get_frontal_face_detector()(cut, 1)
    assert box.left() < 0
    assert fr.face_locations(cut) == [(box.top(), box.right(), box.bottom(), 0)]
    assert api._trim_css_to_bounds((-5, 900, 700, -1), (100, 200, 3)) == (0, 200, 100, 0)


@pytest.mark.parametrize(("model", "points"), [("large", 68), ("small", 5)])
def test_landmarks_are_dlibs(photo, model, points):
    found = fr.face_landmarks(photo, model=model)
    shapes = shapes_by_dlib(photo, points)
    assert len(found) == len(shapes) > 0
    for face, shape in zip(found, shapes, strict=True):
        assert {p for part in face.values() for p in part} == {(p.x, p.y) for p in shape.parts()}
    if model == "small":
        eye = [(p.x, p.y) for p in shapes[0].parts()][2:4]
        assert found[0]["left_eye"] == eye
    else:
        ends = [(p.x, p.y) for p in shapes[0].parts()]
        assert found[0]["top_lip"][:7] == ends[48:55]
        assert found[0]["top_lip"][7:] == [ends[i] for i in (64, 63, 62, 61, 60)]
        assert found[0]["bottom_lip"] == [
            ends[i] for i in (54, 55, 56, 57, 58, 59, 48, 60, 67, 66, 65, 64)
        ]


@pytest.mark.parametrize(("model", "points"), [("large", 68), ("small", 5)])
def test_encodings_are_dlibs(photo, network, model, points):
    found = fr.face_encodings(photo, model=model)
    shapes = shapes_by_dlib(photo, points)
    expected = [network.compute_face_descriptor(photo, shape, 1) for shape in shapes]
    np.testing.assert_allclose(found, np.array(expected), **CLOSE)
    assert all(e.shape == (128,) and e.dtype == np.float64 and e.flags.owndata for e in found)


def test_encodings_of_known_locations(photo, network):
    locations = fr.face_locations(photo)
    shapes = [
        predictor(5)(photo, dlib.rectangle(left, top, right, bottom))
        for top, right, bottom, left in locations
    ]
    expected = [np.array(network.compute_face_descriptor(photo, shape)) for shape in shapes]
    for known in (locations, np.array(locations)):
        np.testing.assert_allclose(fr.face_encodings(photo, known), expected, **CLOSE)
    assert fr.face_encodings(photo, []) == fr.face_landmarks(photo, []) == []


def test_jitters_follow_dlibs_random_sequence(tmp_path):
    """In a process of their own: dlib has one sequence for each model and one for jitter_image."""
    np.save(tmp_path / "photo.npy", astronaut())
    code = """if True:
        import sys, dlib, numpy as np
        from openfaceplus import weights
        from openfaceplus.compat import face_recognition as fr
        photo = np.load(sys.argv[1])
        network = dlib.face_recognition_model_v1(str(weights.require("dlib-resnet")))
        shapes = fr.api._raw_face_landmarks(photo, model="small")
        for jitters in (2, 5, 3):
            expected = [network.compute_face_descriptor(photo, s, jitters) for s in shapes]
            found = fr.face_encodings(photo, num_jitters=jitters)
            np.testing.assert_allclose(found, np.array(expected), rtol=0, atol=1e-5)
            assert abs(found[0] - fr.face_encodings(photo)[0]).max() > 1e-3
    """
    done = python("-c", code, tmp_path / "photo.npy")
    assert done.returncode == 0, done.stderr


def test_cnn_detector_alone_and_in_batches():
    small = np.ascontiguousarray(astronaut()[60:220, 140:300])
    (face,) = dlib.cnn_face_detection_model_v1(str(weights.require("dlib-mmod")))(small, 0)
    r = face.rect
    expected = [(max(r.top(), 0), min(r.right(), 160), min(r.bottom(), 160), max(r.left(), 0))]
    assert fr.face_locations(small, 0, "cnn") == expected
    assert fr.batch_face_locations([small, small], 0) == [expected, expected]
    assert fr.batch_face_locations([]) == []
    with pytest.raises(RuntimeError):
        fr.batch_face_locations([small, small[:100]], 0)


def test_views_are_read_as_they_look():
    """Where dlib, and so the original, reads other pixels or raises TypeError."""
    turned = np.ascontiguousarray(astronaut()[:, :, ::-1])
    for view in (turned[:, :, ::-1], np.pad(astronaut(), ((9, 9), (9, 9), (0, 0)))[9:-9, 9:-9]):
        assert not view.flags.c_contiguous
        assert fr.face_locations(view) == fr.face_locations(astronaut())
        np.testing.assert_array_equal(fr.face_encodings(view), fr.face_encodings(astronaut()))


def test_pictures_that_do_not_fit():
    grey = cv2.cvtColor(astronaut(), cv2.COLOR_RGB2GRAY)
    assert fr.face_locations(grey) and fr.face_landmarks(grey)
    with pytest.raises(TypeError, match="RGB"):
        fr.face_encodings(grey)
    for wrong in (astronaut().astype(float), np.dstack([astronaut(), grey])):
        with pytest.raises(RuntimeError):
            fr.face_encodings(wrong)
    for call in (fr.face_locations, fr.face_encodings, fr.face_landmarks):
        with pytest.raises(TypeError):
            call(None)
    black = np.zeros((200, 200, 3), np.uint8)
    assert fr.face_encodings(black) == fr.face_landmarks(black) == fr.face_locations(black) == []


def test_arguments_that_make_no_sense():
    with pytest.raises(ValueError, match="'small', 'large'"):
        fr.face_landmarks(astronaut(), model="medium")
    for jitters in (None, 1.0):
        with pytest.raises(TypeError):
            fr.face_encodings(astronaut(), num_jitters=jitters)
    with pytest.raises(TypeError):
        fr.face_encodings(astronaut(), [(1.0, 2.0, 3.0, 4.0)])
    with pytest.raises(AttributeError):
        _ = api.face_guesser


def test_distance_and_comparison():
    one, two = np.eye(128)[:2]
    np.testing.assert_allclose(fr.face_distance([one, two], one), [0, 2**0.5])
    assert fr.compare_faces([one, two], one) == [True, False]
    assert fr.compare_faces([one, two], one, tolerance=1.5) == [True, True]
    for nothing in ([], np.array([])):
        assert fr.face_distance(nothing, one).shape == (0,)
        assert fr.compare_faces(nothing, one) == []
    with pytest.raises(ValueError):
        fr.face_distance(one, two)


def test_load_image_file(tmp_path):
    path = tmp_path / "a.jpg"
    Image.fromarray(astronaut()).save(path)
    with open(path, "rb") as file:
        np.testing.assert_array_equal(fr.load_image_file(file), fr.load_image_file(str(path)))
    assert fr.load_image_file(path).flags.writeable
    assert fr.load_image_file(path, "L").shape == (300, 512)
    assert fr.load_image_file(path, mode=None).shape == (300, 512, 3)
    path.write_bytes(path.read_bytes()[:9000])
    assert fr.load_image_file(path).shape == (300, 512, 3)
    assert ImageFile.LOAD_TRUNCATED_IMAGES is False
    path.write_bytes(b"no picture")
    with pytest.raises(OSError, match="cannot identify"):
        fr.load_image_file(path)
    with pytest.raises(FileNotFoundError):
        fr.load_image_file(tmp_path / "none.jpg")


def test_the_originals_module_attributes():
    assert api.face_detector is models.hog_detector()
    assert api.pose_predictor_5_point is models.predictor(5)
    box = api.face_detector(astronaut(), 1)[0]
    shape = api.pose_predictor_5_point(astronaut(), box)
    encoding = api.face_encoder.compute_face_descriptor(astronaut(), shape)
    np.testing.assert_allclose(fr.face_encodings(astronaut())[0], np.array(encoding), **CLOSE)


def _encode(picture):
    return fr.face_encodings(picture)


def test_a_forked_child_encodes_and_exits():
    code = """if True:
        import os, sys, numpy as np
        from openfaceplus.compat import face_recognition as fr
        chips = np.zeros((1, 150, 150, 3), np.uint8)
        before = fr.api.models.embedder().embed(chips)
        child = os.fork()
        if not child:
            np.testing.assert_allclose(fr.api.models.embedder().embed(chips), before, atol=1e-5)
            sys.exit(7)
        sys.exit(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    """
    assert python("-c", code).returncode == 7


def test_in_a_forked_pool_and_in_threads():
    before = fr.face_encodings(astronaut())
    with multiprocessing.get_context("fork").Pool(1) as pool:
        forked = pool.apply_async(_encode, (astronaut(),)).get(timeout=60)
    np.testing.assert_allclose(forked, before, **CLOSE)
    with ThreadPoolExecutor(4) as threads:
        for found in threads.map(_encode, [astronaut()] * 4):
            np.testing.assert_allclose(found, before, **CLOSE)


# face_recognition: command lines


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """People known and to check: a face large and reduced, its mirror image, none, and no photo."""
    known, check = tmp_path_factory.mktemp("known"), tmp_path_factory.mktemp("check")
    face = Image.fromarray(astronaut())
    face.save(known / "Eileen Collins.PNG")
    Image.new("RGB", (99, 99)).save(known / "nobody.png")
    (known / "broken.jpg").write_bytes(b"")
    (known / "notes.txt").write_text("no picture")
    face.save(check / "a.png")
    face.resize((1800, 1054)).save(check / "b.jpg_large", "JPEG")
    Image.new("RGB", (99, 99)).save(check / "c.jpeg")
    return known, check


@pytest.fixture
def invoke():
    pytest.importorskip("click", reason="click is not installed: openfaceplus[compat]")
    from click.testing import CliRunner

    from openfaceplus.compat.face_recognition import face_detection_cli, face_recognition_cli

    commands = {"recognition": face_recognition_cli.main, "detection": face_detection_cli.main}

    def call(name, *arguments):
        return CliRunner().invoke(commands[name], [str(a) for a in arguments])

    return call


def test_recognition_of_a_folder(invoke, folders):
    known, check = folders
    done = invoke("recognition", known, check)
    assert done.exit_code == 0
    assert done.stdout.splitlines() == [
        f"WARNING: Cannot read {known}/broken.jpg (cannot identify image file "
        f"'{known}/broken.jpg'). Ignoring file.",
        f"WARNING: No faces found in {known}/nobody.png. Ignoring file.",
        f"{check}/a.png,Eileen Collins",
        f"{check}/b.jpg_large,Eileen Collins",
        f"{check}/c.jpeg,no_persons_found",
    ]
    parallel = invoke("recognition", known, check, "--cpus", 2)
    assert parallel.stdout == done.stdout


def test_recognition_shows_distances_and_minds_the_tolerance(invoke, folders):
    known, check = folders
    done = invoke("recognition", "--show-distance", "true", known, check / "a.png")
    assert done.stdout.splitlines()[-1] == f"{check}/a.png,Eileen Collins,0.0"
    strict = ["--tolerance", "0.001", "--show-distance", "1"]
    done = invoke("recognition", *strict, known, check / "b.jpg_large")
    assert done.stdout.splitlines()[-1] == f"{check}/b.jpg_large,unknown_person,None"


def test_detection(invoke, folders):
    _, check = folders
    done = invoke("detection", check)
    rows = [line.split(",") for line in done.stdout.splitlines()]
    assert done.exit_code == 0
    for file in ("a.png", "b.jpg_large"):
        picture = fr.load_image_file(check / file)
        for box in fr.face_locations(picture, 0):
            assert [str(check / file), *map(str, box)] in rows
    once = invoke("detection", check / "a.png", "--upsample", "1", "--model", "hog")
    assert f"{check}/a.png," + ",".join(map(str, fr.face_locations(astronaut())[0])) in once.stdout


def test_commands_say_what_is_wrong(invoke, folders, tmp_path, monkeypatch):
    known, check = folders
    assert invoke("recognition", tmp_path / "none", check).exit_code == 2
    assert invoke("detection", tmp_path / "none").exit_code == 2
    (tmp_path / "a.jpg").write_bytes(b"no picture")
    done = invoke("detection", tmp_path)
    assert done.exit_code == 1 and "a.jpg (cannot identify" in done.stderr and not done.stdout
    monkeypatch.setenv("OPENFACEPLUS_MODELS", str(tmp_path))
    (tmp_path / "dlib_face_recognition_resnet_model_v1.dat").write_bytes(b"")
    models.pipeline.cache_clear()
    done = invoke("recognition", known, check)
    assert done.exit_code == 1 and "has 0 bytes" in done.stderr
    models.pipeline.cache_clear()


def test_without_click_the_functions_stay(tmp_path):
    (tmp_path / "click.py").write_text("raise ImportError('no click here')")
    package = "openfaceplus.compat.face_recognition"
    assert python("-c", f"import {package}", path=[tmp_path]).returncode == 0
    done = python("-m", f"{package}.face_recognition_cli", "--help", path=[tmp_path])
    assert done.returncode == 1 and "pip install click" in done.stderr


# face_recognition: the alias


def test_alias_stands_in_for_the_original(tmp_path):
    assert alias_command(["install-alias", "--target", str(tmp_path)]) == 0
    code = """if True:
        import face_recognition, face_recognition.api
        from face_recognition import api, compare_faces
        from openfaceplus.compat.face_recognition import api as ours
        assert api is face_recognition.api is ours
        assert face_recognition.face_encodings is ours.face_encodings
        assert face_recognition.__version__ == "1.3.0"
        from unittest import mock
        with mock.patch("face_recognition.api.face_distance", lambda *_: 0.1 + 0 * _[1]):
            assert compare_faces([[0]], __import__("numpy").zeros(1)) == [True]
    """
    done = python("-c", code, path=[tmp_path])
    assert done.returncode == 0, done.stderr


def test_aliased_commands(tmp_path):
    pytest.importorskip("click", reason="click is not installed: openfaceplus[compat]")
    Image.fromarray(astronaut()).save(tmp_path / "a.png")
    assert alias_command(["install-alias", "--target", str(tmp_path)]) == 0
    code = "from face_recognition.face_detection_cli import main, image_files_in_folder; main()"
    for how in (["-c", code], [tmp_path / "bin" / "face_detection"]):
        done = python(*how, tmp_path / "a.png", path=[tmp_path])
        assert done.stdout.startswith(f"{tmp_path}/a.png,"), done.stderr
    assert os.access(tmp_path / "bin" / "face_recognition", os.X_OK)


def test_alias_is_removed_whole(tmp_path, capsys):
    alias.install(tmp_path)
    alias.install(tmp_path, scripts=False)
    compileall.compile_dir(tmp_path, quiet=1)
    assert len(alias.uninstall(tmp_path)) == 6
    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == []
    assert not (tmp_path / "face_recognition").exists()
    capsys.readouterr()
    assert alias_command(["uninstall-alias", "--target", str(tmp_path)]) == 0
    assert capsys.readouterr().out == "removed nothing\n"


@pytest.mark.parametrize("real", ["face_recognition/__init__.py", "face_recognition.py"])
def test_alias_leaves_the_real_one_alone(tmp_path, capsys, real):
    path = tmp_path / real
    path.parent.mkdir(exist_ok=True)
    path.write_text("__version__ = '1.3.0'")
    for action in ("install-alias", "uninstall-alias"):
        assert alias_command([action, "--target", str(tmp_path)]) == 2
        assert "pip uninstall face_recognition" in capsys.readouterr().err
    assert path.read_text() == "__version__ = '1.3.0'"
    assert [p for p in tmp_path.rglob("*") if p.is_file()] == [path]


def test_alias_minds_a_real_one_anywhere_and_real_commands(tmp_path, monkeypatch):
    (tmp_path / "face_recognition").mkdir()
    (tmp_path / "face_recognition" / "__init__.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(alias, "_places", lambda _: (tmp_path / "new" / "face_recognition", None))
    with pytest.raises(StorageError, match="pip uninstall"):
        alias.install()
    monkeypatch.undo()
    command = tmp_path / "free" / "bin" / "face_detection"
    command.parent.mkdir(parents=True)
    command.write_text("#!/bin/sh")
    with pytest.raises(StorageError, match="without the commands"):
        alias.install(tmp_path / "free", scripts=True)
    assert not (tmp_path / "free" / "face_recognition").exists()


@pytest.mark.heavy
def test_the_originals_own_tests_pass():
    """Downloads the suite from PyPI; two minutes on two free cores."""
    pytest.importorskip("click", reason="click is not installed: openfaceplus[compat]")
    script = ROOT / "benchmarks" / "face_recognition_suite.py"
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "Ran 30 tests" in done.stderr


# OpenFace

# Places of OpenFace's mean face, by landmark; least and greatest of all 68 (its align_dlib.py).
MEAN = {
    36: (0.252418718401, 0.331052263829),
    45: (0.782865376271, 0.321305281656),
    33: (0.51816430343, 0.553157797772),
    39: (0.403718978315, 0.33867711083),
    42: (0.631326076346, 0.334136672344),
    57: (0.572539621444, 0.776609286626),
}
LEAST, GREATEST = (0.0792396913815, 0.182360984545), (0.971193274221, 1.06080371126)


@pytest.fixture(scope="module")
def aligner():
    return openface.AlignDlib()


@pytest.mark.parametrize("name", ["OUTER_EYES_AND_NOSE", "INNER_EYES_AND_BOTTOM_LIP"])
def test_align_is_openfaces(aligner, photo, name):
    indices = getattr(openface.AlignDlib, name)
    box = aligner.getLargestFaceBoundingBox(photo)
    landmarks = aligner.findLandmarks(photo, box)
    span = np.float32(GREATEST) - np.float32(LEAST)
    target = [(np.float32(MEAN[i]) - np.float32(LEAST)) / span * 96 for i in indices]
    source = np.float32(landmarks)[list(indices)]
    matrix = cv2.getAffineTransform(source, np.float32(target))
    expected = cv2.warpAffine(photo, matrix, (96, 96))
    for chip in (
        aligner.align(96, photo, landmarkIndices=indices),
        aligner.align(96, photo, box, landmarks, landmarkIndices=list(indices)),
    ):
        assert np.abs(chip.astype(int) - expected).max() <= 1


def test_boxes_of_several_faces_and_of_none(aligner, monkeypatch, caplog):
    black = np.zeros((200, 200, 3), np.uint8)
    assert len(aligner.getAllFaceBoundingBoxes(black)) == 0
    assert aligner.getLargestFaceBoundingBox(black) is None
    assert aligner.align(96, black) is None
    assert len(aligner.getAllFaceBoundingBoxes(black.astype(float))) == 0
    assert "searched" in caplog.text
    boxes = [dlib.rectangle(0, 0, 9, 9), dlib.rectangle(0, 0, 30, 20), dlib.rectangle(9, 9, 40, 10)]
    monkeypatch.setattr(aligner, "getAllFaceBoundingBoxes", lambda _: boxes)
    assert aligner.getLargestFaceBoundingBox(black) == boxes[1]
    assert aligner.getLargestFaceBoundingBox(black, skipMulti=True) is None
    assert aligner.align(96, black, skipMulti=True) is None
    assert aligner.align(96, black).shape == (96, 96, 3)


def test_alignment_that_makes_no_sense(aligner, tmp_path):
    assert openface.AlignDlib.align_v1 is openface.AlignDlib.align
    with pytest.raises(UsageError, match="OUTER_EYES_AND_NOSE"):
        aligner.align(96, astronaut(), landmarkIndices=[0, 1, 2])
    with pytest.raises(UsageError, match="None"):
        aligner.align(96, None)
    (tmp_path / "points.dat").write_bytes(b"nothing of dlib's")
    with pytest.raises(ModelCorrupt, match=r"points\.dat"):
        openface.AlignDlib(tmp_path / "points.dat")


def test_torch_neural_net(aligner, tmp_path):
    import torch

    path = tmp_path / "nn4.small2.v1.pt"
    torch.save({key: torch.tensor(values) for key, values in nn4_state().items()}, path)
    chip = aligner.align(96, astronaut(), landmarkIndices=openface.AlignDlib.OUTER_EYES_AND_NOSE)
    Image.fromarray(chip).save(tmp_path / "chip.png")
    expected = embedding.create("openface", weights=path).embed(chip[None])[0]
    with openface.TorchNeuralNet(path) as net:
        found = net.forward(chip)
        np.testing.assert_array_equal(net.forwardPath(tmp_path / "chip.png"), found)
        assert found.shape == (128,) and found.dtype == np.float64
        np.testing.assert_allclose(found, expected, **CLOSE)
        assert net.forward(astronaut()).shape == (128,)
        with pytest.raises(PhotoError):
            net.forwardPath(tmp_path / "none.png")
    with pytest.raises(UsageError, match="closed"):
        net.forward(chip)
    with pytest.raises(UsageError, match="96"):
        openface.TorchNeuralNet(path, imgDim=160)
