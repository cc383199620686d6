"""What galleries in memory and in files share: people, their vectors, and the space they are in."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import IO, Any, ClassVar, Self

import numpy as np

from openfaceplus.errors import SpaceMismatch, StorageError, UsageError
from openfaceplus.faces import Match, Space
from openfaceplus.files import shown
from openfaceplus.gallery import files

GONE = -1
"""The label of a template that was removed but whose row is still there."""


class VectorGallery(ABC):
    """Templates of people: rows of unit length, searched by cosine likeness.

    ``space`` says what the vectors may be compared with. A gallery that was loaded is mapped from
    its files and is read into memory, once, when it is first changed.
    """

    kind: ClassVar[str]
    unit: ClassVar[bool] = True
    """Whether vectors have to be of unit length."""

    def __init__(self, space: Space | str, dim: int = 128) -> None:
        if dim < 1:
            raise UsageError(f"dim={dim}: a vector has at least one number")
        self.space, self.dim = str(space), dim
        self._people: list[str] = []
        self._numbers: dict[str, int] = {}
        self._rows = self._given = 0
        # Beyond ``_rows`` there is room to grow. ``_ids`` are the templates' numbers, which rise.
        self._vectors = np.empty((0, dim), np.float32)
        self._labels = np.empty(0, np.int32)
        self._ids = np.empty(0, np.int64)

    @classmethod
    def of(cls, space: Space | str, people: Sequence[str], vectors: np.ndarray) -> Self:
        """A gallery of one template a person, (n, dim) float32, which is not copied or checked."""
        made = cls(space, vectors.shape[1])
        made._people, made._vectors = list(people), vectors
        made._numbers = {person: number for number, person in enumerate(people)}
        made._rows = made._given = len(vectors)
        made._labels, made._ids = np.arange(len(vectors), dtype=np.int32), np.arange(len(vectors))
        made._added(0)
        return made

    def __len__(self) -> int:
        """How many templates there are."""
        return int(np.count_nonzero(self._labels[: self._rows] != GONE))

    @property
    def people(self) -> list[str]:
        """The ids of the people with a template, in the order in which they first came."""
        kept = np.unique(self._labels[: self._rows])
        return [self._people[label] for label in kept.tolist() if label != GONE]

    @property
    def vectors(self) -> np.ndarray:
        """The templates (rows, dim), in the order in which they came."""
        return self._vectors[: self._rows]

    def add(
        self, people: Sequence[str], vectors: Any, space: Space | str | None = None
    ) -> Sequence[int]:
        """Add (n, dim) vectors of unit length of n people; returns the templates' numbers.

        Raises UsageError if they do not fit, SpaceMismatch if ``space`` is another.
        """
        self.check_space(space)
        vectors = self._checked(vectors)
        check_people(people, vectors)
        if not len(vectors):
            return []
        labels = []
        for person in people:
            if person not in self._numbers:
                self._numbers[person] = len(self._people)
                self._people.append(person)
            labels.append(self._numbers[person])
        first, self._rows = self._rows, self._rows + len(vectors)
        if self._rows > len(self._labels) or not self._labels.flags.writeable:
            room = max(self._rows, first + first // 2)
            self._vectors = _grown(self._vectors, first, room)
            self._labels = _grown(self._labels, first, room)
            self._ids = _grown(self._ids, first, room)
        numbers = range(self._given, self._given + len(vectors))
        self._given = numbers.stop
        self._vectors[first : self._rows] = vectors
        self._labels[first : self._rows] = labels
        self._ids[first : self._rows] = numbers
        self._added(first)
        return numbers

    def remove(self, person: str) -> int:
        """Remove all templates of a person; returns how many. Raises UsageError if none."""
        label = self._numbers.get(person, GONE)
        rows = np.flatnonzero(self._labels[: self._rows] == label)
        if label == GONE or not len(rows):
            raise UsageError(f"there is nobody with the id {person!r} in the gallery")
        if not self._labels.flags.writeable:
            self._labels = np.array(self._labels)
        self._removed(rows)
        return len(rows)

    def search(
        self, vectors: Any, k: int = 1, space: Space | str | None = None
    ) -> list[list[Match]]:
        """For each of (n, dim) probes its k most alike templates, best first; fewer if fewer are
        there. The score is the cosine, -1 to 1.

        Raises UsageError if a probe does not fit, SpaceMismatch if ``space`` is another.
        """
        self.check_space(space)
        if k < 1:
            raise UsageError(f"k={k}: at least one match can be asked for")
        found = self._search(self._checked(vectors), k)
        return [
            [
                Match(self._people[label], template, score)
                for label, template, score in zip(
                    self._labels[rows].tolist(),
                    self._ids[rows].tolist(),
                    scores.tolist(),
                    strict=True,
                )
            ]
            for rows, scores in found
        ]

    def save(self, path: Path | str) -> None:
        """Write the gallery into a folder, atomically. Raises StorageError."""
        people, labels = self._people, self._labels[: self._rows]
        rows = self._rows
        header = files.Header(self.kind, self.space, self.dim, rows, people, {}, {}, self._given)
        vectors, ids = self._vectors[:rows], self._ids[:rows]
        parts: dict[str, Callable[[IO[bytes]], Any]] = {
            "vectors": lambda file: np.lib.format.write_array(file, vectors, allow_pickle=False),
            "labels": lambda file: np.lib.format.write_array(file, labels, allow_pickle=False),
            "ids": lambda file: np.lib.format.write_array(file, ids, allow_pickle=False),
        }
        files.write(Path(path), header, parts | self._parts())

    @classmethod
    def load(cls, path: Path | str, space: Space | str | None = None) -> Self:
        """Map a saved gallery into memory; what is not searched is never read.

        Raises StorageError if it is missing, damaged or of another kind, SpaceMismatch if it is
        not of ``space``.
        """
        folder = Path(path)
        header = files.read_header(folder)
        if header.kind != cls.kind:
            raise StorageError(
                f"{shown(folder)}: a gallery of kind {header.kind!r}, not {cls.kind!r}",
                remedy="load it with openfaceplus.gallery.load, which reads either",
            )
        made = cls(header.space, header.dim)
        made.check_space(space)
        made._people = header.people
        made._numbers = {person: number for number, person in enumerate(header.people)}
        made._rows = count = header.count
        made._given = header.given
        made._vectors = files.array(folder, header, "vectors", np.float32, (count, header.dim))
        made._labels = files.array(folder, header, "labels", np.int32, (count,))
        made._ids = np.arange(count)
        if "ids" in header.files:  # not in those written before templates had numbers
            made._ids = files.array(folder, header, "ids", np.int64, (count,))
        if count and not GONE <= made._labels.min() <= made._labels.max() < len(header.people):
            raise StorageError(
                f"{shown(folder)}: labels without a person", remedy="save the gallery again"
            )
        made._loaded(folder, header)
        return made

    def check_space(self, space: Space | str | None) -> None:
        """Raise SpaceMismatch if ``space`` is given and not the gallery's."""
        check_space(self.space, space)

    def _checked(self, vectors: Any) -> np.ndarray:
        return checked(vectors, self.dim, self.unit)

    @abstractmethod
    def _search(self, probes: np.ndarray, k: int) -> list[tuple[np.ndarray, np.ndarray]]:
        """Rows and scores of at most k templates for each probe, best first."""

    @abstractmethod
    def _added(self, first: int) -> None:
        """Rows from ``first`` on are new."""

    @abstractmethod
    def _removed(self, rows: np.ndarray) -> None:
        """Take rows away; the labels may be written to."""

    def _parts(self) -> dict[str, Callable[[IO[bytes]], Any]]:
        """What is saved beside vectors and labels."""
        return {}

    @abstractmethod
    def _loaded(self, folder: Path, header: files.Header) -> None:
        """Read what ``_parts`` wrote."""


def check_space(own: str, space: Space | str | None) -> None:
    """Raise SpaceMismatch if ``space`` is given and not ``own``, that of a gallery."""
    if space is not None and str(space) != own:
        raise SpaceMismatch(
            f"the gallery holds embeddings of {own}, these are of {space}",
            remedy="make them with the same network and settings",
        )


def checked(vectors: Any, dim: int, unit: bool = True) -> np.ndarray:
    """(n, dim) float32, contiguous and with ``unit`` of unit length; one may come without its n.

    Raises UsageError for anything else.
    """
    try:
        found = np.ascontiguousarray(vectors, np.float32)
    except (TypeError, ValueError) as error:
        raise UsageError(f"not vectors of numbers: {error}") from error
    if found.ndim == 1 and found.size == dim:
        found = found[None]
    if found.size == 0 and found.ndim <= 2:
        found = found.reshape(0, dim)
    if found.ndim != 2 or found.shape[1] != dim:
        raise UsageError(f"vectors of shape {found.shape}", remedy=f"(n, {dim}) is needed")
    if not unit and np.isfinite(found).all():
        return found
    if not (np.abs(np.einsum("nd,nd->n", found, found) - 1) < 1e-3).all():
        raise UsageError("vectors must have unit length: divide each by its norm")
    return found


def check_people(people: Sequence[str], vectors: np.ndarray) -> None:
    """Raise UsageError unless there is the id of a person for each of the vectors."""
    if isinstance(people, str) or len(people) != len(vectors):
        raise UsageError(f"{len(vectors)} vectors need as many people, in a list")
    if not all(isinstance(person, str) for person in people):
        raise UsageError("ids of people are strings")


def _grown(values: np.ndarray, used: int, room: int) -> np.ndarray:
    made = np.empty((room, *values.shape[1:]), values.dtype)
    made[:used] = values[:used]
    return made
