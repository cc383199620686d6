"""Training on what there is: every kind of classifier, few people, few photos; other spaces."""

from __future__ import annotations

import json
import pickle
import shutil
from pathlib import Path

import pytest
from running import CLASSIFIER, call, people, refused, run

from openfaceplus.classify.names import KINDS


@pytest.fixture
def embeddings(openface, tmp_path):
    """OpenFace's embeddings of the portraits without the one person who has one photo."""
    folder = Path(shutil.copytree(openface / "generated-embeddings", tmp_path / "e"))
    for name in ("reps.csv", "labels.csv"):
        lines = (folder / name).read_text().splitlines(keepends=True)
        (folder / name).write_text("".join(lines[1:]))
    return folder


@pytest.mark.parametrize("extra", [(), ("--ldaDim", 2)], ids=["plain", "lda"])
@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_trains_and_names(embeddings, portraits, kind, extra):
    call(CLASSIFIER, "train", embeddings, "--classifier", kind, *extra)
    # A tree asks a handful of the 128 numbers, and two photos a person are too few for variances:
    # these must know the photos they learned from, as those must that see but two dimensions.
    weak = kind in ("DecisionTree", "GaussianNB") or extra
    photo = sorted(portraits.glob("train/obama/*" if weak else "test/obama1.jpg"))[0]
    done = call(CLASSIFIER, "infer", embeddings / "classifier.pkl", photo, "--json")
    assert json.loads(done.stdout)["faces"][0]["closest"] == "obama"


def test_too_many_dimensions_and_unknown_kinds_are_refused(embeddings):
    assert "40 dimensions" in refused(CLASSIFIER, "train", embeddings, "--ldaDim", 40)
    done = call(CLASSIFIER, "train", embeddings, "--classifier", "Torch", expect=2)
    assert "invalid choice" in done.stderr


def test_one_person_with_one_photo_is_enough(astronaut, tmp_path, model):
    root = people(tmp_path / "photos", eileen=1)
    call("train", root, "-o", tmp_path / "model", "--jobs", 1)
    assert "Predict eileen with" in call("infer", "-m", tmp_path / "model", astronaut).stdout
    assert "closest" in call("infer", "-m", model, astronaut).stdout


def test_a_single_person_is_not_everyone(portraits, tmp_path):
    root = people(tmp_path / "photos", eileen=1)
    call("train", root, "-o", tmp_path / "model", "--jobs", 1)
    said = call("infer", "-m", tmp_path / "model", "--multi", portraits / "test").stdout
    assert said.count("Predict unknown") == said.count("Predict") >= 6


def test_a_photo_each_is_enough(portraits, tmp_path):
    for folder in (portraits / "train").iterdir():
        photo = sorted(folder.iterdir())[0]
        (tmp_path / "t" / folder.name).mkdir(parents=True)
        shutil.copy(photo, tmp_path / "t" / folder.name)
    call("train", tmp_path / "t", "-o", tmp_path / "model", "--jobs", 1)
    said = call("infer", "-m", tmp_path / "model", portraits / "test/obama1.jpg").stdout
    assert "Predict obama with" in said


# --- spaces and forged files -----------------------------------------------------------------


def test_embeddings_of_another_space_are_refused(model, astronaut, tmp_path):
    from openfaceplus.weights import safe

    pkl = tmp_path / "classifier.pkl"
    tree = safe.load(model / "generated-embeddings/classifier.pkl")
    safe.dump(pkl, tree | {"recipe": tree["recipe"] | {"views": 1}})
    said = refused("infer", "-m", pkl, astronaut)
    assert "2v" in said and "1v" in said and "train" in said


@pytest.mark.parametrize("kind", ["LinearSvm", "RadialSvm"])
def test_a_model_of_format_2_is_brought_forward(kind, embeddings, portraits):
    """Its machines are not read, in whatever form; its vectors are trained on anew."""
    import joblib

    from openfaceplus.classify.stored import unpack
    from openfaceplus.weights import safe

    call(CLASSIFIER, "train", embeddings, "--classifier", kind)
    pkl, photos = embeddings / "classifier.pkl", sorted((portraits / "test").iterdir())
    now = call(CLASSIFIER, "infer", pkl, *photos, "--json").stdout
    old = {key: part for key, part in safe.load(pkl).items() if key not in ("namer", "rule")}
    old |= {"format_version": 2, "namer": {"kind": kind, "estimator": b"PK\x03\x04"}, "rule": {}}
    old |= {key: list(unpack(old[key])) for key in ("people", "chips")}
    joblib.dump(old, pkl, protocol=4)
    assert call(CLASSIFIER, "infer", pkl, *photos, "--json").stdout == now
    joblib.dump(old | {"labels": old["labels"] - 1}, pkl, protocol=4)
    assert "incomplete or altered" in refused(CLASSIFIER, "infer", pkl, *photos)


class Harm:
    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return (Path.touch, (self.marker,))


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_a_hostile_classifier_is_refused_before_it_runs(protocol, astronaut, tmp_path):
    marker, pkl = tmp_path / "marker", tmp_path / "classifier.pkl"
    pkl.write_bytes(pickle.dumps({"format": Harm(marker)}, protocol))
    said = refused(CLASSIFIER, "infer", pkl, astronaut, timeout=100)
    assert "nothing was run" in said and str(pkl) in said
    assert not marker.exists()
    pickle.loads(pkl.read_bytes())
    assert marker.exists()


@pytest.mark.parametrize("kind", ["empty", "cut", "foreign", "dict", "fields", "folder", "none"])
def test_a_broken_classifier_gets_one_line(kind, model, astronaut, tmp_path):
    from openfaceplus.weights import safe

    whole = model / "generated-embeddings/classifier.pkl"
    pkl, data = tmp_path / "classifier.pkl", whole.read_bytes()
    if kind == "folder":
        pkl.mkdir()
    elif kind in ("dict", "fields"):
        tree = safe.load(whole)
        safe.dump(pkl, {"a": 1} if kind == "dict" else {**tree, "vectors": "many", "recipe": []})
    elif kind != "none":
        cut = {"empty": b"", "cut": data[: len(data) // 2], "foreign": b"\x89PNG\r\n" + data}
        pkl.write_bytes(cut[kind])
    said = refused("infer", "-m", pkl, astronaut)
    assert str(pkl) in said or (kind == "folder" and str(tmp_path) in said)


@pytest.mark.parametrize("damage", ["narrow", "words", "rows", "nan", "gone", "manifest", "empty"])
def test_broken_embeddings_get_one_line(damage, embeddings):
    reps, manifest = embeddings / "reps.csv", embeddings / "representation.json"
    lines = reps.read_text().splitlines()
    changed = {
        "words": ["a,b,c" for _ in lines],
        "rows": lines[1:],
        "nan": ["nan" + line[line.index(",") :] for line in lines],
        "narrow": [line.rsplit(",", 1)[0] for line in lines[:1]] + lines[1:],
        "empty": [],
    }
    if damage in changed:
        reps.write_text("".join(f"{line}\n" for line in changed[damage]))
    (reps if damage == "gone" else manifest).unlink() if damage in ("gone", "manifest") else None
    said = refused(CLASSIFIER, "train", embeddings)
    assert str(embeddings) in said


def test_debug_shows_the_traceback(tmp_path):
    done = run(CLASSIFIER, "train", tmp_path, "--debug", expect=None)
    assert done.returncode and "Traceback" in done.stderr and "StorageError" in done.stderr
