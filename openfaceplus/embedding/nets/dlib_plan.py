"""dlib's face ResNet as numbers: its plan and its folded weights, for any engine to run.

Source: ``dnn_face_recognition_ex.cpp`` of dlib and the layers found in
``dlib_face_recognition_resnet_model_v1.dat``.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod
from pathlib import Path

import numpy as np

from openfaceplus.errors import ModelCorrupt

SIZE = 150
DIM = 128
STEM = 32
MEAN_RGB = (122.782, 117.001, 104.298)
SCALE = 1 / 256
STAGES = ((32, 3, None), (64, 4, 0), (128, 3, 0), (256, 3, 1), (256, 1, 1))
"""Channels, residual blocks and, where the first of them halves the map, its ``Block.short``."""
GRAPH_VERSION = 1
"""Of the ONNX graph made from this plan; part of the cached graph's name."""


@dataclass(frozen=True, slots=True, eq=False)
class Conv:
    """A convolution with all that followed it up to the ReLU: (out, in, k, k) and (out,)."""

    kernel: np.ndarray
    bias: np.ndarray


@dataclass(frozen=True, slots=True, eq=False)
class Block:
    """Two 3x3 convolutions round which the block's input is added.

    A ``down`` block halves the map: its first convolution has stride 2 and no padding, its input
    is averaged over 2x2. dlib then adds maps of unequal size as if the smaller were padded with
    zeros: the input lacks ``grow`` channels, the convolved map ``short`` pixels right and below.
    """

    first: Conv
    second: Conv
    down: bool = False
    grow: int = 0
    short: int = 0


@dataclass(frozen=True, slots=True, eq=False)
class Weights:
    """The whole network for RGB 0..255: stem, blocks, and the (256, 128) last matrix."""

    stem: Conv
    blocks: tuple[Block, ...]
    last: np.ndarray


def fold(layers: list[tuple[str, np.ndarray]], path: Path | str) -> Weights:
    """Weights from the layers of ``read_dlib_dat``; ``path`` is named in errors.

    Affine layers go into the convolutions before them, and so does the input's normalisation: the
    first convolution has no padding, so mean and scale fold exactly. Raises ModelCorrupt when the
    layers are not those of this network.
    """
    rest = iter(layers)

    def take(name: str, size: int) -> np.ndarray:
        found, values = next(rest, ("nothing", np.empty(0, np.float32)))
        if found != name or values.size != size:
            raise ModelCorrupt(
                f"{path}: expected a layer {name} of {size} numbers, found {found} of "
                f"{values.size}: not dlib's face ResNet v1",
                remedy="install or download it again",
            )
        return values

    def conv(outputs: int, inputs: int, size: int) -> Conv:
        shape = (outputs, inputs, size, size)
        values = take("con_4", prod(shape) + outputs)
        gamma, beta = take("affine_", 2 * outputs).reshape(2, outputs)
        kernel = values[:-outputs].reshape(shape) * gamma[:, None, None, None]
        return Conv(kernel, values[-outputs:] * gamma + beta)

    stem, inputs, blocks = _normalising(conv(STEM, 3, 7)), STEM, []
    for channels, count, short in STAGES:
        for number in range(count):
            convs = conv(channels, inputs, 3), conv(channels, channels, 3)
            down = short is not None and number == 0
            blocks.append(Block(*convs, down, channels - inputs, (short or 0) if down else 0))
            inputs = channels
    last = take("fc_2", inputs * DIM).reshape(inputs, DIM)
    if next(rest, None) is not None:
        raise ModelCorrupt(
            f"{path}: has more layers than dlib's face ResNet v1", remedy="name its .dat file"
        )
    return Weights(stem, tuple(blocks), last)


def _normalising(stem: Conv) -> Conv:
    """The first convolution for pixels as they are: (x - mean) * scale, folded in float64."""
    kernel = stem.kernel.astype(np.float64) * SCALE
    bias = stem.bias - np.einsum("oihw,i->o", kernel, MEAN_RGB)
    return Conv(kernel.astype(np.float32), bias.astype(np.float32))
