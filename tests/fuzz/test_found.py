"""What the fuzzer found: each file is refused in one line that names it, or read for what it is."""

from __future__ import annotations

import json

import numpy as np
import pytest
import seeds
from running import CLASSIFIER, call, refused

from openfaceplus import changes, gallery
from openfaceplus.alignment.landmarks import Landmarks
from openfaceplus.classify.classifier import Classifier
from openfaceplus.errors import ModelCorrupt, OpenFacePlusError, StorageError
from openfaceplus.manifest import Manifest
from openfaceplus.recipe import PROFILES, Recipe
from openfaceplus.store.layout import ALIGNMENT, CHIPS, EMBEDDINGS, REPRESENTATION
from openfaceplus.store.tables import Journal, read_table, write_table
from openfaceplus.weights import safe
from openfaceplus.weights.onnx_session import open_session

DEEP = '{"a":' + "[" * 100_000 + "]" * 100_000 + "}"


@pytest.fixture
def model(tmp_path):
    return seeds.model(tmp_path / "model")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("OPENFACEPLUS_CACHE", str(tmp_path / "cache"))


@pytest.mark.parametrize(
    "field, value", [("settings", []), ("settings", "x"), ("counts", 3), ("roots", True),
                     ("roots", [1])],
)  # fmt: skip
def test_manifests_of_other_kinds_of_values(model, field, value):
    path = model / CHIPS / ALIGNMENT.manifest
    path.write_text(json.dumps(json.loads(path.read_text()) | {field: value}))
    with pytest.raises(StorageError, match=r"alignment\.json"):
        Manifest.read(path)


@pytest.mark.parametrize("key", ["recipe", "space", "recut"])
def test_training_needs_all_of_a_manifest(model, key):
    path = model / EMBEDDINGS / REPRESENTATION.manifest
    data = json.loads(path.read_text())
    del data["settings"][key]
    path.write_text(json.dumps(data))
    said = refused(CLASSIFIER, "train", model / EMBEDDINGS, env={})
    assert "representation.json: was altered" in said


def test_json_that_is_very_deep(model, tmp_path):
    (model / CHIPS / ALIGNMENT.manifest).write_text(DEEP)
    with pytest.raises(StorageError, match=r"alignment\.json"):
        Manifest.read(model / CHIPS / ALIGNMENT.manifest)
    (model / EMBEDDINGS / "people.json").write_text(DEEP)
    assert "people.json" in refused("people", "list", model)
    (tmp_path / "journal").write_text(f'{DEEP}\n{{"settings": "0", "photo": "a"}}')
    assert Journal(tmp_path / "journal", "0").rows() == [{"photo": "a"}]


@pytest.mark.parametrize("name", ["a\0b", "\ud800", "x" * 300])
def test_names_that_no_file_has(model, tmp_path, name):
    """In a list of changes, in the list of people, and in tables."""
    folder = tmp_path / "folder"
    (folder / changes.STAGING).mkdir(parents=True)
    (folder / changes.STAGING / "commit.json").write_text(json.dumps({"new": [], "gone": [name]}))
    with pytest.raises(StorageError, match="folder"), changes.changing(folder, limit=0):
        pass
    table = model / EMBEDDINGS / REPRESENTATION.table
    rows = read_table(table, REPRESENTATION.columns)
    if name != "\ud800":
        rows[0] |= {"photo": f"/photos/{name}", "chip": f"/{name}/b/{name}"}
        write_table(table, REPRESENTATION.columns, rows, ours=True)
        write_table(model / CHIPS / ALIGNMENT.table, ALIGNMENT.columns, rows, ours=True)
        call("people", "remove", model, "bob")
    people = model / EMBEDDINGS / "people.json"
    data = json.loads(people.read_text())
    next(iter(data.values()))["folder"] = name
    people.write_text(json.dumps(data))
    assert "people.json" in refused("people", "list", model)


def test_people_with_names_that_no_file_holds(model):
    path = model / EMBEDDINGS / "people.json"
    data = json.loads(path.read_text())
    next(iter(data.values()))["name"] = "a\ud800"
    path.write_text(json.dumps(data))
    assert "people.json" in refused("people", "rename", model, "bob", "eve")


@pytest.mark.parametrize(
    "key, value",
    [("chip", {"size": "x", "template": "dlib"}), ("chip", None), ("landmarks", 7),
     ("detector", []), ("predictor", 3), ("max_pixels", True), ("max_pixels", -1),
     ("fallback", []), ("skip_multi", "no")],
)  # fmt: skip
def test_settings_of_alignment_that_make_no_sense(model, tmp_path, key, value):
    path = model / CHIPS / ALIGNMENT.manifest
    data = json.loads(path.read_text())
    usual = {"skip_multi": False, "keep_flawed": False, "fallback": None, "max_pixels": 9}
    data["settings"] = PROFILES["dlib"].to_dict() | usual
    path.write_text(json.dumps(data))
    for good in ("hog", "yunet+centerface", "ssd@0.5:/a+b.onnx"):
        assert Recipe.from_dict(PROFILES["dlib"].to_dict() | {"detector": good}).detector == good
    data["settings"][key] = value
    path.write_text(json.dumps(data))
    said = refused("represent", model / CHIPS, "-o", tmp_path / "e")
    assert "alignment.json: was altered" in said
    del data["settings"][key]
    path.write_text(json.dumps(data))
    said = refused("represent", model / CHIPS, "-o", tmp_path / "e")
    assert f"alignment.json: was altered (no '{key}')" in said


def test_galleries_of_unknown_kinds_and_damaged_headers(tmp_path):
    made = gallery.create("exact", "made-up", 8)
    made.add(["ann"], np.eye(1, 8, dtype=np.float32))
    made.save(tmp_path)
    vectors = next(tmp_path.glob("vectors-*.npy"))
    data = bytearray(vectors.read_bytes())
    data[data.index(b"}")] = ord("(")
    vectors.write_bytes(data)
    with pytest.raises(StorageError, match="vectors-"):
        gallery.load(tmp_path)
    header = json.loads((tmp_path / "gallery.json").read_text())
    (tmp_path / "gallery.json").write_text(json.dumps(header | {"kind": "\x1b[2J"}))
    with pytest.raises(StorageError, match=r"gallery.json") as caught:
        gallery.load(tmp_path)
    assert str(caught.value).isprintable()


def altered(tree, place, value):
    *way, last = place
    for step in way:
        tree = tree[step]
    tree[last] = value(tree[last])


@pytest.mark.parametrize(
    "place, value",
    [
        (["settings", 2], lambda _: None),
        (["settings", 2], lambda _: 1.5),
        (["settings", 0], lambda _: "x"),
        (["namer"], lambda _: {}),
        (["chips"], lambda _: {}),
        (["chips"], lambda chips: chips[:-1]),
        (["people"], lambda people: np.append(people, np.frombuffer(b"x\0", np.uint8))),
        (["labels"], lambda labels: np.minimum(labels, 1)),
        (["labels"], lambda labels: labels.astype(float)),
        (["labels"], lambda labels: labels + 2**30),
        (["rule", "typical"], lambda _: np.zeros(3)),
        (["rule", "templates"], lambda _: np.array(["x"])),
        (["rule", "scale"], lambda _: [0.9, "x"]),
        (["rule", "scale"], lambda _: [0.9, 0.8]),
        (["rule", "strangers"], lambda _: []),
        (["rule", "strangers", 0], lambda _: ["shipped", "x", np.zeros((2, 2))]),
        (["rule", "confidence", 0], lambda grid: grid[:0]),
        (["space"], lambda _: 3),
        (["recipe"], lambda _: []),
        (["format"], lambda _: np.zeros(3)),
        (["format_version"], lambda _: [3]),
    ],
)
def test_altered_classifiers(model, place, value):
    path = model / EMBEDDINGS / "classifier.pkl"
    Classifier.load(path)
    tree = safe.load(path)
    altered(tree, place, value)
    safe.dump(path, tree)
    assert str(path) in refused("people", "list", model)


def test_what_native_libraries_say_is_one_line(tmp_path):
    seeds.make("dat", tmp_path / "dat")
    path = tmp_path / "dat/landmarks.dat"
    path.write_bytes(path.read_bytes().replace(b"\1\1", b"\1\1\1", 1)[:-4])
    seeds.make("onnx", tmp_path / "onnx")
    graph = tmp_path / "onnx/ssd.onnx"
    graph.write_bytes(graph.read_bytes().replace(b"score bias", b"sc\xffre bias", 1))
    for read in (lambda: Landmarks(path), lambda: open_session(graph)):
        with pytest.raises(ModelCorrupt) as caught:
            read()
        assert isinstance(caught.value, OpenFacePlusError) and str(caught.value).isprintable()
