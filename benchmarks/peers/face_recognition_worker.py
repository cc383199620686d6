"""face_recognition 1.3.0, in its own environment: what is measured against."""

from __future__ import annotations

from collections import defaultdict

import dlib
import face_recognition
from face_recognition.api import _raw_face_landmarks, face_encoder
from serving import medians, memory, serve, timed


def encode(paths: list[str]) -> dict:
    """Load each photo, locate its faces and encode the largest."""
    faces = 0
    for path in paths:
        image = face_recognition.load_image_file(path)
        found = _largest(face_recognition.face_locations(image))
        faces += len(face_recognition.face_encodings(image, found)) if found else 0
    return {"faces": faces}


def steps(paths: list[str]) -> dict:
    """Median milliseconds of each step."""
    ms = defaultdict(list)
    for path in paths:
        took, image = timed(face_recognition.load_image_file, path)
        ms["decode"].append(took)
        took, found = timed(face_recognition.face_locations, image)
        ms["detect"].append(took)
        if not found:
            continue
        took, marks = timed(_raw_face_landmarks, image, _largest(found), "small")
        ms["landmarks"].append(took)
        took, chip = timed(dlib.get_face_chip, image, marks[0])
        ms["chip"].append(took)
        took, _ = timed(face_encoder.compute_face_descriptor, chip)
        ms["embed 1"].append(took)
    return {"ms": medians(ms)}


def largest(path: str) -> dict:
    """Box of the largest face by HOG on the doubled photo; decoding is not counted."""
    image = face_recognition.load_image_file(path)
    ms, found = timed(face_recognition.face_locations, image)
    box = _largest(found)
    return {"ms": ms, "box": box and [box[0][3], box[0][0], box[0][1], box[0][2]]}


def _largest(boxes: list) -> list:
    """The largest of (top, right, bottom, left), as a list of none or one."""
    return sorted(boxes, key=lambda box: (box[2] - box[0]) * (box[1] - box[3]))[-1:]


serve({"encode": encode, "steps": steps, "largest": largest, "memory": memory})
