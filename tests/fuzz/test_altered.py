"""Every file of a trained model altered, and commands run on it: whatever they say is one line that
names the file, and never that something should not happen."""

from __future__ import annotations

import base64
import json
import random
import shutil
from pathlib import Path

import mutate
import numpy as np
import pytest
from running import CLASSIFIER, call

from openfaceplus.store.layout import ALIGNMENT, CHIPS, EMBEDDINGS, REPRESENTATION
from openfaceplus.store.tables import read_table

FILES = {
    f"{EMBEDDINGS}/classifier.pkl": ("list", "infer", "add", "rename"),
    f"{EMBEDDINGS}/people.json": ("list", "infer", "add", "remove", "train"),
    f"{EMBEDDINGS}/reps.csv": ("add", "represent", "train", "remove"),
    f"{EMBEDDINGS}/labels.csv": ("add", "represent", "train", "remove"),
    f"{EMBEDDINGS}/{REPRESENTATION.manifest}": ("add", "represent", "train", "remove"),
    f"{EMBEDDINGS}/{REPRESENTATION.table}": ("add", "represent", "train", "remove"),
    f"{CHIPS}/{ALIGNMENT.manifest}": ("add", "represent", "align", "remove"),
    f"{CHIPS}/{ALIGNMENT.table}": ("add", "represent", "align", "remove"),
    f"{CHIPS}/{ALIGNMENT.journal}": ("align", "represent"),
    f"{EMBEDDINGS}/{REPRESENTATION.journal}": ("represent", "train"),
    f"{EMBEDDINGS}/.changes/commit.json": ("list", "infer", "represent", "add"),
}


def words(command: str, model: Path, photos: Path) -> tuple[object, ...]:
    chips, embeddings = model / CHIPS, model / EMBEDDINGS
    return {
        "list": ("people", "list", model),
        "rename": ("people", "rename", model, "kit", "eve"),
        "remove": ("people", "remove", model, "rose"),
        "add": ("people", "add", model, "eve", photos / "test/alex1.jpg", "--jobs", 1),
        "infer": ("infer", "-m", model, photos / "test/kit1.jpg", "--json"),
        "represent": ("represent", chips, "-o", embeddings, "--jobs", 1),
        "align": ("align", photos / "train", "-o", chips, "--jobs", 1),
        "train": (CLASSIFIER, "train", embeddings),
    }[command]


def leave(model: Path, name: str) -> None:
    """What a run that was killed leaves in the file ``name``."""
    path = model / name
    path.parent.mkdir(exist_ok=True)
    if name.endswith("commit.json"):
        path.write_text('{"new": ["reps.csv"], "gone": ["people.json.old"]}')
        return
    files, folder = (ALIGNMENT, CHIPS) if CHIPS in name else (REPRESENTATION, EMBEDDINGS)
    made = json.loads((model / folder / files.manifest).read_text())
    row = read_table(model / folder / files.table, files.columns)[0]
    vector = base64.b64encode(np.ones(128, np.float32)).decode()
    begun = {"settings": made["settings_hash"]}
    lines = ["", begun, begun | row | ({"vector": vector} if folder == EMBEDDINGS else {})]
    path.write_text("\n".join(map(json.dumps, lines)))


def check(trained: Path, photos: Path, folder: Path, name: str, number: int) -> None:
    """One case: the file altered, as the number says, and the command that the number names."""
    model = folder / "model"
    shutil.rmtree(model, ignore_errors=True)
    shutil.copytree(trained, model)
    if ".changes" in name:
        leave(model, name)
    chance = mutate.chance(0, name, number)
    path, data = mutate.case([model / name], chance)
    path.write_bytes(data)
    commands = FILES[name]
    given = words(commands[number % len(commands)], model, photos)
    done = call(*given, expect=None)
    case = f"{name} {number}: {given[0]} {given[1]}: status {done.returncode}: {done.stderr}"
    assert "should not happen" not in done.stderr and "Traceback" not in done.stderr, case
    lines = [line for line in done.stderr.splitlines() if line.strip() and "%|" not in line]
    if done.returncode == 2:
        assert len(lines) == 1 and lines[0].isprintable(), case
        assert str(model) in lines[0] or path.name in lines[0] or "cannot be read" in lines[0], case
    else:
        assert done.returncode in (0, 1) and done.stdout.strip(), case


@pytest.mark.parametrize("name", FILES)
def test_some_alterations(model, portraits, tmp_path, name):
    numbers = range(24 if name.endswith(".pkl") else 8)
    for number in random.Random(name).sample(range(700), len(numbers)):
        check(model, portraits, tmp_path, name, number)


@pytest.mark.heavy
@pytest.mark.parametrize("name", FILES)
def test_many_alterations(model, portraits, tmp_path, name):
    for number in range(700 if name.endswith(".pkl") else 173):
        check(model, portraits, tmp_path, name, number)
