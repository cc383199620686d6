"""What the next run keeps, makes again and takes away."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from running import ALIGN, call, chips_of, face, kept, numbers, people, refused, save, table

from openfaceplus.weights import safe


@pytest.fixture
def done(tmp_path):
    """Photos of two people and the model made of them."""
    people(tmp_path / "photos", a=2, b=2)
    call("train", tmp_path / "photos", "-o", tmp_path / "model", "--jobs", 1)
    return tmp_path


def again(root: Path, *flags: object, expect: int = 0) -> tuple[str, dict[str, int]]:
    said = call(
        "train", root / "photos", "-o", root / "model", "--jobs", 1, *flags, expect=expect
    ).stdout
    return said, chips_of(root / "model/aligned-images")


def test_nothing_new_means_nothing_done(done):
    before = chips_of(done / "model/aligned-images")
    reps = (done / "model/generated-embeddings/reps.csv").read_bytes()
    said, after = again(done)
    assert after == before and kept(said) == 4
    assert (done / "model/generated-embeddings/reps.csv").read_bytes() == reps


def test_other_settings_mean_all_anew(done):
    before = chips_of(done / "model/aligned-images")
    said, after = again(done, "--landmarks", 68)
    assert kept(said) == 0 and set(after) == set(before)
    assert all(after[name] != time for name, time in before.items())


def test_only_a_replaced_photo_is_done_again(done):
    before = chips_of(done / "model/aligned-images")
    vectors = numbers(done / "model/generated-embeddings/reps.csv")
    save(done / "photos/a/1.png", face(6)[10:])
    said, after = again(done)
    assert kept(said) == 3
    assert {name for name in after if after[name] != before[name]} == {"a/1.png"}
    changed = numbers(done / "model/generated-embeddings/reps.csv")
    assert list((changed != vectors).any(axis=1)) == [False, True, False, False]


def test_what_came_from_a_deleted_photo_goes(done):
    (done / "photos/a/0.png").unlink()
    shutil.rmtree(done / "photos/b")
    said, after = again(done)
    assert kept(said) == 1 and set(after) == {"a/1.png"}
    assert not (done / "model/aligned-images/b").exists()
    assert len(table(done / "model/aligned-images/alignment.csv")) == 1
    labels = (done / "model/generated-embeddings/labels.csv").read_text().splitlines()
    assert len(labels) == len(numbers(done / "model/generated-embeddings/reps.csv")) == 1
    assert labels[0].startswith("1,") and labels[0].endswith("a/1.png")


def test_a_new_photo_that_takes_a_name(done):
    """0.jpg sorts before 0.png and takes the chip's name; both must end up right."""
    save(done / "photos/a/0.jpg", np.full((90, 90, 3), 7, np.uint8))
    _, after = again(done, expect=1)
    rows = {Path(r["photo"]).name: r for r in table(done / "model/aligned-images/alignment.csv")
            if r["person"] == "a"}  # fmt: skip
    assert rows["0.jpg"]["status"] == "no_face"
    assert Path(rows["0.png"]["chip"]).is_file() and len(after) == 4


def test_a_chip_deleted_by_hand_comes_back_or_stays_out(done):
    chips, output = done / "model/aligned-images", done / "model/generated-embeddings"
    (chips / "a/0.png").unlink()
    said = call("represent", chips, "-o", output, "--jobs", 1, expect=1)
    assert "deleted" in said.stderr and len(numbers(output / "reps.csv")) == 3
    _, after = again(done)
    assert "a/0.png" in after and len(numbers(output / "reps.csv")) == 4


def test_folders_may_be_spelled_another_way(done, monkeypatch):
    before = chips_of(done / "model/aligned-images")
    monkeypatch.chdir(done)
    said = call("train", "photos", "-o", "./model/", "--jobs", 1).stdout
    assert kept(said) == 4
    assert chips_of(done / "model/aligned-images") == before
    rows = table(done / "model/aligned-images/alignment.csv")
    assert {row["chip"].split("/")[0] for row in rows} == {"model"}
    # The whole place moves.
    monkeypatch.chdir("/")
    shutil.move(done / "photos", done / "moved")
    call("train", done / "moved", "-o", done / "model", "--jobs", 1)
    assert set(chips_of(done / "model/aligned-images")) == set(before)


def test_removed_or_damaged_results_are_made_again(done):
    output = done / "model/generated-embeddings"
    reps = (output / "reps.csv").read_bytes()
    for damage in (lambda p: p.unlink(), lambda p: p.write_bytes(reps[:1000])):
        damage(output / "reps.csv")
        again(done)
        assert (output / "reps.csv").read_bytes() == reps
    (done / "model/aligned-images/alignment.csv").write_text("a;b\n1;2\n")
    said = refused("train", done / "photos", "-o", done / "model")
    assert f"{done / 'model/aligned-images/alignment.csv'}" in said
    (done / "model/aligned-images/alignment.csv").unlink()
    again(done)
    assert (output / "reps.csv").read_bytes() == reps


def test_a_photo_changed_since_alignment_is_not_cut_by_old_landmarks(tmp_path):
    root, chips = people(tmp_path / "photos", a=2), tmp_path / "chips"
    call(ALIGN, root, "align", "outerEyesAndNose", chips, "--jobs", 1)
    save(root / "a/0.png", face()[::-1])
    said = call("represent", chips, "-o", tmp_path / "e", "--jobs", 1, expect=1)
    assert "changed since it was aligned" in said.stderr
    assert len(numbers(tmp_path / "e/reps.csv")) == 1


@pytest.mark.heavy
def test_any_number_of_processes_gives_the_same_bytes(tmp_path):
    root = people(tmp_path / "photos", a=10, b=10)
    for jobs in (1, 2):
        call("train", root, "-o", "model", "--jobs", jobs, cwd=_made(tmp_path / str(jobs)))
    names = sorted(p.relative_to(tmp_path / "1") for p in (tmp_path / "1").rglob("*.*"))
    assert len(names) == 29
    for name in names:
        one, two = (tmp_path / str(jobs) / name for jobs in (1, 2))
        if name.suffix == ".json":
            datas = [json.loads(path.read_text()) | {"created": ""} for path in (one, two)]
            if name.name == "people.json":  # ids are random
                datas = [sorted(map(str, data.values())) for data in datas]
            assert datas[0] == datas[1]
        elif name.suffix == ".pkl":  # the people's ids are drawn
            for path in (one, two):
                safe.dump(path, safe.load(path) | {"ids": None})
            assert one.read_bytes() == two.read_bytes()
        elif name.name != "representation.csv":  # times of chips
            assert one.read_bytes() == two.read_bytes(), name


def _made(folder: Path) -> Path:
    folder.mkdir()
    return folder
