"""How live a face looks in one picture, by a network with MiniFASNet's input.

Source: minivision-ai/Silent-Face-Anti-Spoofing (Apache-2.0), ``src/generate_patches.py`` (the
crop), ``src/data_io/functional.py`` (pixels go in as 0 to 255), ``src/anti_spoof_predict.py``
(softmax) and ``test.py`` (class 1 is a real face); pictures there are OpenCV's, so BGR. The numbers
before 80x80 in the names of its weights are the scale: 2.7 for MiniFASNetV2, 4 for MiniFASNetV1SE.

Such a network sees paper and screens of the kind that it was trained on, through cameras and in
light of that kind. How often it is wrong at a place is not known until it was measured there.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from openfaceplus.embedding.onnx import PreparedOnnx
from openfaceplus.errors import ModelCorrupt, UsageError
from openfaceplus.files import shown
from openfaceplus.liveness import SCALE
from openfaceplus.weights.embedder_spec import EmbedderSpec

if TYPE_CHECKING:
    import numpy as np

    from openfaceplus.faces import Box
    from openfaceplus.pipeline import PhotoFaces

SURE: Final = 0.8
"""The probability from which a hint says "live" or, of the opposite, "not live". Upstream takes
the likelier; what lies between is called unsure here. No rate of errors was measured at it."""

_SIDE: Final = 80  # pixels
_CLASSES: Final = 3  # the second is a real face
_SPEC: Final = EmbedderSpec(size=_SIDE, colour="BGR", mean=0.0, std=1.0)


class PassiveLiveness:
    """A network from an ONNX file: (n, 3, 80, 80) BGR float32 from 0 to 255 in, (n, 3) logits out.

    It sees the face's box enlarged by ``scale``, 1 to 10. Raises ModelMissing for a file that
    cannot be read, ModelCorrupt for one that holds no such network, UsageError for another scale.
    """

    def __init__(self, path: Path, scale: float = SCALE, threads: int | None = None) -> None:
        if not 1 <= scale <= 10:
            raise UsageError(
                f"a face's box is not enlarged {scale:g} times",
                remedy="give 1 to 10, as in the name of the weights",
                field="liveness_scale",
            )
        self._scale = scale
        try:
            self._network = PreparedOnnx(path, _SPEC, threads)
        except ModelCorrupt as error:
            raise _unfit(error.problem) from None
        if self._network.dim != _CLASSES:
            raise _unfit(f"{shown(path)}: gives {self._network.dim} numbers a face, not {_CLASSES}")

    def scores(self, pixels: np.ndarray, boxes: Sequence[Box]) -> list[float]:
        """How probably each face of a (height, width, 3) RGB uint8 picture is a real one, 0 to 1.

        ``boxes`` are in its pixels. Raises ModelCorrupt where the network fails.
        """
        import numpy as np

        if not boxes:
            return []
        logits = self._network.run(np.array([self._crop(pixels, box) for box in boxes]))
        powers = np.exp(logits - logits.max(1, keepdims=True))
        real: list[float] = (powers[:, 1] / powers.sum(1)).tolist()
        return real

    def _crop(self, pixels: np.ndarray, box: Box) -> np.ndarray:
        """The box enlarged as far as the picture allows, and moved inside where it reaches out."""
        import cv2
        import numpy as np

        height, width = pixels.shape[:2]
        across, down = max(box.width, 1.0), max(box.height, 1.0)
        scale = min(self._scale, (width - 1) / across, (height - 1) / down)
        left, right = _inside((box.left + box.right) / 2, across * scale, width)
        top, bottom = _inside((box.top + box.bottom) / 2, down * scale, height)
        part = np.ascontiguousarray(pixels[top:bottom, left:right])
        crop: np.ndarray = cv2.resize(part, (_SIDE, _SIDE))
        return crop


def _inside(middle: float, size: float, most: int) -> tuple[int, int]:
    """Where a stretch of at least a pixel begins and ends, moved to lie within 0 and ``most``."""
    start = int(min(max(middle - size / 2, 0), max(most - size, 0)))
    return start, max(start + 1, min(most, int(start + size) + 1))


def hints(found: PhotoFaces) -> dict[Box | None, dict[str, Any]]:
    """What is said, in JSON, of the faces of a photo that was looked at so, by their boxes."""
    boxes = [face.box for face in found.faces]
    return {box: _hint(score) for box, score in zip(boxes, found.live, strict=True)}


def _hint(score: float) -> dict[str, Any]:
    hint = "live" if score >= SURE else "not live" if score <= 1 - SURE else "unsure"
    return {"kind": "passive", "hint": hint, "score": round(score, 4)}


def _unfit(problem: str) -> ModelCorrupt:
    return ModelCorrupt(
        problem,
        remedy="name a network with MiniFASNet's input and output: 80x80 BGR, three logits",
        field="liveness",
    )
