"""The evaluation commands on a few people, in folders as LFW has them."""

from __future__ import annotations

import json
import re
import shutil
import time
from pathlib import Path

import numpy as np
import pytest
import sample_photos
from running import call, refused, save

PNG = b"\x89PNG\r\n\x1a\n"
PAIRS_PLOTS = {"pairs-roc.png", "pairs-det.png", "pairs-scores.png"}
OPENSET_PLOTS = {
    "openset-dir.png", "openset-cmc.png", "openset-scores.png", "openset-reliability.png",
}  # fmt: skip


@pytest.fixture(scope="module")
def lfw(samples, tmp_path_factory) -> Path:
    """Eight people with five photos, three with two, twelve with one; a photo without a face."""
    root = tmp_path_factory.mktemp("lfw") / "few"
    sample_photos.many(root, *8 * [5], *3 * [2], *12 * [1])
    first = next(folder for folder in sorted(root.iterdir()) if len(list(folder.iterdir())) == 5)
    pixels = np.zeros((90, 90, 3), np.uint8)
    save(first / f"{first.name}_0005.jpg", pixels)
    return root


@pytest.fixture(scope="module")
def pairs(lfw) -> Path:
    """Three folds of eight and eight pairs."""
    many = [folder.name for folder in sorted(lfw.iterdir()) if len(list(folder.iterdir())) == 5]
    lines = ["3\t8"]
    for fold in range(3):
        lines += [f"{name}\t{fold + 1}\t{fold + 3}" for name in many]
        lines += [
            f"{name}\t{fold + 1}\t{other}\t{fold + 2}"
            for name, other in zip(many, many[1:] + many[:1], strict=True)
        ]
    path = lfw.parent / "pairs.txt"
    path.write_text("".join(f"{line}\n" for line in lines))
    return path


@pytest.fixture(scope="module")
def output(lfw, pairs) -> Path:
    """What a first run of pairs wrote."""
    folder = lfw.parent / "results"
    call("evaluate", "pairs", lfw, pairs, "-o", folder, "--jobs", 1)
    return folder


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch) -> Path:
    folder = tmp_path_factory.getbasetemp() / "evaluate-cache"
    monkeypatch.setenv("OPENFACEPLUS_CACHE", str(folder))
    return folder


def measure(*words: object) -> dict:
    done = call("evaluate", *words, "--json", "--jobs", 1)
    assert done.stdout.count("\n") == 1
    return json.loads(done.stdout)


def test_pairs(lfw, pairs, output):
    before = sorted(path for path in lfw.parent.rglob("*") if output not in path.parents)
    start = time.monotonic()
    made = measure("pairs", lfw, pairs, "-o", output)
    assert time.monotonic() - start < 20  # nothing is embedded twice
    assert made["pairs"] == 48 and made["people"] == 8 and made["photos"] == 40
    # The photo without a face is in one genuine pair, which counts as an error.
    assert made["failures"] == 1
    assert made["accuracy"] == pytest.approx(47 / 48, abs=0.03) and made["accuracy"] < 1
    assert 0 < made["accuracy_stderr"] < 0.1 and made["eer"] < 0.1 and made["auc"] > 0.95
    assert made["tar_at_far"].keys() == {"0.01", "0.001"}
    assert made["tar_at_far"]["0.001"] <= 23 / 24
    assert {path.name for path in output.iterdir()} == PAIRS_PLOTS | {
        "aligned-images", "generated-embeddings", "pairs.json", "pairs.txt",
    }  # fmt: skip
    for name in PAIRS_PLOTS:
        data = (output / name).read_bytes()
        assert data.startswith(PNG) and len(data) > 5000
    assert json.loads((output / "pairs.json").read_text()) == made
    said = (output / "pairs.txt").read_text()
    assert re.search(rf"^accuracy +{made['accuracy']:.5g}\b", said, re.MULTILINE), said
    assert sorted(p for p in lfw.parent.rglob("*") if output not in p.parents) == before


def test_all_pairs_and_a_table_that_verify_uses(lfw, pairs, output, cache):
    made = measure("pairs", lfw, pairs, "-o", output, "--all", "--save-table")
    every = made["all"]
    assert every["people"] == 23 and every["photos"] == 57 and every["failures"] == 1
    assert every["genuine_pairs"] == 7 * 10 + 6 + 3
    assert every["impostor_pairs"] == 57 * 56 // 2 - 79
    assert every["tar_at_far"].keys() == {"0.001", "0.0001", "1e-05"}
    for far, (low, high) in every["tar_at_far_interval"].items():
        assert 0 <= low <= every["tar_at_far"][far] <= high <= 1
    table = json.loads(Path(made["table"]).read_text())
    assert Path(made["table"]).is_relative_to(cache) and table["space"] == made["space"]
    assert "57 photos of 23 people" in table["data"] and min(table["fars"]) == 0.02
    photos = sorted((lfw / sorted(path.name for path in lfw.iterdir())[0]).iterdir())
    said = json.loads(call("verify", photos[0], photos[0], "--far", 0.02, "--json").stdout)
    assert said["limit"] == pytest.approx((2 - 2 * table["cosines"][-1]) ** 0.5, abs=1e-4)
    said = refused("verify", photos[0], photos[0])
    assert "--far: a false-accept rate of 0.001 is outside of what was measured" in said
    named = measure("pairs", lfw, pairs, "-o", output, "--save-table", lfw.parent / "t.json")
    assert json.loads((lfw.parent / "t.json").read_text())["fars"] == table["fars"]
    Path(named["table"]).unlink()


def test_open_set(lfw, output):
    made = measure("openset", lfw, "-o", output, "--far", 0.2, 0.01)
    assert (made["people"], made["photos"], made["enrolled_photos"]) == (8, 58, 24)
    assert (made["probes"], made["strangers"], made["known_unknowns"]) == (16, 12, 6)
    assert made["failures"] == 1 and made["rank1"] == pytest.approx(15 / 16)
    assert made["dir_at_fpir"].keys() == {"0.001", "0.003", "0.01", "0.1"}
    for fpir, rate in made["dir_at_fpir"].items():
        assert rate <= made["rank1"] and rate > 0.5
        assert made["fnir_at_fpir"][fpir] == pytest.approx(1 - rate)
        low, high = made["dir_at_fpir_interval"][fpir]
        assert 0 <= low <= high <= 1
    for row, far in zip(made["calibration"], (0.2, 0.01), strict=True):
        assert row["requested"] == far and 0 <= row["achieved"] <= 1
        assert row["interval"][0] <= row["achieved"] <= row["interval"][1]
    assert 0 <= made["reliability_gap"] < 0.6
    for name in OPENSET_PLOTS:
        data = (output / name).read_bytes()
        assert data.startswith(PNG) and len(data) > 5000
    assert json.loads((output / "openset.json").read_text())["rank1"] == made["rank1"]


def several(lfw: Path, to: Path, people: int) -> Path:
    """Some of those with five photos, and nobody with one."""
    many = [folder for folder in sorted(lfw.iterdir()) if len(list(folder.iterdir())) == 5]
    for folder in many[:people]:
        shutil.copytree(folder, to / folder.name)
    return to


@pytest.mark.heavy
def test_people_are_held_out_where_there_is_no_stranger(lfw, output, tmp_path):
    many = several(lfw, tmp_path / "many", 8)
    made = measure("openset", many, "-o", tmp_path / "out")
    assert (made["people"], made["strangers"], made["strangers_photos"]) == (6, 2, 10)
    assert made["strangers_are"] == "people held out"
    # Two people support less than their ten photos would.
    assert made["calibration"][0]["interval"][1] > 0.6
    held = measure("openset", lfw, "-o", output, "--hold-out", 3)
    assert held["strangers"] == 15 and held["people"] == 5
    assert held["strangers_are"] == "people with one photo and people held out"


def test_strangers_from_a_folder_of_their_own(lfw, tmp_path):
    alone = [folder for folder in sorted(lfw.iterdir()) if len(list(folder.iterdir())) < 3]
    for folder in alone[:6]:
        shutil.copytree(folder, tmp_path / "strangers" / folder.name)
    save(tmp_path / "strangers/blank.png", np.zeros((90, 90, 3), np.uint8))
    many = several(lfw, tmp_path / "many", 4)
    made = measure("openset", many, "-o", tmp_path / "out", "--strangers", tmp_path / "strangers")
    photos = sum(len(list(folder.iterdir())) for folder in alone[:6]) + 1
    assert (made["people"], made["strangers"], made["strangers_photos"]) == (4, 7, photos)
    assert made["strangers_are"] == "the folder of strangers given" and made["photos"] == 20
    assert "sure None" not in (tmp_path / "out/openset.txt").read_text()


def test_galleries_are_drawn(lfw, output):
    made = measure("openset", lfw, "-o", output, "--gallery", 4, "--repeats", 3)
    assert made["people"] == 4 and made["repeats"] == 3 and made["enrolled_photos"] == 12
    assert made["dir_at_fpir_spread"].keys() == made["dir_at_fpir"].keys()
    assert "exceeded" in made["calibration"][0]


def test_openfaces_recipe_is_measured_by_the_same_tables(lfw, output):
    made = measure("openset", lfw, "-o", output, "--classifier", "openface-svc")
    assert made["classifier"] == "openface-svc" and made["calibration"] == []
    # Its probabilities name nobody right where three photos a person are all.
    assert made["rank1"] < 0.5 and made["probes"] == 16 and "reliability_gap" not in made


def test_groups(lfw, pairs, output, tmp_path):
    names = sorted(folder.name for folder in lfw.iterdir())
    rows = [f"{name},{'early' if i % 2 else 'late'}" for i, name in enumerate(names)]
    (tmp_path / "groups.csv").write_text("\n".join(rows) + "\n")
    made = measure("pairs", lfw, pairs, "-o", output, "--groups", tmp_path / "groups.csv")
    assert made["groups"].keys() == {"early", "late"}
    assert sum(row["frr_pairs"] for row in made["groups"].values()) == 24
    for row in made["groups"].values():
        assert row["frr_interval"][0] <= row["frr"] <= row["frr_interval"][1]
    found = measure("openset", lfw, "-o", output, "--groups", tmp_path / "groups.csv")["groups"]
    assert found.keys() == {"early", "late"}
    assert sum(row["probes"] for row in found.values()) == 16
    assert sum(row["strangers"] for row in found.values()) == 12
    for row in found.values():
        assert row["dir_interval"][0] <= row["dir"] <= row["dir_interval"][1]
        assert row["fpir_interval"][0] <= row["fpir"] <= row["fpir_interval"][1]


def test_photos_left_out(lfw, pairs, output, tmp_path):
    failing = next(path for path in lfw.rglob("*_0005.jpg") if path.stat().st_size < 3000)
    (tmp_path / "errata.txt").write_text(f"{failing.name}\n")
    made = measure("openset", lfw, "-o", output, "--leave-out", tmp_path / "errata.txt")
    assert made["failures"] == 0 and made["photos"] == 57 and made["probes"] == 15
    said = refused("evaluate", "pairs", lfw, pairs, "-o", output, "--leave-out",
                   tmp_path / "errata.txt", "--jobs", 1)  # fmt: skip
    assert failing.stem in said
    (tmp_path / "errata.txt").write_text(f"{failing.stem}\n")
    assert failing.stem in refused("evaluate", "openset", lfw, "-o", output, "--leave-out",
                                   tmp_path / "errata.txt", "--jobs", 1)  # fmt: skip


def test_some_folds_alone_and_their_people(lfw, pairs, output, tmp_path):
    lines = pairs.read_text().splitlines()
    names = sorted({line.split("\t")[0] for line in lines[1:]})
    other = {names[0]: names[1], names[1]: names[0]}
    first = [f"{name}\t1\t3" for name in other] + [f"{a}\t1\t{b}\t2" for a, b in other.items()]
    path = tmp_path / "pairs.txt"
    path.write_text("\n".join(["3\t2", *lines[1:3], *lines[9:11], *first, *first]) + "\n")
    made = measure("pairs", lfw, path, "-o", tmp_path / "out", "--folds", 2, 3, "--all")
    assert made["pairs"] == 8 and made["people"] == made["all"]["people"] == 2
    assert "no fold 4" in refused("evaluate", "pairs", lfw, path, "-o", output, "--folds", 1, 4)


def test_somebody_whose_photos_all_failed_is_missed(lfw, output, tmp_path):
    root = Path(shutil.copytree(lfw, tmp_path / "few"))
    last = [folder for folder in sorted(root.iterdir()) if len(list(folder.iterdir())) == 5][-1]
    for photo in sorted(last.iterdir())[:3]:
        save(photo, np.zeros((90, 90, 3), np.uint8))
    made = measure("openset", root, "-o", tmp_path / "out")
    assert made["people"] == 8 and made["failures"] == 4
    assert made["rank1"] == pytest.approx(13 / 16)


def test_what_is_wrong_is_said_before_the_work(lfw, pairs, tmp_path):
    output = tmp_path / "out"
    (tmp_path / "bad.txt").write_text("3\t8\na 1 2\n")
    (tmp_path / "bad.csv").write_text("only one column\n")
    unknown = tmp_path / "unknown.txt"
    unknown.write_text("2\t1\na\t1\t2\na\t1\tb\t2\na\t1\t2\na\t1\tb\t2\n")
    assert "bad.txt" in refused("evaluate", "pairs", lfw, tmp_path / "bad.txt", "-o", output)
    assert "bad.csv" in refused("evaluate", "openset", lfw, "-o", output, "--groups",
                                tmp_path / "bad.csv")  # fmt: skip
    for flag, value in (("--far", 2), ("--sure", 1), ("--enrol", 0), ("--repeats", 0),
                        ("--gallery", 0), ("--hold-out", -1)):  # fmt: skip
        assert f": {flag}: " in refused("evaluate", "openset", lfw, "-o", output, flag, value)
    common = ("evaluate", "openset", lfw, "-o", output)
    assert "gone" in refused(*common, "--strangers", tmp_path / "gone")
    assert "8 people held out cannot be drawn" in refused(*common, "--hold-out", 8)
    many = several(lfw, tmp_path / "several", 2)
    said = refused("evaluate", "openset", many, "-o", output, "--hold-out", 0)
    assert "--strangers: nobody has a single photo" in said
    assert not output.exists()
    assert "nowhere" in refused("evaluate", "openset", tmp_path / "nowhere", "-o", output)


def test_what_cannot_be_measured_is_refused(lfw, output, tmp_path):
    root = lfw.parent
    unknown, one = root / "unknown.txt", root / "one.txt"
    name = sorted(folder.name for folder in lfw.iterdir())[0]
    unknown.write_text("2\t1\na\t1\t2\na\t1\tb\t2\na\t1\t2\na\t1\tb\t2\n")
    one.write_text(f"1\n{name}\t1\t1\n{name}\t1\t{name}\t1\n")
    common = ("-o", output, "--jobs", 1)
    assert "a_0001" in refused("evaluate", "pairs", lfw, unknown, *common)
    assert "one fold" in refused("evaluate", "pairs", lfw, one, *common)
    assert "only 8 people" in refused("evaluate", "openset", lfw, *common, "--gallery", 9)
    assert "nobody has more than 7" in refused("evaluate", "openset", lfw, *common, "--enrol", 7)
    for path in (unknown, one):
        path.unlink()
