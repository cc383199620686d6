"""What is written about faces is its owner's alone, unless shared."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from running import call, people, save

from openfaceplus.changes import changing
from openfaceplus.files import SHARED, atomic_write, make_folder, sharing
from openfaceplus.store.tables import Journal


@pytest.fixture(autouse=True)
def umask(monkeypatch):
    monkeypatch.delenv(SHARED, raising=False)
    before = os.umask(0o022)
    yield
    os.umask(before)


def modes(*roots: Path) -> set[tuple[str, str]]:
    """What kinds of modes folders and files have."""
    found = {path for root in roots for path in (root, *root.rglob("*"))}
    return {("dir" if p.is_dir() else "file", oct(p.stat().st_mode & 0o777)) for p in found}


PRIVATE = {("dir", "0o700"), ("file", "0o600")}
OPEN = {("dir", "0o755"), ("file", "0o644")}


@pytest.mark.parametrize("shared", [False, True])
def test_files_and_all_folders_made_for_them(tmp_path, shared):
    with sharing(shared):
        with atomic_write(tmp_path / "a/b/f") as file:
            file.write(b"x")
        with Journal(tmp_path / "j/d/rows.jsonl", "hash"):
            pass
        with changing(tmp_path / "c/d"):
            assert modes(tmp_path / "c") == (OPEN if shared else PRIVATE)
    assert modes(tmp_path / "a", tmp_path / "j") == (OPEN if shared else PRIVATE)
    assert SHARED not in os.environ


def test_folders_that_are_there_keep_their_modes(tmp_path):
    (tmp_path / "a").mkdir(0o750)
    with atomic_write(tmp_path / "a/b/f"):
        pass
    make_folder(tmp_path / "a")
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o750


@pytest.mark.parametrize("flags", [(), ("--shared",)])
def test_whatever_commands_and_their_processes_write(tmp_path, monkeypatch, flags):
    monkeypatch.setenv("OPENFACEPLUS_CACHE", str(tmp_path / "cache"))
    photos, made = people(tmp_path / "photos", ada=3, bob=3), tmp_path / "made"
    call("train", photos, "-o", made / "model", "--jobs", 2, *flags)
    probes = [save(tmp_path / f"unknowns/{number}.png") for number in range(2)]
    call("infer", "-m", made / "model", *probes, "--annotate", made / "seen", *flags)
    call("people", "rename", made / "model", "bob", "rob", *flags)
    call("find", "--knowns", photos / "ada", "--unknowns", tmp_path / "unknowns", "--jobs", 2,
         "--results", made / "results", "--distance", 0.6, *flags)  # fmt: skip
    assert modes(made, tmp_path / "cache") == (OPEN if flags else PRIVATE)
