"""Photos, names and folders as they should not be: rows and sentences, never a crash."""

from __future__ import annotations

import csv
import json
import os
import resource
import shutil
import struct
import subprocess
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from running import (
    ALIGN,
    by_name,
    call,
    face,
    leftovers,
    numbers,
    people,
    refused,
    run,
    save,
    table,
)

ODD = [
    "new\nline", 'quo"te\'s', "com,ma", "carriage\rreturn", "José 王", "😀", "\udcff\udcfe", " x ",
]  # fmt: skip
# Where the photo's top left corner lies for each EXIF orientation, as a turn that undoes it.
UNTURN = {
    1: None,
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_90,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_270,
}


def good_photos(folder: Path) -> None:
    """Every format and kind that must work."""
    image = Image.fromarray(face())
    save(folder / "a.jpg")
    for name in ("png", "webp", "tiff", "bmp", "gif"):
        image.save(folder / f"format.{name}")
    image.save(folder / "UPPER.JPG")
    image.convert("L").save(folder / "grey.png")
    image.convert("CMYK").save(folder / "cmyk.jpg")
    image.convert("RGBA").save(folder / "alpha.png")
    deep = np.asarray(image.convert("L")).astype(np.uint16) * 257
    Image.fromarray(deep).save(folder / "sixteen.png")
    image.save(folder / "José 王 😀.png")
    image.save(folder / ("long" * 60 + ".png"))
    (folder / "link.png").symlink_to(folder / "format.png")
    for value, turn in UNTURN.items():
        exif = Image.Exif()
        exif[0x0112] = value
        turned = image if turn is None else image.transpose(turn)
        turned.save(folder / f"turned-{value}.jpg", exif=exif, quality=95)


def chunk(kind: bytes, data: bytes) -> bytes:
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def bad_photos(folder: Path) -> dict[str, str]:
    """Every kind that must become a row with a reason: its name and status."""
    whole = save(folder / "cut.jpg").read_bytes()
    (folder / "cut.jpg").write_bytes(whole[: len(whole) // 2])
    (folder / "empty.jpg").touch()
    (folder / "words.jpg").write_text("this is no photo")
    (folder / "notes.txt").write_text("nor is this")
    (folder / "dead.jpg").symlink_to(folder / "nowhere.jpg")
    (folder / "circle.jpg").symlink_to(folder / "circle.jpg")
    os.mkfifo(folder / "pipe.jpg")
    size = struct.pack(">IIBBBBB", 30000, 30000, 8, 2, 0, 0, 0)
    bomb = chunk(b"IHDR", size) + chunk(b"IDAT", zlib.compress(bytes(1000))) + chunk(b"IEND", b"")
    (folder / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + bomb)
    save(folder / "pixel.png", np.zeros((1, 1, 3), np.uint8))
    save(folder / "thin.png", np.zeros((1, 4000, 3), np.uint8))
    save(folder / "wall.png", np.full((200, 200, 3), 128, np.uint8))
    faceless = dict.fromkeys(("pixel.png", "thin.png", "wall.png"), "no_face")
    unread = ("cut.jpg", "empty.jpg", "words.jpg", "notes.txt", "dead.jpg", "circle.jpg")
    return {
        **faceless,
        **dict.fromkeys((*unread, "pipe.jpg"), "unreadable"),
        "bomb.png": "too_large",
    }


def whole_images(root: Path) -> int:
    """How many pictures lie below a folder; each must be whole."""
    pictures = [path for path in root.rglob("*.png") if not path.name.startswith(".")]
    for path in pictures:
        Image.open(path).load()
    return len(pictures)


@pytest.fixture(scope="module")
def mixed(tmp_path_factory):
    """Photos of all kinds, the statuses they must get, and the model made of them."""
    root = tmp_path_factory.mktemp("mixed")
    good_photos(root / "photos/good")
    expected = bad_photos(root / "photos/good")
    save(root / "photos/in-root.jpg")
    save(root / "photos/good/nested/deeper/a.jpg")
    expected["in-root.jpg"] = "no_person"
    (root / "photos/nobody").mkdir()
    done = run("train", root / "photos", "-o", root / "model", expect=1)
    return root, expected, done


def test_every_training_photo_is_a_row_with_a_reason(mixed):
    root, expected, done = mixed
    alignment = root / "model/aligned-images/alignment.csv"
    found = by_name(alignment)
    wrong = {name: status for name, status in expected.items() if found[name] != status}
    assert not wrong, {name: found[name] for name in wrong}
    good = set(found) - set(expected)
    assert len(good) == 22 and {found[name] for name in good} == {"ok"}
    rows = table(alignment)
    assert len(rows) == 35
    for row in rows:
        assert bool(row["chip"]) == (row["status"] == "ok") != bool(row["reason"])
    assert "23 of 35 photos aligned" in done.stdout
    for count in ("23 ok", "7 unreadable", "3 without a face", "1 too large", "1 in no person"):
        assert count in done.stdout
    assert whole_images(root / "model/aligned-images") == 23


def test_all_ways_to_store_a_photo_give_the_same_person(mixed):
    root, _, _ = mixed
    vectors = numbers(root / "model/generated-embeddings/reps.csv")
    assert len(vectors) == 23
    assert (vectors @ vectors.T).min() > 0.97


def test_the_same_photos_as_probes(mixed):
    root, expected, _ = mixed
    done = call("infer", "-m", root / "model", "--json", root / "photos", "--jobs", 1, expect=1)
    said = {Path(d["file"]).name: d for d in map(json.loads, done.stdout.splitlines())}
    assert len(said) == 34  # two are called a.jpg
    for name, answer in said.items():
        if expected.get(name, "no_person") == "no_person":
            assert answer["error"] is None and answer["faces"][0]["closest"] == "good"
        else:
            assert name in answer["error"]["problem"] and answer["faces"] == []
            assert answer["error"]["code"] in ("no_face", "photo_unreadable", "photo_too_large")


def test_more_pixels_than_allowed(tmp_path):
    root = people(tmp_path / "photos", a=1)
    done = call("align", root, "-o", tmp_path / "c", "--max-pixels", 1000, "--jobs", 1, expect=1)
    assert "too large" in done.stdout and "allow 50600 pixels" in done.stderr


def test_people_with_odd_names_are_kept_apart(tmp_path):
    for number, name in enumerate(ODD):
        save(tmp_path / "photos" / name / "a.jpg", face(number))
    save(tmp_path / "photos" / ODD[0] / "a.png", face(9))
    call("train", tmp_path / "photos", "-o", tmp_path / "model", "--jobs", 1)
    rows = table(tmp_path / "model/aligned-images/alignment.csv")
    assert sorted({row["person"] for row in rows}) == sorted(ODD) and len(rows) == 9
    assert len({row["chip"] for row in rows}) == 9
    assert all(Path(row["chip"]).is_file() for row in rows)
    labels = tmp_path / "model/generated-embeddings/labels.csv"
    with labels.open(newline="", encoding="utf-8", errors="surrogateescape") as file:
        assert {Path(chip).parent.name for _, chip in csv.reader(file)} == set(ODD)
    done = call("infer", "-m", tmp_path / "model", tmp_path / "photos", "--multi",
                "--annotate", tmp_path / "a", "--jobs", 1)  # fmt: skip
    assert done.stdout.count("===\n") == 9 and done.stdout.count("Predict") == 9
    assert len(list((tmp_path / "a").iterdir())) == 9
    done = run("infer", "-m", tmp_path / "model", tmp_path / "photos", "--json",
               env={"PYTHONIOENCODING": "ascii"})  # fmt: skip
    named = [json.loads(line)["faces"][0]["closest"] for line in done.stdout.splitlines()]
    assert set(named) <= set(ODD)


# --- folders ---------------------------------------------------------------------------------


def test_folders_that_cannot_work_get_a_sentence(tmp_path):
    empty = tmp_path / "empty"
    (empty / "person").mkdir(parents=True)
    assert "holds no photos" in refused("train", empty, "-o", tmp_path / "m")
    assert "not a folder" in refused("train", tmp_path / "none", "-o", tmp_path / "m")
    photo = save(tmp_path / "flat/a.jpg")
    assert "no person" not in refused("align", photo, "-o", tmp_path / "m")
    done = call("train", tmp_path / "flat", "-o", tmp_path / "m", expect=2)
    assert "no usable face in 1 photo (1 in no person's folder)" in done.stderr
    assert "give each person a folder of photos" in done.stderr
    save(tmp_path / "dark/a/a.png", np.zeros((80, 80, 3), np.uint8))
    done = call("train", tmp_path / "dark", "-o", tmp_path / "d", expect=2)
    assert "alignment.csv" in done.stderr and "without a face" in done.stderr
    assert "holds no photos" in refused("infer", empty)
    inside = refused("align", tmp_path / "flat", "-o", tmp_path / "flat/chips")
    assert "lies inside" in inside
    assert "holds no aligned photos" in refused("represent", empty, "-o", tmp_path / "e")


@pytest.mark.parametrize(
    ("flags", "hint"),
    [
        (("--jobs", 0), "--jobs"),
        (("--views", 3), "--views"),
    ],
)
def test_options_that_make_no_sense(tmp_path, flags, hint):
    root = people(tmp_path / "photos", a=1)
    assert hint in refused("train", root, "-o", tmp_path / "m", *flags)


def test_chips_that_cannot_be_cut(tmp_path):
    root = people(tmp_path / "photos", a=1)
    align = (ALIGN, root, "align")
    said = refused(*align, "outerEyesAndNose", tmp_path / "c", "--size", 0)
    assert "--size" in said
    said = refused(*align, "innerEyesAndBottomLip", tmp_path / "c", "--landmarks", 5)
    assert "not among 5 landmarks" in said and "align by 68" in said


def test_output_in_the_way_of_a_file(tmp_path):
    root = people(tmp_path / "photos", a=1)
    (tmp_path / "file").touch()
    said = refused("train", root, "-o", tmp_path / "file/model", "--jobs", 1)
    assert f"{tmp_path / 'file'}" in said and "ot a directory" in said
    (tmp_path / "out/a/0.png").mkdir(parents=True)
    said = refused("align", root, "-o", tmp_path / "out", "--jobs", 1)
    assert "/a/0.png: cannot be written" in said and "a folder of that name is in the way" in said


def small_files(limit: int):
    return lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_file_that_cannot_be_written_whole_is_not_there(tmp_path, jobs):
    root, chips = people(tmp_path / "photos", a=3), tmp_path / "chips"
    said = refused("align", root, "-o", chips, "--jobs", jobs, before=small_files(20_000))
    assert "cannot be written" in said
    assert whole_images(chips) == 0
    assert [path.name for path in leftovers(chips)] in ([".alignment.journal"], [])
    assert "interrupted" in refused("represent", chips, "-o", tmp_path / "e")
    call("align", root, "-o", chips, "--jobs", 1)
    said = refused("represent", chips, "-o", tmp_path / "e", before=small_files(2000))
    assert "cannot be written" in said
    assert not (tmp_path / "e/reps.csv").exists()
    call("represent", chips, "-o", tmp_path / "e", "--jobs", 1)
    assert len(numbers(tmp_path / "e/reps.csv")) == 3


def test_a_full_disk(tmp_path):
    disk = tmp_path / "disk"
    disk.mkdir()
    mount = shutil.which("mount")
    made = mount and subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=128k", "tmpfs", str(disk)], capture_output=True
    )
    if not made or made.returncode:
        pytest.skip("a small disk cannot be mounted here")
    try:
        root = people(tmp_path / "photos", a=5)
        said = refused("align", root, "-o", disk / "chips", timeout=100)
        assert "free some space" in said
        assert 0 < whole_images(disk / "chips") < 5
        subprocess.run([mount, "-o", "remount,size=4m", str(disk)], check=True)
        run("align", root, "-o", disk / "chips")
        assert whole_images(disk / "chips") == 5
        assert leftovers(disk) == []
    finally:
        subprocess.run(["umount", str(disk)], check=True)


@pytest.mark.heavy
@pytest.mark.parametrize("size", [(4000, 3000), (12000, 8400)])
def test_huge_photos_in_bounded_memory(tmp_path, size):
    photo = tmp_path / "photos/a/huge.jpg"
    photo.parent.mkdir(parents=True)
    Image.fromarray(face()).resize(size).save(photo, quality=80)
    run("align", tmp_path / "photos", "-o", tmp_path / "c", "--jobs", 1, timeout=400,
        before=lambda: resource.setrlimit(resource.RLIMIT_AS, (4 << 30, 4 << 30)))  # fmt: skip
    row = table(tmp_path / "c/alignment.csv")[0]
    assert row["width"] == str(size[0]) and float(row["right"]) - float(row["left"]) > size[0] / 5
