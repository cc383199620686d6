"""Hints whether a face is a person's: by a network that the user brings, and by a movement."""

from __future__ import annotations

import io
import shutil

import moved_faces
import numpy as np
import onnx_files
import pytest
from PIL import Image
from running import call

from openfaceplus.audit import entries
from openfaceplus.errors import ModelCorrupt, ModelMissing, UsageError
from openfaceplus.faces import Box, Face
from openfaceplus.liveness.active import BLINK, Challenge, View, openness, possible, turn
from openfaceplus.liveness.passive import PassiveLiveness
from openfaceplus.pipeline import Pipeline
from openfaceplus.recipe import recipe


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    return onnx_files.liveness(tmp_path_factory.mktemp("liveness") / "network.onnx")


def picture(ring: tuple[int, int, int]) -> np.ndarray:
    """A grey face of 40 pixels in the middle of 200, and a colour round it from 30 pixels on."""
    pixels = np.full((200, 200, 3), ring, np.uint8)
    pixels[70:130, 70:130] = 128
    return pixels


FACE = Box(80, 80, 120, 120)
RED, BLUE = (255, 0, 0), (0, 0, 255)


def test_the_network_sees_the_face_and_what_is_round_it_in_bgr(network):
    passive = PassiveLiveness(network)
    (live,), (not_live,) = (passive.scores(picture(ring), [FACE]) for ring in (BLUE, RED))
    assert live > 0.99 and not_live < 0.01
    # Of the face alone it sees no colour: three equal logits.
    (alone,) = PassiveLiveness(network, 1.0).scores(picture(BLUE), [FACE])
    assert alone == pytest.approx(1 / 3, abs=1e-4)
    wide, near = (PassiveLiveness(network, scale).scores(picture(BLUE), [FACE]) for scale in (4, 2))
    assert wide > near


def test_a_crop_stays_in_the_picture_and_several_are_judged_at_once(network):
    pixels = np.zeros((120, 200, 3), np.uint8)
    pixels[:, :100], pixels[:, 100:] = BLUE, RED
    boxes = [Box(-5, -5, 30, 30), Box(180, 100, 210, 130), Box(0, 0, 200, 120), Box(250, 0, 260, 9)]
    left, right, all_of_it, _ = PassiveLiveness(network).scores(pixels, boxes)
    assert left > 0.99 and right < 0.01
    assert all_of_it == pytest.approx(1 / 3, abs=0.02)
    assert PassiveLiveness(network).scores(pixels, []) == []


def test_files_that_are_no_such_network(tmp_path, network):
    for made, said in (
        (onnx_files.liveness(tmp_path / "large.onnx", 112), "its input is"),
        (onnx_files.liveness(tmp_path / "two.onnx", classes=2), "gives 2 numbers a face, not 3"),
        (onnx_files.embedder(tmp_path / "map.onnx", 80, kind="map"), "an output of shape"),
    ):
        with pytest.raises(ModelCorrupt, match=said) as error:
            PassiveLiveness(made)
        assert "MiniFASNet" in error.value.remedy and error.value.field == "liveness"
    with pytest.raises(ModelMissing):
        PassiveLiveness(tmp_path / "nothing.onnx")
    with pytest.raises(UsageError, match="enlarged 0 times"):
        PassiveLiveness(network, 0)


def tinted(path, towards: int) -> bytes:
    """A photo with more blue, and less red, or the other way round, as JPEG."""
    pixels = np.asarray(Image.open(path).convert("RGB")).astype(int)
    pixels = np.clip(pixels + np.array([-towards, 0, towards]), 0, 255).astype(np.uint8)
    return jpeg(pixels)


def jpeg(pixels: np.ndarray) -> bytes:
    """Pixels as a camera sends them."""
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "jpeg", quality=95)
    return file.getvalue()


@pytest.fixture(scope="module")
def server(model, network, tmp_path_factory):
    pytest.importorskip("fastapi")
    from servers import serving

    folder = tmp_path_factory.mktemp("live")
    shutil.copytree(model, folder / "model")
    with serving(folder / "model", folder, liveness=network) as made:
        yield made


def test_a_server_hints_at_it_and_decides_the_same(server, portraits):
    kit = portraits / "test/kit1.jpg"
    files = [("photo", (f"{n}.jpg", tinted(kit, n))) for n in (60, -60)]
    files.append(("photo", ("crowd.jpg", (portraits / "test/obama_and_biden.jpg").read_bytes())))
    plain = server.post("/v1/identify", files=files).json()
    assert all("liveness" not in face for one in plain["photos"] for face in one["faces"])
    hinted = server.post("/v1/identify", files=files, data={"liveness": "true"}).json()
    found = [[face.pop("liveness") for face in one["faces"]] for one in hinted["photos"]]
    assert hinted == plain
    assert [one["faces"][0]["name"] for one in plain["photos"][:2]] == ["kit", "kit"]
    assert found[0][0]["hint"] == "live" and found[1][0]["hint"] == "not live"
    assert found[0][0]["score"] > 0.8 and found[1][0]["score"] < 0.2
    assert len(found[2]) == 3 and {one["kind"] for one in found[2]} == {"passive"}
    largest = {"liveness": "true", "largest": "true"}
    (one,) = server.post("/v1/identify", files=files[1:2], data=largest).json()["photos"]
    assert one["faces"][0]["liveness"]["hint"] == "not live"
    with server.websocket_connect("ws://localhost/v1/frames?liveness=true") as socket:
        socket.send_bytes(files[0][1][1])
        assert socket.receive_json()["faces"][0]["liveness"]["hint"] == "live"


def test_a_server_without_a_network_says_so(model, portraits, tmp_path):
    from servers import client, photos, shape

    server = client(model, tmp_path)
    files = photos(portraits / "test/kit1.jpg")
    shape(server.post("/v1/identify", files=files, data={"liveness": "true"}), 422, "no_liveness")


def test_serve_takes_no_other_network(model, tmp_path):
    wrong = onnx_files.liveness(tmp_path / "wrong.onnx", 112)
    said = call("serve", "-m", model, "--liveness", f"onnx:{wrong}", expect=2).stderr
    assert said.count("\n") == 1 and "--liveness" in said and "80x80" in said
    assert "names no file" in call("serve", "-m", model, "--liveness", "onnx", expect=2).stderr
    assert "liveness network" in call("serve", "--liveness", "keras:x", expect=2).stderr


def seen(turns, *, track=1, person="kit", eyes=0.3):
    """A face in frames, turned by so many degrees in each."""
    return [View(track, person, degrees, eyes, 100) for degrees in turns]


def hint(asked: str, views, seconds: float = 0.2) -> str | None:
    """What is hinted after frames of one face each, so many seconds apart; ten are given."""
    challenge = Challenge(asked, 10)
    for number, view in enumerate(views):
        challenge.see([view], number * seconds)
    return challenge.hint


AHEAD, LEFT, RIGHT = [3, -2], [13, 20, 31, 18], [-13, -20, -31, -18]


def test_a_face_looks_ahead_turns_as_asked_and_looks_ahead_again():
    assert hint("turn_left", seen(AHEAD + LEFT + AHEAD)) == "live"
    assert hint("turn_right", seen(AHEAD + RIGHT + AHEAD)) == "live"
    assert hint("turn_left", seen(AHEAD + LEFT)) is None  # it has yet to look ahead
    assert hint("turn_left", seen(LEFT + AHEAD)) is None  # and looked ahead too late
    assert hint("turn_left", seen([*AHEAD, 18, *AHEAD])) is None  # too little
    assert hint("turn_left", seen(AHEAD + RIGHT)) == "not live"
    assert hint("turn_left", seen(AHEAD * 30)) == "not live"  # ten seconds are over
    assert hint("turn_left", seen(LEFT[:3] * 20)) == "unsure"
    assert hint("turn_left", seen([None] * 60)) == "unsure"
    with pytest.raises(UsageError):
        Challenge("dance", 10)


def test_it_is_one_face_and_nobody_elses():
    ahead, left = seen(AHEAD), seen(LEFT)
    assert hint("turn_left", ahead + left + seen(AHEAD, person="rose")) == "not live"
    assert hint("turn_left", ahead + left + seen(AHEAD, track=2)) is None
    # A turned face may not be recognised; in the end it has to be.
    turned = seen(LEFT, person=None)
    assert hint("turn_left", ahead + turned + seen(AHEAD, person=None)) is None
    assert hint("turn_left", ahead + turned + seen(AHEAD)) == "live"
    stranger = [view for turns in (AHEAD, LEFT, AHEAD) for view in seen(turns, person=None)]
    assert hint("turn_left", stranger) == "live"
    # Of several the largest is asked.
    challenge = Challenge("turn_left", 10)
    challenge.see([View(1, None, 0, None, 50), View(2, None, 0, None, 90)], 0)
    assert challenge.track == 2 and challenge.to_dict(4) == {
        "kind": "active", "asked": "turn_left", "hint": None, "track": 2, "seconds": 6.0,
    }  # fmt: skip


def test_eyes_shut_and_open_again():
    eyes = [*seen([0], eyes=0.31), *seen([0], eyes=0.12), *seen([0], eyes=0.30)]
    assert hint(BLINK, eyes) == "live"
    assert hint(BLINK, eyes[:2]) is None
    assert hint(BLINK, seen([0, 1] * 40)) == "not live"
    assert hint(BLINK, [View(1, None, 0, None, 100)] * 60) == "unsure"  # without 68 landmarks
    assert set(possible(68)) - set(possible(5)) == {BLINK}
    assert openness(None) is None and openness(np.zeros((5, 2))) is None


def face_in(pipeline: Pipeline, pixels: np.ndarray) -> Face:
    (found,) = pipeline.look([pixels], vectors="none", largest=True)
    return found.faces[0]


@pytest.fixture(scope="module")
def obama(portraits):
    """Frames of one person: looking ahead, turned to the left of the picture, to the right."""
    pipeline = Pipeline(recipe())
    ahead, aside = (
        np.asarray(Image.open(portraits / "train/obama" / name))
        for name in ("obama.jpg", "obama2.jpg")
    )
    ahead = moved_faces.level(ahead, face_in(pipeline, ahead).box)
    aside = moved_faces.level(aside, face_in(pipeline, aside).box)
    left = moved_faces.turned(aside, face_in(pipeline, aside).box, -45)
    return pipeline, ahead, left, np.ascontiguousarray(left[:, ::-1])


def test_a_photo_that_is_tilted_has_not_turned(obama):
    pipeline, ahead, left, right = obama
    found = [turn(face_in(pipeline, frame)) for frame in (ahead, left, right)]
    assert abs(found[0]) < 10 and found[1] < -24 and found[2] > 24
    prints = [
        moved_faces.tilted(ahead, degrees, distance)
        for degrees in (-60, -50, -40, -20, 20, 40, 50, 60)
        for distance in (1.5, 4)
    ]
    tilts = [turn(face_in(pipeline, frame)) for frame in prints]
    assert max(abs(degrees) for degrees in tilts if degrees is not None) < 24
    assert turn(Face(Box(0, 0, 9, 9), 1.0)) is None
    assert turn(Face(Box(0, 0, 9, 9), 1.0, points=np.zeros((5, 2)))) is None


def test_a_photo_whose_eyes_are_shut(astronaut):
    pipeline = Pipeline(recipe(landmarks=68))
    pixels = np.asarray(Image.open(astronaut))
    face = face_in(pipeline, pixels)
    shut = face_in(pipeline, moved_faces.with_eyes_shut(pixels, face))
    frames = [
        View(1, None, turn(one), openness(one.landmarks), one.box.side)
        for one in (face, shut, face)
    ]
    assert hint(BLINK, frames) == "live" and hint(BLINK, [frames[0]] * 60) == "not live"


def test_a_camera_is_asked_for_a_movement(server, obama):
    ahead, *turns = map(jpeg, obama[1:])
    with server.websocket_connect("ws://localhost/v1/frames") as socket:

        def answer(frame: bytes):
            socket.send_bytes(frame)
            return socket.receive_json()

        assert "liveness" not in answer(ahead)
        asked = set()
        while len(asked) < 2:
            socket.send_text("liveness")
            said = answer(ahead)["liveness"]
            assert said["kind"] == "active" and said["hint"] is None and said["seconds"] > 5
            asked.add(said["asked"])
            moved = turns[said["asked"] == "turn_left"]
            assert answer(moved)["liveness"]["hint"] is None
            last = answer(ahead)
            assert last["liveness"]["hint"] == "live"
            assert last["liveness"]["track"] == last["faces"][0]["track"]
            assert "liveness" not in answer(ahead)
        socket.send_text("liveness")
        moved = turns[answer(ahead)["liveness"]["asked"] == "turn_right"]
        assert answer(moved)["liveness"]["hint"] == "not live"
    lines = [
        one for one in entries(server.app.state.server.settings.audit) if one["what"] == "liveness"
    ]
    assert [one["answer"] for one in lines][-1] == "not live" and lines[0]["answer"] == "live"
