"""What every detector and every embedder keeps to, for all names in the rooms' tables.

A new name is tested without a word here if its weights are at hand; else it needs a line in
``NETWORKS`` or ``DETECTED`` that makes small ones.
"""

from __future__ import annotations

import re

import numpy as np
import onnx_files
import pytest
from running import ROOT, portrait
from weight_files import facenet_state, nn4_state, own_cache, write_pt

from openfaceplus import detect, embedding, weights
from openfaceplus.alignment import TEMPLATES, chip
from openfaceplus.errors import ModelMissing, UsageError
from openfaceplus.faces import Box, ChipSpec
from openfaceplus.pipeline import Pipeline
from openfaceplus.recipe import PROFILES, recipe

embedding.EMBEDDERS["toy"] = "toys:AveragesEmbedder"
detect.DETECTORS["toy"] = "toys:MiddleDetector"

cache = pytest.fixture(own_cache, scope="module", autouse=True)

NETWORKS = {
    "openface": lambda folder: write_pt(folder / "nn4.pt", nn4_state()),
    "facenet": lambda folder: write_pt(folder / "facenet.pt", facenet_state()),
    "sface": lambda folder: onnx_files.embedder(folder / "sface.onnx", batch=1),
    "arcface": lambda folder: onnx_files.embedder(folder / "arcface.onnx"),
    "adaface": lambda folder: onnx_files.embedder(folder / "adaface.onnx"),
    "onnx": lambda folder: onnx_files.embedder(folder / "any.onnx"),
}
# Profiles; and one of the pictures of explain is called as a detector is.
DECLARED = {"recipe.py", "stages/explain.py", "cli/explain.py"}
SQUARE = (0.4, 0.6, 0.25)  # centre and side of the tiny network's "face", in parts of the picture


@pytest.fixture(scope="module", params=sorted(embedding.EMBEDDERS))
def embedder(request, tmp_path_factory):
    name = request.param
    make = NETWORKS.get(name)
    path = make(tmp_path_factory.mktemp(name)) if make else None
    return name, embedding.create(name, weights=path, threads=1)


def chips(embedder, count=3):
    shape = (count, embedder.chip.size, embedder.chip.size, 3)
    return np.random.default_rng(0).integers(0, 256, shape, np.uint8)


def test_embedders_say_what_they_take_and_give(embedder):
    name, made = embedder
    kind = embedding.kind_of(name)
    assert made.chip == kind.chip == recipe(embedder=name).chip
    assert kind.landmarks in (5, 68) and kind.also <= set(TEMPLATES)
    assert all(weights.find(model) for model in kind.models)
    assert kind.preset is None or kind.preset.chip == kind.chip
    assert made.chip.template in TEMPLATES
    assert made.space.name and len(made.space.weights) == 64
    vectors = made.embed(chips(made))
    assert vectors.shape == (3, made.dim) and vectors.dtype == np.float32
    assert np.isfinite(vectors).all()
    if kind.unit:
        np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)


def test_embedders_are_deterministic_and_batches_play_no_part(embedder):
    _, made = embedder
    pixels = chips(made)
    vectors = made.embed(pixels)
    np.testing.assert_array_equal(vectors, made.embed(pixels))
    alone = np.concatenate([made.embed(one[None]) for one in pixels])
    np.testing.assert_allclose(vectors, alone, rtol=0, atol=1e-5)
    turned = made.embed(pixels[::-1])[::-1]
    np.testing.assert_allclose(vectors, turned, rtol=0, atol=1e-5)
    assert np.abs(vectors[0] - vectors[1]).max() > 1e-4
    assert made.embed(pixels[:0]).shape == (0, made.dim)


def test_embedders_refuse_other_chips(embedder):
    _, made = embedder
    good = chips(made)
    for wrong in (good[:, :-1], good[0], good.astype(np.float32), good[..., :1], None):
        with pytest.raises(UsageError, match=r"expects chips"):
            made.embed(wrong)


def test_spaces_of_all_embedders_differ():
    names = [embedding.kind_of(name).name for name in embedding.EMBEDDERS]
    assert len(set(names)) == len(names)


def test_profiles_fit_their_embedders():
    for profile in PROFILES.values():
        kind = embedding.kind_of(profile.embedder)
        assert (profile.chip, profile.landmarks) == (kind.chip, kind.landmarks)


def test_no_other_file_names_a_tenant():
    rooms = ROOT / "openfaceplus"
    # Templates and profiles have names of their own, some of them the same; some are words.
    common = {*TEMPLATES, *PROFILES, "onnx", "pixels"}
    names = {*embedding.EMBEDDERS, *detect.DETECTORS} - common
    paths = list(rooms.rglob("*.py"))
    assert len(paths) > 100 and len(names) > 8
    for path in paths:
        inner = path.relative_to(rooms)
        if inner.parts[0] in ("detect", "embedding", "weights", "compat") or str(inner) in DECLARED:
            continue
        found = re.search(rf"[\"'`]({'|'.join(names)})[\"'`:]", path.read_text("utf-8"))
        assert not found, f"{path} names {found[1]}"


def test_a_toy_works_in_a_pipeline(monkeypatch):
    pipeline = Pipeline(recipe(detector="toy", embedder="toy", views=6))
    (found,) = pipeline.look([portrait()])
    assert len(found.faces) == 2 and found.vectors.shape == (2, 64)
    assert found.flaws == [None, "too_small"] and str(pipeline.space).startswith("averages/6v")


DETECTED = {"ssd": lambda folder: f"ssd:{onnx_files.ssd(folder / 'ssd.onnx')}"}


@pytest.mark.parametrize("name", sorted(detect.DETECTORS))
def test_detectors_find_the_face(name, tmp_path):
    make = DETECTED.get(name)
    if make:
        photo = onnx_files.red_square(300, 400, SQUARE[:2], SQUARE[2])
        (x, y, side) = SQUARE
        face = Box((x - side / 2) * 400, (y - side / 2) * 300, (x + side / 2) * 400,
                   (y + side / 2) * 300)  # fmt: skip
    else:
        photo = portrait()
        face = Box(60, 40, 170, 150)
    try:
        made = detect.create(make(tmp_path) if make else name)
    except ModelMissing:
        pytest.skip(f"the weights of {name} are not here")
    kind = detect.kind_of(name)
    assert kind.brought == bool(make) and (kind.model is None or weights.find(kind.model))
    before = photo.copy()
    (found,) = made.detect([photo])
    assert found and found[0].box.iou(face) > 0.5, found
    assert [face.prominence for face in found] == sorted(
        (face.prominence for face in found), reverse=True
    )
    assert all(face.landmarks is None and face.score == float(face.score) for face in found)
    np.testing.assert_array_equal(photo, before)
    grey = np.full((120, 160, 3), 128, np.uint8)
    several = [[one.box for one in faces] for faces in made.detect([photo, grey, photo])]
    assert several == [[one.box for one in found], [], several[0]]
    (largest,) = made.detect([photo], largest=True)
    assert largest and largest[0].box.iou(face) > 0.5
    assert made.detect([]) == []


@pytest.mark.parametrize("template", TEMPLATES)
@pytest.mark.parametrize("points", [5, 68])
def test_templates_cut_chips(template, points):
    from openfaceplus.alignment.landmarks import MODELS, Landmarks

    box = Box(60, 40, 170, 150)
    landmarks = Landmarks(weights.require(MODELS[points])).find(portrait(), box)
    padding = 0.25 if template in ("dlib", "box") else None
    spec = ChipSpec(96, template, padding)
    if template == "innerEyesAndBottomLip" and points == 5:
        with pytest.raises(UsageError, match="align by 68"):
            chip.crop(portrait(), landmarks, spec, box)
        return
    pixels = chip.crop(portrait(), landmarks, spec, box)
    assert pixels.shape == (96, 96, 3) and pixels.dtype == np.uint8
    # The middle of every chip is face: not the black beyond the photo's edge.
    assert pixels[24:72, 24:72].mean() > 60
