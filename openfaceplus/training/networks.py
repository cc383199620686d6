"""Residual networks to train, dlib's among them, and what a network consists of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from openfaceplus.errors import UsageError

DLIB_STAGES = ((32, 3), (64, 4), (128, 3), (256, 3), (256, 1))
"""Channels and blocks of dlib's face ResNet; each stage but the first halves the picture first."""
SMALL_STAGES = ((24, 1), (48, 2), (96, 2), (160, 1))


class ResidualNet(nn.Module):
    """(n, size, size, 3) RGB uint8 or float32 0..255 to (n, dim) float32.

    With ``DLIB_STAGES`` it is dlib's face ResNet with batch norms in the place of its affine
    layers; small ones are for chips of any size.
    """

    def __init__(self, stages: Iterable[tuple[int, int]] = DLIB_STAGES, dim: int = 128) -> None:
        super().__init__()
        width = 3
        blocks: list[nn.Module] = []
        for number, (channels, count) in enumerate(stages):
            if not number:
                self.stem = nn.Sequential(
                    nn.Conv2d(3, channels, 7, 2, bias=False), nn.BatchNorm2d(channels), nn.ReLU(),
                    nn.MaxPool2d(3, 2),
                )  # fmt: skip
                width = channels
            for block in range(count):
                stride = 2 if number and not block else 1
                blocks.append(_Residual(width, channels, stride))
                width = channels
        self.blocks = nn.Sequential(*blocks)
        self.last = nn.Linear(width, dim, bias=False)

    def forward(self, pixels: Tensor) -> Tensor:
        x = pixels.permute(0, 3, 1, 2) / 128 - 1
        vectors: Tensor = self.last(self.blocks(self.stem(x)).mean((2, 3)))
        return vectors


class _Residual(nn.Module):
    def __init__(self, inputs: int, outputs: int, stride: int) -> None:
        super().__init__()
        self.stride, self.grow = stride, outputs - inputs
        self.body = nn.Sequential(
            nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, 1, 1, bias=False), nn.BatchNorm2d(outputs),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        if self.stride > 1:
            x = F.avg_pool2d(x, 2, ceil_mode=True)
        return F.relu(y + F.pad(x, (0, 0, 0, 0, 0, self.grow)))


@dataclass(frozen=True, slots=True)
class LayerRow:
    """A layer by its name and kind, the shape of its output for one chip, and how many numbers it
    keeps, a batch norm's means and variances among them, as Keras counts."""

    name: str
    kind: str
    shape: tuple[int, ...]
    parameters: int


def summary(network: nn.Module, size: int) -> list[LayerRow]:
    """The layers of a network for chips of ``size`` pixels a side, in the order they run."""
    rows: list[LayerRow] = []

    def note(name: str, layer: nn.Module) -> None:
        kept = [*layer.parameters(recurse=False), *layer.buffers(recurse=False)]
        count = sum(one.numel() for one in kept if one.ndim)  # a norm's counter of batches has none

        def seen(_: nn.Module, __: object, output: Tensor) -> None:
            rows.append(LayerRow(name, type(layer).__name__, tuple(output.shape[1:]), count))

        hooks.append(layer.register_forward_hook(seen))

    hooks: list[torch.utils.hooks.RemovableHandle] = []
    for name, layer in network.named_modules():
        if not list(layer.children()):
            note(name, layer)
    training = network.training
    try:
        with torch.inference_mode():
            network.eval()(torch.zeros(1, size, size, 3, dtype=torch.uint8))
    finally:
        network.train(training)
        for hook in hooks:
            hook.remove()
    return rows


def freeze(network: nn.Module, prefixes: Iterable[str]) -> None:
    """Let the parameters whose names begin so stay as they are; all others learn.

    Raises UsageError for a beginning that no name has.
    """
    network.requires_grad_(True)
    names = [name for name, _ in network.named_parameters()]
    for prefix in prefixes:
        if not any(name.startswith(prefix) for name in names):
            known = ", ".join(dict.fromkeys(name.partition(".")[0] for name in names))
            raise UsageError(
                f"no layer begins with {prefix!r}", remedy=f"there are: {known}", field="freeze"
            )
        for name, one in network.named_parameters():
            if name.startswith(prefix):
                one.requires_grad_(False)


def set_learning(network: nn.Module) -> None:
    """Training mode, but for batch norms of frozen layers, whose means stay too."""
    network.train()
    for layer in network.modules():
        own = list(layer.parameters(recurse=False))
        if own and not any(one.requires_grad for one in own):
            layer.eval()
