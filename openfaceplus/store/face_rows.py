"""A face as columns of ``alignment.csv``, and back."""

from __future__ import annotations

import numpy as np

from openfaceplus.errors import StorageError
from openfaceplus.faces import Box, Face
from openfaceplus.files import shown
from openfaceplus.store.layout import ALIGNMENT
from openfaceplus.store.tables import Row

_FEW = 5


def face_to_row(face: Face) -> Row:
    """A face as the table's columns; a detector's points follow five landmarks."""
    box = face.box
    points = [] if face.landmarks is None else face.landmarks.tolist()
    if len(points) == _FEW and face.points is not None:
        points += face.points.tolist()
    return {
        "left": f"{box.left:g}",
        "top": f"{box.top:g}",
        "right": f"{box.right:g}",
        "bottom": f"{box.bottom:g}",
        "score": f"{face.score:.4g}",
        "landmarks": ";".join(f"{x:g} {y:g}" for x, y in points),
    }


def face_from_row(row: Row) -> Face:
    """The inverse of ``face_to_row``. Raises StorageError if the row does not hold a face."""
    try:
        box = Box(*(float(row[side]) for side in ("left", "top", "right", "bottom")))
        points = [[float(x) for x in point.split()] for point in row["landmarks"].split(";")]
        landmarks: np.ndarray = np.array(points, np.float32).reshape(-1, 2)
        both = len(landmarks) == 2 * _FEW
        five = landmarks[_FEW:] if both else None
        return Face(box, float(row["score"]), landmarks[:_FEW] if both else landmarks, five)
    except (KeyError, ValueError) as error:
        raise StorageError(
            f"{ALIGNMENT.table}: the row of {shown(row.get('photo', ''))} holds no face ({error})",
            remedy="align again",
        ) from error
