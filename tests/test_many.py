"""Many photos, and large ones: named as one by one and at full size, only sooner."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from running import call, face, people, portrait, refused, run, save

import openfaceplus
from openfaceplus.errors import PhotoError
from openfaceplus.images import Photo, as_photo, read_photo
from openfaceplus.model import Policy
from openfaceplus.pipeline import Pipeline
from openfaceplus.recipe import recipe
from openfaceplus.stages.photos import embed_photos

COUNT = 66


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    """A model of one person, whose face all photos here show."""
    root = tmp_path_factory.mktemp("small")
    call("train", people(root / "photos", eileen=3), "-o", root / "model", "--jobs", 1)
    return root / "model"


@pytest.fixture(scope="module")
def pile(tmp_path_factory) -> list[Path]:
    """Photos with a face, with two, without any, and what is no photo."""
    folder = tmp_path_factory.mktemp("pile")
    paths = [save(folder / f"{number:02}.jpg", face(number)) for number in range(COUNT - 5)]
    pair = np.concatenate([face(0), face(3)], axis=1)
    paths += [save(folder / name, pair) for name in ("pair.png", "other.png")]
    paths += [save(folder / "wall.png", np.full((90, 90, 3), 120, np.uint8)), folder / "gone.jpg"]
    (folder / "words.jpg").write_text("no photo")
    paths.insert(7, folder / "words.jpg")
    assert len(paths) == COUNT
    return paths


@pytest.mark.parametrize("multi", [pytest.param((), marks=pytest.mark.heavy), ("--multi",)])
def test_many_photos_are_named_as_one_by_one(model, pile, tmp_path, multi):
    words = ("infer", "-m", model, "--json", *multi, *pile)
    one = call(*words, "--jobs", 1, "--annotate", tmp_path / "one", expect=1)
    many = run(*words, "--jobs", 2, "--annotate", tmp_path / "many", expect=1)
    expected, found = ([json.loads(line) for line in d.stdout.splitlines()] for d in (one, many))
    assert [line["file"] for line in found] == [str(path) for path in pile]
    assert sum(line["error"] is not None for line in found) == 3
    assert [len(line["faces"]) for line in found if "pair" in line["file"]] == [1 + bool(multi)]
    for ours, theirs in zip(found, expected, strict=True):
        assert ours["error"] == theirs["error"]
        for a, b in zip(ours["faces"], theirs["faces"], strict=True):
            for key in ("box", "name", "closest", "threshold", "note"):
                assert a[key] == b[key]
            assert abs(a["score"] - b["score"]) < 2e-4  # printed with four decimals
    pictures = sorted(path.name for path in (tmp_path / "one").iterdir())
    assert len(pictures) == COUNT - 3
    for name in pictures:
        before, after = (np.asarray(Image.open(tmp_path / way / name)) for way in ("one", "many"))
        assert before.shape == after.shape and np.mean(before != after) < 0.01


def test_the_same_from_python(model, pile):
    known, policy = openfaceplus.load(model), Policy(threshold=0.5)
    for found in embed_photos(pile, known.pipeline.recipe, jobs=2):
        try:
            expected = known.identify(found.source, threshold=0.5)
        except PhotoError as error:
            with pytest.raises(type(error)) as problem:
                known.judge(found, policy)
            assert str(problem.value) == str(error)
            continue
        for a, b in zip(known.judge(found, policy), expected, strict=True):
            assert (a.name, a.closest, a.box, a.note) == (b.name, b.closest, b.box, b.note)
            assert abs(a.score - b.score) < 1e-5 and abs(a.confidence - b.confidence) < 1e-3


@pytest.mark.parametrize("count", [0, 1, 16, 17, 33, 40])
def test_no_photo_is_lost_when_they_are_shared_out(pile, count):
    paths = [pile[-1]] * count  # it is not there, so nothing is embedded
    found = list(embed_photos(paths, recipe(), jobs=2))
    assert [one.source for one in found] == paths
    assert all(one.error is not None and not len(one.vectors) for one in found)


def test_no_jobs_make_no_sense(model, pile):
    for photos in (pile, pile[:1]):
        assert "--jobs" in refused("infer", "-m", model, "--jobs", 0, *photos)


# --- large photos ----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def large(tmp_path_factory) -> Path:
    """The face on five megapixels, as JPEG."""
    photo = Image.fromarray(portrait()).resize((2300, 2200), Image.Resampling.BICUBIC)
    return save(tmp_path_factory.mktemp("large") / "large.jpg", np.asarray(photo), quality=90)


@pytest.fixture(scope="module")
def pipeline() -> Pipeline:
    return Pipeline(recipe())


@pytest.fixture
def read(monkeypatch) -> list[Photo]:
    """The photos that a pipeline reads."""
    from openfaceplus import pipeline

    photos: list[Photo] = []

    def noted(*args, **options):
        photos.append(as_photo(*args, **options))
        return photos[-1]

    monkeypatch.setattr(pipeline, "as_photo", noted)
    return photos


def test_the_largest_face_is_read_from_fewer_pixels(large, pipeline, read):
    (whole,) = pipeline.look([large])
    assert read[-1].scale == 1 and read[-1].pixels.shape == (2200, 2300, 3)
    (reduced,) = pipeline.look([large], largest=True)
    assert read[-1].scale > 1 and (read[-1].width, read[-1].height) == (2300, 2200)
    assert read[-1].pixels.shape[0] * read[-1].pixels.shape[1] <= 1_500_000 and len(read) == 2
    (expected,), (found,) = whole.faces, reduced.faces
    assert found.box.iou(expected.box) > 0.7
    assert whole.vectors[0] @ reduced.vectors[0] > 0.98
    (kept,) = pipeline.look([large], largest=True, photos=True)
    assert kept.photo is read[-1] and kept.photo.scale == 1 and len(read) == 3
    assert reduced.photo is None and reduced.chips == ()


def test_a_small_face_in_a_large_photo_is_read_at_full_size(tmp_path, pipeline, read):
    pixels = np.full((2000, 2400, 3), 127, np.uint8)
    pixels[900:1120, 1100:1330] = face()
    path = save(tmp_path / "small-face.jpg", pixels, quality=95)
    (found,) = pipeline.look([path], largest=True)[0].faces
    assert read[-1].scale == 1 and read[-1].pixels.shape == pixels.shape
    (expected,) = pipeline.look([read_photo(path)], largest=True)[0].faces
    assert found.box == expected.box and 1100 < found.box.left < found.box.right < 1330
    nobody = save(tmp_path / "nobody.jpg", np.full((2000, 2400, 3), 127, np.uint8))
    (found,) = pipeline.look([nobody], largest=True)
    assert read[-1].scale == 1 and not len(found.faces)


def test_photos_in_memory_are_read_alike(large, pipeline, read):
    expected = pipeline.look([large], largest=True)[0].faces[0].box
    data = large.read_bytes()
    for form in (data, io.BytesIO(data)):
        (found,) = pipeline.look([form], largest=True)[0].faces
        assert read[-1].scale > 1 and found.box == expected
    pixels = np.asarray(Image.open(large))
    pipeline.look([pixels], largest=True)
    assert read[-1].scale == 1 and np.shares_memory(read[-1].pixels, pixels)


def test_a_large_photo_is_annotated_at_full_size(model, large, tmp_path):
    said = call("infer", "-m", model, "--json", large, "--annotate", tmp_path).stdout
    (found,) = json.loads(said)["faces"]
    assert found["name"] == "eileen"
    picture = np.asarray(Image.open(tmp_path / "large.jpg")).astype(int)
    assert picture.shape == (2200, 2300, 3)
    green = np.abs(picture - (0, 140, 60)).sum(axis=2) < 60
    left, top, right, _ = found["box"]
    assert green[top + 2 : top + 6, left + 20 : right - 20].mean() > 0.9
    assert not green[: top - 10].any()


def test_left_out_faces_are_counted(model, tmp_path):
    pair = save(tmp_path / "pair.png", np.concatenate([face(0), face(3)], axis=1))
    alone = save(tmp_path / "alone.png", face(0))
    words = ("infer", "-m", model, "--detector", "hog-full")  # it never stops at the largest
    said = call(*words, pair, alone).stderr.splitlines()
    assert [line for line in said if "more" in line] == [
        f"{pair}: at least 1 more face; --multi names all"
    ]
    lines = call(*words, "--json", pair, alone).stdout.splitlines()
    assert [json.loads(line)["more_faces"] for line in lines] == [1, 0]
    assert "at least" not in call(*words, "--multi", pair).stderr
    results = openfaceplus.load(model, detector="hog-full").identify_many([pair], largest=True)
    assert [(one.others, len(one.decisions)) for one in results] == [(1, 1)]


def test_a_photo_without_a_face_is_no_error(model, tmp_path):
    known = openfaceplus.load(model)
    path = save(tmp_path / "wall.png", np.full((90, 90, 3), 120, np.uint8))
    for source in (path, str(path), read_photo(path)):
        assert known.identify(source) == []
    said = call("infer", "-m", model, "--json", path, expect=1).stdout
    found = json.loads(said)
    assert (found["status"], found["faces"]) == ("no_face", [])
    assert found["error"]["problem"].endswith("wall.png: no face found")


def test_a_picture_that_cannot_be_written_is_that_photo_s_row(model, tmp_path):
    wide = np.full((230, 17_000, 3), 127, np.uint8)
    wide[:220, :230] = face()
    odd = save(tmp_path / "wide.png", wide).rename(tmp_path / "wide.webp")
    good = save(tmp_path / "good.png")
    words = ("infer", "-m", model, odd, good, "--annotate", tmp_path / "a")
    said = call(*words, expect=1).stdout
    assert "No picture:" in said and "17000 x 230" in said and said.count("Predict") == 2
    assert [path.name for path in (tmp_path / "a").iterdir()] == ["good.png"]
    first = json.loads(call(*words, "--json", expect=1).stdout.splitlines()[0])
    assert first["error"]["code"] == "picture_unwritable" and first["faces"][0]["name"]
