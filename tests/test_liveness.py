"""Hints whether a face is a person's: by a network that the user brings, and by a movement."""

from __future__ import annotations

import io
import shutil

import numpy as np
import onnx_files
import pytest
from PIL import Image
from running import call

from openfaceplus.errors import ModelCorrupt, ModelMissing, UsageError
from openfaceplus.faces import Box
from openfaceplus.liveness.passive import PassiveLiveness


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
