"""Embeddings in OpenFace's files: ``reps.csv`` and ``labels.csv``, row for row.

``reps.csv`` holds one row of numbers a face, no header. ``labels.csv`` holds the person's number,
from 1, and the path of the aligned photo; the person is the name of the folder it lies in.
"""

from __future__ import annotations

import base64
import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from openfaceplus.changes import Change
from openfaceplus.encrypted_files import open_file, open_text
from openfaceplus.errors import StorageError
from openfaceplus.files import atomic_write, shown
from openfaceplus.store.layout import LABELS, REPRESENTATION, REPS, place_of
from openfaceplus.store.tables import csv_bytes, csv_rows

if TYPE_CHECKING:
    import numpy as np

_REMEDY = "make the embeddings again"


def write_vectors(change: Change, vectors: np.ndarray, chips: Sequence[str]) -> None:
    """Write (n, dimensions) float32 vectors and the paths of their n chips, in that order.

    Raises InTheWay as ``places`` does.
    """
    reps, labels = places(change)
    with atomic_write(reps) as file:
        file.writelines(_lines(vectors))
    _write_labels(labels, chips)


def places(change: Change) -> tuple[Path, Path]:
    """Where to write both files. Raises InTheWay if some are there that no stage of ours wrote."""
    ours = (change.folder / REPRESENTATION.manifest).is_file()
    return change.staged(REPS, ours=ours), change.staged(LABELS, ours=ours)


def edit_vectors(
    change: Change,
    keep: Callable[[str], bool],
    rename: Callable[[str], str],
    vectors: np.ndarray,
    chips: Sequence[str],
) -> int:
    """Keep some chips' vectors, under new paths, and put others after them; how many went.

    The numbers of those kept are copied, not read. Raises StorageError if the files disagree.
    """
    folder, kept = change.folder, []
    old = _read_labels(folder)
    reps, labels = places(change)
    try:
        with open_file(folder / REPS) as source, atomic_write(reps) as file:
            for line, chip in zip(source, old, strict=True):
                if keep(chip):
                    file.write(line if line.endswith(b"\n") else line + b"\n")
                    kept.append(rename(chip))
            file.writelines(_lines(vectors))
    except ValueError as error:
        raise _differ(folder) from error
    except OSError as error:
        raise StorageError(f"{shown(folder / REPS)}: {error.strerror}", remedy=_REMEDY) from error
    _write_labels(labels, [*kept, *chips])
    return len(old) - len(kept)


def _lines(vectors: np.ndarray) -> Iterator[bytes]:
    for vector in vectors.tolist():
        # Nine significant digits bring a float32 back exactly.
        yield (",".join(f"{x:.9g}" for x in vector) + "\n").encode()


def _write_labels(path: Path, chips: Sequence[str]) -> None:
    people = [person_of(chip) for chip in chips]
    numbers = {name: i for i, name in enumerate(sorted(set(people)), start=1)}
    with atomic_write(path) as file:
        file.write(csv_bytes((numbers[p], chip) for p, chip in zip(people, chips, strict=True)))


def _read_labels(folder: Path) -> list[str]:
    try:
        with open_text(folder / LABELS, "surrogateescape") as file:
            return [row[1] for row in csv_rows(file)]
    except FileNotFoundError as error:
        raise StorageError(f"{shown(error.filename)}: not there", remedy=_REMEDY) from error
    except (OSError, ValueError, IndexError, csv.Error) as error:
        raise StorageError(
            f"{shown(folder / LABELS)}: not a table of chips ({error})", remedy=_REMEDY
        ) from error


def _differ(folder: Path) -> StorageError:
    return StorageError(
        f"{shown(folder)}: {REPS} and {LABELS} do not have as many rows", remedy=_REMEDY
    )


def read_vectors(folder: Path) -> tuple[np.ndarray, list[str]]:
    """(n, dimensions) float32 vectors and the n paths of their chips.

    Raises StorageError if a file is missing, is no table of finite numbers, or the two differ.
    """
    import numpy as np

    reps, chips = folder / REPS, _read_labels(folder)
    try:
        vectors = np.empty((0, 0), np.float32)
        with open_file(reps) as file:
            if file.read(1):
                file.seek(0)
                vectors = np.loadtxt(file, np.float32, comments=None, delimiter=",", ndmin=2)
    except FileNotFoundError as error:
        raise StorageError(f"{shown(reps)}: not there", remedy=_REMEDY) from error
    except (OSError, ValueError) as error:
        raise StorageError(
            f"{shown(reps)}: not a table of embeddings ({error})", remedy=_REMEDY
        ) from error
    if len(vectors) != len(chips):
        raise _differ(folder)
    if not np.isfinite(vectors).all():
        raise StorageError(
            f"{shown(reps)}: holds numbers that are missing or infinite", remedy=_REMEDY
        )
    return vectors, chips


def encode_vector(vector: np.ndarray) -> str:
    """A (dimensions,) float32 vector as text for a journal, exactly."""
    return base64.b64encode(vector.tobytes()).decode()


def is_encoded(text: str, dimensions: int) -> bool:
    """Whether ``encode_vector`` made a text of a vector of that many finite numbers."""
    import numpy as np

    try:
        vector = np.frombuffer(base64.b64decode(text, validate=True), np.float32)
    except ValueError:
        return False
    return len(vector) == dimensions and bool(np.isfinite(vector).all())


def decode_vectors(rows: Sequence[Mapping[str, str]]) -> np.ndarray:
    """(n, dimensions) float32: what ``encode_vector`` made of n rows' vectors."""
    import numpy as np

    vectors = [np.frombuffer(base64.b64decode(row["vector"]), np.float32) for row in rows]
    return np.array(vectors, np.float32)


def person_of(chip: str) -> str:
    """The person a chip belongs to: the name of the folder it lies in."""
    return place_of(chip)[0]
