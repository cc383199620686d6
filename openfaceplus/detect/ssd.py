"""MobileNet-SSD and its kin: TensorFlow object-detection networks, from a file that the user has.

An ONNX export runs in ONNX Runtime: ``image_tensor`` (1, height, width, 3) uint8 RGB of any size
in; ``detection_boxes`` (1, n, 4) as ymin, xmin, ymax, xmax in 0..1, ``detection_scores`` (1, n) and
``num_detections`` out. A frozen ``.pb`` runs in OpenCV where its importer can, with the ``.pbtxt``
of the same name beside it. No real file was ever tried: docs/models.md.

Such face detectors learned the boxes of WIDER FACE, as YuNet did, so they become dlib's square box
as YuNet's do; how well that fits them was not measured.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np

from openfaceplus.errors import ModelCorrupt, ModelMissing, UsageError
from openfaceplus.faces import Box, Face
from openfaceplus.weights import pin
from openfaceplus.weights.onnx_session import open_session, run_session

THRESHOLD = 0.7  # the tutorials' own; not measured here
LONG_SIDE = 1024  # larger pictures are searched at this size; the networks see 300 pixels of it
_DOWN, _SIDE = 0.56, 0.93  # YuNet's: centre of dlib's box in the height, side in the mean of both
_PB_SIZE = 300  # OpenCV's importer leaves the resizing of the picture to its caller
_OUTPUTS = ["detection_boxes", "detection_scores", "num_detections"]
_LEAST = 1e-4  # of the picture's sides; narrower boxes are no faces


class SsdDetector:
    """Finds faces by a TensorFlow object-detection network of one class."""

    def __init__(self, path: str | None, threshold: float | None = None) -> None:
        """Raises UsageError without a path, ModelError for a file that is no such network."""
        if path is None:
            raise UsageError("the detector ssd needs its file: --detector ssd:PATH.onnx (or .pb)")
        self._threshold = THRESHOLD if threshold is None else threshold
        file = Path(path)
        pin(file)
        network = _OpenCv if file.suffix.lower() == ".pb" else _Onnx
        self._network = network(file)

    def detect(self, image: np.ndarray, largest: bool = False) -> list[Face]:
        """Faces in an RGB uint8 image of height x width x 3, most prominent first."""
        height, width = image.shape[:2]
        scale = min(1.0, LONG_SIDE / max(height, width))
        if scale < 1:
            size = max(1, round(width * scale)), max(1, round(height * scale))
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        found = []
        for (top, left, bottom, right), score in zip(*self._network.run(image), strict=True):
            if score >= self._threshold and bottom - top > _LEAST and right - left > _LEAST:
                box = _box(left * width, top * height, right * width, bottom * height)
                found.append(Face(box, float(score)))
        return sorted(found, key=lambda face: -face.prominence)


class _Onnx:
    """The network in ONNX Runtime."""

    def __init__(self, path: Path) -> None:
        self._path = path
        # One photo at a time, and stages run a process a core.
        self._session = open_session(path, 1)
        inputs = self._session.get_inputs()
        names = {one.name for one in self._session.get_outputs()}
        # Exports end a tensor's name in :0 or not.
        self._outputs = [next((n for n in (o, f"{o}:0") if n in names), "") for o in _OUTPUTS]
        if "" in self._outputs:
            missing = _OUTPUTS[self._outputs.index("")]
            raise ModelCorrupt(
                f"{path}: has no output {missing} (but {', '.join(sorted(names))}): no export of a "
                "TensorFlow object-detection network; name another file"
            )
        shape = inputs[0].shape if len(inputs) == 1 else []
        layout = len(shape) == 4 and (shape[3] == 3 or not isinstance(shape[3], int))
        if len(inputs) != 1 or inputs[0].type != "tensor(uint8)" or not layout:
            got = ", ".join(f"{one.type} {one.shape}" for one in inputs) or "nothing"
            raise ModelCorrupt(
                f"{path}: takes {got}, not one picture as uint8 (1, height, width, 3); export the "
                "network with its image_tensor"
            )
        self._input = inputs[0].name
        self._size = (shape[2], shape[1])

    def run(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n, 4) boxes in 0..1 and (n,) scores."""
        if all(isinstance(side, int) for side in self._size):
            image = cv2.resize(image, self._size, interpolation=cv2.INTER_AREA)
        feeds = {self._input: np.ascontiguousarray(image[None])}
        boxes, scores, count = run_session(self._session, feeds, self._outputs, self._path)
        return _checked(boxes, scores, count, self._path)


class _OpenCv:
    """The frozen graph in OpenCV, which puts boxes and scores into one table."""

    def __init__(self, path: Path) -> None:
        config = path.with_suffix(".pbtxt")
        if not config.is_file():
            raise ModelMissing(f"{config}: not there; OpenCV needs it to read {path.name}")
        self._path = path
        try:
            self._net = cv2.dnn.readNetFromTensorflow(str(path), str(config))
        except cv2.error as error:
            raise ModelCorrupt(_unread(path, error)) from None

    def run(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n, 4) boxes in 0..1 and (n,) scores."""
        blob = cv2.dnn.blobFromImage(image, size=(_PB_SIZE, _PB_SIZE))  # RGB, 0..255
        try:
            self._net.setInput(blob)
            table = self._net.forward()
        except cv2.error as error:
            raise ModelCorrupt(_unread(self._path, error)) from None
        if table.ndim != 4 or table.shape[3] != 7:
            raise ModelCorrupt(
                f"{self._path}: gives {table.shape}, not rows of 7 numbers (DetectionOutput); "
                "export the network to ONNX"
            )
        rows = table.reshape(-1, 7)
        return rows[:, [4, 3, 6, 5]], rows[:, 2]


def _checked(boxes: Any, scores: Any, count: Any, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Those of the first picture that count; ModelCorrupt where shapes do not fit."""
    boxes, scores, count = np.asarray(boxes), np.asarray(scores), np.ravel(count)
    if boxes.ndim != 3 or boxes.shape[2] != 4 or scores.shape != boxes.shape[:2] or not count.size:
        raise ModelCorrupt(
            f"{path}: detection_boxes is {boxes.shape} and detection_scores {scores.shape}, not "
            "(1, n, 4) and (1, n); export the network again"
        )
    most = min(int(count[0]), boxes.shape[1])
    good = np.isfinite(boxes[0, :most]).all(axis=1) & np.isfinite(scores[0, :most])
    return boxes[0, :most][good], scores[0, :most][good]


def _box(left: float, top: float, right: float, bottom: float) -> Box:
    """The network's box as the square that dlib's HOG detector gives."""
    width, height = right - left, bottom - top
    middle, down, half = (left + right) / 2, top + _DOWN * height, _SIDE * (width + height) / 4
    return Box(*map(float, (middle - half, down - half, middle + half, down + half)))


def _unread(path: Path, error: cv2.error) -> str:
    reason = getattr(error, "err", None) or (str(error).splitlines() or ["unknown"])[0]
    return f"{path}: OpenCV cannot read this network ({reason}); export it to ONNX"
