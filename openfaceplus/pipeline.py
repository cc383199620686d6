"""One photo -> its embedded faces, by a recipe."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openfaceplus import weights
from openfaceplus.errors import PhotoError, UsageError
from openfaceplus.faces import Box, Chip, ChipSpec, Face, Space
from openfaceplus.images import MAX_PIXELS, Photo, as_photo
from openfaceplus.quality import flaw
from openfaceplus.recipe import Recipe
from openfaceplus.registry import resolve

if TYPE_CHECKING:
    import numpy as np

# Borders round the face, in dlib's measure, whose mean makes an embedding; each view but a single
# one is also mirrored. Chosen on lfw-dev: docs/accuracy.md.
VIEWS: dict[int, tuple[float | None, ...]] = {1: (None,), 2: (None,), 6: (0.20, None, 0.32)}

# For the largest face these search a copy of at most 1,024 pixels, which so many pixels hold; a
# face with so sure a score and three times the pixels that its chip has needs no others.
_REDUCING = {"hog", "yunet"}
_REDUCED_PIXELS = 1_500_000
_SURE, _SIDE = 0.6, 300

# A photo's subject is seldom at its edge: a face in the corner counts a fifth of one in the middle.
# On lfw-dev pairs this choice gives 98.6% where size and score alone give 98.2 (one view).
_AWAY = 0.8


@dataclass(frozen=True, slots=True, eq=False)
class PhotoFaces:
    """The faces of one photo with their unit vectors (n, dimensions) float32.

    ``source`` is what the photo was read from. ``flaws`` says of each face why it cannot be judged,
    if so. A photo that failed has an ``error`` and no faces; one without a face has neither.
    """

    source: Any
    faces: Sequence[Face]
    vectors: np.ndarray
    flaws: Sequence[str | None]
    error: PhotoError | None = None


class Pipeline:
    """Detector, landmarks and embedder of one recipe, each loaded when first needed."""

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
            raise UsageError(f"--views takes {', '.join(map(str, VIEWS))}, not {recipe.views}")
        if any(VIEWS[recipe.views]) and recipe.chip.padding is None:
            raise UsageError(
                f"--views {recipe.views} cuts chips with several borders, and those of "
                f"{recipe.embedder} ({recipe.chip}) have none; use --views 2"
            )
        self.recipe = recipe
        self._device = device
        self._threads = threads
        self._require: dict[str, Any] = {"commercial": commercial, "progress": progress}

    @cached_property
    def detector(self) -> Any:
        from openfaceplus import detect

        return detect.create(self.recipe.detector, require=self._weights)

    @cached_property
    def landmarks(self) -> Any:
        from openfaceplus.alignment import landmarks

        if self.recipe.predictor:
            path = Path(self.recipe.predictor)
            weights.pin(path)
        else:
            path = self._weights(landmarks.MODELS[self.recipe.landmarks])
        return landmarks.Landmarks(path)

    @cached_property
    def embedder(self) -> Any:
        from openfaceplus import embedding

        kind = resolve(embedding.EMBEDDERS, self.recipe.embedder, "embedder")
        if self.recipe.network is None:
            # Here licence and progress bar are known; the embedder finds the same file again.
            self._weights(kind.model())
        options: dict[str, Any] = {"device": self._device, "threads": self._threads}
        if self.recipe.spec is not None:
            options["spec"] = self.recipe.spec
        return kind(self.recipe.network, **options)

    @cached_property
    def space(self) -> Space:
        """What the embeddings of this recipe may be compared with."""
        name = f"{self.embedder.space.name}/{self.recipe.views}v"
        if self.recipe.chip.template != self.embedder.chip.template:
            name += f"/{self.recipe.chip.template}"
        if self.recipe.through is not None:
            name += f"/through-{self.recipe.through}"
        return replace(self.embedder.space, name=name)

    def _weights(self, name: str) -> Path:
        return weights.require(name, **self._require)

    def check_alignment(self) -> None:
        """Load what alignment needs, so that what is missing is said before any work starts.

        Raises ModelError for a model, UsageError for landmarks or a size that give no chip.
        """
        import numpy as np

        from openfaceplus.alignment import chip

        if not 16 <= self.recipe.chip.size <= 2048:
            raise UsageError(f"--size {self.recipe.chip.size}: a chip has 16 to 2048 pixels a side")
        _ = self.detector
        blank = np.zeros((64, 64, 3), np.uint8)
        box = Box(0, 0, 64, 64)
        chip.cut(blank, self.landmarks.find(blank, box), self.recipe.chip, box)

    def faces(self, photo: Photo, largest: bool = False) -> list[Face]:
        """Faces with landmarks, most prominent first, in pixels of the photo at full size.

        With ``largest`` the search may stop at the most prominent one.
        """
        height, width = photo.pixels.shape[:2]

        def subject(face: Face) -> float:
            return face.prominence * (1 - _AWAY * face.box.away_from_centre(width, height))

        found = sorted(
            self.detector.detect(photo.pixels, largest=largest), key=subject, reverse=True
        )
        return [
            Face(
                face.box.scaled(photo.scale),
                face.score,
                self.landmarks.find(photo.pixels, face.box) * photo.scale,
            )
            for face in found[: 1 if largest else None]
        ]

    def read(
        self, source: Any, *, largest: bool = False, max_pixels: int = MAX_PIXELS
    ) -> tuple[Photo, list[Face]]:
        """A photo, of whatever ``as_photo`` takes, and its faces, as ``faces`` finds them.

        With ``largest`` a large file is first decoded at a reduced size, which for JPEG takes a
        fraction of the time, and at full size only if no large face was surely found. Photos of up
        to 1.5 megapixels give what ``faces`` gives, larger ones the same face from fewer pixels
        (docs/performance.md). Raises PhotoError if the photo cannot be read.
        """
        if hasattr(source, "read"):
            source = source.read()
        encoded = isinstance(source, (str, os.PathLike, bytes))
        if largest and encoded and self.recipe.detector in _REDUCING:
            photo = as_photo(source, max_pixels=max_pixels, working_pixels=_REDUCED_PIXELS)
            found = self.faces(photo, True)
            side = _SIDE * photo.scale
            if photo.scale == 1 or any(f.score >= _SURE and f.box.side >= side for f in found):
                return photo, found
        photo = as_photo(source, max_pixels=max_pixels)
        return photo, self.faces(photo, largest)

    def look(
        self, sources: Sequence[Any], *, largest: bool = False, max_pixels: int = MAX_PIXELS
    ) -> list[PhotoFaces]:
        """The embedded faces of some photos, each of them of whatever ``as_photo`` takes.

        All go through the network at once, which is faster than one after the other. Of each photo
        only the faces' chips are held.
        """
        found: list[tuple[list[Face], PhotoError | None]] = []
        views: list[list[Chip]] = []
        for source in sources:
            try:
                photo, faces = self.read(source, largest=largest, max_pixels=max_pixels)
                views += [self.views(photo, face) for face in faces]
                found.append((faces, None))
            except PhotoError as error:
                found.append(([], error))
        vectors, flaws = self.embed(views), [flaw(chips[0]) for chips in views]
        results, start = [], 0
        for source, (faces, error) in zip(sources, found, strict=True):
            part = slice(start, start + len(faces))
            results.append(PhotoFaces(source, faces, vectors[part], flaws[part], error))
            start = part.stop
        return results

    def cut(self, photo: Photo, face: Face, spec: ChipSpec | None = None) -> Chip:
        """The aligned chip of a face; by the recipe's spec unless another is given."""
        from openfaceplus.alignment import chip

        spec = spec or self.recipe.chip
        made = self.recipe.through or spec
        box = face.box.scaled(1 / photo.scale)
        pixels = chip.cut(photo.pixels, face.landmarks / photo.scale, made, box)
        if made != spec:
            pixels = chip.rewarp(pixels, made, spec)
        return Chip(pixels, spec, photo.path and str(photo.path), face)

    def take(self, photo: Photo) -> Chip:
        """The chip that an aligned picture holds, resized where it has another size."""
        import cv2

        from openfaceplus.alignment import chip

        spec, made = self.recipe.chip, self.recipe.through
        pixels = photo.pixels
        size = (made or spec).size
        if pixels.shape[:2] != (size, size):
            pixels = cv2.resize(pixels, (size, size), interpolation=cv2.INTER_AREA)
        if made is not None:
            pixels = chip.rewarp(pixels, made, spec)
        return Chip(pixels, spec, photo.path and str(photo.path))

    def views(self, photo: Photo, face: Face) -> list[Chip]:
        """The chips whose embeddings are averaged; their mirror images are made on the way."""
        spec = self.recipe.chip
        return [
            self.cut(photo, face, spec if padding is None else replace(spec, padding=padding))
            for padding in VIEWS[self.recipe.views]
        ]

    def embed(self, faces: Sequence[Sequence[Chip]]) -> np.ndarray:
        """(n, dimensions) float32 vectors of unit length, one for each of n lists of views."""
        import numpy as np

        if not faces:
            return np.empty((0, self.embedder.dim), np.float32)
        pixels = self._pixels([chip for views in faces for chip in views])
        mirrored = self.recipe.views > 1
        if mirrored:
            # In one go, which for a single face is faster than in two.
            pixels = np.concatenate([pixels, pixels[:, :, ::-1]])
        vectors = _unit(self.embedder.embed(pixels))
        by_face = vectors.reshape(1 + mirrored, len(faces), -1, vectors.shape[1])
        return _unit(by_face.sum(axis=(0, 2)))

    def raw(self, chips: Sequence[Chip]) -> np.ndarray:
        """(n, dimensions) float32, the network's own output for each of n chips."""
        return self.embedder.embed(self._pixels(chips))

    def _pixels(self, chips: Sequence[Chip]) -> np.ndarray:
        import numpy as np

        size = self.embedder.chip.size
        return np.array([chip.pixels for chip in chips], np.uint8).reshape(-1, size, size, 3)


def _unit(vectors: np.ndarray) -> np.ndarray:
    import numpy as np

    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-12)
