"""A camera over a WebSocket; requests sent twice; more than a server can do."""

from __future__ import annotations

import io
import shutil
import threading
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image
from running import call

pytest.importorskip("fastapi")

from servers import HOST, bearer, client, photos, serving, shape
from starlette.websockets import WebSocketDisconnect

from openfaceplus.audit import entries
from openfaceplus.faces import Box, Decision
from openfaceplus.server.keys import KeyFile
from openfaceplus.server.settings import Limits
from openfaceplus.track.agreement import STRANGER, Agreement


@pytest.fixture(scope="module")
def server(model, tmp_path_factory):
    folder = tmp_path_factory.mktemp("frames")
    shutil.copytree(model, folder / "model")
    with serving(folder / "model", folder, limits=Limits(frame=500_000)) as made:
        yield made


def decision(person: str | None, left: float = 0, **more: object) -> Decision:
    return Decision(
        person, person, person or "x", 0.9, 1.0, 0.5, Box(left, 0, left + 50, 50), **more
    )


def agreed(agreement: Agreement, *answers: str | None) -> list[str | None]:
    return [agreement.see([decision(one)])[0].agreed for one in answers]


def test_frames_have_to_agree():
    assert agreed(Agreement(3), "a", "a", "a", "a") == [None, None, "a", "a"]
    assert agreed(Agreement(2), "a", "b", "a", "b") == [None] * 4
    assert agreed(Agreement(2), None, None) == [None, STRANGER]
    # Who steps in is not called by the name of who was there.
    assert agreed(Agreement(2), "a", "a", "b", "b") == [None, "a", None, "b"]


def test_a_face_that_cannot_be_judged_says_nothing():
    agreement = Agreement(2)
    agreed(agreement, "a", "a")
    (one,) = agreement.see([decision(None, note="too_blurred")])
    assert one.agreed == "a" and not one.new
    (one,) = agreement.see([decision(None, second="b")])  # it may be either of two
    assert one.agreed is None


def test_faces_are_followed_by_where_they_are():
    agreement = Agreement(1)
    both = agreement.see([decision("a", 0), decision("b", 200)])
    moved = agreement.see([decision("b", 190), decision("a", 8), decision("c", 400)])
    assert [one.track for one in moved] == [both[1].track, both[0].track, 3]
    for _ in range(6):
        agreement.see([])
    assert agreement.see([decision("a", 8)])[0].track == 4


def test_a_camera_is_told_who_it_sees_once_frames_agree(server, portraits):
    kit = (portraits / "test/kit1.jpg").read_bytes()
    log = server.app.state.server.settings.audit
    before = len(list(entries(log)))
    with server.websocket_connect(
        "ws://localhost/v1/frames?agree=2", headers={"Origin": HOST}
    ) as socket:
        answers = []
        for _ in range(3):
            socket.send_bytes(kit)
            answers.append(socket.receive_json())
        socket.send_bytes(b"no picture")
        broken = socket.receive_json()
    assert [one["faces"][0]["name"] for one in answers] == ["kit"] * 3
    assert [one["faces"][0]["agreed_name"] for one in answers] == [None, "kit", "kit"]
    assert broken["error"]["code"] == "photo_unreadable" and broken["frame"] == 4
    lines = [line for line in entries(log) if line["what"] == "frames"]
    assert len(lines) == 1 and lines[0]["answer"] == "known" and len(list(entries(log))) > before


def test_of_frames_that_wait_the_newest_is_taken(server, portraits):
    kit = (portraits / "test/kit1.jpg").read_bytes()
    with server.websocket_connect("ws://localhost/v1/frames") as socket:
        for _ in range(30):
            socket.send_bytes(kit)
        seen = [socket.receive_json()["frame"]]
        while seen[-1] < 30:
            seen.append(socket.receive_json()["frame"])
    assert seen == sorted(seen) and len(seen) < 20


def test_frames_that_are_too_large(server):
    with server.websocket_connect("ws://localhost/v1/frames") as socket:
        socket.send_bytes(b"x" * 500_001)
        with pytest.raises(WebSocketDisconnect) as closed:
            socket.receive_json()
    assert closed.value.code == 1009


@pytest.mark.parametrize("headers", [{"Origin": "http://evil.example"}, {"Host": "evil.example"}])
def test_a_camera_of_another_site_is_refused(server, headers):
    with (
        pytest.raises(WebSocketDisconnect),
        server.websocket_connect("ws://localhost/v1/frames", headers=headers),
    ):
        pass


def test_a_camera_needs_a_key_for_as_long_as_it_looks(model, portraits, tmp_path):
    file = KeyFile(tmp_path / "keys.json")
    key = file.add("door", "viewer")
    kit = (portraits / "test/kit1.jpg").read_bytes()
    with serving(model, tmp_path, keys=file.path) as guarded:
        with (
            pytest.raises(WebSocketDisconnect),
            guarded.websocket_connect("ws://localhost/v1/frames"),
        ):
            pass
        with guarded.websocket_connect("ws://localhost/v1/frames", headers=bearer(key)) as socket:
            socket.send_bytes(kit)
            assert socket.receive_json()["faces"][0]["name"] == "kit"
            file.remove("door")
            socket.send_bytes(kit)
            with pytest.raises(WebSocketDisconnect) as closed:
                socket.receive_json()
            assert closed.value.code == 1008


def test_a_request_that_is_sent_again_is_carried_out_once(server, portraits):
    people = server.get("/v1/people").json()["people"]
    kit = next(one for one in people if one["name"] == "kit")
    where, files = f"/v1/people/{kit['id']}/photos", photos(portraits / "test/kit1.jpg")
    again = {"Idempotency-Key": "a1"}
    first = server.post(where, files=files, headers=again)
    second = server.post(where, files=files, headers=again)
    assert first.json() == second.json()
    assert second.headers["idempotent-replayed"] == "true"
    assert "idempotent-replayed" not in first.headers
    now = server.get(f"/v1/people/{kit['id']}").json()
    assert now["enrolled_photos"] == kit["enrolled_photos"] + 1
    shape(server.delete(f"/v1/people/{kit['id']}", headers=again), 422, "key_reused")
    shape(server.post(where, files=files, headers={"Idempotency-Key": "x" * 201}), 422, "invalid")


def test_an_answer_of_one_key_is_not_anothers(model, tmp_path):
    file = KeyFile(tmp_path / "keys.json")
    one, two = file.add("one", "admin"), file.add("two", "admin")
    server = client(model, tmp_path, keys=file.path)
    again = {"Idempotency-Key": "a"}
    shape(server.delete("/v1/people/x", headers=bearer(one) | again), 404, "not_found")
    other = server.delete("/v1/people/x", headers=bearer(two) | again)
    assert "idempotent-replayed" not in other.headers


def test_past_what_can_wait_there_is_a_503_and_nothing_hangs(model, tmp_path):
    noise = np.random.default_rng(0).integers(0, 255, (700, 700, 3), np.uint8)
    file = io.BytesIO()
    Image.fromarray(noise).save(file, "png")
    files = [("photo", ("noise.png", file.getvalue()))] * 2
    with (
        serving(model, tmp_path, limits=Limits(waiting=4)) as server,
        ThreadPoolExecutor(12) as pool,
    ):
        asked = [pool.submit(server.post, "/v1/identify", files=files) for _ in range(24)]
        answers = [one.result(60) for one in asked]
    codes = {answer.status_code for answer in answers}
    assert codes == {200, 503}
    late = next(answer for answer in answers if answer.status_code == 503)
    shape(late, 503, "busy")
    assert int(late.headers["retry-after"]) >= 1


def test_no_answer_is_of_half_a_change(server, portraits):
    """A person is renamed by another process again and again while many ask."""
    folder = server.app.state.server.current.folder
    files = photos(portraits / "test/alex1.jpg")
    done = threading.Event()

    def rename() -> None:
        name = "alex"
        for number in range(6):
            call("people", "rename", folder.classifier, name, f"alex {number}")
            name = f"alex {number}"
        done.set()

    changing = threading.Thread(target=rename)
    changing.start()
    seen = set()
    while not done.is_set():
        answer = server.post("/v1/identify", files=files)
        assert answer.status_code == 200
        seen.add(answer.json()["photos"][0]["faces"][0]["name"])
    changing.join()
    assert all(name.startswith("alex") for name in seen)
