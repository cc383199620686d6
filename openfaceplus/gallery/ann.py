"""Approximate search: a graph of near neighbours (HNSW), walked instead of read through.

Malkov and Yashunin, 2016, as usearch builds it. It was chosen over faiss by measurement and for
what a gallery needs: templates can be removed, the file is searched where it lies, and vectors of
half the size keep the walk in the cache (docs/performance.md).
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import IO, Any

import numpy as np

from openfaceplus.errors import StorageError
from openfaceplus.extras import require
from openfaceplus.faces import Space
from openfaceplus.files import shown
from openfaceplus.gallery import files
from openfaceplus.gallery.base import GONE, VectorGallery

# Neighbours a template has, candidates when it is added and when a probe is searched.
LINKS, ADDING, SEARCHING = 16, 128, 192
_CANDIDATES = 32  # at least so many are compared again, exactly


class AnnGallery(VectorGallery):
    """Finds a probe's most alike templates without comparing it with all of them.

    The graph holds the vectors in bfloat16; what it proposes is compared again in float32, so
    scores are exact and only a template that was not met on the walk can be missed. A file from
    elsewhere is read by usearch, which is not made to withstand a hostile one: load your own.
    """

    kind = "approximate"

    def __init__(self, space: Space | str, dim: int = 128) -> None:
        """Raises UsageError if usearch is not installed."""
        super().__init__(space, dim)
        self._index = _index(dim)
        self._mapped = False

    def _search(self, probes: np.ndarray, k: int) -> list[tuple[np.ndarray, np.ndarray]]:
        if not len(self._index) or not len(probes):
            return [(np.empty(0, np.intp), np.empty(0, np.float32))] * len(probes)
        met = self._index.search(probes, min(max(k, _CANDIDATES), len(self._index)))
        keys, counts = np.atleast_2d(met.keys), np.atleast_1d(getattr(met, "counts", len(met.keys)))
        found = []
        for i in range(len(probes)):
            rows = keys[i, : counts[i]].astype(np.intp)
            scores = self._vectors[rows] @ probes[i]
            order = np.lexsort((rows, -scores))[:k]
            found.append((rows[order], scores[order]))
        return found

    def _added(self, first: int) -> None:
        self._thaw()
        self._index.add(np.arange(first, self._rows), self._vectors[first : self._rows])

    def _removed(self, rows: np.ndarray) -> None:
        self._thaw()
        self._index.remove(rows)
        self._labels[rows] = GONE

    def _thaw(self) -> None:
        """Read a mapped graph into memory: usearch would crash on changing one that is not."""
        if self._mapped:
            index = _index(self.dim)
            index.load(bytes(self._index.save()))
            self._index, self._mapped = index, False

    def _parts(self) -> dict[str, Callable[[IO[bytes]], Any]]:
        return {"index": lambda file: file.write(self._index.save())}

    def _loaded(self, folder: Path, header: files.Header) -> None:
        path = files.part_file(folder, header, "index")
        try:
            self._index.view(str(path))
        except (RuntimeError, ValueError) as error:
            raise StorageError(
                f"{shown(path)}: usearch cannot read it ({error})", remedy="make the gallery again"
            ) from error
        self._mapped = True
        if self._index.ndim != self.dim or len(self._index) != len(self):
            raise StorageError(
                f"{shown(path)}: not the graph of these vectors", remedy="save it again"
            )


def _index(dim: int) -> Any:
    import onnxruntime  # noqa: F401 - loaded after usearch 2.26 it would crash the process

    require("usearch.index", "ann", "approximate search")
    from usearch.index import Index

    return Index(
        ndim=dim, metric="ip", dtype="bf16",
        connectivity=LINKS, expansion_add=ADDING, expansion_search=SEARCHING,
    )  # fmt: skip
