"""The faces of a video's frames: found on the reduced copies, posed and judged, on all cores."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Executor, Future
from dataclasses import replace
from itertools import islice

import numpy as np

from openfaceplus.alignment.pose import poses
from openfaceplus.detect import split_chain, upright
from openfaceplus.detect.base import Detector
from openfaceplus.faces import Box, Face
from openfaceplus.pipeline import Pipeline
from openfaceplus.quality import sharpness
from openfaceplus.recipe import Recipe
from openfaceplus.sequences import Pose, Seen
from openfaceplus.threads import thread_count
from openfaceplus.track.quality import inside, quality
from openfaceplus.video.frames import Frame

_CHUNK = 8  # frames that a thread takes at once
_HELD = 16_000_000  # pixels of them at full size at most

FrameFaces = tuple[Frame, list[Seen]]


def video_recipe(recipe: Recipe) -> Recipe:
    """The recipe for frames of a video, which follow each other: of its detectors the first alone,
    and frames are not turned upside down. Vectors are of the same space."""
    return replace(recipe, detector=split_chain(upright(recipe.detector))[0])


def found_faces(
    frames: Iterable[Frame], pipeline: Pipeline, executor: Executor
) -> Iterator[FrameFaces]:
    """Each frame with its faces, in pixels at full size, while later frames are searched."""
    frames = iter(frames)
    waiting: deque[Future[list[FrameFaces]]] = deque()
    try:
        first = next(frames, None)
        if first is None:
            return
        yield from _find([first], pipeline.detector)  # what is missing is said at once
        area = first.pixels.shape[0] * first.pixels.shape[1] * first.scale**2
        size = max(1, min(_CHUNK, round(_HELD / area)))
        while chunk := list(islice(frames, size)):
            waiting.append(executor.submit(_find, chunk, pipeline.detector))
            if len(waiting) > thread_count(None):
                yield from waiting.popleft().result()
        while waiting:
            yield from waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def patch_of(full: np.ndarray, seen: Seen) -> tuple[np.ndarray, Face]:
    """The part of a frame's full-size pixels that a face's chip is cut from, reduced where the face
    is large, and the face in its pixels."""
    import cv2

    height, width = full.shape[:2]
    box = seen.box
    room = _ROOM * box.side
    middle = (box.left + box.right) / 2, (box.top + box.bottom) / 2
    left, top = (max(0, round(at - room)) for at in middle)
    right, bottom = round(middle[0] + room), round(middle[1] + room)
    patch = full[top : max(top + 1, min(height, bottom)), left : max(left + 1, min(width, right))]
    scale = min(1.0, _FACE / box.side)
    if scale < 1:
        patch = cv2.resize(patch, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
    moved = Box(box.left - left, box.top - top, box.right - left, box.bottom - top)
    points = None if seen.points is None else (seen.points - (left, top)).astype(np.float32)
    face = Face(moved, seen.score, points=points).scaled(scale)
    return np.array(patch), face  # a copy: the frame goes


def unfit(face: Face, chip: np.ndarray) -> str | None:
    """Why a face of a video says nothing of who it is though it is large and sharp enough:
    ``too_dark`` or ``unclear``, None if it does.

    Faces of a hall's dark half are alike whoever they are; and where the detector and dlib do not
    see the eyes in one place it is no face, or one that looks down or is covered.
    """
    if chip.mean(axis=2)[_MIDDLE, _MIDDLE].std() < _CONTRAST:
        return "too_dark"
    if face.points is None or face.landmarks is None:
        return None
    marks = face.landmarks
    left, right = (marks[2:4], marks[:2]) if len(marks) == 5 else (marks[36:42], marks[42:48])
    outer = np.linalg.norm(np.ptp(np.concatenate([left, right]), axis=0))
    apart = np.linalg.norm(face.points[:2] - (left.mean(0), right.mean(0)), axis=1)
    return "unclear" if apart.max() > _APART * outer else None


# Read off the crops of a concert in the dark and of a street, of faces that could be told by eye:
_CONTRAST = 9.0  # grey levels, standard deviation; they have 10 to 60, black ones 2 to 8
_APART = 0.3  # between the outer corners of the eyes; they have 0.05 to 0.27
_MIDDLE = slice(30, -30)  # of a chip
_ROOM = 1.2  # sides of its box to each side of a face's middle
_FACE = 250.0  # pixels of a face's side that are enough, for chips have 150 or so


def _find(frames: list[Frame], detector: Detector) -> list[FrameFaces]:
    found = detector.detect([frame.pixels for frame in frames])
    points = [face.points for faces in found for face in faces if face.points is not None]
    turned = iter(poses(np.array(points)).tolist() if points else [])
    return [
        (
            frame,
            [
                _seen(frame, face, None if face.points is None else Pose(*next(turned)))
                for face in faces
            ],
        )
        for frame, faces in zip(frames, found, strict=True)
    ]


def _seen(frame: Frame, face: Face, pose: Pose | None) -> Seen:
    height, width = frame.pixels.shape[:2]
    left, top, right, bottom = face.box.rounded()
    patch = frame.pixels[max(0, top) : bottom, max(0, left) : right]
    sharp = sharpness(patch) if patch.size else 0.0
    contrast = float(patch[::2, ::2, 1].std()) if patch.size else 0.0
    large = face.scaled(frame.scale)
    good = quality(
        large.box.side, sharp, contrast, pose, inside(face.box, width, height), face.score
    )
    return Seen(frame.time, large.box, face.score, large.points, pose, good)
