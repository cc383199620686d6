"""All photos of a folder, embedded once and kept: what evaluation starts from."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from openfaceplus.errors import UsageError
from openfaceplus.files import shown
from openfaceplus.images import walk
from openfaceplus.recipe import Recipe
from openfaceplus.remote import Location
from openfaceplus.stages import align, represent
from openfaceplus.stages.photos import embed_photos
from openfaceplus.stages.summary import Progress, no_progress
from openfaceplus.store.vectors import read_vectors


@dataclass(frozen=True, slots=True, eq=False)
class EmbeddedFolder:
    """The photos of a folder per person, in order, failures included.

    ``people`` and ``photos`` (n,) say whose a photo is and its path; ``vectors`` (n, dimensions)
    are of unit length, and NaN where the photo failed; ``space`` says what made them.
    """

    people: list[str]
    photos: list[str]
    vectors: np.ndarray
    space: str

    @property
    def usable(self) -> np.ndarray:
        """(n,) whether a photo gave a vector."""
        found: np.ndarray = np.isfinite(self.vectors[:, 0])
        return found

    def first_of_each(self) -> np.ndarray:
        """(k, dimensions) the vector of each person's first usable photo, of those who have one."""
        first: dict[str, np.ndarray] = {}
        for number in np.flatnonzero(self.usable):
            first.setdefault(self.people[number], self.vectors[number])
        return np.stack(list(first.values()))


def embed_folder(
    photos: Location,
    cache: Path,
    recipe: Recipe,
    *,
    leave_out: Collection[str] = (),
    commercial: bool = False,
    jobs: int | None = None,
    progress: Progress = no_progress,
) -> EmbeddedFolder:
    """Align and embed all photos below ``photos/<person>/``; chips and vectors stay in ``cache``.

    Faces are kept whatever their quality, since an evaluation must not leave out the hard ones;
    ``leave_out`` names photos, by path or file name, that are not to be used all the same; raises
    UsageError for a name that no photo has.
    """
    options = align.AlignOptions(keep_flawed=True, commercial=commercial)
    chips, embeddings = cache / "aligned-images", cache / "generated-embeddings"
    aligned = align.align(photos, chips, recipe, options, embed=recipe.views > 2, jobs=jobs,
                          progress=progress)  # fmt: skip
    represent.represent(
        chips, embeddings, recipe, aligned=aligned.rows, jobs=jobs, commercial=commercial,
        progress=progress,
    )  # fmt: skip
    vectors, paths = read_vectors(embeddings)
    found = dict(zip(paths, vectors, strict=True))
    names = [{row["photo"], Path(row["photo"]).name} for row in aligned.rows]
    if missing := set(leave_out).difference(*names):
        raise UsageError(
            f"{photos}: no photo is {min(missing)!r}, which is to be left out",
            remedy="give paths or names with their endings",
        )
    rows = [
        row
        for row, known in zip(aligned.rows, names, strict=True)
        if row["person"] and not known & set(leave_out)
    ]
    if not rows:
        raise UsageError(f"{photos}: no photo is left to evaluate")
    nothing = np.full(vectors.shape[1], np.nan, np.float32)
    manifest = represent.read_manifest(embeddings)
    return EmbeddedFolder(
        [row["person"] for row in rows],
        [row["photo"] for row in rows],
        np.array([found.get(row["chip"], nothing) for row in rows], np.float32),
        manifest.settings["space"],
    )


def embed_strangers(
    folder: Location,
    recipe: Recipe,
    space: str,
    *,
    keep_flawed: bool = True,
    commercial: bool = False,
    jobs: int | None = None,
    progress: Progress = no_progress,
) -> EmbeddedFolder:
    """The most prominent face of each photo of strangers, one each or a folder each.

    Without ``keep_flawed`` a face too small or too blurred counts as none. Raises UsageError for a
    folder without photos, or without a face in them.
    """
    files = walk(folder) if folder.is_dir() else []
    if not files:
        raise UsageError(
            f"{shown(folder)}: not a folder of strangers' photos",
            remedy="put in one photo a person, or a folder each",
            field="strangers",
        )
    vectors: list[np.ndarray | None] = []
    with progress("strangers", len(files)) as advance:
        for found in embed_photos(
            [file.path for file in files], recipe, largest=True, jobs=jobs, commercial=commercial
        ):
            usable = len(found.faces) and (keep_flawed or found.flaws[0] is None)
            vectors.append(found.vectors[0] if usable else None)
            advance()
    size = next((len(vector) for vector in vectors if vector is not None), 0)
    if not size:
        raise UsageError(f"{shown(folder)}: no photo shows a usable face", field="strangers")
    nothing = np.full(size, np.nan, np.float32)
    return EmbeddedFolder(
        [file.person or file.relative for file in files],
        [str(file.path) for file in files],
        np.array([nothing if vector is None else vector for vector in vectors], np.float32),
        space,
    )
