"""Embeddings in OpenFace's files: ``reps.csv`` and ``labels.csv``, row for row.

``reps.csv`` holds one row of numbers a face, no header. ``labels.csv`` holds the person's number,
from 1, and the path of the aligned photo; the person is the name of the folder it lies in.
"""

from __future__ import annotations

import base64
import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from openfaceplus.errors import StorageError
from openfaceplus.files import atomic_write
from openfaceplus.store.tables import csv_bytes

if TYPE_CHECKING:
    import numpy as np

_TEXT = {"encoding": "utf-8", "errors": "surrogateescape"}
_REMEDY = "run batch_represent/main.py again"


def write_vectors(folder: Path, vectors: np.ndarray, chips: Sequence[str]) -> None:
    """Write (n, dimensions) float32 vectors and the paths of their n chips, in that order."""
    numbers = {name: i for i, name in enumerate(sorted({person_of(c) for c in chips}), start=1)}
    labels = csv_bytes((numbers[person_of(chip)], chip) for chip in chips)
    with atomic_write(folder / "reps.csv") as file:
        for vector in vectors.tolist():
            # Nine significant digits bring a float32 back exactly.
            file.write((",".join(f"{x:.9g}" for x in vector) + "\n").encode())
    with atomic_write(folder / "labels.csv") as file:
        file.write(labels)


def read_vectors(folder: Path) -> tuple[np.ndarray, list[str]]:
    """(n, dimensions) float32 vectors and the n paths of their chips.

    Raises StorageError if a file is missing, is no table of finite numbers, or the two differ.
    """
    import numpy as np

    reps, labels = folder / "reps.csv", folder / "labels.csv"
    try:
        with labels.open(newline="", **_TEXT) as file:
            chips = [row[1] for row in csv.reader(file) if row]
        vectors = np.empty((0, 0), np.float32)
        if reps.stat().st_size:
            vectors = np.loadtxt(reps, np.float32, comments=None, delimiter=",", ndmin=2)
    except FileNotFoundError as error:
        raise StorageError(f"{error.filename}: not there; {_REMEDY}") from error
    except (OSError, ValueError, IndexError, csv.Error) as error:
        raise StorageError(
            f"{reps} or {labels}: not a table of embeddings ({error}); {_REMEDY}"
        ) from error
    if len(vectors) != len(chips):
        raise StorageError(
            f"{reps} has {len(vectors)} rows and {labels} has {len(chips)}; {_REMEDY}"
        )
    if not np.isfinite(vectors).all():
        raise StorageError(f"{reps}: holds numbers that are missing or infinite; {_REMEDY}")
    return vectors, chips


def encode_vector(vector: np.ndarray) -> str:
    """A (dimensions,) float32 vector as text for a journal, exactly."""
    return base64.b64encode(vector.tobytes()).decode()


def decode_vector(text: str) -> np.ndarray:
    """The inverse of ``encode_vector``."""
    import numpy as np

    return np.frombuffer(base64.b64decode(text), np.float32)


def person_of(chip: str) -> str:
    """The person a chip belongs to: the name of the folder it lies in."""
    return Path(chip).parent.name
