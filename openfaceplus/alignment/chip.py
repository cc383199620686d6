"""Cutting aligned chips out of photos.

Places of the three affine landmarks are those of OpenFace's mean face (``align_dlib.py`` of
cmusatyalab/openface, Apache-2.0), where x and y each run from the least to the greatest of the 68
mean points. dlib's places are those of ``get_face_chip_details`` for five points. ArcFace's are
those of InsightFace's ``face_align.py`` (MIT), whose nose is its tip and whose mouth has corners.
dlib's five landmarks have neither: for them the eyes' centres and the nose's base go to where they
lie on average once the five points are in place (600 photos of lfw-dev; standard deviation 1.7,
1.6 and 2.3 of 112 pixels). Such a chip is 2.5 pixels off the one by all five points, on average.
"""

from __future__ import annotations

import math

import cv2
import dlib
import numpy as np

from openfaceplus.alignment import TEMPLATES
from openfaceplus.errors import UsageError
from openfaceplus.faces import Box, ChipSpec

_MEAN_LEAST = np.array([0.0792396913815, 0.182360984545])
_MEAN_GREATEST = np.array([0.971193274221, 1.06080371126])

# Left and right as seen in the picture.
_MEAN_FACE = {
    "left eye, outer": (0.252418718401, 0.331052263829),
    "left eye, inner": (0.403718978315, 0.33867711083),
    "right eye, inner": (0.631326076346, 0.334136672344),
    "right eye, outer": (0.782865376271, 0.321305281656),
    "nose": (0.51816430343, 0.553157797772),
    "bottom lip": (0.572539621444, 0.776609286626),
}
_PLACES = {
    name: (np.array(point) - _MEAN_LEAST) / (_MEAN_GREATEST - _MEAN_LEAST)
    for name, point in _MEAN_FACE.items()
}
_AFFINE = {
    "outerEyesAndNose": ("left eye, outer", "right eye, outer", "nose"),
    "innerEyesAndBottomLip": ("left eye, inner", "right eye, inner", "bottom lip"),
}
_INDEX = {
    68: {
        "left eye, outer": 36,
        "left eye, inner": 39,
        "right eye, inner": 42,
        "right eye, outer": 45,
        "nose": 33,
        "bottom lip": 57,
    },
    5: {
        "right eye, outer": 0,
        "right eye, inner": 1,
        "left eye, outer": 2,
        "left eye, inner": 3,
        "nose": 4,
    },
}
_DLIB_PLACES = {
    "left eye, outer": (0.1205750620789, 0.2137274526848),
    "right eye, outer": (0.8595674595992, 0.2134981538014),
    "nose": (0.4901123135679, 0.6277975316475),
}
ARCFACE_SIZE = 112
ARCFACE_POINTS = (
    (38.2946, 51.6963), (73.5318, 51.5014), (56.0252, 71.7366), (41.5493, 92.3655),
    (70.7299, 92.2041),
)  # fmt: skip
"""Eyes, tip of the nose, corners of the mouth in ArcFace's chip of 112 pixels."""
_ARCFACE = {
    68: ARCFACE_POINTS,
    5: ((38.42, 53.10), (73.26, 52.92), (56.12, 79.46)),  # eyes and base of the nose
}
_ARCFACE_POINTS: dict[int, tuple[tuple[int, ...], ...]] = {
    68: (tuple(range(36, 42)), tuple(range(42, 48)), (30,), (48,), (54,)),
    5: ((2, 3), (0, 1), (4,)),
}
_MOST_SAMPLES = 16  # a side of a chip's pixel, of a face that is that much larger than the chip


def crop(
    image: np.ndarray,
    landmarks: np.ndarray,
    spec: ChipSpec,
    box: Box | None = None,
    points: np.ndarray | None = None,
) -> np.ndarray:
    """The chip of one face: (size, size, 3) RGB uint8, black beyond the photo's edge.

    ``image`` is RGB uint8, ``landmarks`` (5 or 68, 2) and ``box`` in its pixels; only the template
    ``box`` needs a box. A detector's ``points`` (5, 2) (see ``Face``) cut the template ``arcface``
    in place of landmarks. Raises UsageError if the template needs landmarks that are not there, or
    is unknown.
    """
    if spec.template == "box":
        if box is None:
            raise UsageError(
                "chips of the template box are cut by a detector's box, and none is known",
                field="chip",
            )
        return _crop_box(image, box, spec)
    if len(landmarks) not in _INDEX:
        raise UsageError(f"chips are cut by 5 or 68 landmarks, not by {len(landmarks)}")
    if spec.template == "dlib":
        parts = [dlib.point(*point) for point in np.rint(landmarks).astype(int).tolist()]
        shape = dlib.full_object_detection(dlib.rectangle(0, 0, 1, 1), parts)
        image = np.ascontiguousarray(image)  # dlib refuses a part of a picture
        made: np.ndarray = dlib.get_face_chip(image, shape, size=spec.size, padding=spec.padding)
        return made
    if spec.template == "arcface":
        groups = _ARCFACE_POINTS[len(landmarks)]
        source = np.array([landmarks[list(group)].mean(axis=0) for group in groups], np.float64)
        places = np.array(_ARCFACE[len(landmarks)])
        if points is not None:
            source, places = points.astype(np.float64), np.array(ARCFACE_POINTS)
        return warp(image, similarity(source, places * (spec.size / ARCFACE_SIZE)), spec.size)
    target = (_PLACES[name] * spec.size for name in _affine_names(spec.template))
    matrix = cv2.getAffineTransform(
        landmarks[landmark_indices(spec.template, len(landmarks))].astype(np.float32),
        np.array(list(target), np.float32),
    )
    return cv2.warpAffine(image, matrix, (spec.size, spec.size))


def similarity(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """The (2, 3) turn, scale and shift that brings points nearest to others, by least squares.

    Both are (n, 2). It is the transform of Umeyama (1991) without reflection.
    """
    start, end = source @ (1, 1j), target @ (1, 1j)
    offset = start - start.mean()
    spread = max((abs(offset) ** 2).sum(), 1e-12)  # all points in one place: no face
    turn = (offset.conj() * (end - end.mean())).sum() / spread
    shift = end.mean() - turn * start.mean()
    return np.array([[turn.real, -turn.imag, shift.real], [turn.imag, turn.real, shift.imag]])


def _crop_box(image: np.ndarray, box: Box, spec: ChipSpec) -> np.ndarray:
    """The box with a border of ``padding`` of its sides, stretched to a square, as FaceNet's
    tutorials cut it."""
    padding = spec.padding or 0.0
    width = max(box.width * (1 + 2 * padding), 1.0)
    height = max(box.height * (1 + 2 * padding), 1.0)
    left, top = box.left - padding * box.width, box.top - padding * box.height
    across, down = spec.size / width, spec.size / height
    # Pixels' centres lie half a pixel from their edges.
    matrix = np.array(
        [
            [across, 0, across * (0.5 - left) - 0.5],
            [0, down, down * (0.5 - top) - 0.5],
        ]
    )
    return warp(image, matrix, spec.size)


def warp(image: np.ndarray, matrix: np.ndarray, size: int) -> np.ndarray:
    """``image`` under (2, 3) ``matrix``, without aliasing where a face is larger than its chip."""
    scale = math.sqrt(abs(np.linalg.det(matrix[:, :2])))
    samples = min(_MOST_SAMPLES, math.ceil(0.5 / max(scale, 1e-6)))
    if samples <= 1:
        return cv2.warpAffine(image, matrix, (size, size))
    finer = matrix * samples
    finer[:, 2] += (samples - 1) / 2
    large = cv2.warpAffine(image, finer, (size * samples, size * samples))
    return cv2.resize(large, (size, size), interpolation=cv2.INTER_AREA)


def landmark_indices(template: str, points: int) -> list[int]:
    """Which of 5 or 68 landmarks an affine template brings to its three places.

    Raises UsageError for an unknown template or one that needs more landmarks.
    """
    index = _INDEX[points]
    missing = [name for name in _affine_names(template) if name not in index]
    if missing:
        raise UsageError(
            f"{template} needs the {missing[0]}, which is not among {points} landmarks",
            remedy="align by 68",
            field="landmarks",
        )
    return [index[name] for name in _affine_names(template)]


def landmark_names(points: int) -> dict[int, str]:
    """What those of 5 or 68 landmarks are that chips are cut by, by their number from 0; left and
    right as seen in the picture."""
    return {number: name for name, number in _INDEX[points].items()}


def _affine_names(template: str) -> tuple[str, str, str]:
    if template not in _AFFINE:
        raise UsageError(
            f"there is no chip template {template!r}",
            remedy=f"known: {', '.join(TEMPLATES)}",
            field="chip",
        )
    return _AFFINE[template]


def rewarp(chip: np.ndarray, made: ChipSpec, wanted: ChipSpec) -> np.ndarray:
    """An outerEyesAndNose chip brought into dlib's frame, where the photo itself is gone.

    What lay outside the chip is black and its pixels are interpolated twice, which costs accuracy.
    """
    names = _affine_names("outerEyesAndNose")
    if made.template != "outerEyesAndNose" or wanted.template != "dlib":
        raise UsageError(f"a {made} chip cannot be turned into {wanted}: align the photos again")
    source = np.array([_PLACES[name] * made.size for name in names], np.float32)
    padding = wanted.padding or 0.0
    places = np.array([_DLIB_PLACES[name] for name in names])
    target = ((padding + places) / (2 * padding + 1) * wanted.size).astype(np.float32)
    matrix = cv2.getAffineTransform(source, target)
    return cv2.warpAffine(chip, matrix, (wanted.size, wanted.size), flags=cv2.INTER_CUBIC)
