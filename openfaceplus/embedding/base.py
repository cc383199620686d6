"""What every embedder is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from pathlib import Path
from typing import ClassVar

import numpy as np

from openfaceplus import weights
from openfaceplus.embedding.engine import Engine
from openfaceplus.errors import UsageError
from openfaceplus.faces import ChipSpec, Space
from openfaceplus.weights.embedder_spec import EmbedderSpec

BATCH = 32
"""Chips that go through a network at once: faster per face than fewer, and memory stays flat."""

Require = Callable[[str], Path]
"""Gives the verified file of a catalogued model."""


class Embedder(ABC):
    """Turns chips into vectors; one object may be used by several threads.

    A class says what it is: ``name``, of the space of its vectors; the ``chip`` it takes and
    ``also``, other templates whose chips it takes as they are; by how many ``landmarks`` chips are
    best aligned; ``dim``, the numbers of a vector, and whether it has ``unit`` length; ``models``,
    the catalog's names of its weights, the first that is here (none: its network is a file of the
    user's); and ``preset``, the spec of networks that take one. A subclass sets ``space`` and
    ``engine`` when it is made.
    """

    name: ClassVar[str]
    chip: ChipSpec
    also: ClassVar[frozenset[str]] = frozenset()
    landmarks: ClassVar[int] = 5
    dim: int
    unit: ClassVar[bool] = False
    models: ClassVar[tuple[str, ...]] = ()
    preset: ClassVar[EmbedderSpec | None] = None
    space: Space
    engine: Engine

    @classmethod
    def model(cls) -> str:
        """The catalog's name of the weights it loads when given none: of those that are here, else
        of those to download. Raises UsageError if its network is a file of the user's."""
        if not cls.models:
            raise UsageError(
                f"the embedder {cls.name} needs its file",
                remedy=f"name it {cls.name}:PATH",
                field="embedder",
            )
        return next((name for name in cls.models if weights.locate(name)), cls.models[0])

    @abstractmethod
    def __init__(
        self,
        file: Path | None = None,
        *,
        require: Require = weights.require,
        device: str = "cpu",
        threads: int | None = None,
        spec: EmbedderSpec | None = None,
    ) -> None:
        """``file`` takes the place of the catalogued weights, ``device`` is such as ``cpu`` or
        ``cuda:1``, ``threads`` None for all cores (one in worker processes).

        Raises ModelError for weights that cannot be used.
        """

    @classmethod
    def weights_file(cls, given: Path | None, require: Require) -> tuple[Path, str]:
        """The file of weights to use and its sha256: the one ``given``, else the catalog's.

        A given file is held to what it was when first used (see ``weights.pins``).
        """
        if given is None:
            path = require(cls.model())
            return path, weights.sha256_of(path)
        return given, weights.pin(given)

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
                f"got {got}",
                remedy="cut chips with this embedder's own chip specification",
            )
