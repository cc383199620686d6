"""Galleries: many templates of people, and which of them are most like a probe.

    gallery = create("exact", space)          # or "approximate", for a million and more
    gallery.add(["ann", "bob"], vectors)      # ids of people; (n, dimensions) float32, unit length
    gallery.search(probes, k=5)               # a list of k matches for each probe, best first
    gallery.save("gallery/")                  # a folder; load("gallery/") maps it into memory

A template is one vector of a person, who may have many, each of which can be a match of its own.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from openfaceplus.registry import resolve

if TYPE_CHECKING:
    from openfaceplus.faces import Match, Space
    from openfaceplus.gallery.base import VectorGallery

GALLERIES = {
    "exact": "openfaceplus.gallery.exact:ExactGallery",
    "distance": "openfaceplus.gallery.exact:DistanceGallery",
    "approximate": "openfaceplus.gallery.ann:AnnGallery",
}


class Gallery(Protocol):
    """What searching needs, wherever the templates lie: in memory, in files or in a database.

    People are known by ids, templates by numbers that a gallery never gives twice. ``space`` says
    what the vectors may be compared with.
    """

    space: str

    def __len__(self) -> int:
        """How many templates there are."""

    @property
    def people(self) -> Sequence[str]:
        """The ids of the people with a template, in the order in which they first came."""

    def add(
        self, people: Sequence[str], vectors: Any, space: Space | str | None = None
    ) -> Sequence[int]:
        """Add (n, dimensions) vectors of n people; returns the templates' numbers."""

    def remove(self, person: str) -> int:
        """Remove all templates of a person; returns how many."""

    def search(
        self, vectors: Any, k: int = 1, space: Space | str | None = None
    ) -> list[list[Match]]:
        """For each of (n, dimensions) probes its k most alike templates, best first."""


def create(kind: str, space: Space | str, dim: int = 128) -> VectorGallery:
    """An empty gallery of vectors of ``dim`` numbers that live in ``space``.

    Raises UsageError for an unknown kind, and where the library that it needs is not installed.
    """
    made: VectorGallery = resolve(GALLERIES, kind, "gallery")(space, dim)
    return made


def load(path: Path | str, space: Space | str | None = None) -> VectorGallery:
    """The gallery that ``save`` wrote into a folder, of whichever kind, mapped into memory.

    Raises StorageError if it is missing or damaged, SpaceMismatch if it is not of ``space``.
    """
    from openfaceplus.errors import StorageError
    from openfaceplus.files import shown
    from openfaceplus.gallery.files import HEADER, read_header

    name = read_header(Path(path)).kind
    if name not in GALLERIES:
        raise StorageError(
            f"{shown(Path(path) / HEADER)}: tells of a gallery of an unknown kind, {shown(name)}",
            remedy="update this program, or save the gallery again",
        )
    kind = resolve(GALLERIES, name, "gallery")
    made: VectorGallery = kind.load(path, space)
    return made
