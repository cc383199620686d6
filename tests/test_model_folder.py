"""A model's folder: two writers, kills, models of earlier versions, and other people's files."""

from __future__ import annotations

import base64
import errno
import json
import os
import random
import shutil
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from running import (
    call,
    command_line,
    environment,
    face,
    leftovers,
    people,
    refused,
    save,
    table,
)
from test_changes import die_at

from openfaceplus.changes import changing
from openfaceplus.classify.classifier import Classifier
from openfaceplus.errors import OpenFacePlusError
from openfaceplus.images import save_image
from openfaceplus.model_folder import ModelFolder
from openfaceplus.pipeline import Pipeline
from openfaceplus.stages import align, enrol, represent, train
from openfaceplus.stages import people as stage
from openfaceplus.store.vectors import read_vectors

CHIPS, EMBEDDINGS = "aligned-images", "generated-embeddings"
PIXELS = np.zeros((8, 8, 3), np.uint8)


@pytest.fixture(autouse=True)
def cache(tmp_path_factory, monkeypatch) -> None:
    monkeypatch.setenv("OPENFACEPLUS_CACHE", str(tmp_path_factory.getbasetemp() / "cache"))


@pytest.fixture(scope="module")
def made(tmp_path_factory) -> Path:
    """Photos of people and a model of two of them. Not to be changed."""
    root = tmp_path_factory.mktemp("made")
    people(root / "photos", ada=2, bob=1)
    people(root / "others", cleo=2, dan=1)
    call("train", root / "photos", "-o", root / "model", "--jobs", 1)
    return root


@pytest.fixture
def place(made, tmp_path) -> Path:
    """A copy of it, times included, whose tables name the copied photos."""
    return fresh(made, tmp_path / "place")


def fresh(made: Path, root: Path) -> Path:
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(made, root)
    for path in root.rglob("*.[cj]s[vo]*"):
        path.write_text(path.read_text().replace(str(made), str(root)))
    return root


def listed(model: Path) -> dict[str, int]:
    return stage.people(ModelFolder(model))


def ids(model: Path) -> dict[str, str]:
    path = model / EMBEDDINGS / "people.json"
    return {x["name"]: key for key, x in json.loads(path.read_text()).items()}


def contents(root: Path) -> dict[str, object]:
    """What a tree holds, without random ids, times and the form of the classifier's file."""
    found: dict[str, object] = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if path.is_dir():
            found[name] = None
        elif path.name == "people.json":
            found[name] = sorted(map(str, json.loads(path.read_text()).values()))
        elif path.suffix == ".json":
            found[name] = json.loads(path.read_text()) | {"created": ""}
        elif path.name == "representation.csv":
            found[name] = [row | {"fingerprint": ""} for row in table(path)]
        elif path.suffix == ".pkl":
            model = Classifier.load(path)
            found[name] = (model.people, model.chips, model.vectors.tobytes(), model.settings)
        else:
            found[name] = path.read_bytes()
    return found


def check_whole(model: Path) -> None:
    """Nobody is there twice, no file disagrees with another, nothing is left over."""
    vectors, chips = read_vectors(model / EMBEDDINGS)
    rows = table(model / EMBEDDINGS / "representation.csv")
    aligned = [row for row in table(model / CHIPS / "alignment.csv") if row["chip"]]
    classifier = ModelFolder(model).read()
    places = Counter("/".join(Path(chip).parts[-2:]) for chip in chips)
    assert max(places.values()) == 1
    assert places == Counter("/".join(Path(row["chip"]).parts[-2:]) for row in rows)
    assert places == Counter("/".join(Path(row["chip"]).parts[-2:]) for row in aligned)
    assert set(places) == {
        "/".join(path.relative_to(model / CHIPS).parts) for path in (model / CHIPS).rglob("*.png")
    }
    where = ["/".join(Path(chip).parts[-2:]) for chip in classifier.chips]
    order = [where.index("/".join(Path(chip).parts[-2:])) for chip in chips]
    assert places == Counter(where)
    assert np.array_equal(classifier.vectors[order], vectors)
    assert sorted(ids(model)) == sorted(classifier.people)
    assert leftovers(model) == []


WORDS = {
    "add": ("people", "add", "model", "cleo", "others/cleo", "--jobs", 1),
    "add-more": ("people", "add", "model", "ada", "others/cleo", "--jobs", 1),
    "remove": ("people", "remove", "model", "ada", "--photos"),
    "rename": ("people", "rename", "model", "ada", "Ada Lovelace"),
    "train": ("train", "others", "-o", "model", "--jobs", 1),
    "train-anew": ("train", "photos", "-o", "model", "--keep-flawed", "--jobs", 1),
    "align": ("align", "others", "-o", "model/aligned-images", "--jobs", 1),
    "represent": (
        "represent", "model/aligned-images", "-o", "model/generated-embeddings", "--views", 1,
        "--jobs", 1,
    ),
}  # fmt: skip


def killed(step: int, *words: object) -> bool:
    """Run a command in a child that dies before its so many-th rename or deletion."""
    child = os.fork()
    if not child:
        status = 1
        try:
            die_at(step)
            call(*words)
            status = 0
        finally:
            os._exit(status)
    status = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
    assert status in (0, 9)
    return status == 9


class Chipper:
    """In place of alignment: a chip that says whose it is."""

    def __init__(self, *_: object) -> None: ...

    def __call__(self, task) -> dict[str, str]:
        save_image(task.chip, np.full((8, 8, 3), len(task.person), np.uint8))
        return {
            "person": task.person, "photo": str(task.photo), "chip": str(task.chip),
            "status": "ok", "reason": "", "fingerprint": task.fingerprint,
        }  # fmt: skip


class Embedder(represent._Worker):
    """In place of embedding: a unit vector that follows from the chip's name."""

    def __init__(self, *_: object) -> None: ...

    def __call__(self, rows) -> list[dict[str, str]]:
        done = []
        for row in rows:
            name = "/".join(Path(row["chip"]).parts[-2:])
            vector = np.random.default_rng(list(name.encode())).normal(size=128)
            vector = (vector / np.linalg.norm(vector)).astype(np.float32)
            text = base64.b64encode(vector.tobytes()).decode()
            done.append(row | {"status": "ok", "reason": "", "vector": text})
        return done


@pytest.fixture
def stubs(monkeypatch) -> None:
    monkeypatch.setattr(align, "_Worker", Chipper)
    monkeypatch.setattr(represent, "_Worker", Embedder)
    monkeypatch.setattr(Pipeline, "check_alignment", lambda _: None)
    monkeypatch.setattr(train, "_draw", lambda _, path: save_image(path, PIXELS))


@pytest.mark.parametrize("stride", [7, pytest.param(1, marks=pytest.mark.heavy)])
@pytest.mark.parametrize("name", WORDS)
def test_a_kill_anywhere_and_the_same_command_again(
    made, tmp_path, monkeypatch, stubs, name, stride
):
    root = fresh(made, tmp_path / "place")
    monkeypatch.chdir(root)
    call(*WORDS[name])
    wanted = contents(root)
    for step in range(1 + len(name) % stride, 400, stride):
        os.chdir(made)
        fresh(made, root)
        os.chdir(root)
        if not killed(step, *WORDS[name]):
            break
        # Whatever comes next, reading works and sees the people before or after.
        assert len(listed(Path("model"))) in (1, 2, 3)
        again = call(*WORDS[name], expect=None)
        if again.returncode:  # it was done before it was killed
            assert name in ("remove", "rename") and "nobody called 'ada'" in again.stderr
        assert contents(root) == wanted, step
    assert step > stride


def child(work: Callable[[], object]) -> int:
    """Do something in a process of its own; its number."""
    number = os.fork()
    if not number:
        status = 1
        try:
            work()
            status = 0
        except OpenFacePlusError as error:
            os.write(2, str(error).encode())
        finally:
            os._exit(status)
    return number


def ended(number: int) -> int:
    return os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])


ROUNDS = [5, pytest.param(100, marks=pytest.mark.heavy)]


@pytest.mark.parametrize("rounds", ROUNDS)
def test_two_add_different_people_and_are_killed(place, stubs, rounds):
    """Nobody lost, nobody doubled, no half file."""
    model, chance = place / "model", random.Random(rounds)
    known, kills = set(listed(model)), 0
    for number in range(rounds):
        names = [f"p{number}-{i}" for i in range(2)]

        def work(name: str) -> Callable[[], object]:
            return lambda: enrol.add(ModelFolder(model), name, place / "others/cleo" / name, jobs=1)

        for name in names:
            for i in range(2):
                save(place / "others/cleo" / name / f"{i}.png", face(i))
        children = [child(work(name)) for name in names]
        time.sleep(chance.uniform(0, 0.25))
        victim = chance.randrange(2)
        os.kill(children[victim], signal.SIGKILL)
        # While one works and the other may lie half done, the model can be read.
        seen = set(listed(model))
        assert known <= seen <= known | set(names)
        assert ended(children[1 - victim]) == 0
        dead = ended(children[victim]) == -signal.SIGKILL
        kills += dead and names[victim] not in listed(model)
        assert set(listed(model)) >= known | {names[1 - victim]}
        if dead:
            assert ended(child(work(names[victim]))) == 0
        known |= set(names)
        found = listed(model)
        assert set(found) == known and all(found[name] == 2 for name in names)
        check_whole(model)
    assert kills, "all were done before they could be killed"


def test_two_real_commands_add_at_once(place):
    model = place / "model"
    for round in range(2):
        folders = [place / f"others/{name}" for name in ("cleo", "dan")]
        running = [
            subprocess.Popen(
                command_line("people", "add", model, folder.name, folder, "--jobs", 1),
                env=environment(), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
            )
            for folder in folders
        ]  # fmt: skip
        if not round:
            time.sleep(random.Random(1).uniform(0.3, 1.5))
            running[0].kill()
        said = [process.communicate(timeout=120)[1] for process in running]
        assert running[1].returncode == 0, said
    assert running[0].returncode == 0, said
    assert listed(model) == {"ada": 2, "bob": 1, "cleo": 2, "dan": 1}
    check_whole(model)


@pytest.mark.parametrize("first", [0, 0.01])
def test_adding_beside_removing(place, stubs, first):
    model = place / "model"
    for _ in range(3):
        removing = child(lambda: stage.remove(ModelFolder(model), "ada"))
        time.sleep(first)
        adding = child(lambda: enrol.add(ModelFolder(model), "cleo", place / "others/cleo", jobs=1))
        assert ended(removing) == ended(adding) == 0
        assert set(listed(model)) == {"bob", "cleo"}
        check_whole(model)
        stage.remove(ModelFolder(model), "cleo")
        enrol.add(ModelFolder(model), "ada", place / "photos/ada", jobs=1)


@pytest.mark.heavy
def test_two_trainings_into_one_folder(place):
    words = [("train", place / source, "-o", place / "model", "--jobs", 1)
             for source in ("photos", "others")]  # fmt: skip
    running = [
        subprocess.Popen(command_line(*w), env=environment(), stdout=subprocess.DEVNULL,
                         stderr=subprocess.PIPE, text=True)
        for w in words
    ]  # fmt: skip
    said = [process.communicate(timeout=120)[1] for process in running]
    assert [process.returncode for process in running] == [0, 0], said
    assert set(listed(place / "model")) in ({"ada", "bob"}, {"cleo", "dan"})
    check_whole(place / "model")


def test_who_has_to_wait_is_told_and_infer_does_not_wait(place, made):
    model, photo = place / "model", place / "photos/ada/0.png"
    with changing(model / CHIPS), changing(model / EMBEDDINGS):
        assert "=== " in call("infer", "-m", model, photo).stdout
        assert listed(model) == {"ada": 2, "bob": 1}
        process = subprocess.Popen(
            command_line("people", "rename", model, "bob", "Robert"), env=environment(),
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        )  # fmt: skip
        told = process.stderr.readline()
        assert f"waiting for process {os.getpid()}" in told
        with pytest.raises(subprocess.TimeoutExpired):
            process.wait(timeout=0.5)
    said, more = process.communicate(timeout=60)
    assert process.returncode == 0 and "Robert" in said and not more
    with changing(model / CHIPS), pytest.raises(OpenFacePlusError, match="being written by"):
        stage.rename(ModelFolder(model, limit=0), "ada", "x")


def test_a_reader_sees_one_state_whatever_a_writer_does(place):
    """Names and classifier change together, a thousand times; no reading mixes two states."""
    model = place / "model"
    with changing(model / EMBEDDINGS) as change:
        change.commit()
    people_path = model / EMBEDDINGS / "people.json"
    both = json.loads(people_path.read_text())
    full = Classifier.load(model / EMBEDDINGS / "classifier.pkl")
    assert full.people == ("ada", "bob")
    states = [
        (
            full.without(full.ids[1]),
            {k: x for k, x in both.items() if x["name"] == "ada"},
        ),
        (full, {k: x | {"name": x["name"].upper()} for k, x in both.items()}),
    ]

    def write() -> None:
        for number in range(200):
            with changing(model / EMBEDDINGS) as change:
                classifier, names = states[number % 2]
                classifier.save(change.staged("classifier.pkl"))
                change.staged("people.json", ours=True).write_text(json.dumps(names))
                change.commit()

    writer, seen = child(write), set()
    while os.waitpid(writer, os.WNOHANG) == (0, 0):
        seen.add(tuple(ModelFolder(model).read().people))
    assert seen - {("ada", "bob")} == {("ada",), ("ADA", "BOB")}


def test_ids_and_names_stay_when_trained_again(place):
    model = place / "model"
    before = ids(model)
    call("people", "rename", model, "ada", "Ada Lovelace")
    call("train", place / "photos", "-o", model, "--jobs", 1)
    assert ids(model) == {"Ada Lovelace": before["ada"], "bob": before["bob"]}
    assert set(listed(model)) == {"Ada Lovelace", "bob"}
    # The classifier alone, elsewhere, still knows the names that it was trained with.
    alone = shutil.copy(model / EMBEDDINGS / "classifier.pkl", place / "alone.pkl")
    assert set(listed(Path(alone))) == {"Ada Lovelace", "bob"}
    # The name is free for somebody else now, the folder is not.
    call("people", "add", model, "ada", place / "others/cleo", "--jobs", 1)
    assert listed(model) == {"Ada Lovelace": 2, "bob": 1, "ada": 2}
    assert (model / CHIPS / "ada (2)").is_dir()
    call("people", "remove", model, "ada")
    assert listed(model) == {"Ada Lovelace": 2, "bob": 1}
    assert len(list((model / CHIPS / "ada").iterdir())) == 2
    check_whole(model)
    assert "is there already" in refused("people", "rename", model, "bob", "Ada Lovelace")


def test_a_model_of_an_earlier_version(place):
    model = place / "model"
    (model / EMBEDDINGS / "people.json").unlink()
    for manifest in (model / CHIPS / "alignment.json", model / EMBEDDINGS / "representation.json"):
        data = json.loads(manifest.read_text())
        del data["roots"]
        manifest.write_text(json.dumps(data))
    (model / CHIPS / ".alignment.journal").write_text("left\n")
    before = contents(model)
    assert listed(model) == {"ada": 2, "bob": 1} and contents(model) == before
    call("people", "rename", model, "ada", "Ada")
    assert sorted(ids(model)) == ["Ada", "bob"] and listed(model) == {"Ada": 2, "bob": 1}
    call("people", "add", model, "cleo", place / "others/cleo", "--jobs", 1)
    check_whole(model)
    # Where its photos came from was not written down, so none of them is deleted.
    said = json.loads(call("people", "remove", model, "Ada", "--photos", "--json").stdout)
    assert len(said["photos_left"]) == 2 and (place / "photos/ada/0.png").is_file()
    assert not (model / CHIPS / "ada").exists()
    check_whole(model)


def test_a_classifier_that_stands_alone(place):
    alone = place / "elsewhere/mine.pkl"
    alone.parent.mkdir()
    shutil.copy(place / f"model/{EMBEDDINGS}/classifier.pkl", alone)
    before = contents(place / "model")
    call("people", "rename", alone, "ada", "Ada")
    assert listed(alone) == {"Ada": 2, "bob": 1}
    assert "not there" in refused("people", "add", alone, "cleo", place / "others/cleo")
    call("people", "remove", alone, "Ada")
    assert listed(alone) == {"bob": 1} and list(alone.parent.iterdir()) == [alone]
    assert contents(place / "model") == before


def test_only_photos_below_the_training_folder_go(place):
    """A table may name anything; size and time may fit."""
    model, victim = place / "model", save(place / "victim.png", face(3))
    stolen = save(place / "linked/1.png", face(4))
    (place / "photos/ada/way").symlink_to(place / "linked")
    (place / "photos/ada/alias.png").symlink_to(victim)
    path = model / CHIPS / "alignment.csv"
    text = path.read_text()
    row = next(line for line in text.splitlines() if line.startswith("ada,"))
    fields = row.split(",")
    names = [victim, place / "photos/ada/../../victim.png", place / "photos/ada/way/1.png",
             place / "photos/ada/alias.png"]  # fmt: skip
    for name in names:
        status = name.stat()
        mark = f"{status.st_size}-{status.st_mtime_ns}"
        chip = "../../victim.png" if name == victim else ""
        text += ",".join(["ada", str(name), chip, *fields[3:-1], mark]) + "\n"
    path.write_text(text)
    said = call("people", "remove", model, "ada", "--photos")
    assert victim.is_file() and stolen.is_file() and (place / "photos/ada/alias.png").is_symlink()
    assert not (place / "photos/ada/0.png").exists()
    shown, _, rest = said.stderr.partition("left alone")
    assert "0.png" in shown and "victim" not in shown and all(str(n) in rest for n in names)


def test_a_linked_folder_of_chips_is_left_alone(place):
    chips = place / "model" / CHIPS / "ada"
    shutil.move(chips, place / "real")
    chips.symlink_to(place / "real")
    call("people", "remove", place / "model", "ada")
    assert len(list((place / "real").iterdir())) == 2


def test_asked_on_a_terminal_before_photos_go(place, monkeypatch):
    import pty

    for answer, gone in ((b"n\n", False), (b"y\n", True)):
        master, slave = pty.openpty()
        process = subprocess.Popen(
            command_line("people", "remove", place / "model", "bob", "--photos"),
            env=environment(), stdin=slave, stdout=subprocess.DEVNULL, stderr=slave,
        )  # fmt: skip
        said = b""
        while b"[y/N]" not in said:
            said += os.read(master, 1000)
        assert b"photos/bob/0.png" in said
        os.write(master, answer)
        assert process.wait(timeout=60) == (0 if gone else 2)
        assert (place / "photos/bob").exists() != gone
        assert ("bob" in listed(place / "model")) != gone
        os.close(master)
        os.close(slave)


def test_alignment_replaces_no_file_that_is_not_its_own(place):
    chips = place / "chips"
    mine = save(chips / "ada/0.png", np.zeros((5, 5, 3), np.uint8))
    data = mine.read_bytes()
    said = call("align", place / "photos", "-o", chips, "--jobs", 1, expect=1)
    assert "in_the_way" in said.stderr and "not made here" in said.stderr
    assert mine.read_bytes() == data and (chips / "ada/1.png").is_file()
    rows = {Path(row["photo"]).parent.name + Path(row["photo"]).name: row["status"]
            for row in table(chips / "alignment.csv")}  # fmt: skip
    assert rows == {"ada0.png": "in_the_way", "ada1.png": "ok", "bob0.png": "ok"}
    # Nor is it deleted when its photo goes; and what is moved away is made.
    mine.rename(place / "moved.png")
    call("align", place / "photos", "-o", chips, "--jobs", 1)
    assert mine.read_bytes() != data
    mine.write_bytes(data)
    (chips / "alignment.csv").unlink()
    call("align", place / "photos", "-o", chips, "--jobs", 1, "--overwrite")
    assert mine.read_bytes() != data


def test_find_leaves_what_a_forged_claim_names(place):
    victim = save(place / "victim.png", face(1))
    knowns, results = people(place / "knowns", ada=1), place / "results"
    words = ("find", "--knowns", knowns, "--unknowns", place / "photos", "--results", results)
    call(*words, "--jobs", 1)
    (results / "way").symlink_to(place)
    claim = json.loads((results / "find.json").read_text())
    claim["settings"]["pictures"] += ["../victim.png", str(victim), "way/victim.png"]
    (results / "find.json").write_text(json.dumps(claim))
    call(*words, "--jobs", 1)
    assert victim.is_file()
    shutil.rmtree(results / "ada")
    (results / "ada").symlink_to(place / "photos/ada")
    before = contents(place / "photos")
    assert "symbolic link" in refused(*words, "--jobs", 1, "--overwrite")
    assert contents(place / "photos") == before


def test_a_read_only_model(place, monkeypatch):
    """As on a disk that is read-only, even for root; a writer was killed before it became so."""
    model, opened = place / "model", os.open
    assert killed(3, "people", "rename", model, "ada", "Ada")

    def read_only(path, flags, *rest, **options):
        if flags & os.O_CREAT:
            raise OSError(errno.EROFS, "Read-only file system", str(path))
        return opened(path, flags, *rest, **options)

    monkeypatch.setattr(os, "open", read_only)
    before = sorted(place.rglob("*"))
    assert "commit.json" in {path.name for path in before}
    assert "Ada" not in (model / EMBEDDINGS / "people.json").read_text()
    assert listed(model) == {"Ada": 2, "bob": 1} and sorted(place.rglob("*")) == before
    assert "cannot be written" in refused("people", "rename", model, "Ada", "x")
