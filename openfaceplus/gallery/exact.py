"""Exact search: every template is compared, by matrix products over blocks of the gallery."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from openfaceplus.gallery import files
from openfaceplus.gallery.base import VectorGallery

PROBES = 64  # probes that a product takes at least, more of a small gallery
SCORES = 1 << 20  # scores that it gives, 4 MB: one probe meets a million templates at once
FIRST = 1 << 11  # templates compared first, to know what later ones have to beat


class ExactGallery(VectorGallery):
    """Compares a probe with every template: as fast as memory can be read, and never wrong.

    Equal scores stand in the order in which the templates were added.
    """

    kind = "exact"

    def _search(self, probes: np.ndarray, k: int) -> list[tuple[np.ndarray, np.ndarray]]:
        found = []
        step = max(PROBES, SCORES // max(1, self._rows))
        for start in range(0, len(probes), step):
            found += self._some(probes[start : start + step], k)
        return found

    def _some(self, probes: np.ndarray, k: int) -> list[tuple[np.ndarray, np.ndarray]]:
        n = len(probes)
        best = [(np.empty(0, np.intp), np.empty(0, np.float32))] * n
        least = np.full(n, -np.inf, np.float32)
        for start, end in self._blocks(n):
            block = self._vectors[start:end]
            scores = self._scores(probes, block)
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

    def nearest(self, probes: np.ndarray, k: int) -> tuple[np.ndarray, np.ndarray]:
        """Rows (n, k) and scores (n, k) as ``search`` has them, -1 and -inf where there are fewer.

        For many probes at once, which are not checked.
        """
        rows = np.full((len(probes), k), -1, np.intp)
        scores = np.full((len(probes), k), -np.inf, np.float32)
        for i, (mine, values) in enumerate(self._search(probes, k)):
            rows[i, : len(mine)], scores[i, : len(mine)] = mine, values
        return rows, scores

    def _scores(self, probes: np.ndarray, block: np.ndarray) -> np.ndarray:
        """(probes, templates) scores."""
        # For one probe this order reads memory twice as fast.
        one = len(probes) == 1
        scores: np.ndarray = (block @ probes[0])[None] if one else probes @ block.T
        return scores

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
        self._ids = self._ids[: self._rows][keep]
        self._rows = len(self._labels)

    def _added(self, first: int) -> None:
        """There is nothing beside the vectors."""

    def _loaded(self, folder: Path, header: files.Header) -> None:
        """There is nothing beside the vectors."""


class DistanceGallery(ExactGallery):
    """Exact search by Euclidean distance, of vectors of any length; a score is minus the distance.

    For limits that are distances, such as dlib's 0.6 between its network's own outputs.
    """

    kind = "distance"
    unit = False

    def _search(self, probes: np.ndarray, k: int) -> list[tuple[np.ndarray, np.ndarray]]:
        found = []
        for probe, (rows, _) in zip(probes, super()._search(probes, k), strict=True):
            # Products lose digits where a distance is small, so those found are measured again.
            scores = -np.linalg.norm(self._vectors[rows] - probe, axis=1)
            order = np.lexsort((rows, -scores))
            found.append((rows[order], scores[order]))
        return found

    def _scores(self, probes: np.ndarray, block: np.ndarray) -> np.ndarray:
        lengths = np.einsum("nd,nd->n", block, block)
        scores: np.ndarray = 2 * super()._scores(probes, block) - lengths
        return scores
