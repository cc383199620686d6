"""Exact search: every template is compared, by matrix products over blocks of the gallery."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from openfaceplus.gallery import files
from openfaceplus.gallery.base import Gallery

PROBES = 64  # probes that a product takes
SCORES = 1 << 20  # scores that it gives, 4 MB: one probe meets a million templates at once
FIRST = 1 << 14  # templates compared first, to know what later ones have to beat


class ExactGallery(Gallery):
    """Compares a probe with every template: as fast as memory can be read, and never wrong.

    Equal scores stand in the order in which the templates were added.
    """

    kind = "exact"

    def _search(self, probes: np.ndarray, k: int) -> list[tuple[np.ndarray, np.ndarray]]:
        found = []
        for start in range(0, len(probes), PROBES):
            found += self._some(probes[start : start + PROBES], k)
        return found

    def _some(self, probes: np.ndarray, k: int) -> list[tuple[np.ndarray, np.ndarray]]:
        n = len(probes)
        best = [(np.empty(0, np.intp), np.empty(0, np.float32))] * n
        least = np.full(n, -np.inf, np.float32)
        for start, end in self._blocks(n):
            block = self._vectors[start:end]
            # For one probe this order reads memory twice as fast.
            scores = (block @ probes[0])[None] if n == 1 else probes @ block.T
            # After the first blocks hardly any score is among the best so far.
            for i in np.flatnonzero(scores.max(axis=1) > least).tolist():
                rows = np.flatnonzero(scores[i] > least[i])
                if len(rows) > k:
                    cut = np.partition(scores[i, rows], len(rows) - k)[len(rows) - k]
                    rows = rows[scores[i, rows] >= cut]
                rows = np.concatenate([best[i][0], rows + start])
                values = np.concatenate([best[i][1], scores[i, rows[len(best[i][0]) :] - start]])
                order = np.lexsort((rows, -values))[:k]
                best[i] = rows[order], values[order]
                if len(order) == k:
                    least[i] = values[order[-1]]
        return best

    def _blocks(self, probes: int) -> Iterator[tuple[int, int]]:
        """First and last row, exclusive, of what is compared with so many probes in one product."""
        start, end = 0, min(FIRST, self._rows)
        while start < end:
            yield start, end
            start, end = end, min(end + SCORES // probes, self._rows)

    def _removed(self, rows: np.ndarray) -> None:
        keep = np.ones(self._rows, bool)
        keep[rows] = False
        self._vectors = self._vectors[: self._rows][keep]
        self._labels = self._labels[: self._rows][keep]
        self._rows = len(self._labels)

    def _added(self, first: int) -> None:
        """There is nothing beside the vectors."""

    def _loaded(self, folder: Path, header: files.Header) -> None:
        """There is nothing beside the vectors."""
