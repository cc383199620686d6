"""Which way a head is turned, from its landmarks.

A mean face is turned until its points lie where they were found (weak perspective, so the camera's
focal length is not needed). Faces differ, most of all in how far the nose stands out and how long
they are, so the model may change in these ways as far as people do: what is found is the most
likely turn and shape together, by Gauss-Newton steps for all faces at once.

The model of five points (eyes, tip of the nose, corners of the mouth) was measured: the points that
YuNet and CenterFace find in 1,500 photos of as many people of lfw-dev, factored into one shape
and a turn a photo (Tomasi and Kanade, IJCV 1992), agree to 0.05 of the distance between the eyes.
Depths, which photos say least of, lie between these and those of published face models: the tip of
the nose 0.40 to 0.65 before the plane of eyes and mouth, its base 0.41 to 0.47.
"""

from __future__ import annotations

from typing import Final

import numpy as np

from openfaceplus.errors import UsageError
from openfaceplus.sequences import Pose

# The rows of the rotation of a quaternion q = (w, x, y, z), scaled by its square, are q' Q q.
_QUADRATIC: Final = np.zeros((2, 3, 4, 4))
for _place, _terms in {
    (0, 0): {(0, 0): 1, (1, 1): 1, (2, 2): -1, (3, 3): -1},
    (0, 1): {(1, 2): 1, (2, 1): 1, (0, 3): -1, (3, 0): -1},
    (0, 2): {(1, 3): 1, (3, 1): 1, (0, 2): 1, (2, 0): 1},
    (1, 0): {(1, 2): 1, (2, 1): 1, (0, 3): 1, (3, 0): 1},
    (1, 1): {(0, 0): 1, (1, 1): -1, (2, 2): 1, (3, 3): -1},
    (1, 2): {(2, 3): 1, (3, 2): 1, (0, 1): -1, (1, 0): -1},
}.items():
    for _term, _sign in _terms.items():
        _QUADRATIC[_place][_term] = _sign

_TILT: Final = 2.0
"""Degrees by which the plane of eyes and mouth leans back in a face that looks straight ahead."""
_NOISE: Final = 0.025  # of points, in distances between the eyes
_STEPS: Final = 7


class _Face:
    """A model: (k, 3) points in the plane of eyes and mouth, x to the right, y down, z away from
    the camera, the eyes 1 apart; and ways in which faces differ from it, each how far its points
    go in a standard deviation."""

    def __init__(
        self,
        points: list[tuple[float, float, float]],
        *ways: dict[int, tuple[float, float, float]],
    ) -> None:
        shapes = np.zeros((1 + len(ways), len(points), 3))
        shapes[0] = points
        for shape, way in zip(shapes[1:], ways, strict=True):
            for point, change in way.items():
                shape[point] = change
        sine, cosine = np.sin(np.radians(_TILT)), np.cos(np.radians(_TILT))
        shapes -= shapes.mean(1, keepdims=True)
        shapes = shapes @ np.array([[1, 0, 0], [0, cosine, -sine], [0, sine, cosine]])
        self.flat = shapes[0, :, 0] + 1j * shapes[0, :, 1]
        # Where a point and its changes are seen is a quadratic form of the quaternion.
        self.forms = np.einsum("abij,skb->skaij", _QUADRATIC, shapes).reshape(-1, 4)


_FIVE: Final = _Face(
    [(-0.5, 0, 0), (0.5, 0, 0), (0, 0.53, -0.50), (-0.41, 1.02, 0), (0.41, 1.02, 0)],
    {2: (0, 0, -0.12)},  # how far the nose stands out
    {2: (0, 0.05, 0)},  # how long it is
    {3: (0, 0.07, 0), 4: (0, 0.07, 0)},  # how long the face is
    {3: (-0.04, 0, 0), 4: (0.04, 0, 0)},  # how wide the mouth is
    {3: (0, 0, -0.05), 4: (0, 0, -0.05)},  # how far it stands out
)
_CORNERS: Final = _Face(
    [(0.70, 0, 0.05), (0.30, 0, -0.05), (-0.70, 0, 0.05), (-0.30, 0, -0.05), (0, 0.74, -0.43)],
    {4: (0, 0, -0.06)},
    {4: (0, 0.06, 0)},
)
_EYES = slice(36, 42), slice(42, 48)
_NOSE, _MOUTH = 30, [48, 54]


def pose(points: np.ndarray) -> Pose:
    """The pose of one face by its landmarks (see ``poses``)."""
    yaw, pitch, roll = poses(np.asarray(points)[None])[0].tolist()
    return Pose(yaw, pitch, roll)


def poses(points: np.ndarray, corners: bool = False) -> np.ndarray:
    """(n, 3) yaw, pitch and roll in degrees, as in ``Pose``, of n faces by (n, k, 2) landmarks.

    They are 68, or five as detectors find them (eyes, tip of the nose, corners of the mouth, see
    ``Face``), or with ``corners`` dlib's five (corners of the eyes, base of the nose), of which
    pitch is less sure, and a head turned and raised by more than 30 degrees may be seen wrongly.
    The head is first leant (roll), then raised (pitch), then turned (yaw).
    Raises UsageError for other landmarks.
    """
    points = np.asarray(points, float)
    if points.ndim != 3 or points.shape[1:] not in ((5, 2), (68, 2)):
        raise UsageError(
            f"a pose needs 5 or 68 landmarks a face, not an array {points.shape}", field="points"
        )
    if not len(points):
        return np.empty((0, 3))
    if points.shape[1] == 68:
        points, corners = five(points), False
    return _angles(_fitted(points, _CORNERS if corners else _FIVE))


def five(landmarks: np.ndarray) -> np.ndarray:
    """Of (..., 68, 2) landmarks the (..., 5, 2) points that detectors find (see ``Face``)."""
    eyes = [landmarks[..., part, :].mean(-2) for part in _EYES]
    return np.stack([*eyes, *(landmarks[..., part, :] for part in (_NOSE, *_MOUTH))], -2)


def _fitted(points: np.ndarray, face: _Face) -> np.ndarray:
    """(n, 3, 3) rotations that bring the model onto (n, k, 2) points."""
    count, places = len(points), 2 * points.shape[1]
    ways = len(face.forms) // (4 * places) - 1
    centred = points - points.mean(1, keepdims=True)
    size = np.sqrt((centred**2).sum((1, 2), keepdims=True))
    unit = centred / np.maximum(size, 1e-9) * np.linalg.norm(face.flat)
    seen = unit.reshape(count, -1)
    turn = _leant(unit, face)
    shape = np.zeros((count, ways))
    prior = np.diag([1e-9] * 4 + [_NOISE**2] * ways)
    for _ in range(_STEPS):
        # Face by face, so that the last digit does not depend on which others there are.
        halves = (turn[:, None] @ face.forms.T).reshape(count, 1 + ways, places, 4)
        placed = (halves.reshape(count, -1, 4) @ turn[:, :, None]).reshape(count, 1 + ways, places)
        weights = np.concatenate([np.ones((count, 1)), shape], 1)[:, None]
        error = (weights @ placed)[:, 0] - seen
        slopes = 2 * (weights @ halves.reshape(count, 1 + ways, -1)).reshape(count, places, 4)
        across = np.concatenate([slopes.swapaxes(1, 2), placed[:, 1:]], 1)
        gradient = across @ error[:, :, None]
        gradient[:, 4:, 0] += _NOISE**2 * shape
        step = np.linalg.solve(across @ across.swapaxes(1, 2) + prior, gradient)[..., 0]
        turn, shape = turn - step[:, :4], shape - step[:, 4:]
    turn[:, 0] += 1e-9  # points that are all in one place look ahead
    w, x, y, z = (turn / np.linalg.norm(turn, axis=1, keepdims=True)).T
    rotations: np.ndarray = np.array(
        [
            [w * w + x * x - y * y - z * z, 2 * (x * y - w * z), 2 * (x * z + w * y)],
            [2 * (x * y + w * z), w * w - x * x + y * y - z * z, 2 * (y * z - w * x)],
            [2 * (x * z - w * y), 2 * (y * z + w * x), w * w - x * x - y * y + z * z],
        ]
    )
    return rotations.transpose(2, 0, 1)


def _leant(points: np.ndarray, face: _Face) -> np.ndarray:
    """(n, 4) quaternions of a face that looks ahead, leant and scaled as (n, k, 2) points are."""
    lean = (points @ (1, 1j) * face.flat.conj()).sum(1) / (abs(face.flat) ** 2).sum()
    half = np.sqrt(lean)
    nothing = np.zeros(len(points))
    return np.stack([half.real, nothing, nothing, half.imag], 1)


def _angles(rotations: np.ndarray) -> np.ndarray:
    """(n, 3) yaw, pitch and roll of rotations that lean, then raise, then turn."""
    ahead = -rotations[:, :, 2]  # where the face looks; the camera is at -z
    yaw = np.arctan2(ahead[:, 0], -ahead[:, 2])
    pitch = np.arcsin(np.clip(-ahead[:, 1], -1, 1))
    # With turn and rise undone, the eyes' axis shows the lean.
    across = rotations[:, :, 0]
    right = np.cos(yaw) * across[:, 0] + np.sin(yaw) * across[:, 2]
    depth = -np.sin(yaw) * across[:, 0] + np.cos(yaw) * across[:, 2]
    down = np.cos(pitch) * across[:, 1] - np.sin(pitch) * depth
    angles: np.ndarray = np.degrees(np.stack([yaw, pitch, np.arctan2(down, right)], 1))
    return angles
