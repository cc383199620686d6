"""From photos to names: OpenFace's commands, the one command, and what they print and leave."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from running import ALIGN, CLASSIFIER, REPRESENT, call, leftovers, numbers, people, run, save, table

from openfaceplus.recipe import CLASSIC

LINE = r"Predict (\S+) with (\d\.\d\d) confidence\."
UNKNOWN = r"Predict unknown \(closest: (\S+)\)\."


@pytest.fixture
def here(openface, tmp_path):
    """OpenFace's working folder, as a copy that may be changed."""
    return Path(shutil.copytree(openface, tmp_path / "work", copy_function=shutil.copy2))


def copies(openface: Path, portraits: Path, tmp_path: Path) -> list[str]:
    for name in ("obama1.jpg", "kit_with_rose.jpg"):
        shutil.copy(portraits / "test" / name, tmp_path)
    return ["obama1.jpg", "kit_with_rose.jpg"]


# --- OpenFace's commands ---------------------------------------------------------------------


def test_files_are_where_openface_users_expect_them(openface):
    photos = sorted((openface / "training-images").rglob("*.jp*g"))
    chips = sorted((openface / "aligned-images").rglob("*.png"))
    assert [(p.parent.name, p.stem) for p in photos] == [(c.parent.name, c.stem) for c in chips]
    assert {Image.open(chip).size for chip in chips} == {(96, 96)}
    with (openface / "generated-embeddings/labels.csv").open(newline="") as file:
        labels = list(csv.reader(file))
    assert [path for _, path in labels] == [str(c.relative_to(openface)) for c in chips]
    assert [int(number) for number, _ in labels] == [1, 2, 2, 3, 3, 4, 4, 5, 5]
    vectors = numbers(openface / "generated-embeddings/reps.csv")
    assert vectors.shape == (9, 128)
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert (openface / "generated-embeddings/classifier.pkl").is_file()
    assert leftovers(openface) == []


def test_training_says_what_openface_says(openface, tmp_path):
    shutil.copytree(openface / "generated-embeddings", tmp_path / "e")
    said = call(CLASSIFIER, "train", "e/", cwd=tmp_path).stdout.splitlines()
    assert said[0] == "Training for 5 classes."
    assert "Saving classifier to 'e/classifier.pkl'" in said


def test_inference_prints_what_openface_prints(openface, portraits, tmp_path):
    first, second = copies(openface, portraits, tmp_path)
    pkl = openface / "generated-embeddings/classifier.pkl"
    said = run(CLASSIFIER, "infer", pkl, first, second, cwd=tmp_path).stdout
    match = re.fullmatch(f"\n=== {first} ===\n{LINE}\n\n=== {second} ===\n{LINE}\n", said)
    assert match, said
    assert match[1] == "obama" and float(match[2]) > 0.5
    assert match[3] in ("kit", "rose")


def test_a_classifier_is_found_in_every_way_it_can_be_named(openface, portraits, tmp_path):
    photo = portraits / "test/obama1.jpg"
    pkl = openface / "generated-embeddings/classifier.pkl"
    named = run(CLASSIFIER, "infer", pkl, photo).stdout
    assert "Predict obama with" in named
    assert call(CLASSIFIER, "infer", photo, cwd=openface).stdout == named
    variable = {"OPENFACEPLUS_CLASSIFIER": str(pkl)}
    assert run(CLASSIFIER, "infer", photo, cwd=tmp_path, env=variable).stdout == named
    assert call(CLASSIFIER, "infer", "--classifier-model", openface, photo).stdout == named
    assert call("infer", "-m", pkl, photo).stdout == named
    lost = call(CLASSIFIER, "infer", photo, cwd=tmp_path, expect=2)
    assert "train first" in lost.stderr


def test_several_faces_come_from_left_to_right(model, portraits, tmp_path):
    photo = portraits / "test/kit_with_rose.jpg"
    said = run("infer", "-m", model, "--multi", photo, "--annotate", tmp_path / "a").stdout
    assert re.fullmatch(
        rf"\n=== {photo} ===\nList of faces in image from left to right\n"
        r"Predict rose @ x=\d+ with \d\.\d\d confidence\.\n"
        r"Predict kit @ x=\d+ with \d\.\d\d confidence\.\n",
        said,
    ), said
    first, second = map(int, re.findall(r"x=(\d+)", said))
    assert first < second
    before, after = Image.open(photo), Image.open(tmp_path / "a/kit_with_rose.jpg")
    assert after.size == before.size
    green = np.abs(np.asarray(after).astype(int) - (0, 140, 60)).sum(axis=2) < 30
    assert green.sum() > 500


def test_every_enrolled_person_is_named_and_json_says_it(model, portraits):
    done = call("infer", "-m", model, "--multi", "--json", portraits / "test")
    said = [json.loads(line) for line in done.stdout.splitlines()]
    named = {Path(d["file"]).stem: {f["name"] for f in d["faces"]} - {None} for d in said}
    assert named == {
        "alex1": {"alex"},
        "kit1": {"kit"},
        "kit_with_rose": {"kit", "rose"},
        "obama1": {"obama"},
        "obama_and_biden": {"obama", "biden"},
    }
    for line in said:
        assert set(line) == {"file", "status", "error", "more_faces", "faces"}
        assert line["status"] == "ok" and line["error"] is None
        for face in line["faces"]:
            left, top, right, bottom = face["box"]
            assert left < right and top < bottom
            assert 0 <= face["confidence"] <= 1 and isinstance(face["closest"], str)
            assert (face["name"] is not None) == (face["score"] >= face["threshold"])


def test_a_failed_photo_comes_out_after_all_others_were_done(model, portraits, tmp_path):
    good = portraits / "test/obama1.jpg"
    blank = save(tmp_path / "blank.png", np.zeros((90, 90, 3), np.uint8))
    done = run("infer", "-m", model, blank, tmp_path / "none.jpg", good, expect=1)
    assert "no face found" in done.stdout and "no such file" in done.stdout
    assert "Predict obama with" in done.stdout
    done = call("infer", "-m", model, "--json", blank, good, expect=1)
    failed, named = map(json.loads, done.stdout.splitlines())
    assert "no face found" in failed["error"]["problem"] and failed["faces"] == []
    assert named["error"] is None and named["faces"][0]["name"] == "obama"


def test_strangers_are_unknown(portraits, tmp_path):
    shutil.copytree(portraits / "train", tmp_path / "t", ignore=lambda *_: ["obama"])
    call("train", tmp_path / "t", "-o", tmp_path / "model", "--jobs", 1)
    photo = portraits / "test/obama1.jpg"
    said = call("infer", "-m", tmp_path / "model", photo).stdout
    assert re.search(UNKNOWN, said), said
    multi = call("infer", "-m", tmp_path / "model", "--multi", photo).stdout
    assert re.search(r"unknown @ x=\d+ \(closest: \S+\)\.", multi)


def test_both_flows_give_the_same_vectors(openface, portraits, tmp_path):
    """OpenFace's 96-pixel chips do not cost accuracy: dlib's are cut from the photos again."""
    call("train", portraits / "train", "-o", tmp_path / "m", "--detector", CLASSIC, "--jobs", 1)
    ours = numbers(tmp_path / "m/generated-embeddings/reps.csv")
    theirs = numbers(openface / "generated-embeddings/reps.csv")
    assert np.allclose(ours, theirs, atol=1e-6)


# --- the photos are gone ---------------------------------------------------------------------


def test_without_the_photos_small_chips_are_a_space_of_their_own(here, portraits):
    shutil.rmtree(here / "training-images")
    done = run(REPRESENT, "-outDir", "gone/", "-data", "aligned-images/", "--jobs", "1", cwd=here)
    assert "warning: the photos are gone" in done.stderr and "93.5" in done.stderr
    run(CLASSIFIER, "train", "gone/", cwd=here)
    photo = portraits / "test/obama1.jpg"
    said = run(CLASSIFIER, "infer", "gone/classifier.pkl", photo, cwd=here).stdout
    assert "closest: obama" in said  # five people calibrate nothing in a space without a table
    space = json.loads((here / "gone/representation.json").read_text())["settings"]["space"]
    usual = json.loads((here / "generated-embeddings/representation.json").read_text())
    assert "through" in space and space != usual["settings"]["space"]


def test_chips_of_unknown_origin_can_be_embedded(here):
    (here / "aligned-images/alignment.csv").unlink()
    (here / "aligned-images/alignment.json").unlink()
    save(here / "aligned-images/aaron/broken.png").write_bytes(b"broken")
    done = call(REPRESENT, "-outDir", "e", "-data", "aligned-images", "--jobs", 1, cwd=here,
                expect=1)  # fmt: skip
    assert "9 of 10 photos represented" in done.stdout
    assert len(numbers(here / "e/reps.csv")) == 9


# --- options of alignment --------------------------------------------------------------------


def test_a_photo_of_several_gives_its_best_face_unless_skipped(portraits, tmp_path):
    from skimage import data

    root = tmp_path / "photos"
    # dlib's detector also sees a face of the same size in the astronaut's suit.
    save(root / "eileen/suit.png", data.astronaut())
    (root / "pair").mkdir()
    shutil.copy(portraits / "test/kit_with_rose.jpg", root / "pair/two.jpg")
    align = (ALIGN, root, "align", "outerEyesAndNose")
    call(*align, tmp_path / "all", "--jobs", 1)
    rows = {row["person"]: row for row in table(tmp_path / "all/alignment.csv")}
    assert float(rows["eileen"]["top"]) < 200 and rows["pair"]["status"] == "ok"
    assert rows["pair"]["faces"] == "2" and "2 faces" in rows["pair"]["reason"]
    done = call(*align, tmp_path / "single", "--skipMulti", "--jobs", 1, expect=1)
    rows = {row["person"]: row for row in table(tmp_path / "single/alignment.csv")}
    assert rows["pair"]["status"] == "several_faces" and "with several faces" in done.stdout
    assert not (tmp_path / "single/pair").exists()


def test_fallback_chips_are_copied_and_later_steps_live_with_them(tmp_path):
    root = people(tmp_path / "photos", a=1, b=1)
    save(root / "a/none.png", np.full((80, 80, 3), 90, np.uint8))
    save(root / "b/none.png", np.full((80, 80, 3), 90, np.uint8))
    ready = save(tmp_path / "lfw/a/none.jpg", np.full((96, 96, 3), 120, np.uint8))
    chips = tmp_path / "chips"
    done = call(ALIGN, root, "align", "outerEyesAndNose", chips, "--fallbackLfw", tmp_path / "lfw",
                "--jobs", 1, expect=1)  # fmt: skip
    assert "3 of 4 photos aligned" in done.stdout
    assert (chips / "a/none.jpg").read_bytes() == ready.read_bytes()
    rows = {(r["person"], Path(r["photo"]).stem): r for r in table(chips / "alignment.csv")}
    assert rows["a", "none"]["status"] == "fallback"
    assert rows["b", "none"]["status"] == "no_face" and "no fallback" in rows["b", "none"]["reason"]
    call(REPRESENT, "-outDir", tmp_path / "e", "-data", chips, expect=1)
    assert len(numbers(tmp_path / "e/reps.csv")) == 2
    call(CLASSIFIER, "train", tmp_path / "e")


def test_mean_landmarks(tmp_path):
    root = people(tmp_path / "photos", a=2)
    call(ALIGN, root, "computeMean", "--modelDir", tmp_path / "out", "--jobs", 1)
    mean, deviation = numbers(tmp_path / "out/mean.csv"), numbers(tmp_path / "out/std.csv")
    assert mean.shape == deviation.shape == (68, 2)
    assert 0.1 < mean[36, 0] < mean[45, 0] < 0.9  # the outer corners of the eyes
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "no face" in call(ALIGN, empty, "computeMean", expect=2).stderr


def test_the_other_landmarks_and_other_sizes(tmp_path):
    root = people(tmp_path / "photos", a=1)
    call(ALIGN, root, "align", "innerEyesAndBottomLip", tmp_path / "c", "--size", 120)
    assert Image.open(tmp_path / "c/a/0.png").size == (120, 120)
    assert len(table(tmp_path / "c/alignment.csv")[0]["landmarks"].split(";")) == 68
    call(REPRESENT, "-outDir", tmp_path / "e", "-data", tmp_path / "c", "-imgDim", 120)
    assert len(numbers(tmp_path / "e/reps.csv")) == 1
