"""OpenFace's nn4.small2 as a table, and the names of its parameters in each of its file formats.

Source: models/openface/nn4.small2.def.lua of cmusatyalab/openface (Apache-2.0); the state-dict
names are those of upstream's ``nn4.small2.v1.pt``, the CSV names those of its Keras conversions.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from openfaceplus.weights.formats import Layer

SIZE = 96
DIM = 128
FEATURES = 736
STEM = ((3, 64, 7), (64, 64, 1), (64, 192, 3))
"""Inputs, outputs and kernel size of the convolutions before the inception modules."""


@dataclass(frozen=True, slots=True)
class Inception:
    """Parallel branches on one input: reduced k x k convolutions, a pooling, a 1x1 convolution.

    ``convs`` holds kernel size, reduced channels and outputs of each; ``stride`` is theirs.
    ``pool`` is ``max`` or ``l2`` and its stride; ``projection`` and ``plain`` are the outputs of
    the 1x1 convolution behind the pooling and of the one that stands alone, None without it.
    """

    name: str
    inputs: int
    convs: tuple[tuple[int, int, int], ...]
    stride: int
    pool: tuple[str, int]
    projection: int | None = None
    plain: int | None = None


INCEPTIONS = (
    Inception("3a", 192, ((3, 96, 128), (5, 16, 32)), 1, ("max", 2), 32, 64),
    Inception("3b", 256, ((3, 96, 128), (5, 32, 64)), 1, ("l2", 3), 64, 64),
    Inception("3c", 320, ((3, 128, 256), (5, 32, 64)), 2, ("max", 2)),
    Inception("4a", 640, ((3, 96, 192), (5, 32, 64)), 1, ("l2", 3), 128, 256),
    Inception("4e", 640, ((3, 160, 256), (5, 64, 128)), 2, ("max", 2)),
    Inception("5a", 1024, ((3, 96, 384),), 1, ("l2", 3), 96, 256),
    Inception("5b", 736, ((3, 96, 384),), 1, ("max", 2), 96, 256),
)


def layers() -> list[Layer]:
    """All layers with parameters, in the order of the state dict and of the Lua modules."""
    found: list[Layer] = []
    for number, (inputs, outputs, size) in enumerate(STEM, 1):
        found += _normed(f"conv{number}", f"bn{number}", f"conv{number}", inputs, outputs, size)
    for module in INCEPTIONS:
        found += _inception(module)
    return [*found, Layer("linear", "ln", "dense", (DIM, FEATURES))]


def _inception(module: Inception) -> Iterator[Layer]:
    key, csv = f"incept{module.name}.branches", f"inception_{module.name}"
    for branch, (size, reduced, outputs) in enumerate(module.convs):
        at, name = f"{key}.{branch}", f"{csv}_{size}x{size}"
        yield from _normed(f"{at}.0", f"{at}.1", f"{name}_conv1", module.inputs, reduced, 1)
        yield from _normed(f"{at}.3", f"{at}.4", f"{name}_conv2", reduced, outputs, size)
    branch = len(module.convs)
    if module.projection:
        at, name = f"{key}.{branch}", f"{csv}_pool_conv"
        yield from _normed(f"{at}.1", f"{at}.2", name, module.inputs, module.projection, 1)
    if module.plain:
        at, name = f"{key}.{branch + 1}", f"{csv}_1x1_conv"
        yield from _normed(f"{at}.0", f"{at}.1", name, module.inputs, module.plain, 1)


def _normed(
    conv: str, norm: str, csv: str, inputs: int, outputs: int, size: int
) -> Iterator[Layer]:
    """A convolution and its batch norm."""
    yield Layer("conv", conv, csv, (outputs, inputs, size, size))
    yield Layer("norm", norm, csv.replace("conv", "bn"), (outputs,))
