"""The fast searches find what the slow ones find: OpenCV's YuNet, dlib's doubled picture."""

from __future__ import annotations

import itertools

import cv2
import numpy as np
import pytest
from running import portrait

from openfaceplus import detect, weights
from openfaceplus.errors import ModelMissing
from openfaceplus.faces import Face


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
    try:
        return detect.create("yunet")
    except ModelMissing:
        pytest.skip("the weights of yunet are not here")


def by_opencv(picture: np.ndarray) -> np.ndarray:
    """(n, 5) left, top, width, height and score from OpenCV's own reading of the network."""
    path, size = weights.require("yunet"), (picture.shape[1], picture.shape[0])
    _, rows = cv2.FaceDetectorYN.create(str(path), "", size, 0.7, 0.3).detect(picture[..., ::-1])
    return np.empty((0, 5)) if rows is None else rows[:, [0, 1, 2, 3, 14]]


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


def test_yunets_coarse_search_picks_the_same_face(yunet):
    pictures = [
        portrait(),
        crowd(300, 300, [(10, 60, 90), (110, 60, 180)]),  # the larger one is the subject
        crowd(300, 400, [(0, 0, 120), (160, 130, 60)]),  # the larger one is in the corner
        crowd(300, 400, [(0, 0, 140), (185, 140, 40)]),  # one too small for the coarse search
    ]
    for picture, enlarged in itertools.product(pictures, (1, 2.7, 9)):
        picture = cv2.resize(picture, None, fx=enlarged, fy=enlarged)
        one = subject(yunet.detect([picture], largest=True)[0], picture)
        assert one.box.iou(subject(yunet.detect([picture])[0], picture).box) > 0.6


def test_yunet_takes_any_shape(yunet):
    for height, width in ((1, 1), (1, 900), (2000, 3), (129, 64), (128, 128)):
        blank = np.zeros((height, width, 3), np.uint8)
        assert yunet.detect([blank], largest=True) == yunet.detect([blank]) == [[]]


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
