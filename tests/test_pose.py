"""Which way a head is turned, against projections of faces in three dimensions."""

from __future__ import annotations

import itertools
import time

import numpy as np
import pytest
import sample_photos
from running import face

from openfaceplus.alignment.pose import pose, poses
from openfaceplus.errors import UsageError
from openfaceplus.sequences import Pose

# Points of a face in millimetres, x to the right, y down, z away from the camera: eyes 63 apart,
# tip of the nose 33 before them, mouth 64 below.
FACE = np.array([(-31.5, 0, 0), (31.5, 0, 0), (0, 34, -32), (-26, 64, -2), (26, 64, -2)], float)
CORNERS = np.array(
    [(44, 0, 3), (19, 0, -3), (-44, 0, 3), (-19, 0, -3), (0, 47, -28)], float
)  # fmt: skip
TURNS = list(itertools.product((-45, -20, 0, 20, 45), repeat=3))
SINGLE = [turn for turn in TURNS if sum(angle != 0 for angle in turn) <= 1]


def turned(yaw: float, pitch: float, roll: float) -> np.ndarray:
    """The rotation of a head that leans, then looks up, then turns to the right of the picture."""
    y, p, r = np.radians((yaw, pitch, roll))
    lean = [[np.cos(r), -np.sin(r), 0], [np.sin(r), np.cos(r), 0], [0, 0, 1]]
    rise = [[1, 0, 0], [0, np.cos(p), np.sin(p)], [0, -np.sin(p), np.cos(p)]]
    turn = [[np.cos(y), 0, -np.sin(y)], [0, 1, 0], [np.sin(y), 0, np.cos(y)]]
    return np.array(turn) @ rise @ lean


def seen(points: np.ndarray, turn, focal: float = 800, distance: float = 1000) -> np.ndarray:
    """Where a camera of that focal length (pixels) sees points so many millimetres away."""
    placed = (points - points.mean(0)) @ turned(*turn).T + (0, 0, distance)
    return focal * placed[:, :2] / placed[:, 2:] + (640, 360)


def errors(points: np.ndarray, turns, **options) -> np.ndarray:
    corners = options.pop("corners", False)
    found = poses(np.array([seen(points, turn, **options) for turn in turns]), corners)
    return np.abs(found - turns)


@pytest.mark.parametrize(("focal", "distance"), [(400, 700), (800, 1000), (3000, 6000)])
def test_within_five_degrees_up_to_45(focal, distance):
    assert errors(FACE, TURNS, focal=focal, distance=distance).max() < 5
    assert errors(FACE, SINGLE, focal=focal, distance=distance).max() < 4


def test_faces_differ():
    """People's points lie millimetres elsewhere; on average that costs few degrees."""
    rng = np.random.default_rng(0)
    found = np.concatenate([errors(FACE + rng.normal(0, 2, FACE.shape), TURNS) for _ in range(20)])
    assert found.mean() < 5 and np.percentile(found, 90) < 11


def test_a_longer_nose_is_no_turn():
    for depth in (-25, -40):
        face_of_another = FACE.copy()
        face_of_another[2, 2] = depth
        assert errors(face_of_another, SINGLE).max() < 6.5


def test_roll_all_the_way_round():
    turns = [(15, -10, roll) for roll in range(-179, 180, 7)]
    found = poses(np.array([seen(FACE, turn) for turn in turns]))
    off = (found[:, 2] - [roll for *_, roll in turns] + 180) % 360 - 180
    assert np.abs(off).max() < 2
    assert np.abs(found[:, :2] - (15, -10)).max() < 4


def test_dlibs_five_landmarks():
    assert errors(CORNERS, SINGLE, corners=True).max() < 5
    mild = [turn for turn in TURNS if max(map(abs, turn)) <= 20]
    assert errors(CORNERS, mild, corners=True).max() < 5


def test_68_landmarks_are_their_five():
    marks = np.zeros((68, 2))
    five = seen(FACE, (20, 10, 5))
    marks[36:42], marks[42:48], marks[30], marks[48], marks[54] = five
    assert pose(marks) == pytest.approx(pose(five))


def test_signs_on_real_faces(samples):
    """She looks to the left of the picture, he a little to the right; mirrored, the other way."""
    from openfaceplus.pipeline import Pipeline
    from openfaceplus.recipe import recipe

    pipeline = Pipeline(recipe())

    def of(pixels: np.ndarray) -> Pose:
        (look,) = pipeline.look([np.ascontiguousarray(pixels)], largest=True)
        return pose(look.faces[0].points)

    vera, biden = (sample_photos.pictures()[name] for name in ("vera", "biden"))
    assert of(vera).yaw < -15 and of(vera[:, ::-1]).yaw > 15
    assert of(biden).yaw > 2 and of(biden[:, ::-1]).yaw < -2
    assert abs(of(vera).pitch - of(vera[:, ::-1]).pitch) < 8
    for turns in (-1, 1):  # clockwise, and the other way
        assert of(np.rot90(face(), turns)).roll == pytest.approx(-90 * turns, abs=12)


def test_many_at_once_are_as_one_by_one_and_fast():
    many = np.array([seen(FACE, turn) for turn in TURNS * 8])
    start = time.thread_time()
    found = poses(many)
    assert (time.thread_time() - start) / len(many) < 0.0008  # 0.06 ms where nothing else runs
    assert found[7] == pytest.approx(pose(many[7]), abs=1e-6)
    assert poses(np.empty((0, 5, 2))).shape == (0, 3)


def test_points_that_say_nothing():
    assert np.isfinite(pose(np.zeros((5, 2)))).all()
    with pytest.raises(UsageError, match="5 or 68"):
        pose(np.zeros((7, 2)))
