"""MobileNet-SSD and its kin: TensorFlow object-detection networks, from a file that the user has.

An ONNX export runs in ONNX Runtime: ``image_tensor`` (1, height, width, 3) uint8 RGB of any size
in; ``detection_boxes`` (1, n, 4) as ymin, xmin, ymax, xmax in 0..1, ``detection_scores`` (1, n) and
``num_detections`` out. A frozen ``.pb`` runs in OpenCV where its importer can, with the ``.pbtxt``
of the same name beside it; no real one was ever tried.

Such face detectors learned the boxes of WIDER FACE, as YuNet did, and become dlib's square box as
YuNet's do: that fits the one real network that was measured (docs/models.md).
"""

from __future__ import annotations

from pathlib import Path
from threading import Lock
from typing import Any

import cv2
import numpy as np

from openfaceplus.detect.base import WIDER_FACE, Detector
from openfaceplus.errors import ModelCorrupt, ModelMissing
from openfaceplus.faces import Face
from openfaceplus.weights.onnx_session import open_session, run_session
from openfaceplus.weights.trial import attempt

THRESHOLD = 0.7  # the tutorials' own; not measured here
LONG_SIDE = 1024  # larger pictures are searched at this size; the networks see 300 pixels of it
_PB_SIZE = 300  # OpenCV's importer leaves the resizing of the picture to its caller
_OUTPUTS = ["detection_boxes", "detection_scores", "num_detections"]
_LEAST = 1e-4  # of the picture's sides; narrower boxes are no faces


class SsdDetector(Detector):
    """Finds faces by a TensorFlow object-detection network of one class."""

    brought = True
    box_map = WIDER_FACE

    def __init__(self, file: Path | None = None, threshold: float | None = None) -> None:
        assert file is not None
        self._threshold = THRESHOLD if threshold is None else threshold
        network = _OpenCv if file.suffix.lower() == ".pb" else _Onnx
        self._network = network(file)

    def _search(self, image: np.ndarray, largest: bool) -> list[Face]:
        height, width = image.shape[:2]
        scale = min(1.0, LONG_SIDE / max(height, width))
        if scale < 1:
            size = max(1, round(width * scale)), max(1, round(height * scale))
            image = cv2.resize(image, size, interpolation=cv2.INTER_AREA)
        found = []
        for (top, left, bottom, right), score in zip(*self._network.run(image), strict=True):
            if score >= self._threshold and bottom - top > _LEAST and right - left > _LEAST:
                sides = left * width, top * height, (right - left) * width, (bottom - top) * height
                found.append(Face(self.box_map.square(*map(float, sides)), float(score)))
        return found


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
                "TensorFlow object-detection network",
                remedy="name another file",
            )
        shape = inputs[0].shape if len(inputs) == 1 else []
        layout = len(shape) == 4 and (shape[3] == 3 or not isinstance(shape[3], int))
        if len(inputs) != 1 or inputs[0].type != "tensor(uint8)" or not layout:
            got = ", ".join(f"{one.type} {one.shape}" for one in inputs) or "nothing"
            raise ModelCorrupt(
                f"{path}: takes {got}, not one picture as uint8 (1, height, width, 3)",
                remedy="export the network with its image_tensor",
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
    """The frozen graph in OpenCV, which puts boxes and scores into one table. It keeps its input,
    so threads wait for each other."""

    def __init__(self, path: Path) -> None:
        config = path.with_suffix(".pbtxt")
        if not config.is_file():
            raise ModelMissing(
                f"{config}: not there", remedy=f"put it there; OpenCV needs it to read {path.name}"
            )
        self._path = path
        self._lock = Lock()
        attempt("tensorflow", path)
        try:
            self._net = cv2.dnn.readNetFromTensorflow(str(path), str(config))
        except cv2.error as error:
            raise ModelCorrupt(_unread(path, error)) from None

    def run(self, image: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """(n, 4) boxes in 0..1 and (n,) scores."""
        blob = cv2.dnn.blobFromImage(image, size=(_PB_SIZE, _PB_SIZE))  # RGB, 0..255
        try:
            with self._lock:
                self._net.setInput(blob)
                table = self._net.forward()
        except cv2.error as error:
            raise ModelCorrupt(_unread(self._path, error)) from None
        if table.ndim != 4 or table.shape[3] != 7:
            raise ModelCorrupt(
                f"{self._path}: gives {table.shape}, not rows of 7 numbers (DetectionOutput)",
                remedy="export the network to ONNX",
            )
        rows = table.reshape(-1, 7)
        return rows[:, [4, 3, 6, 5]], rows[:, 2]


def _checked(boxes: Any, scores: Any, count: Any, path: Path) -> tuple[np.ndarray, np.ndarray]:
    """Those of the first picture that count; ModelCorrupt where shapes do not fit."""
    boxes, scores, count = np.asarray(boxes), np.asarray(scores), np.ravel(count)
    if boxes.ndim != 3 or boxes.shape[2] != 4 or scores.shape != boxes.shape[:2] or not count.size:
        raise ModelCorrupt(
            f"{path}: detection_boxes is {boxes.shape} and detection_scores {scores.shape}, not "
            "(1, n, 4) and (1, n)",
            remedy="export the network again",
        )
    most = min(int(count[0]), boxes.shape[1])
    good = np.isfinite(boxes[0, :most]).all(axis=1) & np.isfinite(scores[0, :most])
    return boxes[0, :most][good], scores[0, :most][good]


def _unread(path: Path, error: cv2.error) -> str:
    reason = getattr(error, "err", None) or (str(error).splitlines() or ["unknown"])[0]
    return f"{path}: OpenCV cannot read this network ({reason}); export it to ONNX"
