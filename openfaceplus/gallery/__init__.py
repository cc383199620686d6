"""Galleries: many templates, and which of them are most like a probe.

    gallery = create("exact", space)          # or "approximate", for a million and more
    gallery.add(["Ann", "Bob"], vectors)      # (n, dimensions) float32 of unit length
    gallery.search(probes, k=5)               # a list of k matches for each probe, best first
    gallery.save("gallery/")                  # a folder; load("gallery/") maps it into memory

A template is one face's vector; a name may have many, each of which can be a match of its own.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from openfaceplus.registry import resolve

if TYPE_CHECKING:
    from openfaceplus.faces import Space
    from openfaceplus.gallery.base import Gallery

GALLERIES = {
    "exact": "openfaceplus.gallery.exact:ExactGallery",
    "approximate": "openfaceplus.gallery.ann:AnnGallery",
}


def create(kind: str, space: Space | str, dim: int = 128) -> Gallery:
    """An empty gallery of vectors of ``dim`` numbers that live in ``space``.

    Raises UsageError for an unknown kind, and where the library that it needs is not installed.
    """
    return resolve(GALLERIES, kind, "gallery")(space, dim)


def load(path: Path | str, space: Space | str | None = None) -> Gallery:
    """The gallery that ``save`` wrote into a folder, of whichever kind, mapped into memory.

    Raises StorageError if it is missing or damaged, SpaceMismatch if it is not of ``space``.
    """
    from openfaceplus.gallery.files import read_header

    kind = resolve(GALLERIES, read_header(Path(path)).kind, "gallery")
    return kind.load(path, space)
