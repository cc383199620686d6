"""A folder with one photo a person, as a database of people."""

from __future__ import annotations

import contextlib
import hashlib
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openfaceplus.errors import OpenFacePlusError, PhotoError, StorageError, UsageError
from openfaceplus.faces import Decision
from openfaceplus.files import shown, sweep
from openfaceplus.images import MAX_PIXELS, photos_in
from openfaceplus.recipe import recipe
from openfaceplus.remote import Location, fingerprint, location
from openfaceplus.verification import FAR, Comparer, Verification, distance_between
from openfaceplus.weights import cache_folder, safe
from openfaceplus.words import nearest

if TYPE_CHECKING:
    import numpy as np

    from openfaceplus.gallery import Gallery


class PhotoFolder:
    """A folder with one photo a person, whose file names are the people's names.

    Embeddings are kept in the cache folder, never beside the photos, and made anew when a file
    changes. ``unusable`` says of each photo left out why. In place of a ``comparer`` the most used
    of its settings may be given.
    """

    def __init__(
        self,
        folder: str | os.PathLike[str],
        comparer: Comparer | None = None,
        *,
        far: float = FAR,
        distance: float | None = None,
        table: Path | None = None,
        max_pixels: int = MAX_PIXELS,
        profile: str = "dlib",
        detector: str | None = None,
        embedder: str | None = None,
        views: int | None = None,
        commercial: bool = False,
    ) -> None:
        self.folder = location(folder)
        self.comparer = comparer or Comparer(
            recipe(profile, detector=detector, embedder=embedder, views=views),
            far=far,
            distance=distance,
            table=table,
            max_pixels=max_pixels,
            commercial=commercial,
        )
        self.unusable: dict[str, str] = {}
        self._people: dict[str, np.ndarray] = {}
        self._gallery: Gallery | None = None
        self.refresh()

    def refresh(self) -> None:
        """Look at the folder again. Raises UsageError if it holds no usable photo."""
        import numpy as np

        if not self.folder.is_dir():
            raise UsageError(f"{self.folder}: not a folder of photos, one a person", field="folder")
        cache = cache_file(self.folder, self.comparer.space)
        known = _read_cache(cache)
        kept: dict[str, tuple[str, np.ndarray]] = {}
        self._people, self._gallery, self.unusable = {}, None, {}
        for path in photos_in([self.folder]):
            name = path.stem
            if path.parent != self.folder:
                self.unusable[str(path)] = f"{path}: lies in a folder of its own; move it up"
                continue
            if name in self._people:
                self.unusable[str(path)] = f"{path}: {name} has another photo already"
                continue
            key = f"{path.name}\n{fingerprint(path, '')}"
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
                tree = {"keys": list(kept), "names": names, "vectors": vectors}
                safe.dump(cache, tree, ours=True)

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
        distance = distance_between(vector, self._people[name])
        limit = self.comparer.limit()
        return Verification(distance <= limit, distance, limit, self.comparer.far, (box, None))

    def whois(self, photo: Any) -> Decision:
        """The closest person, or that the face is nobody's; a name serves as the person's id.

        The rate holds for the whole search: a stranger has as many chances as there are people, so
        each comparison gets its part of the rate.
        """
        vector, box = self.comparer.embed(photo)
        (match,) = self.gallery.search(vector)[0]
        limit = self.comparer.limit(len(self._people))
        known = match.person if -match.score <= limit else None
        return Decision(known, known, match.person, None, match.score, -limit, box)

    @property
    def gallery(self) -> Gallery:
        """The people's vectors, searched by distance."""
        if self._gallery is None:
            from openfaceplus.gallery import create

            vectors = list(self._people.values())
            self._gallery = create("distance", self.comparer.space, len(vectors[0]))
            self._gallery.add(self.names, vectors)
        return self._gallery


class Database(PhotoFolder):
    """The former name of ``PhotoFolder``."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        warnings.warn(
            "openfaceplus.Database is now called PhotoFolder", DeprecationWarning, stacklevel=2
        )
        super().__init__(*arguments, **options)


def cache_file(folder: Location, space: str) -> Path:
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
