"""The fast searches find what the slow ones find: OpenCV's YuNet, dlib's doubled picture."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from running import needs_weights, portrait

from openfaceplus import detect, weights
from openfaceplus.faces import Face
from openfaceplus.weights.onnx_session import open_session


def crowd(height: int, width: int, sides: list[tuple[int, int, int]]) -> np.ndarray:
    """A dark picture with the portrait at each (x, y, side)."""
    picture = np.full((height, width, 3), 40, np.uint8)
    for x, y, side in sides:
        face = cv2.resize(portrait(), (side, side), interpolation=cv2.INTER_AREA)
        picture[y : y + side, x : x + side] = face
    return picture


def subject(faces: list[Face], picture: np.ndarray) -> Face:
    """The one that a pipeline takes."""
    height, width = picture.shape[:2]
    across = (width, height)
    return max(faces, key=lambda f: f.prominence * (1 - 0.8 * f.box.away_from_centre(*across)))


# YuNet


@pytest.fixture(scope="module")
def yunet():
    needs_weights("yunet")
    return detect.create("yunet")


def by_opencv(picture: np.ndarray) -> np.ndarray:
    """(n, 15) left, top, width, height, score and points, as OpenCV itself reads the network."""
    path, size = weights.require("yunet"), (picture.shape[1], picture.shape[0])
    _, rows = cv2.FaceDetectorYN.create(str(path), "", size, 0.7, 0.3).detect(picture[..., ::-1])
    return np.empty((0, 15)) if rows is None else rows[:, [0, 1, 2, 3, 14, *range(4, 14)]]


def test_yunet_sees_what_opencv_sees(yunet):
    for picture in (
        portrait(),
        crowd(301, 467, [(3, 5, 200), (230, 40, 180), (400, 240, 60), (100, 210, 90)]),
        crowd(30, 34, []),
        np.random.default_rng(0).integers(0, 256, (97, 320, 3), np.uint8),
    ):
        wanted = by_opencv(picture)
        np.testing.assert_allclose(yunet._rows(picture), wanted, atol=0.01)
        assert len(yunet.detect([picture])[0]) == len(wanted)


# Networks that search from coarse to fine


@pytest.fixture(scope="module", params=["yunet", "centerface"])
def network(request):
    needs_weights(request.param)
    return detect.create(request.param)


def test_the_coarse_search_picks_the_same_face(network):
    pictures = [
        portrait(),
        crowd(300, 300, [(10, 60, 90), (110, 60, 180)]),  # the larger one is the subject
        crowd(300, 400, [(0, 0, 120), (160, 130, 60)]),  # the larger one is in the corner
        crowd(300, 400, [(0, 0, 140), (185, 140, 40)]),  # one too small for the coarse search
    ]
    for picture, enlarged in itertools.product(pictures, (1, 2.7, 9)):
        picture = cv2.resize(picture, None, fx=enlarged, fy=enlarged)
        one = subject(network.detect([picture], largest=True)[0], picture)
        assert one.box.iou(subject(network.detect([picture])[0], picture).box) > 0.6


def test_all_faces_of_a_crowd(network):
    sides = [(0, 0, 300), (310, 10, 160), (480, 20, 110), (330, 200, 220), (60, 320, 90)]
    picture = crowd(480, 640, sides)
    (found,) = network.detect([picture])
    assert len(found) == len(sides)
    middles = [((f.box.left + f.box.right) / 2, (f.box.top + f.box.bottom) / 2) for f in found]
    for x, y, side in sides:
        assert any(x < across < x + side and y < down < y + side for across, down in middles)


def test_faces_of_a_panorama(network):
    picture = crowd(230, 6000, [(300, 5, 220), (5500, 5, 220)])
    assert len(network.detect([picture])[0]) == 2
    assert network.detect([picture], largest=True)[0]


def test_pictures_of_any_shape(network):
    for height, width in ((1, 1), (1, 900), (2000, 3), (129, 64), (128, 128)):
        blank = np.zeros((height, width, 3), np.uint8)
        assert network.detect([blank], largest=True) == network.detect([blank]) == [[]]


# CenterFace


def test_centerfaces_graph_is_put_right_and_kept(tmp_path, monkeypatch):
    needs_weights("centerface")
    path = weights.require("centerface")
    monkeypatch.setenv("OPENFACEPLUS_CACHE", str(tmp_path))
    first = detect.kind_of("centerface")(path)
    (graph,) = (tmp_path / "graphs").glob("centerface-*")
    written = graph.stat().st_mtime_ns
    again = detect.kind_of("centerface")(path)
    assert graph.stat().st_mtime_ns == written
    boxes = [[face.box for face in one.detect([portrait()])[0]] for one in (first, again)]
    assert boxes[0] == boxes[1] and boxes[0]
    # The published graph takes ten pictures of 32 pixels, and nothing else.
    pixels = np.random.default_rng(0).uniform(0, 255, (10, 3, 32, 32)).astype(np.float32)
    published = open_session(path, 1).run(None, {"input.1": pixels})
    ours = open_session(graph.read_bytes()[32:], 1).run(None, {"input.1": pixels})
    for one, other in zip(published, ours, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=1e-4)


def test_centerface_sees_faces_that_hog_does_not():
    needs_weights("centerface")
    turned = np.ascontiguousarray(np.rot90(crowd(300, 300, [(40, 40, 220)])))
    covered = portrait().copy()
    covered[108:160, 50:180] = 190
    small = crowd(200, 200, [(90, 90, 34)])
    for name, least in (("hog", 0), ("centerface", 3)):
        found = detect.create(name).detect([turned, covered, small])
        assert sum(map(bool, found)) == least


# HOG


@pytest.fixture(scope="module")
def hogs():
    """The fast search and dlib's own."""
    return [detect.create(name) for name in ("hog", "hog-full")]


@pytest.mark.parametrize(
    "picture",
    [
        portrait(),
        crowd(250, 250, [(5, 5, 130), (150, 20, 90)]),
        crowd(
            480, 640, [(0, 0, 300), (310, 10, 160), (480, 20, 110), (330, 200, 220), (60, 320, 90)]
        ),
    ],
)
def test_hog_finds_what_dlib_finds(hogs, picture):
    fast, full = (hog.detect([picture])[0] for hog in hogs)
    assert full
    for face in full:
        assert any(face.box.iou(other.box) > 0.5 for other in fast), face
    one = hogs[0].detect([picture], largest=True)[0]
    assert subject(one, picture).box.iou(subject(full, picture).box) > 0.5


@pytest.mark.parametrize("name", ["hog", "hog-full"])
def test_a_part_of_a_picture_is_searched_as_a_copy_of_it_is(name, hogs):
    hog = hogs[name == "hog-full"]
    part = crowd(300, 300, [(20, 30, 250)])[10:, 10:]
    found = [[face.box for face in hog.detect([one])[0]] for one in (part.copy(), part, part)]
    assert found[0] and found[0] == found[1] == found[2]
