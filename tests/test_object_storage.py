"""Photos and videos in object storage, a real server on this machine: read as from a folder."""

from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from running import (
    SOURCE,
    call,
    environment,
    face,
    kept,
    numbers,
    refused,
    run,
    save,
    table,
)

from openfaceplus import hosts
from openfaceplus.errors import StorageError, UnreadablePhoto, UsageError
from openfaceplus.images import photos_in, read_photo, walk
from openfaceplus.recipe import recipe
from openfaceplus.remote import Remote, fingerprint, location
from openfaceplus.stages.photos import embed_photos
from openfaceplus.stages.video_index import videos_of
from openfaceplus.video.opening import fetched

s3fs = pytest.importorskip("s3fs")
moto = pytest.importorskip("moto.server")


@pytest.fixture(scope="module", autouse=True)
def server() -> Iterator[Any]:
    """A server of S3 on this machine, which the environment names as ``aws`` would have it."""
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # it says every request
    made = moto.ThreadedMotoServer("127.0.0.1", port=0)
    made.start()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://{}:{}".format(*made.get_host_and_port()))
        patch.setenv("AWS_ACCESS_KEY_ID", "someone")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        patch.setenv("AWS_MAX_ATTEMPTS", "1")
        patch.setattr(s3fs.S3FileSystem, "retries", 1)
        yield made
    made.stop()
    s3fs.S3FileSystem.clear_instance_cache()


@pytest.fixture(scope="module")
def storage(server) -> Any:
    """What puts objects there and deletes them."""
    made = s3fs.S3FileSystem()
    made.mkdir("faces")
    return made


@pytest.fixture
def no_cache() -> Iterator[None]:
    """Connections are made anew, with the settings of this test."""
    s3fs.S3FileSystem.clear_instance_cache()
    yield
    s3fs.S3FileSystem.clear_instance_cache()


def put(storage: Any, folder: Path, to: str) -> str:
    """Upload a folder; its URL."""
    storage.put(f"{folder}/", f"faces/{to}/", recursive=True)
    return f"s3://faces/{to}"


@pytest.fixture(scope="module")
def photos(storage, portraits) -> str:
    """The URL of the portraits. Not to be changed."""
    return put(storage, portraits, "portraits")


def test_training_there_gives_what_training_here_gives(model, photos, tmp_path):
    call("train", f"{photos}/train/", "-o", tmp_path / "model", "--jobs", 1)
    tables = "aligned-images/alignment.csv"
    here, there = model / tables, tmp_path / "model" / tables
    for one, other in zip(table(here), table(there), strict=True):
        differ = {name for name in one if one[name] != other[name]}
        assert differ == {"photo", "chip", "fingerprint"}
        person, name = one["photo"].rsplit("/", 2)[1:]
        assert other["photo"] == f"{photos}/train/{person}/{name}"
    reps = "generated-embeddings/reps.csv"
    assert (numbers(model / reps) == numbers(tmp_path / "model" / reps)).all()
    manifest = json.loads(there.with_suffix(".json").read_text())
    assert manifest["roots"] == [f"{photos}/train"]


def test_only_what_changed_is_read_again(storage, tmp_path):
    for name in ("ada/1", "ada/2", "bob/1", "bob/2"):
        save(tmp_path / f"photos/{name}.png", face(len(name) + int(name[-1])))
    url = put(storage, tmp_path / "photos", "changing")
    words = ("align", url, "-o", tmp_path / "chips", "--jobs", 1)
    assert "4 of 4" in call(*words).stdout
    assert kept(call(*words).stdout) == 4

    storage.put(str(save(tmp_path / "other.png", face(7))), "faces/changing/ada/1.png")
    storage.rm("faces/changing/bob/2.png")
    done = call(*words).stdout
    assert "3 of 3" in done and kept(done) == 2


def test_a_folder_there_is_asked_who_is_in_it(model, photos):
    done = call("infer", "-m", model, f"{photos}/test", f"{photos}/none.jpg", "--json", expect=1)
    *found, missing = map(json.loads, done.stdout.splitlines())
    assert [Path(one["file"]).name for one in found] == [
        "alex1.jpg", "kit1.jpg", "kit_with_rose.jpg", "obama1.jpg", "obama_and_biden.jpg",
    ]  # fmt: skip
    assert found[0]["file"] == f"{photos}/test/alex1.jpg"
    assert found[3]["faces"][0]["name"] == "obama"
    assert missing["error"]["problem"] == f"{photos}/none.jpg: no such object"


def test_a_pile_there_is_searched_and_then_kept(photos, tmp_path):
    words = ("find", "--knowns", f"{photos}/train/obama", "--unknowns", f"{photos}/test",
             "--results", tmp_path / "found", "--jobs", 1, "--json")  # fmt: skip
    first = json.loads(call(*words).stdout.splitlines()[-1])
    assert (first["photos"], first["matches"], first["kept"]) == (5, 2, 0)
    assert json.loads(call(*words).stdout.splitlines()[-1])["kept"] == 5


def test_chips_there_are_embedded(model, storage, tmp_path):
    url = put(storage, model / "aligned-images", "chips")
    call("represent", url, "-o", tmp_path / "e", "--jobs", 1)
    ours = numbers(model / "generated-embeddings/reps.csv")
    assert np.allclose(numbers(tmp_path / "e/reps.csv"), ours, atol=1e-4)
    assert {row["chip"].rpartition("/")[0] for row in table(tmp_path / "e/representation.csv")} == {
        f"{url}/{name}" for name in ("alex", "biden", "kit", "obama", "rose")
    }
    assert kept(call("represent", url, "-o", tmp_path / "e", "--jobs", 1).stdout) == len(ours)


def test_people_are_added_from_there_and_their_photos_stay(model, photos, storage, tmp_path):
    shutil.copytree(model, tmp_path / "model")
    storage.put(str(save(tmp_path / "1.png")), "faces/new/eve.png")
    call("people", "add", tmp_path / "model", "Eve", "s3://faces/new/")
    assert "is enrolled as a photo of Eve already" in refused(
        "people", "add", tmp_path / "model", "Adam", "s3://faces/new/eve.png"
    )
    done = call("people", "remove", tmp_path / "model", "Eve", "--photos", "--yes", "--json")
    receipt = json.loads(done.stdout)
    assert receipt["photos_left"] == ["s3://faces/new/eve.png"] and not receipt["not_found"]
    assert storage.exists("faces/new/eve.png")


def test_a_listing_leaves_out_what_a_folder_would(storage):
    for name in (
        "ada/1.png", "ada/", "ada/.hidden/x.png", ".git/x.png", "Thumbs.db", "../../up.png",
        "ada/more/2.png", "stray.png", "bob/ä #?%20.png",
    ):  # fmt: skip
        storage.pipe(f"faces/odd/{name}", b"photo")
    storage.pipe("faces/oddly/ada/1.png", b"another folder")
    found = walk("s3://faces/odd/")
    assert [(photo.person, photo.relative) for photo in found] == [
        ("", "stray.png"), ("ada", "ada/1.png"), ("ada", "ada/more/2.png"),
        ("bob", "bob/ä #?%20.png"),
    ]  # fmt: skip
    assert all(photo.path.open().read() == b"photo" for photo in found)
    # What the listing told is what the object itself tells.
    assert [fingerprint(Remote(photo.path.url), "") for photo in found] == [
        photo.path.mark for photo in found
    ]
    assert photos_in(["s3://faces/odd", "s3://faces/odd/none.png"]) == [
        *sorted(photo.path for photo in found), Remote("s3://faces/odd/none.png"),
    ]  # fmt: skip
    storage.pipe("faces/odd/ada/3.png", b"new")
    assert len(walk("s3://faces/odd")) == 5


def test_what_cannot_be_read_is_a_row_that_says_so(photos, storage, tmp_path):
    storage.put(str(save(tmp_path / "1.png")), "faces/mixed/ada/1.png")
    storage.pipe("faces/mixed/ada/2.png", b"no photo")
    storage.pipe("faces/mixed/ada/3.png", b"")
    chips = tmp_path / "chips"
    call("align", "s3://faces/mixed", "-o", chips, "--jobs", 1, expect=1)
    good, other, empty = table(chips / "alignment.csv")
    assert good["status"] == "ok"
    assert other["reason"].startswith("s3://faces/mixed/ada/2.png: not an image of a known format")
    assert "s3://faces/mixed/ada/3.png: the file is empty" in empty["reason"]


def test_what_cannot_be_listed_is_one_line(photos, tmp_path, monkeypatch, no_cache):
    def said(url: str) -> str:
        return refused("train", url, "-o", tmp_path / "model")

    assert "s3://faces/nobody: not a folder of photos (nothing is there)" in said(
        "s3://faces/nobody"
    )
    assert "not a folder of photos (nothing is there)" in said("s3://no-such-bucket/photos")
    assert "not a folder of photos" in said(f"{photos}/test/alex1.jpg")
    assert "fsspec knows no storage called s33" in said("s33://faces")
    assert "install gcsfs" in said("gs://faces/photos")
    assert "cannot be read" in said("s3://")
    assert "cannot be read" in refused("infer", "-m", tmp_path, "s3://")
    with monkeypatch.context() as patch:
        patch.delenv("AWS_ACCESS_KEY_ID")
        patch.delenv("AWS_SECRET_ACCESS_KEY")
        patch.setenv("HOME", str(tmp_path))
        s3fs.S3FileSystem.clear_instance_cache()
        assert "(Unable to locate credentials); check the URL, the credentials" in said(photos)
    with monkeypatch.context() as patch:
        patch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
        s3fs.S3FileSystem.clear_instance_cache()
        assert 'connect to the endpoint URL: "http://127.0.0.1:9/' in said(photos)
    assert not (tmp_path / "model").exists()


def test_a_storage_that_goes_meanwhile_is_a_reason_for_each_photo(photos, monkeypatch, no_cache):
    found = photos_in([f"{photos}/test"])
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    s3fs.S3FileSystem.clear_instance_cache()
    errors = [str(one.error) for one in embed_photos(found[:2], recipe())]
    assert len(errors) == 2
    for path, error in zip(found, errors, strict=False):
        assert error.startswith(f"{path}: cannot be read (Could not connect to the endpoint URL")


def test_a_machine_of_a_cluster_says_which_it_is(photos, monkeypatch):
    monkeypatch.setattr(hosts, "_machine", "node-7")
    with pytest.raises(UnreadablePhoto, match="no such object on node-7, which must see the same"):
        read_photo(f"{photos}/none.png")


@pytest.mark.parametrize("library", ["fsspec", "s3fs"])
def test_a_missing_library_is_named(library, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    monkeypatch.delitem(import_module("fsspec.registry")._registry, "s3", raising=False)
    with pytest.raises(UsageError, match=f"needs {library}, which is not installed") as caught:
        walk("s3://faces/portraits")
    assert caught.value.remedy == "run: pip install 'openfaceplus[s3]'"


def test_whatever_else_fsspec_reads_will_do(tmp_path):
    import fsspec

    data = save(tmp_path / "ada/1.png").read_bytes()
    fsspec.filesystem("memory").pipe("/album/ada/1.png", data)
    for url in ("memory://album", f"file://{tmp_path}", f"simplecache::file://{tmp_path}"):
        (photo,) = walk(url)
        assert (photo.person, str(photo.path)) == ("ada", f"{url}/ada/1.png")
        assert fingerprint(photo.path, "") == photo.path.mark and "-" in photo.path.mark
        assert read_photo(str(photo.path)).pixels.tolist() == face().tolist()


def test_only_a_url_is_one(tmp_path):
    assert location("s3://bucket/a/") == Remote("s3://bucket/a")
    for text in ("s3:/bucket", "a:b", "C:\\x", "dir/s3://x", "-"):
        assert location(text) == Path(text)
    assert location(tmp_path) is tmp_path


def test_a_huge_object_is_not_fetched():
    with pytest.raises(StorageError, match="more than 1024 MiB, which is no photo"):
        Remote("s3://faces/film.mp4", f"{1 << 31}-abc").open()


def test_a_file_here_costs_nothing(astronaut):
    code = (
        "import sys; from openfaceplus.images import read_photo; "
        f"read_photo({str(astronaut)!r}); sys.exit('fsspec' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], env=environment(SOURCE)).returncode == 0


def test_videos_there_are_listed_and_fetched(storage):
    for name in ("monday.mp4", "notes.txt", ".trash/old.mp4", "more/tuesday.MKV"):
        storage.pipe(f"faces/films/{name}", name.encode())
    listed = ["s3://faces/films/monday.mp4", "s3://faces/films/more/tuesday.MKV"]
    assert videos_of(["s3://faces/films", listed[0], "rtsp://camera/x"]) == [
        *listed, "rtsp://camera/x",
    ]  # fmt: skip
    with fetched(listed[1]) as file:
        assert Path(file).read_bytes() == b"more/tuesday.MKV"
    assert not Path(file).exists()


@pytest.mark.heavy
def test_a_film_there_is_indexed_once(storage, astronaut, tmp_path):
    from test_video_flow import shots, write_clip

    write_clip(tmp_path / "monday.mp4", shots(astronaut), 5)
    storage.put(str(tmp_path / "monday.mp4"), "faces/clips/monday.mp4")
    words = ("video", "index", "s3://faces/clips", "--db", tmp_path / "db", "--jobs", 1, "--json")
    (one,) = json.loads(call(*words).stdout)["videos"]
    assert (one["video"], one["status"]) == ("s3://faces/clips/monday.mp4", "ok")
    (one,) = json.loads(call(*words).stdout)["videos"]
    assert one["status"] == "kept"
    storage.pipe("faces/clips/monday.mp4", b"no film")
    (one,) = json.loads(call(*words, expect=2).stdout)["videos"]
    assert one["error"]["problem"].startswith("s3://faces/clips/monday.mp4: not a video that can")


@pytest.mark.heavy
def test_processes_and_a_cluster_read_from_there_too(model, photos, tmp_path):
    reps = numbers(model / "generated-embeddings/reps.csv")
    for where in (("--jobs", 2), ("--ray", "local:2")):
        to = tmp_path / where[0]
        run("train", f"{photos}/train", "-o", to, *where)
        assert (numbers(to / "generated-embeddings/reps.csv") == reps).all()
        done = run("infer", "-m", to, f"{photos}/test", *where)
        assert f"=== {photos}/test/obama1.jpg ===\nPredict obama" in done.stdout
        found = run("find", "--knowns", f"{photos}/train/obama", "--unknowns", f"{photos}/test",
                    "--results", to / "found", *where)  # fmt: skip
        assert "2 of 5 photos match" in found.stdout
