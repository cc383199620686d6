"""One to one: are two photos of one person."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openfaceplus import thresholds
from openfaceplus.errors import NoFace, SeveralFaces, UsageError
from openfaceplus.faces import Box, euclidean
from openfaceplus.images import MAX_PIXELS, name_of
from openfaceplus.pipeline import Pipeline
from openfaceplus.quality import flawed
from openfaceplus.recipe import Recipe, recipe
from openfaceplus.weights import Progress

if TYPE_CHECKING:
    import numpy as np

FAR = 0.001
"""One impostor in a thousand, unless another rate is asked."""


@dataclass(frozen=True, slots=True)
class Verification:
    """Whether two faces are accepted as one person's.

    ``distance`` is between the embeddings, accepted up to ``limit``; both are Euclidean. ``far`` is
    the false-accept rate that the limit was chosen for, None where the user gave the limit. Of a
    person in a folder of photos there is no box.
    """

    same: bool
    distance: float
    limit: float
    far: float | None
    boxes: tuple[Box, Box | None]


class Comparer:
    """Embeds faces and knows which distance still counts as the same person.

    With ``distance`` the limit is the user's, and distances are those of the network's own output
    for the chip alone, as the classic limits mean them (0.6 for dlib; 0.52 or 0.7 for nn4.small2);
    such a limit judges all faces, however small or blurred. Without, embeddings are the recipe's,
    the limit comes from their measured table at ``far``, and faces that cannot be recognised are
    refused.
    """

    def __init__(
        self,
        chosen: Recipe | None = None,
        *,
        far: float = FAR,
        distance: float | None = None,
        table: Path | None = None,
        max_pixels: int = MAX_PIXELS,
        commercial: bool = False,
        device: str = "cpu",
        threads: int | None = None,
        progress: Progress | None = None,
    ) -> None:
        chosen = chosen or recipe()
        if distance is not None:
            if not 0 < distance < math.inf:
                raise UsageError(f"a distance is above 0, not {distance:g}", field="distance")
            chosen = replace(chosen, views=1)
        self.pipeline = Pipeline(
            chosen, commercial=commercial, device=device, threads=threads, progress=progress
        )
        self.distance = distance
        self.far = None if distance is not None else far
        self._table = table
        self._max_pixels = max_pixels

    @property
    def space(self) -> str:
        """What distances are measured in, and of which faces: all, or those that can be judged."""
        return f"{self.pipeline.space}/{'judged' if self.distance is None else 'raw'}"

    def limit(self, comparisons: float = 1) -> float:
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
                f"a rate of {self.far:g} for a search among {comparisons:g} people leaves each a "
                f"part: {error}",
                field="far",
                remedy="ask for a higher rate, give a distance, or train a model",
            ) from error
        return euclidean(cosine)

    def embed(self, source: Any, single: bool = False) -> tuple[np.ndarray, Box]:
        """The vector, (dimensions,) float32, and box of the most prominent face.

        Raises PhotoError: NoFace, FlawedFace where the limit is a measured one, and with ``single``
        SeveralFaces.
        """
        (found,) = self.pipeline.look(
            [source],
            largest=not single,
            max_pixels=self._max_pixels,
            vectors="views" if self.distance is None else "network",
        )
        name = name_of(source)
        if not found.or_raise().faces:
            raise NoFace(f"{name}: no face found")
        if single and len(found.faces) > 1:
            raise SeveralFaces(f"{name}: {len(found.faces)} faces found where one was needed")
        if found.flaws[0] is not None and self.distance is None:
            raise flawed(name, found.flaws[0])
        return found.vectors[0], found.faces[0].box

    def verify(self, first: Any, second: Any) -> Verification:
        """Whether the most prominent faces of two photos are one person's."""
        limit = self.limit()
        (a, box_a), (b, box_b) = self.embed(first), self.embed(second)
        distance = distance_between(a, b)
        return Verification(distance <= limit, distance, limit, self.far, (box_a, box_b))


def distance_between(a: np.ndarray, b: np.ndarray) -> float:
    """The Euclidean distance of two vectors (dimensions,)."""
    import numpy as np

    return float(np.linalg.norm(a - b))
