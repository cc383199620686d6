"""A face as columns of ``alignment.csv``, and back."""

from __future__ import annotations

import numpy as np

from openfaceplus.errors import StorageError
from openfaceplus.faces import Box, Face
from openfaceplus.files import shown
from openfaceplus.store.layout import ALIGNMENT
from openfaceplus.store.tables import Row


def face_to_row(face: Face) -> Row:
    """A face as the table's columns."""
    box = face.box
    points = [] if face.landmarks is None else face.landmarks.tolist()
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
        return Face(box, float(row["score"]), landmarks)
    except (KeyError, ValueError) as error:
        raise StorageError(
            f"{ALIGNMENT.table}: the row of {shown(row.get('photo', ''))} holds no face ({error})",
            remedy="align again",
        ) from error
