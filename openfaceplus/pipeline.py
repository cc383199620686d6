"""One photo -> its embedded faces, by a recipe."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from openfaceplus.decoding import Photo
from openfaceplus.errors import PhotoError
from openfaceplus.faces import Chip, Face, unit_length
from openfaceplus.images import MAX_PIXELS, as_photo
from openfaceplus.loaded import VIEWS, LoadedRecipe
from openfaceplus.quality import flaw

if TYPE_CHECKING:
    import numpy as np

# For the largest face some detectors search a copy of at most 1,024 pixels, which so many pixels
# hold; a face with so sure a score and three times the pixels that its chip has needs no others.
_REDUCED_PIXELS = 1_500_000
_SURE, _SIDE = 0.6, 300

# A photo's subject is seldom at its edge: a face in the corner counts a fifth of one in the middle.
# On lfw-dev pairs this choice gives 98.6% where size and score alone give 98.2 (one view).
_AWAY = 0.8


Vectors = Literal["views", "network", "none"]


@dataclass(frozen=True, slots=True, eq=False)
class PhotoFaces:
    """The faces of one photo, most prominent first, in pixels of the upright photo at full size.

    ``source`` is what the photo was read from. ``vectors`` are (n, dimensions) float32, or (n, 0)
    where none were asked for. ``flaws`` says of each face why it cannot be judged, if so. A photo
    that failed has an ``error`` and no faces; one without a face has neither. ``chips`` and the
    decoded ``photo`` are there on request. ``others`` is how many more faces were seen than were
    asked for. With ``largest`` YuNet's and HOG's searches stop at that one (HOG's often before any
    other), so there may be more. ``live`` is how live each face looks, 0 to 1, where somebody asked
    for that.
    """

    source: Any
    faces: Sequence[Face]
    vectors: np.ndarray
    flaws: Sequence[str | None]
    error: PhotoError | None = None
    chips: Sequence[Chip] = ()
    photo: Photo | None = None
    others: int = 0
    live: Sequence[float] = ()

    def or_raise(self) -> PhotoFaces:
        """This, or its error raised."""
        if self.error is not None:
            raise self.error
        return self


class Pipeline(LoadedRecipe):
    """From photos to embedded, judged faces, by one recipe.

    Several threads may share a pipeline. What it holds is loaded once, whichever thread asks first.
    ONNX sessions (YuNet, most embedders) and dlib's landmarks are shared; of dlib's HOG detectors
    each thread has its own; mmod, OpenCV's networks and torch's are locked, so that one thread
    waits for the other.
    """

    def look(
        self,
        sources: Sequence[Any],
        *,
        largest: bool = False,
        most: int | None = None,
        max_pixels: int = MAX_PIXELS,
        vectors: Vectors = "views",
        chips: bool = False,
        photos: bool = False,
        known: Sequence[Sequence[Face]] | None = None,
    ) -> list[PhotoFaces]:
        """The faces of some photos, each of them of whatever ``as_photo`` takes: found, aligned,
        judged and embedded.

        ``vectors`` are the means over the recipe's views, of unit length, or what the network gives
        for the chip alone, or none. With ``largest`` the search may stop at the most prominent face
        of each photo; of those found, the ``most`` most prominent are judged (default: all).
        ``chips`` and ``photos`` ask for chips and decoded pixels. ``known`` are faces found before,
        a list a photo, in pixels of the full-size photo: nothing is searched, and landmarks only
        where they are missing.

        All faces go through the network at once, which is faster than one after the other. With
        ``largest`` a large file is first decoded at a reduced size, which for JPEG takes a fraction
        of the time, and at full size only if no large face was surely found. Photos of up to 1.5
        megapixels give the same either way, larger ones the same face from fewer pixels
        (docs/performance.md). A photo that cannot be read is a result with an error.
        """
        import numpy as np

        found: list[tuple[Sequence[Face], Photo | None, PhotoError | None, int]] = []
        views: list[list[Chip]] = []
        limit = 1 if largest else most
        paddings = VIEWS[self.recipe.views] if vectors == "views" else (None,)
        for number, source in enumerate(sources):
            given = None if known is None else known[number]
            try:
                photo, faces, inside, others = self._find(
                    source, given, largest, limit, photos, max_pixels
                )
            except PhotoError as error:
                found.append(([], None, error, 0))
                continue
            pairs = zip(faces, inside, strict=True)
            views += [[self._crop(photo, *pair, padding) for padding in paddings] for pair in pairs]
            found.append((faces, photo if photos else None, None, others))
        own = [several[0] for several in views]
        if vectors == "views":
            made = self.embed(views)
        elif vectors == "network":
            made = self.raw(own)
        else:
            made = np.empty((len(views), 0), np.float32)
        results, start = [], 0
        for source, (faces, kept, problem, others) in zip(sources, found, strict=True):
            part = slice(start, start + len(faces))
            start = part.stop
            flaws = [flaw(one) for one in own[part]]
            cut = own[part] if chips else ()
            results.append(PhotoFaces(source, faces, made[part], flaws, problem, cut, kept, others))
        return results

    def detect(self, photos: Sequence[Photo], largest: bool = False) -> list[list[Face]]:
        """The faces of each photo, most prominent first, in its working pixels, without landmarks.

        With ``largest`` the search may stop at the most prominent one.
        """
        found = []
        pixels = [photo.pixels for photo in photos]
        for image, faces in zip(pixels, self.detector.detect(pixels, largest), strict=True):
            height, width = image.shape[:2]

            def subject(face: Face, width: int = width, height: int = height) -> float:
                return face.prominence * (1 - _AWAY * face.box.away_from_centre(width, height))

            found.append(sorted(faces, key=subject, reverse=True))
        return found

    def landmarks(self, photo: Photo, faces: Sequence[Face]) -> list[Face]:
        """The same faces, in the photo's working pixels, with landmarks where they had none."""
        return [
            face
            if face.landmarks is not None
            else replace(face, landmarks=self.predictor.find(photo.pixels, face.box, face.points))
            for face in faces
        ]

    def _find(
        self,
        source: Any,
        known: Sequence[Face] | None,
        largest: bool,
        limit: int | None,
        full: bool,
        max_pixels: int,
    ) -> tuple[Photo, Sequence[Face], list[Face], int]:
        """A photo, its faces in its pixels at full size and in its working pixels, and how many
        more were seen."""
        if known is None:
            photo, found = self._search(source, largest, full, max_pixels)
            inside = self.landmarks(photo, found[:limit])
            others = len(found) - len(inside)
            return photo, [face.scaled(photo.scale) for face in inside], inside, others
        photo = as_photo(source, max_pixels=max_pixels)
        inside = self.landmarks(photo, [face.scaled(1 / photo.scale) for face in known])
        faces = [
            face
            if face.landmarks is not None
            else replace(face, landmarks=one.scaled(photo.scale).landmarks)
            for face, one in zip(known, inside, strict=True)
        ]
        return photo, faces, inside, 0

    def _search(
        self, source: Any, largest: bool, full: bool, max_pixels: int
    ) -> tuple[Photo, list[Face]]:
        """A photo and its faces in working pixels; at a reduced size where that is enough, unless
        its ``full`` pixels are wanted."""
        if hasattr(source, "read"):
            source = source.read()
        encoded = isinstance(source, (str, os.PathLike, bytes))
        if largest and encoded and not full and self.detector.reduces:
            photo = as_photo(source, max_pixels=max_pixels, working_pixels=_REDUCED_PIXELS)
            (found,) = self.detect([photo], True)
            sure = any(f.score >= _SURE and f.box.side >= _SIDE for f in found[:1])
            if photo.scale == 1 or sure:
                return photo, found
        photo = as_photo(source, max_pixels=max_pixels)
        return photo, self.detect([photo], largest)[0]

    def _crop(self, photo: Photo, face: Face, inside: Face, padding: float | None) -> Chip:
        """The aligned chip of a face, by the recipe's spec with another border if one is given."""
        from openfaceplus.alignment import chip

        assert inside.landmarks is not None
        spec = self.recipe.chip
        if padding is not None:
            spec = replace(spec, padding=padding)
        made = self.recipe.through or spec
        points = inside.points if self.by_points else None
        pixels = chip.crop(photo.pixels, inside.landmarks, made, inside.box, points)
        if made != spec:
            pixels = chip.rewarp(pixels, made, spec)
        return Chip(pixels, spec, _path(photo), face)

    def chip_from_image(self, photo: Photo) -> Chip:
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
        return Chip(pixels, spec, _path(photo))

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
        vectors = unit_length(self.embedder.embed(pixels))
        by_face = vectors.reshape(1 + mirrored, len(faces), -1, vectors.shape[1])
        return unit_length(by_face.sum(axis=(0, 2)))

    def raw(self, chips: Sequence[Chip]) -> np.ndarray:
        """(n, dimensions) float32, the network's own output for each of n chips."""
        return self.embedder.embed(self._pixels(chips))

    def _pixels(self, chips: Sequence[Chip]) -> np.ndarray:
        import numpy as np

        size = self.embedder.chip.size
        return np.array([chip.pixels for chip in chips], np.uint8).reshape(-1, size, size, 3)


def _path(photo: Photo) -> str | None:
    return None if photo.path is None else str(photo.path)
