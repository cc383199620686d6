"""Videos through the API: indexed in the background, asked, put right, forgotten."""

from __future__ import annotations

import time

import made_videos
import numpy as np
import pytest
from PIL import Image

pytest.importorskip("fastapi")
pytest.importorskip("psycopg")

from servers import client, serving, shape

from openfaceplus.audit import entries
from openfaceplus.database.rows import Join, Suggest
from openfaceplus.server.settings import Limits
from openfaceplus.stages.video_demo import moving, write_clip


@pytest.fixture
def filled(model, db, tmp_path):
    """A server of a database with made-up videos of three people, and its sequences' numbers."""
    some, labels = made_videos.sequences(3, 2)
    numbers = made_videos.index(db, "a.mp4", some)
    people = db.commands.record(
        [Join(number, -1 - label) for number, label in zip(numbers, labels, strict=True)],
        [Suggest(numbers[0], -2, 0.4)],
    ).people
    server = client(model, tmp_path, db=db.url, uploads=tmp_path / "videos")
    yield server, numbers, people
    server.app.state.server.archive.close()


def test_people_of_videos_are_put_right_and_it_can_be_undone(filled):
    server, numbers, people = filled
    first, second, third = (people[-1 - i] for i in range(3))
    where = f"/v1/video-people/{first}"
    assert server.get("/v1/video-people").json()["total"] == 3
    named = server.patch(where, data={"name": "Ada <b>"}).json()
    assert named["name"] == "Ada <b>" and named["sequences"] == 2
    shape(server.patch(f"/v1/video-people/{second}", data={"name": "Ada <b>"}), 422, "usage")
    assert server.post(f"{where}/merge", data={"other": third}).json()["sequences"] == 4
    shape(server.get(f"/v1/video-people/{third}"), 404, "not_found")
    assert server.post("/v1/video-people/undo").json()["command"] == "merge"
    assert server.get(f"/v1/video-people/{third}").json()["sequences"] == 2
    new = server.post(f"{where}/split", data={"sequence": [numbers[1]]}).json()
    assert new["sequences"] == 1 and new["person"] not in people.values()
    refused = server.post(f"{where}/not", data={"sequence": numbers[0]}).json()
    assert refused["new"] not in (None, first)
    for body in ({"other": 999}, {"other": 2**40}, {}):
        assert server.post(f"{where}/merge", data=body).status_code in (404, 422)
    shape(server.post("/v1/video-people/undo", data={"event": 10**9}), 422, "usage")


def test_suggestions_are_accepted_or_refused(filled):
    server, numbers, people = filled
    (one,) = server.get("/v1/suggestions").json()["suggestions"]
    assert (one["sequence"], one["person"]) == (numbers[0], people[-2])
    answer = {"sequence": one["sequence"], "person": one["person"]}
    assert server.post("/v1/suggestions/refuse", data=answer).json()["new"] is None
    assert server.get("/v1/suggestions").json()["total"] == 0
    server.post("/v1/video-people/undo")
    server.post("/v1/suggestions/accept", data=answer)
    found = server.get("/v1/appearances", params={"person": people[-2]}).json()
    assert numbers[0] in [one["sequence"] for one in found["appearances"]]


def test_appearances_by_page_and_faces_as_pictures(filled):
    server, numbers, _ = filled
    seen, after = [], None
    while True:
        query = {"limit": 4, "after": after} if after else {"limit": 4}
        page = server.get("/v1/appearances", params=query).json()
        seen += [one["sequence"] for one in page["appearances"]]
        if (after := page["next"]) is None:
            break
    assert seen == numbers and page["total"] == 6
    for path in (f"sequences/{numbers[0]}/crop", "video-people/1/thumbnail"):
        assert server.get(f"/v1/{path}").content[:2] == b"\xff\xd8"
    shape(server.get("/v1/video-people/99/thumbnail"), 404, "not_found")
    picture = server.get(f"/v1/sequences/{numbers[0]}/crop")
    assert picture.headers["content-type"] == "image/jpeg" and picture.content[:2] == b"\xff\xd8"
    shape(server.get("/v1/sequences/999999/crop"), 404, "not_found")
    shape(server.get("/v1/appearances", params={"person": 2**31}), 422, "invalid")
    (video,) = server.get("/v1/videos").json()["videos"]
    assert video["name"] == "a.mp4" and video["sequences"] == 6 and video["done"]
    shape(server.get(f"/v1/videos/{video['id']}/file"), 404, "not_found")


def test_who_is_forgotten_is_gone(filled):
    server, _, people = filled
    receipt = server.delete(f"/v1/video-people/{people[-1]}").json()
    assert receipt["left"] == 0 and receipt["rows"]["sequence"] == 2
    assert server.get("/v1/video-people").json()["total"] == 2
    (video,) = server.get("/v1/videos").json()["videos"]
    assert server.delete(f"/v1/videos/{video['id']}").json()["file_deleted"] is False
    assert server.get("/v1/videos").json()["total"] == 0


def test_the_log_of_changes_says_whose_key_it_was(filled, db):
    server, _, people = filled
    server.patch(f"/v1/video-people/{people[-1]}", data={"name": "Ada"})
    assert db.commands.events()[-1].author == "local"


def test_a_lost_connection_is_made_anew(filled, db):
    server, *_ = filled
    db.rows("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE pid <> pg_backend_pid() "
            "AND datname = current_database()")  # fmt: skip
    assert server.get("/v1/video-people").json()["total"] == 3


def test_without_a_database(model, tmp_path):
    server = client(model, tmp_path)
    for path in ("videos", "appearances", "video-people", "suggestions", "jobs"):
        shape(server.get(f"/v1/{path}"), 409, "no_database")


def test_a_video_is_sent_indexed_named_played_and_removed(
    model, portraits, astronaut, db_url, tmp_path
):
    kit = np.asarray(Image.open(portraits / "train/obama/obama.jpg").convert("RGB"))
    clip = tmp_path / "clip.mp4"
    write_clip(clip, [frame for frame in moving(kit)[::5]], 5)
    data = clip.read_bytes()
    settings = {"db": db_url, "uploads": tmp_path / "videos"}
    with serving(model, tmp_path, limits=Limits(body=10_000), **settings) as server:
        job = server.post("/v1/videos", files={"video": ("../my <clip>.mp4", data)})
        assert job.status_code == 202 and job.json()["video"] == "my <clip>.mp4"
        bad = server.post("/v1/videos", files={"video": ("bad.mp4", b"no video")}).json()
        (kept,) = (p for p in (tmp_path / "videos").iterdir() if "clip" in p.name)
        assert kept.read_bytes() == data and oct(kept.stat().st_mode & 0o777) == "0o600"
        done = wait(server, job.json()["id"])
        assert done["state"] == "done" and done["result"]["sequences"] >= 1, done
        assert wait(server, bad["id"])["error"]["code"] == "video"
        assert [one["name"] for one in server.get("/v1/video-people").json()["people"]] == ["obama"]
        (video,) = server.get("/v1/videos").json()["videos"]
        assert video["name"] == "my _clip_.mp4"
        part = server.get(f"/v1/videos/{video['id']}/file", headers={"Range": "bytes=4-7"})
        assert part.status_code == 206 and part.content == data[4:8] == b"ftyp"
        beyond = server.get(f"/v1/videos/{video['id']}/file", headers={"Range": "bytes=99999999-"})
        shape(beyond, 416, "no_such_part")
        assert beyond.headers["content-range"] == f"bytes */{len(data)}"
        shape(server.post("/v1/videos", data={"path": "x", "other": "y"},
                          files={"video": ("x", b"x")}), 422, "invalid")  # fmt: skip
        assert server.delete(f"/v1/videos/{video['id']}").json()["file_deleted"]
        assert not kept.exists()
    assert "index" in [line["what"] for line in entries(tmp_path / "audit.jsonl")]


def wait(server, number: str) -> dict:
    end = time.monotonic() + 120
    while time.monotonic() < end:
        job = server.get(f"/v1/jobs/{number}").json()
        if job["state"] in ("done", "failed"):
            return job
        time.sleep(0.2)
    raise AssertionError(job)
