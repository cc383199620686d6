"""YuNet (Wu, Peng and Yu, 2023; OpenCV zoo, MIT), with boxes as dlib's landmark models want them.

ONNX Runtime runs the network in 0.4 to 0.5 of the time that OpenCV's ``FaceDetectorYN`` takes, and
the boxes are read from its outputs as there. The box is mapped, and dlib's landmarks are found in
it: YuNet's own five points would save half a millisecond and lose three points of TAR at a low FAR.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np

from openfaceplus.detect.base import WIDER_FACE, Detector
from openfaceplus.faces import Face
from openfaceplus.weights.onnx_session import open_session, run_session

LONG_SIDE = 640  # larger pictures are searched at this size; a face needs 20 pixels there
COARSE_SIDE = 192  # the largest face is first searched for at this size or less: 250 is halved
_LARGE = 24  # pixels there that _leads must reach: faces that are not seen there have less than 20
_THRESHOLD, _OVERLAP = 0.7, 0.3  # least score; IoU from which the weaker of two boxes goes
_STRIDES = (8, 16, 32)  # pixels between the places that each of the three scales looks at
_OUTPUTS = [f"{kind}_{stride}" for stride in _STRIDES for kind in ("cls", "obj", "bbox")]


class YunetDetector(Detector):
    """Finds faces at any angle, faster than HOG; its weights are fetched on first use."""

    model = "yunet"
    reduces = True
    box_map = WIDER_FACE

    def __init__(self, file: Path | None = None, threshold: float | None = None) -> None:
        assert file is not None
        self._path = file
        # One photo at a time, and stages run a process a core.
        self._session = open_session(file, 1)

    def _search(self, image: np.ndarray, largest: bool) -> list[Face]:
        height, width = image.shape[:2]
        step = -(-max(height, width) // COARSE_SIDE)
        if largest and 1 < step <= min(height, width):
            # Whole pixels are averaged, which is fast; less than one of the copy's is cut off.
            size = width // step, height // step
            faces = self._search_at(image[: size[1] * step, : size[0] * step], size)
            if any(_leads(face, width, height) >= _LARGE * step for face in faces):
                return faces
        scale = min(1.0, LONG_SIDE / max(height, width))
        return self._search_at(image, (max(1, round(width * scale)), max(1, round(height * scale))))

    def _search_at(self, image: np.ndarray, size: tuple[int, int]) -> list[Face]:
        """Faces in ``image``, in its pixels, searched for at ``size`` (width, height)."""
        height, width = image.shape[:2]
        if size != (width, height):
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        rows = self._rows(image)
        rows[:, :4] *= np.tile((width / size[0], height / size[1]), 2)
        return [Face(self.box_map.square(*row[:4]), row[4]) for row in rows.tolist()]

    def _rows(self, image: np.ndarray) -> np.ndarray:
        """(n, 5) left, top, width, height in pixels of ``image``, and score, as OpenCV gives."""
        height, width = image.shape[:2]
        coarsest = _STRIDES[-1]
        across, down = -(-width // coarsest) * coarsest, -(-height // coarsest) * coarsest
        pixels = np.zeros((1, 3, down, across), np.float32)
        pixels[0, :, :height, :width] = image[:, :, ::-1].transpose(2, 0, 1)
        outputs = run_session(self._session, {"input": pixels}, _OUTPUTS, self._path)
        found = []
        for k, stride in enumerate(_STRIDES):
            classes, objects, boxes = (output[0] for output in outputs[3 * k : 3 * k + 3])
            scores = np.sqrt(np.clip(classes[:, 0], 0, 1) * np.clip(objects[:, 0], 0, 1))
            at = np.flatnonzero(scores >= _THRESHOLD)
            places = np.column_stack([at % (across // stride), at // (across // stride)])
            sides = np.exp(boxes[at, 2:]) * stride
            corners = (places + boxes[at, :2]) * stride - sides / 2
            found.append(np.column_stack([corners, sides, scores[at]]))
        rows = np.concatenate(found)
        whole = np.trunc(rows[:, :4])  # OpenCV compares boxes of whole pixels
        kept = cv2.dnn.NMSBoxes(whole.tolist(), rows[:, 4].tolist(), _THRESHOLD, _OVERLAP)
        return rows[np.array(kept, np.intp).ravel()]


def _leads(face: Face, width: int, height: int) -> float:
    """The prominence, in pixels, up to which no other face can be the subject in its place."""
    return face.prominence * (1 - face.box.away_from_centre(width, height))
