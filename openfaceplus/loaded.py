"""What a recipe names, loaded when first needed: detector, landmarks, embedder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from openfaceplus import weights
from openfaceplus.errors import UsageError
from openfaceplus.faces import Box, Space
from openfaceplus.recipe import Recipe
from openfaceplus.threads import once

if TYPE_CHECKING:
    from openfaceplus.alignment.landmarks import Landmarks
    from openfaceplus.detect.base import Detector
    from openfaceplus.embedding.base import Embedder

# Borders round the face, in dlib's measure, whose mean makes an embedding; each view but a single
# one is also mirrored. None is the recipe's own chip. Chosen on lfw-dev: docs/accuracy.md.
VIEWS: dict[int, tuple[float | None, ...]] = {1: (None,), 2: (None,), 6: (None, 0.20, 0.32)}


class LoadedRecipe:
    """The models of one recipe. Each is loaded once, whichever thread asks first, and its file of
    weights looked up and checked once."""

    def __init__(
        self,
        recipe: Recipe,
        *,
        commercial: bool = False,
        device: str = "cpu",
        threads: int | None = None,
        progress: weights.Progress | None = None,
    ) -> None:
        if recipe.views not in VIEWS:
            raise UsageError(
                f"there are {', '.join(map(str, VIEWS))} views, not {recipe.views}", field="views"
            )
        if any(VIEWS[recipe.views]) and recipe.chip.padding is None:
            raise UsageError(
                f"{recipe.views} views are chips with several borders, and those of "
                f"{recipe.embedder} ({recipe.chip}) have none",
                remedy="use 2",
                field="views",
            )
        self.recipe = recipe
        self.device = device
        self._threads = threads
        self.commercial = commercial
        self._progress = progress

    @once
    def detector(self) -> Detector:
        from openfaceplus import detect

        return detect.create(self.recipe.detector, require=self._weights)

    @once
    def predictor(self) -> Landmarks:
        """What finds landmarks."""
        from openfaceplus.alignment import landmarks

        if self.recipe.predictor:
            path = Path(self.recipe.predictor)
            weights.pin(path)
        else:
            path = self._weights(landmarks.MODELS[self.recipe.landmarks])
        return landmarks.Landmarks(path)

    @once
    def embedder(self) -> Embedder:
        from openfaceplus import embedding

        return embedding.create(
            self.recipe.embedder,
            weights=self.recipe.network,
            require=self._weights,
            device=self.device,
            threads=self._threads,
            spec=self.recipe.spec,
        )

    @once
    def by_points(self) -> bool:
        """Whether chips are cut by the detector's own points and not by dlib's landmarks: where
        they bring to their places what only the former, or 68 of the latter, show."""
        from openfaceplus import detect

        dlibs = self.recipe.landmarks != 5 or self.recipe.predictor is not None
        if self.recipe.chip.template != "arcface" or dlibs:
            return False
        return detect.gives_points(self.recipe.detector)

    @once
    def space(self) -> Space:
        """What the embeddings of this recipe may be compared with."""
        name = f"{self.embedder.space.name}/{self.recipe.views}v"
        if self.recipe.chip.template != self.embedder.chip.template:
            name += f"/{self.recipe.chip.template}"
        if self.by_points:
            name += "/points"
        if self.recipe.through is not None:
            name += f"/through-{self.recipe.through}"
        return replace(self.embedder.space, name=name)

    def _weights(self, name: str) -> Path:
        return weights.require(name, commercial=self.commercial, progress=self._progress)

    def check_alignment(self) -> None:
        """Load what alignment needs, so that what is missing is said before any work starts.

        Raises ModelError for a model, UsageError for landmarks or a size that give no chip.
        """
        import numpy as np

        from openfaceplus.alignment import chip

        if not 16 <= self.recipe.chip.size <= 2048:
            raise UsageError(
                f"a chip has 16 to 2048 pixels a side, not {self.recipe.chip.size}", field="size"
            )
        _ = self.detector
        blank = np.zeros((64, 64, 3), np.uint8)
        box = Box(0, 0, 64, 64)
        chip.crop(blank, self.predictor.find(blank, box), self.recipe.chip, box)
