"""dlib's face ResNet in torch."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from openfaceplus.embedding.nets.dlib_plan import Block, Conv, Weights


class DlibResnetModule(nn.Module):
    """(n, 150, 150, 3) RGB uint8 to (n, 128) float32, the vectors of dlib's own network."""

    def __init__(self, weights: Weights):
        super().__init__()
        self.stem = _conv(weights.stem, stride=2, padding=0)
        self.blocks = nn.Sequential(*map(_Residual, weights.blocks))
        self.last = nn.Parameter(torch.tensor(weights.last))
        self.eval().requires_grad_(False)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, pixels: Tensor) -> Tensor:
        # NHWC pixels seen as NCHW are what torch calls channels_last: nothing is copied.
        x = pixels.permute(0, 3, 1, 2).to(self.last.dtype)
        x = F.max_pool2d(F.relu_(self.stem(x)), 3, 2)
        vectors: Tensor = self.blocks(x).mean((2, 3)) @ self.last
        return vectors


class _Residual(nn.Module):
    def __init__(self, block: Block):
        super().__init__()
        self.block = block
        stride, padding = (2, 0) if block.down else (1, 1)
        self.first = _conv(block.first, stride, padding)
        self.second = _conv(block.second, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        y, x = self.parts(x)
        return F.relu_(y.add_(x))

    def parts(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What is added up: the convolved map, and the input that went round."""
        y = self.second(F.relu_(self.first(x)))
        if self.block.down:
            x = F.pad(F.avg_pool2d(x, 2), (0, 0, 0, 0, 0, self.block.grow))
            y = F.pad(y, (0, self.block.short) * 2)
        return y, x


def _conv(conv: Conv, stride: int, padding: int) -> nn.Conv2d:
    outputs, inputs, size, _ = conv.kernel.shape
    module = nn.Conv2d(inputs, outputs, size, stride, padding)
    module.weight = nn.Parameter(torch.tensor(conv.kernel))
    module.bias = nn.Parameter(torch.tensor(conv.bias))
    return module
