"""CenterFace (Xu, Yan, Yang, Wang and Li, 2019; MIT): a heat map of faces' centres.

Slower than YuNet, it finds what that misses: faces that are turned, dark, covered or of ten pixels.
The published graph has fixed sizes and lists its weights among its inputs, so that nothing can be
folded; it is put right once and kept in the cache. Outputs are read as in the paper (section 3),
four pixels a place: heat, logarithms of height and width, the centre's offset (y, x), and five
points as shares of the box.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from openfaceplus import weights
from openfaceplus.detect.base import BoxMap
from openfaceplus.detect.coarse import CoarseToFine, padded, strongest
from openfaceplus.weights.graph_cache import cached
from openfaceplus.weights.onnx_session import open_session, run_session

THRESHOLD = 0.4  # false hits as rare as YuNet's; docs/models.md
_OVERLAP = 0.3  # IoU from which the weaker of two boxes goes
_PLACE, _STRIDE = 4, 32  # pixels between the places of the heat map; the sides' common divisor
_INPUT, _OUTPUTS = "input.1", ["537", "538", "539", "540"]


class CenterFaceDetector(CoarseToFine):
    """Finds faces at any angle and in bad light; its weights come through pip."""

    model = "centerface"
    sure = 0.8  # as 399 of 399 upright faces of lfw-dev, and 13% of those that are upside down
    box_map = BoxMap(0.555, 0.96)  # fitted to HOG's boxes of 399 photos of lfw-dev

    def __init__(self, file: Path | None = None, threshold: float | None = None) -> None:
        assert file is not None
        self._path = file
        self._threshold = THRESHOLD if threshold is None else threshold
        name = f"centerface-{weights.sha256_of(file)[:16]}"
        graph = cached(name, lambda: _any_size(file))
        # One photo at a time, and stages run a process a core.
        self._session = open_session(graph, 1, file)

    def _rows(self, image: np.ndarray) -> np.ndarray:
        outputs = run_session(self._session, {_INPUT: padded(image, _STRIDE)}, _OUTPUTS, self._path)
        heat, sizes, offsets, shares = (output[0] for output in outputs)
        down, across = np.nonzero(heat[0] >= self._threshold)
        sides = np.exp(sizes[::-1, down, across].T) * _PLACE
        places = np.column_stack([across, down]) + offsets[::-1, down, across].T + 0.5
        corners = places * _PLACE - sides / 2
        # Of each point y comes before x, as everywhere here.
        five = shares.reshape(5, 2, *heat.shape[1:])[:, ::-1, down, across].transpose(2, 0, 1)
        points = (five * sides[:, None] + corners[:, None]).reshape(-1, 10)
        rows = np.column_stack([corners, sides, heat[0, down, across], points])
        return strongest(rows.astype(np.float64), self._threshold, _OVERLAP)


def _any_size(file: Path) -> bytes:
    """The graph for pictures of any size, with its weights as constants."""
    import onnx

    model = onnx.load_model_from_string(file.read_bytes())
    constants = {one.name for one in model.graph.initializer}
    pictures = [one for one in model.graph.input if one.name not in constants]
    del model.graph.input[:]
    model.graph.input.extend(pictures)
    for value in (*model.graph.input, *model.graph.output):
        for number, side in enumerate(value.type.tensor_type.shape.dim):
            if number != 1:
                side.dim_param = f"{value.name} {number}"
    graph: bytes = model.SerializeToString()
    return graph
