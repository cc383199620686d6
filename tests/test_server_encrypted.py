"""Encryption at rest: nothing of a face is on the disk, and only its key opens it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("cryptography")
pytest.importorskip("fastapi")

import httpx
from running import call, refused
from servers import Process, photos

from openfaceplus import encrypted_files, encryption
from openfaceplus.errors import StorageError
from openfaceplus.files import atomic_write
from openfaceplus.model_folder import ModelFolder
from openfaceplus.server.protection import protect
from openfaceplus.server.settings import Settings
from openfaceplus.stages.encrypt import encrypt
from openfaceplus.store.tables import Journal

PIECE = 1 << 20
FORM = {"name": "Tom Example", "consent": "signed", "purpose": "the door"}


@pytest.fixture
def keyfile(tmp_path, monkeypatch) -> Path:
    path = tmp_path / "secret.key"
    call("keys", "file", path)
    monkeypatch.setenv(encryption.KEYFILE, str(path))
    return path


def faces_on_disk(root: Path, vectors: np.ndarray) -> list[str]:
    """What a search of all bytes below a folder finds of pictures and of vectors, however kept."""
    # Long enough that what is encrypted does not hold them by chance, as it does three bytes.
    marks = {"PNG": b"\x89PNG\r\n\x1a\n", "JPEG": b"\xff\xd8\xff\xe0\0\x10JFIF"}
    for number, vector in enumerate(vectors):
        for kind in ("<f2", "<f4", "<f8"):
            marks[f"vector {number} as {kind}"] = vector.astype(kind).tobytes()[:24]
        marks[f"vector {number} as text"] = ",".join(f"{x:.9g}" for x in vector[:3]).encode()
    files = [path for path in root.rglob("*") if path.is_file()]
    assert files
    return [
        f"{path}: {name}" for path in files for data in [path.read_bytes()]
        for name, mark in marks.items() if mark in data
    ]  # fmt: skip


@pytest.mark.parametrize("size", [0, 1, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE])
def test_what_is_sealed_comes_back_and_says_nothing(keyfile, size):
    data = np.random.default_rng(0).bytes(size)
    sealed = encryption.seal(data)
    assert encryption.unseal(sealed, "x") == data
    assert sealed != encryption.seal(data) and (size < 32 or data[:32] not in sealed)
    assert encryption.unseal(data, "x") == data  # a plain file is read as it is


def test_any_change_of_what_is_sealed_is_noticed(keyfile):
    sealed = encryption.seal(bytes(2 * PIECE))
    head = len(encryption.MAGIC) + 8 + 16
    first, second = head + PIECE + 16, head + 2 * (PIECE + 16)
    assert second == len(sealed)
    for place in (len(encryption.MAGIC) + 8, head, first - 1, first, second - 1):
        changed = bytearray(sealed)
        changed[place] ^= 1
        with pytest.raises(StorageError, match="damaged or changed"):
            encryption.unseal(bytes(changed), "x")
    swapped = sealed[:head] + sealed[first:] + sealed[head:first]
    for other in (sealed[:first], sealed[:-1], sealed[:head], sealed + b"x", swapped):
        with pytest.raises(StorageError, match="damaged or changed"):
            encryption.unseal(other, "x")


def test_a_file_of_keys_is_its_owners_alone_and_takes_new_keys(tmp_path, keyfile):
    model = tmp_path / "model"
    model.mkdir()
    assert keyfile.stat().st_mode & 0o777 == 0o600
    sealed = encryption.seal(b"old")
    call("keys", "file", keyfile)  # a newer key comes first
    assert encryption.unseal(sealed, "x") == b"old"
    assert not sealed.startswith(encryption.newest())
    assert encryption.seal(b"").startswith(encryption.newest())
    keyfile.chmod(0o640)
    said = refused("serve", "-m", model, "--audit", tmp_path / "a", "--encrypt", keyfile)
    assert "others may read it" in said and "chmod 600" in said
    refused("keys", "file", keyfile)
    missing = refused("serve", "-m", model, "--audit", tmp_path / "a", "--encrypt", tmp_path / "no")
    assert "no such file of keys" in missing and "keys file" in missing
    (tmp_path / "no").write_text(json.dumps({"about": 1, "keys": ["00"]}))
    (tmp_path / "no").chmod(0o600)
    assert "not a file of encryption keys" in refused(
        "serve", "-m", model, "--audit", tmp_path / "a", "--encrypt", tmp_path / "no"
    )


def test_commands_work_on_an_encrypted_model_with_its_key_only(
    model, portraits, tmp_path, keyfile, monkeypatch
):
    here = tmp_path / "model"
    shutil.copytree(model, here)
    before = {path: path.read_bytes() for path in here.rglob("*") if path.is_file()}
    vectors = ModelFolder(here).read().vectors
    assert faces_on_disk(here, vectors)  # the search finds what is there
    photo = portraits / "test/kit1.jpg"
    plain = call("infer", "-m", here, "--json", photo).stdout

    said = call("keys", "encrypt", here).stdout
    assert f"encrypted {len(before)} files" in said
    assert faces_on_disk(here, vectors) == []
    assert "encrypted 0 files" in call("keys", "encrypt", here).stdout
    assert call("infer", "-m", here, "--json", photo).stdout == plain
    call("keys", "file", keyfile)
    assert f"encrypted {len(before)} files" in call("keys", "encrypt", here).stdout  # by the new

    call("keys", "decrypt", here)
    assert {path: path.read_bytes() for path in here.rglob("*") if path.is_file()} == before
    call("keys", "encrypt", here)
    call("people", "rename", here, "kit", "Kit Example")
    call("people", "remove", here, "rose", "--yes")
    assert faces_on_disk(here, vectors) == []
    assert not any(b"Kit Example" in p.read_bytes() for p in here.rglob("*") if p.is_file())

    monkeypatch.setenv(encryption.KEYFILE, str(tmp_path / "other.key"))
    call("keys", "file", tmp_path / "other.key")
    for words in (
        ("infer", "-m", here, photo),
        ("people", "list", here),
        ("keys", "decrypt", here),
    ):
        assert "encrypted with another key" in refused(*words)
    monkeypatch.delenv(encryption.KEYFILE)
    for words in (
        ("infer", "-m", here, photo), ("people", "list", here),
        ("train", portraits / "train", "-o", here),
        ("serve", "-m", here, "--audit", tmp_path / "a"),
    ):  # fmt: skip
        assert f"set {encryption.KEYFILE}" in refused(*words)


def test_what_is_not_the_models_is_not_encrypted(model, tmp_path, keyfile):
    shutil.copytree(model, tmp_path / "model")
    mine = tmp_path / "model/generated-embeddings/notes.txt"
    mine.write_text("mine")
    assert "notes.txt: was not made here" in refused("keys", "encrypt", tmp_path / "model")
    alone = tmp_path / "alone/classifier.pkl"
    alone.parent.mkdir()
    shutil.copy(model / "generated-embeddings/classifier.pkl", alone)
    assert "stands alone" in refused("keys", "encrypt", alone)
    assert mine.read_text() == "mine" and not list(tmp_path.rglob(encrypted_files.MARK))


def test_an_encryption_that_was_cut_off_goes_on(model, tmp_path, keyfile, monkeypatch):
    here = tmp_path / "model"
    shutil.copytree(model, here)
    known = ModelFolder(here).read()
    wrote = []

    def write(path, *given, **more):
        wrote.append(path)
        if len(wrote) > 6:
            raise KeyboardInterrupt
        return atomic_write(path, *given, **more)

    with monkeypatch.context() as patch:
        patch.setattr(encrypted_files, "atomic_write", write)
        with pytest.raises(KeyboardInterrupt):
            encrypt(ModelFolder(here))
    assert faces_on_disk(here, known.vectors)  # half of it
    assert (ModelFolder(here).read().vectors == known.vectors).all()
    assert encrypt(ModelFolder(here)) > 5
    assert faces_on_disk(here, known.vectors) == []
    assert (ModelFolder(here).read().vectors == known.vectors).all()


def test_a_run_that_was_interrupted_goes_on_and_keeps_no_vector_plain(tmp_path, keyfile):
    encrypted_files.mark(tmp_path / "run")
    journal = Journal(tmp_path / "run/.changes/x.journal", "settings")
    row = {"photo": "kit.jpg", "vector": "Zm9vYmFy"}
    with journal:
        journal.add(row)
    assert journal.rows() == [row]
    assert not any(word in journal.path.read_text() for word in ("kit", "Zm9vYmFy", "settings"))
    journal.path.write_text(journal.path.read_text()[:-9])  # torn by a kill
    assert journal.rows() == []
    with atomic_write(tmp_path / "run/deep/er/a.txt", "w") as file:
        file.write("Grüße\r\n")
    assert encrypted_files.read_text(tmp_path / "run/deep/er/a.txt") == "Grüße\r\n"
    assert b"Gr" not in (tmp_path / "run/deep/er/a.txt").read_bytes()


def test_a_server_encrypts_what_it_finds_and_all_that_it_keeps(
    model, portraits, samples, tmp_path, monkeypatch
):
    key, root = tmp_path / "secret.key", tmp_path / "server"
    call("keys", "file", key)
    shutil.copytree(model, root / "model")
    (root / "tmp").mkdir()
    words = ("-m", root / "model", "--audit", root / "audit.jsonl", "--keep-unsure",
             root / "unsure", "--encrypt", key)  # fmt: skip
    both, again = portraits / "test/obama_and_biden.jpg", {"Idempotency-Key": "once"}
    env = {"TMPDIR": str(root / "tmp")}
    with (
        Process(*words, env=env) as server,
        httpx.Client(base_url=server.url, timeout=60) as client,
    ):
        assert any("Encrypted" in line and "files of the model" in line for line in server.said)
        tom = client.post(
            "/v1/people", data=FORM, files=photos(samples / "actor.png"), headers=again
        )
        assert tom.status_code == 201, tom.text
        where = f"/v1/people/{tom.json()['id']}"
        assert client.get(f"{where}/thumbnail").content.startswith(b"\x89PNG")
        assert client.get(where).json()["consent"]["purpose"] == "the door"
        (found,) = client.post("/v1/identify", files=photos(both)).json()["photos"]
        limit = found["faces"][0]["score"] + 0.05
        client.post("/v1/identify", files=photos(both), data={"threshold": limit})
        review = client.get("/v1/reviews").json()["reviews"][0]
        picture = client.get(f"/v1/reviews/{review['id']}/picture").content
        assert picture.startswith(b"\xff\xd8\xff")
        same = client.post("/v1/people", data=FORM, headers=again)
        assert same.json() == tom.json() and same.headers["idempotent-replayed"] == "true"
    monkeypatch.setenv(encryption.KEYFILE, str(key))
    vectors = ModelFolder(root / "model").read().vectors
    assert len(vectors) > 5
    assert list(root.rglob("*.jpg")) and (root / "audit.jsonl.sqlite").exists()
    assert faces_on_disk(root, vectors) == []
    texts = {path: path.read_bytes() for path in root.rglob("*") if path.is_file()}
    assert [path.name for path, data in texts.items() if b"Tom Example" in data] == []


def test_crops_in_a_database_are_sealed(db, db_url, keyfile, monkeypatch, tmp_path):
    import made_videos

    from openfaceplus.database.sealing import seal_crops

    def crops() -> list[bytes]:
        return [bytes(jpeg) for (jpeg,) in db.rows("SELECT jpeg FROM crop")]

    some, _ = made_videos.sequences(2, 2)
    monkeypatch.delenv(encryption.KEYFILE)
    plain = made_videos.index(db, "plain.mp4", some)
    before = [crop.jpeg for crop in db.read.crops(plain[0])]
    assert all(crop.startswith(b"\xff\xd8\xff") for crop in crops())
    monkeypatch.setenv(encryption.KEYFILE, str(keyfile))
    made_videos.index(db, "sealed.mp4", some)
    settings = Settings(tmp_path / "model", tmp_path / "audit.jsonl", db=db_url)
    count = len(crops()) // 2
    assert list(protect(settings)) == [f"Encrypted {count} crops in the database"]
    assert list(protect(settings)) == []
    assert all(crop.startswith(encryption.newest()) for crop in crops())
    assert [crop.jpeg for crop in db.read.crops(plain[0])] == before
    call("keys", "file", keyfile)
    assert seal_crops(db) == len(crops())
    monkeypatch.delenv(encryption.KEYFILE)
    with pytest.raises(StorageError, match="is encrypted"):
        db.read.crops(plain[0])
