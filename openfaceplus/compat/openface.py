"""OpenFace's two classes, with its method names, over our rooms.

    from openfaceplus.compat import openface

    align = openface.AlignDlib()
    net = openface.TorchNeuralNet()
    chip = align.align(96, rgb, landmarkIndices=openface.AlignDlib.OUTER_EYES_AND_NOSE)
    representation = net.forward(chip)

Interface: https://openface-api.readthedocs.io, cmusatyalab/openface (Apache-2.0). No Lua runs: the
network is torch's, in this process.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from openfaceplus import weights
from openfaceplus.errors import ModelCorrupt, UsageError
from openfaceplus.faces import ChipSpec
from openfaceplus.weights import trial

if TYPE_CHECKING:
    import dlib

    from openfaceplus.embedding.openface import OpenFaceNn4Small2

log = logging.getLogger(__name__)

Point = tuple[int, int]


class AlignDlib:
    """Finds faces and cuts them out so that three landmarks come to fixed places.

    Boxes are dlib rectangles; pictures are RGB uint8, (height, width, 3).
    """

    INNER_EYES_AND_BOTTOM_LIP = (39, 42, 57)
    OUTER_EYES_AND_NOSE = (36, 45, 33)

    def __init__(self, facePredictor: str | os.PathLike[str] | None = None) -> None:
        """``facePredictor`` is dlib's 68-point model, by default the catalog's.

        Raises ModelError if it cannot be had or read.
        """
        import dlib

        if facePredictor is None:
            path = weights.require("dlib-landmarks-68")
        else:
            path = Path(facePredictor)
            weights.pin(path)
            trial.attempt("landmarks", path)
        self.detector = dlib.get_frontal_face_detector()
        try:
            self.predictor = dlib.shape_predictor(str(path))
        except RuntimeError as error:
            raise ModelCorrupt(f"{path}: not a landmark model of dlib ({error})") from error

    def getAllFaceBoundingBoxes(self, rgbImg: np.ndarray) -> Sequence[dlib.rectangle]:
        """All faces, the surest first; none, and a warning, for a picture dlib cannot take."""
        picture = _picture(rgbImg)
        try:
            found: Sequence[dlib.rectangle] = self.detector(picture, 1)
            return found
        except (RuntimeError, TypeError) as error:
            log.warning("no faces can be searched in this picture: %s", error)
            return []

    def getLargestFaceBoundingBox(
        self, rgbImg: np.ndarray, skipMulti: bool = False
    ) -> dlib.rectangle | None:
        """The face of the largest area; None if there is none, or several and ``skipMulti``."""
        faces = self.getAllFaceBoundingBoxes(rgbImg)
        if len(faces) == 0 or (skipMulti and len(faces) > 1):
            return None
        return max(faces, key=lambda face: face.width() * face.height())

    def findLandmarks(self, rgbImg: np.ndarray, bb: dlib.rectangle) -> list[Point]:
        """The 68 landmarks (x, y), in pixels, of the face in ``bb``."""
        shape = self.predictor(_picture(rgbImg), bb)
        return [(point.x, point.y) for point in shape.parts()]

    def align(
        self,
        imgDim: int,
        rgbImg: np.ndarray,
        bb: dlib.rectangle | None = None,
        landmarks: Sequence[Point] | None = None,
        landmarkIndices: Sequence[int] = INNER_EYES_AND_BOTTOM_LIP,
        skipMulti: bool = False,
    ) -> np.ndarray | None:
        """The chip, (imgDim, imgDim, 3) RGB uint8, of the face in ``bb``, else of the largest.

        None if there is no face, or several and ``skipMulti``. ``landmarkIndices`` is one of the
        class's two triples; others raise UsageError.
        """
        from openfaceplus.alignment import chip

        template = _template(landmarkIndices)
        picture = _picture(rgbImg)
        if bb is None and landmarks is None:
            bb = self.getLargestFaceBoundingBox(picture, skipMulti)
            if bb is None:
                return None
        if landmarks is None:
            landmarks = self.findLandmarks(picture, bb)
        points = np.asarray(landmarks, np.float32)
        return chip.crop(picture, points, ChipSpec(imgDim, template))

    align_v1 = align


class TorchNeuralNet:
    """OpenFace's nn4.small2, from a 96-pixel picture to 128 numbers of unit length."""

    def __init__(
        self,
        model: str | os.PathLike[str] | None = None,
        imgDim: int = 96,
        cuda: bool = False,
    ) -> None:
        """``model`` is upstream's ``.t7`` or ``.pt``, or a folder of CSVs; else the catalog's.

        Raises ModelError if it cannot be had or read, UsageError for another ``imgDim`` than 96
        and where there is no GPU for ``cuda``.
        """
        from openfaceplus.embedding.openface import OpenFaceNn4Small2

        size = OpenFaceNn4Small2.chip.size
        if imgDim != size:
            raise UsageError(
                f"nn4.small2 takes pictures of {size} pixels: imgDim={imgDim} cannot be"
            )
        self.imgDim = imgDim
        self.cuda = cuda
        self.model = model
        path = None if model is None else Path(model)
        self._embedder: OpenFaceNn4Small2 | None = OpenFaceNn4Small2(
            path, device="cuda" if cuda else "cpu"
        )

    def __enter__(self) -> TorchNeuralNet:
        return self

    def __exit__(self, *_: object) -> None:
        self.exit()

    def exit(self) -> None:
        """Let go of the network."""
        self._embedder = None

    def forward(self, rgbImg: np.ndarray) -> np.ndarray:
        """(128,) float64 of an aligned RGB uint8 picture, resized where it is not 96 x 96."""
        import cv2

        if self._embedder is None:
            raise UsageError("this TorchNeuralNet was closed", remedy="make another")
        picture = _picture(rgbImg)
        size = self.imgDim
        if picture.shape[:2] != (size, size):
            picture = cv2.resize(picture, (size, size), interpolation=cv2.INTER_LINEAR)
        vector: np.ndarray = self._embedder.embed(picture[None])[0].astype(np.float64)
        return vector

    def forwardPath(self, imgPath: str | os.PathLike[str]) -> np.ndarray:
        """``forward`` of a picture's file. Raises PhotoError if it cannot be read."""
        from openfaceplus.images import read_photo

        return self.forward(read_photo(imgPath).pixels)


def _picture(rgbImg: np.ndarray | None) -> np.ndarray:
    if rgbImg is None:
        raise UsageError("no picture was given (None): was its file read?")
    return np.ascontiguousarray(rgbImg)


def _template(indices: Sequence[int]) -> str:
    from openfaceplus.alignment import chip

    given = sorted(int(index) for index in indices)
    for template in ("innerEyesAndBottomLip", "outerEyesAndNose"):
        if sorted(chip.landmark_indices(template, 68)) == given:
            return template
    raise UsageError(
        f"landmarkIndices={list(indices)} is not a triple of OpenFace",
        remedy="use AlignDlib.OUTER_EYES_AND_NOSE or AlignDlib.INNER_EYES_AND_BOTTOM_LIP",
    )
