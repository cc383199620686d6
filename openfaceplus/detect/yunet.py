"""YuNet (Wu, Peng and Yu, 2023; OpenCV zoo, MIT), with boxes as dlib's landmark models want them.

ONNX Runtime runs the network in 0.4 to 0.5 of the time that OpenCV's ``FaceDetectorYN`` takes, and
the boxes are read from its outputs as there. The box is mapped, and dlib's landmarks are found in
it: YuNet's own five points would save half a millisecond and lose three points of TAR at a low FAR.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from openfaceplus.detect.base import WIDER_FACE
from openfaceplus.detect.coarse import CoarseToFine, padded, strongest
from openfaceplus.weights.onnx_session import open_session, run_session

THRESHOLD = 0.7  # its authors' own; docs/models.md says how often it is wrong there
_OVERLAP = 0.3  # IoU from which the weaker of two boxes goes
_STRIDES = (8, 16, 32)  # pixels between the places that each of the three scales looks at
_KINDS = ("cls", "obj", "bbox", "kps")
_OUTPUTS = [f"{kind}_{stride}" for stride in _STRIDES for kind in _KINDS]


class YunetDetector(CoarseToFine):
    """Finds faces at any angle, faster than HOG; its weights are fetched on first use.

    Faces of less than 20 pixels are missed.
    """

    model = "yunet"
    sure = 0.89  # as 499 of 500 upright faces of lfw-dev, and 7% of those that are upside down
    box_map = WIDER_FACE

    def __init__(self, file: Path | None = None, threshold: float | None = None) -> None:
        assert file is not None
        self._path = file
        self._threshold = THRESHOLD if threshold is None else threshold
        # One photo at a time, and stages run a process a core.
        self._session = open_session(file, 1)

    def _rows(self, image: np.ndarray) -> np.ndarray:
        pixels = padded(image[:, :, ::-1], _STRIDES[-1])
        across = pixels.shape[3]
        outputs = run_session(self._session, {"input": pixels}, _OUTPUTS, self._path)
        found = []
        for k, stride in enumerate(_STRIDES):
            classes, objects, boxes, points = (output[0] for output in outputs[4 * k : 4 * k + 4])
            scores = np.sqrt(np.clip(classes[:, 0], 0, 1) * np.clip(objects[:, 0], 0, 1))
            at = np.flatnonzero(scores >= self._threshold)
            places = np.column_stack([at % (across // stride), at // (across // stride)])
            sides = np.exp(boxes[at, 2:]) * stride
            corners = (places + boxes[at, :2]) * stride - sides / 2
            five = (np.tile(places, 5) + points[at]) * stride
            found.append(np.column_stack([corners, sides, scores[at], five]))
        return strongest(np.concatenate(found), self._threshold, _OVERLAP)
