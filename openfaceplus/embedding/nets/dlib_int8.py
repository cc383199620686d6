"""dlib's face ResNet as an ONNX graph that computes in integers of 8 bits.

Every map is kept as x = scale * (integer - zero), integers 0..255; ONNX Runtime joins the pairs of
QuantizeLinear and DequantizeLinear with the operations between them into integer ones, and only
the last addition and what follows it are float32.

Weights are -64..64 times a scale for each output channel. A processor without VNNI adds products
of two neighbours in 16 bits; at most 255 * 2 * 64 = 32,640 they fit, so all processors agree.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from onnx import ModelProto

from openfaceplus.embedding.nets.dlib_onnx import Graph, network
from openfaceplus.embedding.nets.dlib_plan import Conv, Weights
from openfaceplus.embedding.nets.dlib_ranges import RANGES

LEVELS = 255
LARGEST = 64
_CLIPS = np.linspace(0.5, 1, 26)


def build(weights: Weights) -> ModelProto:
    """The graph, with input and output as those of ``dlib_onnx.build``.

    A change here or in the ranges raises ``dlib_ranges.VERSION``, for graphs are cached.
    """
    return network(_Int8Graph(), weights)


class _Grid(NamedTuple):
    """A kept map: its integers, the constants ``scale`` and ``zero``, and what is known of it."""

    integers: str
    constants: tuple[str, str]
    scale: np.float32
    mean: float


class _Int8Graph(Graph):
    """Takes the ranges in the order in which maps are kept."""

    def __init__(self) -> None:
        super().__init__()
        self._ranges = iter(RANGES)
        self._grids: dict[str, _Grid] = {}

    def chips(self) -> str:
        return self._open(self._next(self.add("Transpose", "pixels", perm=(0, 3, 1, 2))))

    def kept(self, x: str) -> str:
        return x if x in self._grids else self._quantized(x, self._next(x))

    def parameters(self, x: str, conv: Conv) -> tuple[str, str]:
        grid = self._grids[x]
        kernel, scales = quantize(conv, grid.scale)
        lost = (conv.kernel - kernel * scales[:, None, None, None]).sum(axis=(1, 2, 3))
        # What rounding takes from a channel's sum of weights shifts its mean: put it back.
        bias = np.rint((conv.bias + lost * grid.mean) / (grid.scale * scales)).astype(np.int32)
        zeros = np.zeros(len(kernel), np.int32)
        return (
            self._dequantized(kernel.astype(np.int8), scales, zeros.astype(np.int8)),
            self._dequantized(bias, grid.scale * scales, zeros),
        )

    def pool(self, x: str, operator: str, size: int) -> str:
        return self._quantized(super().pool(x, operator, size), self._grids[x])

    def pad(self, x: str, channels: int, pixels: int, *value: str) -> str:
        grid = self._grids[x]
        padded = super().pad(grid.integers, channels, pixels, grid.constants[1])
        return self._open(grid._replace(integers=padded))

    def model(self) -> ModelProto:
        read = {name for node in self.nodes for name in node.input} | {"embeddings"}
        # A map that is padded as integers is never read as numbers before.
        self.nodes = [node for node in self.nodes if node.output[0] in read]
        return super().model()

    def _next(self, integers: str) -> _Grid:
        """The next range, for a map of which the integers are or will be made."""
        low, high, mean = next(self._ranges)
        scale = np.float32((high - low) / LEVELS)
        zero = np.rint(-low / scale).astype(np.uint8)
        return _Grid(integers, (self.constant(np.array(scale)), self.constant(zero)), scale, mean)

    def _quantized(self, x: str, grid: _Grid) -> str:
        return self._open(grid._replace(integers=self.add("QuantizeLinear", x, *grid.constants)))

    def _open(self, grid: _Grid) -> str:
        x = self.add("DequantizeLinear", grid.integers, *grid.constants)
        self._grids[x] = grid
        return x

    def _dequantized(self, values: np.ndarray, scales: np.ndarray, zeros: np.ndarray) -> str:
        inputs = (self.constant(part) for part in (values, scales, zeros))
        return self.add("DequantizeLinear", *inputs, axis=0)


def quantize(conv: Conv, scale: np.float32) -> tuple[np.ndarray, np.ndarray]:
    """A kernel as whole float32 numbers of at most 64, and the (out,) scales they are times.

    Of 26 limits for each channel the one of least square error is taken: clipping a large weight
    a little serves all others. ``scale`` is that of the map, for bias / (scale * scales) must be
    an integer that float32 holds.
    """
    rows = conv.kernel.reshape(len(conv.kernel), -1)
    largest = np.abs(rows).max(axis=1)
    floor = np.maximum(np.abs(conv.bias) / (scale * 2**23), 1e-12)
    errors, scales = np.full(len(rows), np.inf), floor
    for clip in _CLIPS:
        tried = np.maximum(clip * largest / LARGEST, floor).astype(np.float32)
        error = np.square(_rounded(rows, tried) * tried[:, None] - rows).sum(axis=1)
        errors, scales = np.where(error < errors, (error, tried), (errors, scales))
    scales = scales.astype(np.float32)
    return _rounded(rows, scales).reshape(conv.kernel.shape), scales


def _rounded(rows: np.ndarray, scales: np.ndarray) -> np.ndarray:
    rounded: np.ndarray = np.clip(np.rint(rows / scales[:, None]), -LARGEST, LARGEST)
    return rounded
