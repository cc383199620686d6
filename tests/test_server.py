"""The API's answers: the same as the commands', about one person or many."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from running import call, save

pytest.importorskip("fastapi")

from servers import TestClient, photos, serving, shape

from openfaceplus.audit import entries, verify
from openfaceplus.server.settings import Limits


@pytest.fixture(scope="module")
def server(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """A server that nothing is changed in."""
    folder = tmp_path_factory.mktemp("server")
    with serving(model, folder, limits=Limits(pixels=6_000_000, photos=4, faces=2)) as client:
        yield client


@pytest.fixture(scope="module")
def changing(model: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[TestClient]:
    """One whose people come and go."""
    folder = tmp_path_factory.mktemp("changing")
    shutil.copytree(model, folder / "model")
    with serving(folder / "model", folder) as client:
        yield client


def names(response) -> list[str | None]:
    return [face["name"] for one in response.json()["photos"] for face in one["faces"]]


def test_identify_says_what_infer_prints(server, model, portraits):
    test = portraits / "test"
    some = [test / name for name in ("obama1.jpg", "kit1.jpg", "alex1.jpg")]
    said = call("infer", "-m", model, "--multi", "--json", *some).stdout.splitlines()
    expected = [json.loads(line) for line in said]
    found = server.post("/v1/identify", files=photos(*some)).json()["photos"]
    assert [one.pop("file") for one in found] == [path.name for path in some]
    for one in expected:
        one.pop("file")
    assert found == expected


def test_a_rate_of_ones_own_and_the_largest_face(server, portraits):
    both = photos(portraits / "test/obama_and_biden.jpg")
    strict = server.post("/v1/identify", files=both, data={"threshold": "9"})
    assert names(strict) == [None, None]
    one = server.post("/v1/identify", files=both, data={"largest": "true"}).json()["photos"][0]
    assert len(one["faces"]) == 1 and one["more_faces"] >= 1
    low = server.post("/v1/identify", files=both, data={"far": "0.001"}).json()["photos"][0]
    usual = server.post("/v1/identify", files=both).json()["photos"][0]
    assert low["faces"][0]["threshold"] > usual["faces"][0]["threshold"]


def test_what_every_rate_would_say(server, portraits):
    three = photos(portraits / "test/obama_and_biden.jpg")
    (one,) = server.post("/v1/identify", files=three, data={"rates": "true"}).json()["photos"]
    (model,) = server.get("/v1/models").json()["models"]
    assert [at["far"] for at in one["rates"]] == [rate["far"] for rate in model["rates"]]
    for at in one["rates"]:
        data = {"far": at["far"]}
        (same,) = server.post("/v1/identify", files=three, data=data).json()["photos"]
        assert [face["name"] for face in at["faces"]] == [face["name"] for face in same["faces"]]
    broken = [("photo", ("x.jpg", b"x"))]
    (none,) = server.post("/v1/identify", files=broken, data={"rates": "true"}).json()["photos"]
    assert none["rates"] == []


def test_what_the_rates_rest_on(server):
    measured = server.get("/v1/models/accuracy").json()
    (model,) = server.get("/v1/models").json()["models"]
    assert [one["far"] for one in measured["rates"]] == [one["far"] for one in model["rates"]]
    for series in (*measured["strangers"], measured["enrolled"]):
        assert series["count"] == 0 or abs(sum(series["shares"]) - 1) < 1e-3
    hundredth = measured["rates"][3]
    assert hundredth["far"] == 0.01 and hundredth["threshold"] == measured["threshold"]
    low, high = hundredth["interval"]
    assert low < hundredth["accepted"] / hundredth["strangers"] < high
    assert measured["enrolled"]["count"] == 8  # alex has one photo
    nobody = measured["rates"][-1]
    assert nobody["threshold"] is None and nobody["missed"] == 8


def test_of_a_crowd_the_most_prominent_are_judged(server, portraits):
    (one,) = server.post(
        "/v1/identify", files=photos(portraits / "test/obama_and_biden.jpg")
    ).json()["photos"]
    assert len(one["faces"]) == 2 and one["more_faces"] == 1  # three faces, two allowed


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "photo_unreadable"),
        (b"GIF89a", "photo_unreadable"),
        (b"\xff\xd8\xff\xe0" + b"\0" * 400, "photo_unreadable"),
        (b"<script>alert(1)</script>", "photo_unreadable"),
    ],
)
def test_a_file_that_is_no_photo_is_said_of_that_photo(server, portraits, data, code):
    good = portraits / "test/kit1.jpg"
    files = [("photo", ("../../etc/<b>x.jpg", data)), *photos(good)]
    bad, kit = server.post("/v1/identify", files=files).json()["photos"]
    assert bad["error"]["code"] == code and bad["faces"] == [] and bad["file"] == "<b>x.jpg"
    assert kit["faces"][0]["name"] == "kit"


def test_too_many_pixels_too_many_photos(server, tmp_path, portraits):
    large = save(tmp_path / "large.png", np.zeros((2500, 2500, 3), np.uint8))
    (one,) = server.post("/v1/identify", files=photos(large)).json()["photos"]
    assert one["error"]["code"] == "photo_too_large"
    kit = portraits / "test/kit1.jpg"
    error = shape(server.post("/v1/identify", files=photos(*[kit] * 5)), 413, "too_many_photos")
    assert error["field"] == "photo"


def test_what_makes_no_sense_names_its_field(server, portraits):
    kit = photos(portraits / "test/kit1.jpg")
    for data, field in (({"far": "7"}, "far"), ({"far_per": "house"}, "far_per"),
                        ({"threshold": "nan"}, "threshold")):  # fmt: skip
        error = shape(server.post("/v1/identify", files=kit, data=data), 422, "invalid")
        assert error["field"] == field
    assert shape(server.post("/v1/identify"), 422, "invalid")["field"] == "photo"
    shape(server.get("/v1/nothing"), 404, "not_found")
    shape(server.put("/v1/identify"), 405, "method_not_allowed")


def test_verify_two_photos_or_a_person(server, portraits):
    kit, obama = portraits / "test/kit1.jpg", portraits / "test/obama1.jpg"
    people = {one["name"]: one["id"] for one in server.get("/v1/people").json()["people"]}
    two = server.post("/v1/verify", files=photos(kit, obama)).json()
    assert two["same"] is False and two["distance"] > two["limit"]
    assert server.post("/v1/verify", files=photos(kit, kit)).json()["same"] is True
    for name, same in (("kit", True), ("rose", False)):
        data = {"person": people[name], "far": "0.001"}
        assert server.post("/v1/verify", files=photos(kit), data=data).json()["same"] is same
    shape(server.post("/v1/verify", files=photos(kit)), 422, "invalid")
    shape(server.post("/v1/verify", files=photos(kit), data={"person": "x"}), 404, "not_found")
    low = {"far": "1e-9"}
    assert shape(server.post("/v1/verify", files=photos(kit, kit), data=low), 422, "usage")


def test_verify_needs_a_face(server, tmp_path, portraits):
    grey = save(tmp_path / "grey.png", np.full((200, 200, 3), 128, np.uint8))
    files = photos(grey, portraits / "test/kit1.jpg")
    assert "grey.png" in str(shape(server.post("/v1/verify", files=files), 422, "no_face"))


def test_embeddings_are_the_librarys(server, portraits):
    import openfaceplus

    kit = portraits / "test/kit1.jpg"
    found = server.post("/v1/embed", files=photos(kit)).json()
    (face,) = found["photos"][0]["faces"]
    assert np.allclose(face["vector"], openfaceplus.embed(kit)[0], atol=1e-5)
    assert found["space"].startswith("dlib-resnet")


def test_pages_of_people_hold_each_once(server):
    seen, after = [], None
    for _ in range(5):
        query = {"limit": 2} | ({"after": after} if after else {})
        page = server.get("/v1/people", params=query).json()
        seen += [one["name"] for one in page["people"]]
        after = page["next"]
        if after is None:
            break
    assert seen == ["alex", "biden", "kit", "obama", "rose"] and page["total"] == 5
    some = server.get("/v1/people", params={"search": "B", "limit": 1}).json()
    assert [one["name"] for one in some["people"]] == ["biden"] and some["total"] == 2
    more = {"search": "B", "after": some["next"]}
    assert [one["name"] for one in server.get("/v1/people", params=more).json()["people"]] == [
        "obama"
    ]
    for cursor in ("x", "WzFd", "bnVsbA", "W10"):
        shape(server.get("/v1/people", params={"after": cursor}), 422, "invalid")
    shape(server.get("/v1/people", params={"limit": 0}), 422, "invalid")


def test_a_thumbnail_is_the_persons_chip(server):
    one = server.get("/v1/people").json()["people"][0]
    answer = server.get(f"/v1/people/{one['id']}/thumbnail")
    assert answer.headers["content-type"] == "image/png" and answer.content[:4] == b"\x89PNG"
    shape(server.get("/v1/people/0/thumbnail"), 404, "not_found")


def test_models_health_metrics_openapi(server, portraits):
    server.post("/v1/identify", files=photos(portraits / "test/obama_and_biden.jpg"))
    (model,) = server.get("/v1/models").json()["models"]
    thresholds = [rate["threshold"] for rate in model["rates"] if rate["threshold"] is not None]
    assert model["people"] == 5 and len(thresholds) > 5 and thresholds == sorted(thresholds)
    assert server.get("/v1/health").json()["status"] == "ok"
    text = server.get("/v1/metrics").text
    assert 'openfaceplus_requests_total{method="GET",route="/v1/health",status="200"}' in text
    assert 'openfaceplus_decisions_total{decision="known"}' in text
    paths = server.get("/v1/openapi.json").json()["paths"]
    assert {"/v1/identify", "/v1/people/{id}", "/v1/health"} <= set(paths)


def test_a_person_comes_is_renamed_and_goes(changing, portraits, samples, tmp_path):
    stranger = portraits / "test/obama_and_biden.jpg"
    actor = samples / "actor.png"
    assert names(changing.post("/v1/identify", files=photos(actor))) == [None]
    form = {"name": " Tom <b>O'Neill ", "consent": "signed on paper", "purpose": "the door"}
    made = changing.post("/v1/people", data=form, files=photos(actor, stranger))
    assert made.status_code == 201, made.text
    tom = made.json()
    assert tom["name"] == "Tom <b>O'Neill" and tom["enrolled_photos"] == 1
    assert [one["verdict"] for one in tom["photos"]] == ["ok", "several_faces"]
    assert tom["consent"] | {"recorded": ""} == {
        "by": "local", "consent": "signed on paper", "purpose": "the door", "recorded": "",
    }  # fmt: skip
    assert names(changing.post("/v1/identify", files=photos(actor))) == [tom["name"]]
    shape(changing.post("/v1/people", data=form, files=photos(actor)), 409, "name_taken")

    where = f"/v1/people/{tom['id']}"
    assert changing.patch(where, data={"name": "Tom"}).json()["name"] == "Tom"
    assert names(changing.post("/v1/identify", files=photos(actor))) == ["Tom"]
    shape(changing.patch(where, data={"name": "kit"}), 409, "name_taken")
    for bad in ("../x", ".x", "a/b", "x\0y", "line\nbreak", "x" * 101):
        error = shape(changing.patch(where, data={"name": bad}), 422, None)
        assert error["field"] == "name", bad

    gone = changing.delete(where).json()
    assert gone["removed"] == tom["id"] and gone["vectors"] == 1 and gone["files"] >= 1
    assert names(changing.post("/v1/identify", files=photos(actor))) == [None]
    shape(changing.delete(where), 404, "not_found")
    folder = changing.app.state.server.current.folder.embeddings
    assert "signed" not in (folder / "consents.json").read_text()


def test_photos_are_judged_before_anybody_is_enrolled(changing, portraits, tmp_path):
    test = portraits / "test"
    blank = save(tmp_path / "blank.png", np.full((300, 300, 3), 90, np.uint8))
    some = photos(test / "kit1.jpg", blank, test / "kit_with_rose.jpg")
    found = changing.post("/v1/people/check", files=some).json()["photos"]
    kit = next(p for p in changing.get("/v1/people").json()["people"] if p["name"] == "kit")
    assert [one["verdict"] for one in found] == ["looks_like_another", "no_face", "several_faces"]
    assert found[0]["like"] == kit["id"] and not found[0]["usable"]
    form = {"name": "Nobody", "consent": "c", "purpose": "p"}
    error = shape(changing.post("/v1/people", data=form, files=some), 422, "no_usable_photo")
    assert "kit1.jpg: looks_like_another" in error["problem"]
    more = changing.post(f"/v1/people/{kit['id']}/photos", files=photos(test / "kit1.jpg")).json()
    assert more["enrolled_photos"] == kit["enrolled_photos"] + 1


def test_consent_is_asked_for(changing, portraits):
    files = photos(portraits / "test/alex1.jpg")
    missing = shape(changing.post("/v1/people", data={"name": "A"}, files=files), 422, "invalid")
    assert missing["field"] in ("consent", "purpose")


def test_what_another_process_changes_is_taken_up(changing, portraits):
    folder = changing.app.state.server.current.folder
    call("people", "rename", folder.classifier, "alex", "Alexandra")
    changing.portal.call(changing.app.state.server.current.refresh)
    assert names(changing.post("/v1/identify", files=photos(portraits / "test/alex1.jpg"))) == [
        "Alexandra"
    ]


def test_every_decision_is_in_the_log_without_names(changing, portraits):
    path = changing.app.state.server.settings.audit
    before = len(list(entries(path)))
    changing.post("/v1/identify", files=photos(portraits / "test/kit1.jpg"))
    (line,) = list(entries(path))[before:]
    assert line["who"] == "local" and line["what"] == "identify" and line["answer"] == "known"
    assert line["threshold"] and len(line["model"]) == 16
    assert verify(path).problem is None
    assert not any(name in path.read_text() for name in ("kit", "obama", "Tom"))


@pytest.mark.heavy
def test_a_new_folder_is_a_model_once_somebody_is_enrolled(portraits, samples, tmp_path):
    kit, rose = portraits / "train/kit/kit1.jpeg", portraits / "train/rose/rose1.jpg"
    form = {"consent": "c", "purpose": "p"}
    with serving(tmp_path / "new", tmp_path) as server:
        assert server.get("/v1/health").json()["enrolled"] is False
        assert server.get("/v1/people").json()["total"] == 0
        shape(server.post("/v1/identify", files=photos(kit)), 409, "nobody_enrolled")
        shape(server.get("/v1/people/x"), 409, "nobody_enrolled")
        assert server.post("/v1/people/check", files=photos(kit)).json()["photos"][0]["usable"]
        first = server.post("/v1/people", data=form | {"name": "Kit"}, files=photos(kit))
        assert first.status_code == 201, first.text
        server.post("/v1/people", data=form | {"name": "Rose"}, files=photos(rose))
        assert names(server.post("/v1/identify", files=photos(portraits / "test/kit1.jpg"))) == [
            "Kit"
        ]
        for one in server.get("/v1/people").json()["people"]:
            assert server.delete(f"/v1/people/{one['id']}").status_code == 200
        shape(server.post("/v1/identify", files=photos(kit)), 409, "nobody_enrolled")
    with serving(tmp_path / "new", tmp_path) as server:
        server.post("/v1/people", data=form | {"name": "Rose"}, files=photos(rose))
        assert [one["name"] for one in server.get("/v1/people").json()["people"]] == ["Rose"]


def test_several_write_at_once_and_another_process_too(changing, portraits, samples):
    folder = changing.app.state.server.current.folder
    sources = [samples / "actor.png", portraits / "train/rose/rose2.jpg",
               portraits / "train/kit/kit2.jpeg"]  # fmt: skip
    with ThreadPoolExecutor(8) as pool:
        form = {"consent": "c", "purpose": "p", "anyway": "true"}
        asked = [
            pool.submit(changing.post, "/v1/people", data=form | {"name": f"N{number % 3}"},
                        files=photos(sources[number % 3]))
            for number in range(6)  # each name twice: one of the two is refused
        ]  # fmt: skip
        call("people", "rename", folder.classifier, "biden", "Joe")
        codes = sorted(one.result().status_code for one in asked)
    assert codes == [201] * 3 + [409] * 3
    there = {one["name"] for one in changing.get("/v1/people").json()["people"]}
    assert {"N0", "N1", "N2", "Joe"} <= there
    for one in changing.get("/v1/people").json()["people"]:
        if one["name"].startswith("N"):
            assert one["enrolled_photos"] == 1
            changing.delete(f"/v1/people/{one['id']}")
    changing.portal.call(changing.app.state.server.current.refresh)
    log = changing.app.state.server.settings.audit
    assert verify(log).problem is None
