"""OpenFace's nn4.small2 in torch."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from openfaceplus.embedding.nets.nn4_plan import DIM, FEATURES, INCEPTIONS, STEM, Inception


class NN4Small2(nn.Module):
    """(n, 96, 96, 3) RGB uint8 to (n, 128) float32 of unit length.

    Its state dict has the keys of upstream's ``nn4.small2.v1.pt``.
    """

    def __init__(self) -> None:
        super().__init__()
        for number, ((inputs, outputs, size), stride) in enumerate(
            zip(STEM, (2, 1, 1), strict=True), 1
        ):
            conv, norm, _ = _conv(inputs, outputs, size, stride)
            self.add_module(f"conv{number}", conv)
            self.add_module(f"bn{number}", norm)
        for module in INCEPTIONS:
            self.add_module(f"incept{module.name}", _Inception(module))
        self.ln = nn.Linear(FEATURES, DIM)
        self.eval().requires_grad_(False)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def fill(self, weights: dict[str, np.ndarray]) -> NN4Small2:
        """Take over the values of ``weights``, by the keys of the state dict; returns itself."""
        for key, tensor in self.state_dict().items():
            tensor.copy_(torch.tensor(weights[key]))
        return self

    def forward(self, pixels: Tensor) -> Tensor:
        return self.features(pixels.permute(0, 3, 1, 2) / 255)

    def features(self, x: Tensor) -> Tensor:
        """The same from (n, 3, 96, 96) float32 in 0..1."""
        # Behind a batch norm it changes a value by 1e-4 of itself at most, and costs a third of a
        # training step.
        norm = nn.Identity() if self.training else _local_response_norm
        x = F.max_pool2d(F.relu(self.bn1(self.conv1(x))), 3, 2, 1)
        x = norm(x)
        x = F.relu(self.bn2(self.conv2(x)))
        x = F.relu(self.bn3(self.conv3(x)))
        x = F.max_pool2d(norm(x), 3, 2, 1)
        for module in INCEPTIONS:
            x = self.get_submodule(f"incept{module.name}")(x)
        return F.normalize(self.ln(F.avg_pool2d(x, 3).flatten(1)))


class _Inception(nn.Module):
    def __init__(self, plan: Inception):
        super().__init__()
        self.branches = nn.ModuleList()
        for size, reduced, outputs in plan.convs:
            reduce = _conv(plan.inputs, reduced, 1)
            self.branches.append(
                nn.Sequential(*reduce, *_conv(reduced, outputs, size, plan.stride))
            )
        kind, stride = plan.pool
        pool = nn.MaxPool2d(3, stride) if kind == "max" else nn.LPPool2d(2, 3, stride)
        projection = _conv(plan.inputs, plan.projection, 1) if plan.projection else ()
        self.branches.append(nn.Sequential(pool, *projection))
        if plan.plain:
            self.branches.append(nn.Sequential(*_conv(plan.inputs, plan.plain, 1)))

    def forward(self, x: Tensor) -> Tensor:
        maps = [branch(x) for branch in self.branches]
        side = max(map.shape[-1] for map in maps)
        return torch.cat([_centred(map, side) for map in maps], 1)


def _conv(inputs: int, outputs: int, size: int, stride: int = 1) -> tuple[nn.Module, ...]:
    norm = nn.BatchNorm2d(outputs)
    norm.num_batches_tracked = None  # upstream's state dict, older than this counter, lacks it
    return nn.Conv2d(inputs, outputs, size, stride, size // 2), norm, nn.ReLU()


def _centred(map: Tensor, side: int) -> Tensor:
    """Zeros round a square map, as Lua Torch's DepthConcat lays maps of unequal size."""
    before = (side - map.shape[-1]) // 2
    after = side - map.shape[-1] - before
    return F.pad(map, (before, after, before, after))


def _local_response_norm(x: Tensor) -> Tensor:
    """Over 5 channels, alpha 1e-4, beta 0.75; torch's own takes two to five times as long."""
    channels = x.shape[1]
    squares = F.pad(x * x, (0, 0, 0, 0, 2, 2))
    parts = (squares[:, start : start + channels] for start in range(5))
    root = (1 + sum(parts, torch.zeros_like(x)) * (1e-4 / 5)).rsqrt()
    return x * root * root.sqrt()
