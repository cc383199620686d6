"""What every embedder is."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np

from openfaceplus import weights
from openfaceplus.embedding.engine import Engine
from openfaceplus.errors import UsageError
from openfaceplus.faces import ChipSpec, Space

BATCH = 32
"""Chips that go through a network at once: faster per face than fewer, and memory stays flat."""


class Embedder:
    """Turns chips into vectors. A subclass sets ``chip``, ``dim``, ``space`` and ``engine``."""

    chip: ClassVar[ChipSpec]
    dim: ClassVar[int]
    space: Space
    engine: Engine

    @classmethod
    def model(cls) -> str:
        """The catalog's name of the weights it loads when given none."""
        raise NotImplementedError

    def embed(self, pixels: np.ndarray) -> np.ndarray:
        """(n, size, size, 3) RGB uint8 chips to (n, dim) float32, raw network output.

        A row depends on its own chip alone (to 1e-5), however many come together. Raises UsageError
        for pixels that are not such chips.
        """
        self._check(pixels)
        vectors = np.empty((len(pixels), self.dim), np.float32)
        for start in range(0, len(pixels), BATCH):
            batch = np.ascontiguousarray(pixels[start : start + BATCH])
            vectors[start : start + BATCH] = self.engine.run(batch)
        return vectors

    def _check(self, pixels: np.ndarray) -> None:
        size = self.chip.size
        shape, kind = getattr(pixels, "shape", None), getattr(pixels, "dtype", None)
        if kind != np.uint8 or shape is None or len(shape) != 4 or shape[1:] != (size, size, 3):
            got = type(pixels).__name__ if shape is None else f"{kind} {shape}"
            raise UsageError(
                f"{self.space.name} expects chips {self.chip}: uint8 (n, {size}, {size}, 3), RGB; "
                f"got {got}; cut chips with this embedder's own chip specification"
            )


def weights_file(model: str, given: Path | str | None) -> tuple[Path, str]:
    """The file of weights to use and its sha256: the one ``given``, else the catalog's ``model``.

    A given file is held to what it was when first used (see ``weights.pins``).
    """
    if given is None:
        path = weights.require(model)
        return path, weights.sha256_of(path)
    return Path(given), weights.pin(given)
