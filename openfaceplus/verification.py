"""One to one: are two photos of one person; and a folder with one photo a person as a database."""

from __future__ import annotations

import contextlib
import hashlib
import math
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openfaceplus import thresholds
from openfaceplus.errors import (
    NoFace,
    OpenFacePlusError,
    PhotoError,
    SeveralFaces,
    StorageError,
    UsageError,
)
from openfaceplus.faces import Box
from openfaceplus.files import shown, sweep
from openfaceplus.images import as_photo, photos_in
from openfaceplus.pipeline import Pipeline
from openfaceplus.recipe import Recipe, recipe
from openfaceplus.weights import cache_folder, safe
from openfaceplus.words import nearest

if TYPE_CHECKING:
    import numpy as np

FAR = 0.001
"""One impostor in a thousand, unless another rate is asked."""


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether two faces are accepted as one person's.

    ``distance`` is between the embeddings, accepted up to ``limit``; both are Euclidean. ``far`` is
    the false-accept rate that the limit was chosen for, None where the user gave the limit. Of a
    person in a database there is no box.
    """

    same: bool
    distance: float
    limit: float
    far: float | None
    boxes: tuple[Box, Box | None]


@dataclass(frozen=True, slots=True)
class Found:
    """The closest person in a database: ``name`` is None if even that one is too far."""

    name: str | None
    closest: str
    distance: float
    limit: float
    far: float | None
    box: Box


class Comparer:
    """Embeds faces and knows which distance still counts as the same person.

    With ``distance`` the limit is the user's, and distances are those of the network's own output
    for the chip alone, as the classic limits mean them (0.6 for dlib; 0.52 or 0.7 for nn4.small2).
    Without, embeddings are the recipe's and the limit comes from their measured table at ``far``.
    In place of the recipe its fields may be given, such as ``profile`` and ``embedder``; other
    options go to the pipeline.
    """

    def __init__(
        self,
        chosen: Recipe | None = None,
        *,
        far: float = FAR,
        distance: float | None = None,
        table: Path | None = None,
        **options: Any,
    ) -> None:
        fields = [key for key in options if key in Recipe.__dataclass_fields__]
        changes = {key: options.pop(key) for key in fields}
        chosen = replace(chosen, **changes) if chosen else recipe(**changes)
        if distance is not None:
            if not 0 < distance < math.inf:
                raise UsageError("--distance takes a number above 0")
            chosen = replace(chosen, views=1)
        self.pipeline = Pipeline(chosen, **options)
        self.distance = distance
        self.far = None if distance is not None else far
        self._table = table

    @property
    def space(self) -> str:
        """What distances are measured in."""
        return f"{self.pipeline.space}{'/raw' if self.distance is not None else ''}"

    def limit(self, comparisons: int = 1) -> float:
        """The greatest distance accepted; ``far`` then holds for that many comparisons together.

        Raises ModelMissing if the embedding has no table, UsageError if it does not reach that low.
        """
        if self.distance is not None:
            return self.distance
        assert self.far is not None
        table = thresholds.load(str(self.pipeline.space), self._table)
        try:
            cosine = table.cosine_at(self.far / comparisons)
        except UsageError as error:
            if comparisons == 1:
                raise
            raise UsageError(
                f"a rate of {self.far:g} for a search among {comparisons} people leaves each a "
                f"part: {error}; ask for a higher --far, give --distance, or train a model"
            ) from error
        return max(0.0, 2 - 2 * cosine) ** 0.5

    def embed(self, source: Any, single: bool = False) -> tuple[np.ndarray, Box]:
        """The vector, (dimensions,) float32, and box of the most prominent face.

        Raises PhotoError: NoFace, and with ``single`` SeveralFaces.
        """
        photo = as_photo(source)
        faces = self.pipeline.faces(photo, largest=not single)
        name = str(photo.path or "the photo")
        if not faces:
            raise NoFace(f"{name}: no face found")
        if single and len(faces) > 1:
            raise SeveralFaces(f"{name}: {len(faces)} faces found where one was needed")
        views = self.pipeline.views(photo, faces[0])
        if self.distance is not None:
            return self.pipeline.raw(views)[0], faces[0].box
        return self.pipeline.embed([views])[0], faces[0].box


def verify(
    first: Any, second: Any, *, comparer: Comparer | None = None, **options: Any
) -> Verification:
    """Whether the most prominent faces of two photos are one person's.

    Photos are paths, bytes, file objects, PIL images or RGB uint8 arrays. Options are those of
    ``Comparer``, which may also be given to be used again. Raises PhotoError for a photo without a
    face or that cannot be read.
    """
    comparer = comparer or Comparer(**options)
    limit = comparer.limit()
    (a, box_a), (b, box_b) = comparer.embed(first), comparer.embed(second)
    distance = _distance(a, b)
    return Verification(distance <= limit, distance, limit, comparer.far, (box_a, box_b))


class Database:
    """A folder with one photo a person, whose file names are the people's names.

    Embeddings are kept in the cache folder, never beside the photos, and made anew when a file
    changes. ``unusable`` says of each photo left out why.
    """

    def __init__(self, folder: str | os.PathLike[str], **options: Any) -> None:
        self.folder = Path(folder)
        self.comparer = Comparer(**options)
        self.unusable: dict[str, str] = {}
        self._people: dict[str, np.ndarray] = {}
        self.refresh()

    def refresh(self) -> None:
        """Look at the folder again. Raises UsageError if it holds no usable photo."""
        import numpy as np

        if not self.folder.is_dir():
            raise UsageError(f"{self.folder}: not a folder; it takes one photo a person")
        cache = cache_file(self.folder, self.comparer.space)
        known = _read_cache(cache)
        kept: dict[str, tuple[str, np.ndarray]] = {}
        self._people, self.unusable = {}, {}
        for path in photos_in([self.folder]):
            name = path.stem
            if path.parent != self.folder:
                self.unusable[str(path)] = f"{path}: lies in a folder of its own; move it up"
                continue
            if name in self._people:
                self.unusable[str(path)] = f"{path}: {name} has another photo already"
                continue
            try:
                status = path.stat()
                key = f"{path.name}\n{status.st_size}-{status.st_mtime_ns}"
            except OSError:
                key = path.name
            try:
                vector = known[key] if key in known else self.comparer.embed(path, single=True)[0]
            except PhotoError as error:
                self.unusable[str(path)] = str(error)
                continue
            kept[key] = name, vector
            self._people[name] = vector
        if not self._people:
            reasons = "; ".join(self.unusable.values()) or "it is empty"
            raise UsageError(f"{self.folder}: no usable photo of a person in it ({reasons})")
        if set(kept) != set(known):
            vectors = np.stack([vector for _, vector in kept.values()])
            names = [name for name, _ in kept.values()]
            # A cache that cannot be written is done without.
            with contextlib.suppress(StorageError):
                safe.dump(cache, {"keys": list(kept), "names": names, "vectors": vectors})

    @property
    def names(self) -> Sequence[str]:
        """The people in the database."""
        return list(self._people)

    def verify(self, photo: Any, name: str) -> Verification:
        """Whether the face is the person of that name. Raises UsageError if there is none."""
        if name not in self._people:
            raise UsageError(
                f"{shown(self.folder)}: nobody in it is called {name!r}",
                remedy=nearest(name, self._people),
                field="name",
            )
        vector, box = self.comparer.embed(photo)
        distance = _distance(vector, self._people[name])
        limit = self.comparer.limit()
        return Verification(distance <= limit, distance, limit, self.comparer.far, (box, None))

    def whois(self, photo: Any) -> Found:
        """The closest person, or that the face is nobody's.

        The rate holds for the whole search: a stranger has as many chances as there are people, so
        each comparison gets its part of the rate.
        """
        vector, box = self.comparer.embed(photo)
        distance, closest = min((_distance(vector, v), name) for name, v in self._people.items())
        limit = self.comparer.limit(len(self._people))
        known = closest if distance <= limit else None
        return Found(known, closest, distance, limit, self.comparer.far, box)


def cache_file(folder: Path, space: str) -> Path:
    """Where the embeddings of a database are kept."""
    digest = hashlib.sha256(f"{folder.resolve()}\n{space}".encode(errors="surrogateescape"))
    return cache_folder() / "databases" / f"{digest.hexdigest()[:24]}.pkl"


def forget(name: str) -> list[Path]:
    """Delete every cached database in which a person of that name is; returns the files.

    They are made anew, without what has gone from their folders, when next used.
    """
    deleted = []
    sweep(cache_folder() / "databases")
    for path in sorted((cache_folder() / "databases").glob("*.pkl")):
        try:
            concerned = name in safe.load(path)["names"]
        except (OpenFacePlusError, KeyError, TypeError):
            concerned = True
        if concerned:
            path.unlink(missing_ok=True)
            deleted.append(path)
    return deleted


def _read_cache(path: Path) -> dict[str, np.ndarray]:
    if not path.is_file():
        return {}
    try:
        data = safe.load(path)
        return dict(zip(data["keys"], data["vectors"], strict=True))
    except (OpenFacePlusError, KeyError, TypeError, ValueError):
        # A cache that cannot be read is made anew.
        return {}


def _distance(a: np.ndarray, b: np.ndarray) -> float:
    import numpy as np

    return float(np.linalg.norm(a - b))
