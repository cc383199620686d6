"""What a server keeps: unsure faces if asked to, people for as long as was said, nothing else."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

pytest.importorskip("fastapi")

import httpx
from servers import Process, photos, serving, shape

from openfaceplus.audit import entries, verify
from openfaceplus.errors import StorageError
from openfaceplus.faces import Box, Decision
from openfaceplus.server import consents
from openfaceplus.server.kept import Kept
from openfaceplus.server.keys import KeyFile
from openfaceplus.server.reviews import Reviews
from openfaceplus.store.layout import CONSENTS


@pytest.fixture(scope="module")
def server(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("kept")
    shutil.copytree(model, folder / "model")
    more = {"keep_unsure": folder / "unsure", "retain": timedelta(days=365)}
    with serving(folder / "model", folder, **more) as made:
        yield made


def names_below(folder: Path) -> set[str]:
    return {str(path.relative_to(folder)) for path in folder.rglob("*")}


def test_no_probe_is_kept_unless_that_was_asked_for(model, portraits, tmp_path, monkeypatch):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    shutil.copytree(model, tmp_path / "model")
    before = names_below(tmp_path)
    with serving(tmp_path / "model", tmp_path) as server:
        server.post("/v1/identify", files=photos(portraits / "test/obama_and_biden.jpg"))
        shape(server.get("/v1/reviews"), 409, "nothing_kept")
    assert names_below(tmp_path) == before | {"audit.jsonl", "audit.jsonl.sqlite"}


def test_unsure_faces_are_listed_and_one_is_confirmed(server, portraits):
    both = portraits / "test/obama_and_biden.jpg"
    (sure,) = server.post("/v1/identify", files=photos(both)).json()["photos"]
    assert server.get("/v1/reviews").json()["total"] == 0  # all were sure
    limit = sure["faces"][0]["score"] + 0.05  # Biden's is just below
    server.post("/v1/identify", files=photos(both), data={"threshold": limit})
    found = server.get("/v1/reviews").json()
    assert found["total"] >= 1
    unsure = [one["unsure"] for one in found["reviews"]]
    assert unsure == sorted(unsure) and unsure[0] <= 0.2
    review = next(one for one in found["reviews"] if one["closest"] == "biden")
    where = f"/v1/reviews/{review['id']}"
    picture = server.get(f"{where}/picture")
    assert picture.headers["content-type"] == "image/jpeg"
    files = [("photo", ("face.jpg", picture.content))]
    (again,) = server.post("/v1/identify", files=files).json()["photos"]
    assert "biden" in [face["name"] for face in again["faces"]]  # what is kept shows that face
    biden = next(p for p in server.get("/v1/people").json()["people"] if p["name"] == "biden")
    shape(server.post(where, data={"person": "nobody"}), 404, "not_found")
    said = server.post(where, data={"person": biden["id"], "enrol": "true"}).json()
    assert said["enrolled"] is True
    now = server.get(f"/v1/people/{biden['id']}").json()
    assert now["enrolled_photos"] == biden["enrolled_photos"] + 1
    shape(server.get(f"{where}/picture"), 404, "not_found")
    log = list(entries(server.app.state.server.settings.audit))
    assert log[-1]["what"] == "review" and log[-1]["person"] == biden["id"]


def test_reviews_are_ignored_or_nobodys(server, tmp_path, portraits):
    kept = server.app.state.server.reviews
    data = (portraits / "test/kit1.jpg").read_bytes()
    one = Decision(None, None, "kit", 0.5, 0.45, 0.5, Box(50, 50, 150, 150))
    assert (
        kept.keep(data, [one, replace(one, score=0.1), replace(one, note="too_small")], 10**8) == 1
    )
    assert kept.keep(data, [replace(one, score=0.1, second="rose")], 10**8) == 1
    first, second, *_ = server.get("/v1/reviews").json()["reviews"]
    assert first["second"] == "rose" and first["unsure"] == 0
    assert server.delete(f"/v1/reviews/{first['id']}").status_code == 204
    said = server.post(f"/v1/reviews/{second['id']}").json()
    assert said == {"id": second["id"], "person": None, "enrolled": False}
    for bad in ("../../x", "0" * 16, "x"):
        shape(server.delete(f"/v1/reviews/{bad}"), 404, "not_found")


def test_a_review_that_was_damaged_is_left_out(tmp_path):
    (tmp_path / ("0" * 16 + ".json")).write_text('{"about": 1}')
    (tmp_path / ("1" * 16 + ".json")).write_text("{")
    (tmp_path / "x.json").write_text("{}")
    assert Reviews(tmp_path).all() == []


def test_who_was_enrolled_long_ago_is_forgotten(server, samples):
    form = {"name": "Tom", "consent": "c", "purpose": "p"}
    tom = server.post("/v1/people", data=form, files=photos(samples / "actor.png")).json()
    here = server.app.state.server
    assert server.portal.call(here.retention.enforce) == []
    folder = here.current.folder
    old = replace(consents.read(folder)[tom["id"]], recorded="2020-01-01T00:00:00+00:00")
    consents.write(folder, tom["id"], old)
    assert server.portal.call(here.retention.enforce) == [tom["id"]]
    shape(server.get(f"/v1/people/{tom['id']}"), 404, "not_found")
    assert consents.read(folder) == {}
    last = list(entries(here.settings.audit))[-1]
    assert (last["who"], last["what"], last["person"]) == ("retention", "remove", tom["id"])
    assert server.get("/v1/people").json()["total"] == 5  # who was trained from a folder stays


def test_consents_that_are_damaged_are_no_reason_to_lose_them(server):
    path = server.app.state.server.current.folder.embeddings / CONSENTS
    before = path.read_text() if path.exists() else json.dumps({"people": {}})
    path.write_text(json.dumps({"people": 3}))
    shape(server.get("/v1/people"), 503, "storage")
    path.write_text(before)
    assert server.get("/v1/people").status_code == 200


FORM = {"name": "Tom", "consent": "signed", "purpose": "the door"}


def on_disk(path: Path) -> bytes:
    """All that a server's own file holds, journals of SQLite included."""
    return b"".join(part.read_bytes() for part in path.parent.glob(f"{path.name}*"))


def test_repeats_and_sessions_outlive_a_server_that_was_killed(model, samples, tmp_path):
    shutil.copytree(model, tmp_path / "model")
    keys = KeyFile(tmp_path / "keys.json")
    key = keys.add("desk", "admin")
    words = ("-m", tmp_path / "model", "--keys", keys.path, "--audit", tmp_path / "log.jsonl")
    again, sent = {"Idempotency-Key": "once-only"}, photos(samples / "actor.png")

    with Process(*words) as server, httpx.Client(base_url=server.url, timeout=60) as browser:
        csrf = browser.post("/v1/session", data={"key": key}).json()["csrf"]
        token = browser.cookies["openfaceplus"]
        headers = {"X-CSRF-Token": csrf} | again
        first = browser.post("/v1/people", data=FORM, files=sent, headers=headers)
        assert first.status_code == 201, first.text
        server.popen.kill()  # nothing is finished
    path = tmp_path / "log.jsonl.sqlite"
    assert path.stat().st_mode & 0o777 == 0o600
    for secret in (token, csrf, key, again["Idempotency-Key"]):
        assert secret.encode() not in on_disk(path)

    with Process(*words) as server, httpx.Client(base_url=server.url, timeout=60) as browser:
        browser.cookies.set("openfaceplus", token)
        assert browser.get("/v1/session").json()["csrf"] == csrf
        second = browser.post("/v1/people", data=FORM, files=sent, headers=headers)
        assert (second.status_code, second.json()) == (201, first.json())
        assert second.headers["idempotent-replayed"] == "true"
        found = browser.get("/v1/people").json()
        (tom,) = [one for one in found["people"] if one["name"] == "Tom"]
        assert tom["enrolled_photos"] == 1
        shape(browser.delete(f"/v1/people/{tom['id']}", headers=headers), 422, "key_reused")
        assert b"Tom" in on_disk(path)
        gone = browser.delete(f"/v1/people/{tom['id']}", headers={"X-CSRF-Token": csrf})
        assert gone.status_code == 200
        assert b"Tom" not in on_disk(path)  # whoever is forgotten, answers about them are too
        keys.remove("desk")
        shape(browser.get("/v1/people"), 401, "no_key")
        assert browser.get("/v1/session").json()["csrf"] is None
    whole = verify(tmp_path / "log.jsonl")
    assert whole.problem is None


def test_answers_that_only_tell_something_are_not_kept(server, portraits):
    again = {"Idempotency-Key": "ask"}
    for _ in range(2):
        said = server.post("/v1/identify", files=photos(portraits / "test/kit1.jpg"), headers=again)
        assert said.status_code == 200 and "idempotent-replayed" not in said.headers


def test_a_file_that_is_none_is_said_to_be(tmp_path):
    path = tmp_path / "kept.sqlite"
    path.write_bytes(b"no database" * 100)
    with pytest.raises(StorageError, match=r"kept\.sqlite: cannot be used"):
        Kept(path)


def test_answers_are_kept_for_a_day_and_not_all(tmp_path):
    kept = Kept(tmp_path / "kept.sqlite")
    for number in range(5):
        kept.keep(bytes([number]), "POST /v1/people", f"people/{number}", b"{}")
    assert kept.answer(b"\x02", time.time() - 60) == ("POST /v1/people", b"{}")
    assert kept.answer(b"\x02", time.time() + 1) is None
    kept.drop_answers(0, 2)
    assert [kept.answer(bytes([n]), 0) is None for n in range(5)] == [True] * 3 + [False] * 2
    kept.forget("people/4")
    assert kept.answer(b"\x04", 0) is None
    kept.close()
