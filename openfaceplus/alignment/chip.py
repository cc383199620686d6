"""Cutting aligned chips out of photos.

Places of the three affine landmarks are those of OpenFace's mean face (``align_dlib.py`` of
cmusatyalab/openface, Apache-2.0), where x and y each run from the least to the greatest of the 68
mean points. dlib's places are those of ``get_face_chip_details`` for five points.
"""

from __future__ import annotations

import cv2
import dlib
import numpy as np

from openfaceplus.errors import UsageError
from openfaceplus.faces import ChipSpec

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


def cut(image: np.ndarray, landmarks: np.ndarray, spec: ChipSpec) -> np.ndarray:
    """The chip of one face: (size, size, 3) RGB uint8, black beyond the photo's edge.

    ``image`` is RGB uint8, ``landmarks`` (5 or 68, 2) in its pixels. Raises UsageError if the
    template needs landmarks that are not there, or is unknown.
    """
    if len(landmarks) not in _INDEX:
        raise UsageError(f"chips are cut by 5 or 68 landmarks, not by {len(landmarks)}")
    if spec.template == "dlib":
        points = [dlib.point(*point) for point in np.rint(landmarks).astype(int).tolist()]
        shape = dlib.full_object_detection(dlib.rectangle(0, 0, 1, 1), points)
        return dlib.get_face_chip(image, shape, size=spec.size, padding=spec.padding)
    target = (_PLACES[name] * spec.size for name in _affine_names(spec.template))
    matrix = cv2.getAffineTransform(
        landmarks[landmark_indices(spec.template, len(landmarks))].astype(np.float32),
        np.array(list(target), np.float32),
    )
    return cv2.warpAffine(image, matrix, (spec.size, spec.size))


def landmark_indices(template: str, points: int) -> list[int]:
    """Which of 5 or 68 landmarks an affine template brings to its three places.

    Raises UsageError for an unknown template or one that needs more landmarks.
    """
    index = _INDEX[points]
    missing = [name for name in _affine_names(template) if name not in index]
    if missing:
        raise UsageError(f"{template} needs the {missing[0]}: use --landmarks 68")
    return [index[name] for name in _affine_names(template)]


def _affine_names(template: str) -> tuple[str, str, str]:
    if template not in _AFFINE:
        raise UsageError(
            f"there is no chip template {template!r}; known: dlib, {', '.join(_AFFINE)}"
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
