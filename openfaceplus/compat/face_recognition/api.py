"""The functions of ``face_recognition``: pictures in, boxes, landmarks and encodings out.

Pictures are RGB or grey uint8 arrays, (height, width, 3) or (height, width). Locations are
(top, right, bottom, left) in pixels, as in CSS, trimmed to the picture. Distances between encodings
are Euclidean; 0.6 is the threshold dlib gives for its network, at 99.38% accuracy on LFW
(http://dlib.net/face_recognition.py.html). dlib's own errors, such as the RuntimeError for a
picture of another type, come through.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from threading import RLock
from typing import IO, TYPE_CHECKING, Any

import numpy as np

from openfaceplus.compat.face_recognition import models
from openfaceplus.decoding import Photo
from openfaceplus.errors import UsageError
from openfaceplus.faces import Box, Face

if TYPE_CHECKING:
    import os

    import dlib

Location = tuple[int, int, int, int]
Landmarks = dict[str, list[tuple[int, int]]]

# iBUG's 68 points and dlib's 5, by part of the face.
_LARGE: dict[str, Sequence[int]] = {
    "chin": range(17),
    "left_eyebrow": range(17, 22),
    "right_eyebrow": range(22, 27),
    "nose_bridge": range(27, 31),
    "nose_tip": range(31, 36),
    "left_eye": range(36, 42),
    "right_eye": range(42, 48),
    "top_lip": [*range(48, 55), *range(64, 59, -1)],
    "bottom_lip": [*range(54, 60), 48, 60, *range(67, 63, -1)],
}
_SMALL: dict[str, Sequence[int]] = {"nose_tip": [4], "left_eye": [2, 3], "right_eye": [0, 1]}
_PARTS = {"large": _LARGE, "small": _SMALL}

# The original's module attributes, which some programs use.
_LAZY: dict[str, Callable[[], Any]] = {
    "face_detector": models.hog_detector,
    "cnn_face_detector": models.cnn_detector,
    "pose_predictor_68_point": lambda: models.predictor(68),
    "pose_predictor_5_point": lambda: models.predictor(5),
    "face_encoder": models.dlib_encoder,
}

_truncated = RLock()


class NotRGB(UsageError, TypeError):
    """A picture that the network cannot take; a TypeError, as in the original."""


class UnknownModel(UsageError, ValueError):
    """A model's name that makes no sense; a ValueError, as in the original."""


def load_image_file(file: str | os.PathLike[str] | IO[bytes], mode: str | None = "RGB") -> Any:
    """The picture in a file: uint8, (height, width, 3) for "RGB", (height, width) for "L".

    The rest of a file that was cut short is grey, and EXIF orientation is not applied. Raises
    OSError: FileNotFoundError, or PIL.UnidentifiedImageError for what is no picture.
    """
    from PIL import Image

    with Image.open(file) as image, _forgiving():
        return np.array(image.convert(mode) if mode else image)


def face_locations(
    img: np.ndarray, number_of_times_to_upsample: int = 1, model: str = "hog"
) -> list[Location]:
    """The faces of a picture.

    Enlarging it more often finds smaller faces: one of 80 pixels without, of 40 with once.
    ``model`` is "cnn" for the slower, more accurate detector; anything else is "hog".
    """
    found = _raw_face_locations(img, number_of_times_to_upsample, model)
    rectangles = (face.rect for face in found) if model == "cnn" else found
    return [_trim_css_to_bounds(_rect_to_css(r), img.shape) for r in rectangles]


def batch_face_locations(
    images: Sequence[np.ndarray], number_of_times_to_upsample: int = 1, batch_size: int = 128
) -> list[list[Location]]:
    """The faces of each of several pictures of one size, by the CNN detector.

    Raises RuntimeError for pictures of several sizes.
    """
    batches = _raw_face_locations_batched(images, number_of_times_to_upsample, batch_size)
    return [
        [_trim_css_to_bounds(_rect_to_css(face.rect), image.shape) for face in faces]
        for image, faces in zip(images, batches, strict=True)
    ]


def face_landmarks(
    face_image: np.ndarray,
    face_locations: Sequence[Location] | None = None,
    model: str = "large",
) -> list[Landmarks]:
    """For each face its points, (x, y) in pixels, by part of the face.

    "large" gives 68 points as ``chin``, ``left_eyebrow``, ``right_eyebrow``, ``nose_bridge``,
    ``nose_tip``, ``left_eye``, ``right_eye``, ``top_lip`` and ``bottom_lip``; "small" gives 5 as
    ``nose_tip``, ``left_eye`` and ``right_eye``. Raises ValueError for other models.
    """
    if model not in _PARTS:
        raise UnknownModel(
            f"Invalid landmarks model type {model!r}. Supported models are ['small', 'large']."
        )
    shapes = _raw_face_landmarks(face_image, face_locations, model)
    faces = [[(point.x, point.y) for point in shape.parts()] for shape in shapes]
    return [
        {part: [points[i] for i in indices] for part, indices in _PARTS[model].items()}
        for points in faces
    ]


def face_encodings(
    face_image: np.ndarray,
    known_face_locations: Sequence[Location] | None = None,
    num_jitters: int = 1,
    model: str = "small",
) -> list[np.ndarray]:
    """For each face its encoding, (128,) float64; equal to dlib's to 1e-5.

    With ``num_jitters`` above 1 it is the mean over so many copies of the face, each a little
    zoomed, turned and shifted at random. The random numbers are dlib's, one sequence for each
    process: the same calls in the same order give the same encodings, as in the original.
    ``model`` "small" aligns by 5 landmarks, anything else by 68. Raises TypeError for a grey
    picture with faces.
    """
    import dlib

    jitters = operator.index(num_jitters)
    picture = _plain(face_image)
    rectangles = _rectangles(picture, known_face_locations)
    if not rectangles:
        return []
    if picture.ndim != 3:
        raise NotRGB(
            f"a picture of shape {picture.shape} cannot be encoded",
            remedy="load it as RGB, or give numpy.stack([picture] * 3, axis=-1)",
        )
    faces = [
        Face(Box(one.left(), one.top(), one.right() + 1, one.bottom() + 1), 1.0)
        for one in rectangles
    ]
    # A Photo is taken as it is, whatever its size.
    photo = Photo(picture, 1.0, picture.shape[1], picture.shape[0])
    (found,) = models.pipeline(5 if model == "small" else 68).look(
        [photo], known=[faces], vectors="network" if jitters <= 1 else "none", chips=True
    )
    if jitters <= 1:
        return [np.array(vector, np.float64) for vector in found.vectors]
    copies = (np.stack(dlib.jitter_image(chip.pixels, jitters)) for chip in found.chips)
    return [models.embedder().embed(faces).mean(axis=0, dtype=np.float64) for faces in copies]


def face_distance(
    face_encodings: Sequence[np.ndarray] | np.ndarray, face_to_compare: np.ndarray
) -> np.ndarray:
    """Euclidean distances, (n,), of n encodings to one of (128,); smaller is more alike."""
    if len(face_encodings) == 0:
        return np.empty(0)
    distances: np.ndarray = np.linalg.norm(np.asarray(face_encodings) - face_to_compare, axis=1)
    return distances


def compare_faces(
    known_face_encodings: Sequence[np.ndarray] | np.ndarray,
    face_encoding_to_check: np.ndarray,
    tolerance: float = 0.6,
) -> list[np.bool_]:
    """For each known encoding whether it lies within ``tolerance`` of the one to check."""
    return list(face_distance(known_face_encodings, face_encoding_to_check) <= tolerance)


# Names that the original keeps to itself, and that its tests and some programs use all the same.


def _raw_face_locations(
    img: np.ndarray, number_of_times_to_upsample: int = 1, model: str = "hog"
) -> Any:
    """dlib's rectangles, or for "cnn" its mmod_rectangles."""
    if model != "cnn":
        return models.hog_detector()(_plain(img), number_of_times_to_upsample)
    detector = models.cnn_detector()
    with models.cnn_lock:
        return detector(_plain(img), number_of_times_to_upsample)


def _raw_face_locations_batched(
    images: Sequence[np.ndarray], number_of_times_to_upsample: int = 1, batch_size: int = 128
) -> Any:
    """For each picture dlib's mmod_rectangles."""
    pictures = [_plain(image) for image in images]
    detector = models.cnn_detector()
    with models.cnn_lock:
        return detector(pictures, number_of_times_to_upsample, batch_size=batch_size)


def _raw_face_landmarks(
    face_image: np.ndarray,
    face_locations: Sequence[Location] | None = None,
    model: str = "large",
) -> list[dlib.full_object_detection]:
    """dlib's full_object_detections."""
    predictor = models.predictor(5 if model == "small" else 68)
    picture = _plain(face_image)
    return [predictor(picture, one) for one in _rectangles(picture, face_locations)]


def _rectangles(
    picture: np.ndarray, locations: Sequence[Location] | None
) -> Sequence[dlib.rectangle]:
    """Those of the locations, or of the faces found."""
    if locations is None:
        found: Sequence[dlib.rectangle] = _raw_face_locations(picture)
        return found
    return [_css_to_rect(location) for location in locations]


def _plain(picture: np.ndarray) -> np.ndarray:
    """The picture with its pixels in order: of views such as ``[:, :, ::-1]`` dlib reads others."""
    return np.ascontiguousarray(picture) if isinstance(picture, np.ndarray) else picture


def _rect_to_css(rect: dlib.rectangle) -> Location:
    return rect.top(), rect.right(), rect.bottom(), rect.left()


def _css_to_rect(css: Location) -> dlib.rectangle:
    import dlib

    top, right, bottom, left = css
    return dlib.rectangle(left, top, right, bottom)


def _trim_css_to_bounds(css: Location, image_shape: Sequence[int]) -> Location:
    top, right, bottom, left = css
    height, width = image_shape[:2]
    return max(top, 0), min(right, width), min(bottom, height), max(left, 0)


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return _LAZY[name]()


@contextmanager
def _forgiving() -> Iterator[None]:
    """Have Pillow read files that were cut short; a switch of all of Pillow, so set briefly."""
    from PIL import ImageFile

    with _truncated:
        before = ImageFile.LOAD_TRUNCATED_IMAGES
        ImageFile.LOAD_TRUNCATED_IMAGES = True
        try:
            yield
        finally:
            ImageFile.LOAD_TRUNCATED_IMAGES = before
