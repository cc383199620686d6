"""A drop-in for the ``face_recognition`` module 1.3.0, with dlib's network at its fast speed.

    import openfaceplus.compat.face_recognition as face_recognition

or, so that programs need no change, ``python -m openfaceplus.compat.face_recognition
install-alias``. The interface is that of https://github.com/ageitgey/face_recognition (MIT).
Locations and landmarks are the same, encodings equal to 1e-5. Models are loaded on first use.

What is different: arrays that are views (``frame[:, :, ::-1]``) are taken, where the original
finds nothing or raises TypeError; command lines list files in order, name a photo that cannot be
read and go on.
"""

from openfaceplus.compat.face_recognition.api import (
    batch_face_locations,
    compare_faces,
    face_distance,
    face_encodings,
    face_landmarks,
    face_locations,
    load_image_file,
)

__version__ = "1.3.0"

__all__ = [
    "batch_face_locations",
    "compare_faces",
    "face_distance",
    "face_encodings",
    "face_landmarks",
    "face_locations",
    "load_image_file",
]
