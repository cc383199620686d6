"""FaceNet's Inception-ResNet-v1 in torch, under the state-dict keys of facenet-pytorch.

Source: github.com/davidsandberg/facenet (src/models/inception_resnet_v1.py) and
github.com/timesler/facenet-pytorch, both MIT. The Keras names are those of the conversion
``facenet_keras.h5`` (nyoki-mtl/keras-facenet, MIT).
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F

SIZE = 160
FEATURES = 1792
_EPS = 1e-3

# name: its branches, each a chain of convolutions (Keras name, outputs, kernel, stride).
_Chain = tuple[tuple[str, int, tuple[int, int], int], ...]
_BLOCK35: tuple[_Chain, ...] = (
    (("Conv2d_1x1", 32, (1, 1), 1),),
    (("Conv2d_0a_1x1", 32, (1, 1), 1), ("Conv2d_0b_3x3", 32, (3, 3), 1)),
    (
        ("Conv2d_0a_1x1", 32, (1, 1), 1),
        ("Conv2d_0b_3x3", 32, (3, 3), 1),
        ("Conv2d_0c_3x3", 32, (3, 3), 1),
    ),
)
_BLOCK17: tuple[_Chain, ...] = (
    (("Conv2d_1x1", 128, (1, 1), 1),),
    (
        ("Conv2d_0a_1x1", 128, (1, 1), 1),
        ("Conv2d_0b_1x7", 128, (1, 7), 1),
        ("Conv2d_0c_7x1", 128, (7, 1), 1),
    ),
)
_BLOCK8: tuple[_Chain, ...] = (
    (("Conv2d_1x1", 192, (1, 1), 1),),
    (
        ("Conv2d_0a_1x1", 192, (1, 1), 1),
        ("Conv2d_0b_1x3", 192, (1, 3), 1),
        ("Conv2d_0c_3x1", 192, (3, 1), 1),
    ),
)
_MIXED_6A: tuple[_Chain, ...] = (
    (("Conv2d_1a_3x3", 384, (3, 3), 2),),
    (
        ("Conv2d_0a_1x1", 192, (1, 1), 1),
        ("Conv2d_0b_3x3", 192, (3, 3), 1),
        ("Conv2d_1a_3x3", 256, (3, 3), 2),
    ),
)
_MIXED_7A: tuple[_Chain, ...] = (
    (("Conv2d_0a_1x1", 256, (1, 1), 1), ("Conv2d_1a_3x3", 384, (3, 3), 2)),
    (("Conv2d_0a_1x1", 256, (1, 1), 1), ("Conv2d_1a_3x3", 256, (3, 3), 2)),
    (
        ("Conv2d_0a_1x1", 256, (1, 1), 1),
        ("Conv2d_0b_3x3", 256, (3, 3), 1),
        ("Conv2d_1a_3x3", 256, (3, 3), 2),
    ),
)
_STEM = (
    ("conv2d_1a", "Conv2d_1a_3x3", 3, 32, 3, 2, 0),
    ("conv2d_2a", "Conv2d_2a_3x3", 32, 32, 3, 1, 0),
    ("conv2d_2b", "Conv2d_2b_3x3", 32, 64, 3, 1, 1),
    ("conv2d_3b", "Conv2d_3b_1x1", 64, 80, 1, 1, 0),
    ("conv2d_4a", "Conv2d_4a_3x3", 80, 192, 3, 1, 0),
    ("conv2d_4b", "Conv2d_4b_3x3", 192, 256, 3, 2, 0),
)


class InceptionResnetV1(nn.Module):
    """(n, 160, 160, 3) RGB uint8 to (n, dim) float32, once it was filled.

    As facenet-pytorch trained it, pixels become (x - 127.5) / 128 and vectors have unit length.
    With ``standardise`` each face is scaled by its own mean and deviation and vectors are left as
    they come: the 128-D Keras file.
    """

    def __init__(self, dim: int = 512, standardise: bool = False) -> None:
        super().__init__()
        self._standardise = standardise
        # Without memory until filled: chance weights for 23 million numbers would take a second.
        with torch.device("meta"):
            for name, _, inputs, outputs, size, stride, padding in _STEM:
                self.add_module(
                    name, _Conv(inputs, outputs, (size, size), stride, (padding, padding))
                )
            self.repeat_1 = nn.Sequential(*(_Block(256, _BLOCK35, 0.17) for _ in range(5)))
            self.mixed_6a = _Reduction(256, _MIXED_6A)
            self.repeat_2 = nn.Sequential(*(_Block(896, _BLOCK17, 0.10) for _ in range(10)))
            self.mixed_7a = _Reduction(896, _MIXED_7A)
            self.repeat_3 = nn.Sequential(*(_Block(FEATURES, _BLOCK8, 0.20) for _ in range(5)))
            self.block8 = _Block(FEATURES, _BLOCK8, 1.0, relu=False)
            self.last_linear = nn.Linear(FEATURES, dim, bias=False)
            self.last_bn = nn.BatchNorm1d(dim, eps=_EPS)
        for module in self.modules():
            if isinstance(module, nn.BatchNorm1d | nn.BatchNorm2d):
                module.num_batches_tracked = None  # a counter of training; of no use here
        self.eval().requires_grad_(False)

    def fill(self, weights: Mapping[str, np.ndarray]) -> InceptionResnetV1:
        """Take over the values of ``weights``, by the keys of the state dict; returns itself."""
        values = {key: torch.tensor(weights[key]) for key in self.state_dict()}
        self.load_state_dict(values, strict=False, assign=True)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        return self

    def forward(self, pixels: Tensor) -> Tensor:
        x = pixels.permute(0, 3, 1, 2).to(torch.float32)
        if not self._standardise:
            return F.normalize(self.features((x - 127.5) / 128))
        mean = x.mean((1, 2, 3), keepdim=True)
        # TensorFlow's per_image_standardization: an even picture is not divided by nothing.
        deviation = x.std((1, 2, 3), correction=0, keepdim=True)
        return self.features((x - mean) / deviation.clamp_min(x[0].numel() ** -0.5))

    def features(self, x: Tensor) -> Tensor:
        """(n, 3, 160, 160) float32, scaled, to (n, dim), not of unit length."""
        x = self.conv2d_2b(self.conv2d_2a(self.conv2d_1a(x)))
        x = self.conv2d_3b(F.max_pool2d(x, 3, 2))
        x = self.repeat_1(self.conv2d_4b(self.conv2d_4a(x)))
        x = self.repeat_2(self.mixed_6a(x))
        x = self.block8(self.repeat_3(self.mixed_7a(x)))
        vectors: Tensor = self.last_bn(self.last_linear(x.mean((2, 3))))
        return vectors


class _Conv(nn.Module):
    """Convolution without bias, batch norm, ReLU."""

    def __init__(
        self,
        inputs: int,
        outputs: int,
        size: tuple[int, int],
        stride: int,
        padding: tuple[int, int],
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, size, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(outputs, eps=_EPS)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.bn(self.conv(x)))


class _Branches(nn.Module):
    """Parallel chains ``branch0``, ``branch1``, ...; a convolution with stride has no padding."""

    def __init__(self, inputs: int, plan: tuple[_Chain, ...]) -> None:
        super().__init__()
        self._names = [f"branch{number}" for number in range(len(plan))]
        for name, chain in zip(self._names, plan, strict=True):
            convs, before = [], inputs
            for _, outputs, size, stride in chain:
                padding = (size[0] // 2, size[1] // 2) if stride == 1 else (0, 0)
                convs.append(_Conv(before, outputs, size, stride, padding))
                before = outputs
            self.add_module(name, convs[0] if len(convs) == 1 else nn.Sequential(*convs))

    def branches(self, x: Tensor) -> list[Tensor]:
        return [self.get_submodule(name)(x) for name in self._names]


class _Block(_Branches):
    """Branches, brought back to the input's channels, scaled, and added to it."""

    def __init__(
        self, inputs: int, plan: tuple[_Chain, ...], scale: float, relu: bool = True
    ) -> None:
        super().__init__(inputs, plan)
        self._scale, self._relu = scale, relu
        self.conv2d = nn.Conv2d(sum(chain[-1][1] for chain in plan), inputs, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self._scale * self.conv2d(torch.cat(self.branches(x), 1))
        return F.relu(x) if self._relu else x


class _Reduction(_Branches):
    """Branches and a max-pooling, all of stride 2."""

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([*self.branches(x), F.max_pool2d(x, 3, 2)], 1)


def keras_names() -> dict[str, str]:
    """State-dict name of every layer with weights -> its name in ``facenet_keras.h5``.

    A convolution stands for its batch norm too, which Keras calls ``<name>_BatchNorm``.
    """
    names = {key: keras for key, keras, *_ in _STEM}
    blocks = [
        (f"{key}.{number}", f"{keras}_{number + 1}", plan)
        for key, keras, plan, count in (
            ("repeat_1", "Block35", _BLOCK35, 5),
            ("repeat_2", "Block17", _BLOCK17, 10),
            ("repeat_3", "Block8", _BLOCK8, 5),
        )
        for number in range(count)
    ]
    blocks.append(("block8", "Block8_6", _BLOCK8))
    names |= {f"{key}.conv2d": f"{keras}_Conv2d_1x1" for key, keras, _ in blocks}
    blocks += [("mixed_6a", "Mixed_6a", _MIXED_6A), ("mixed_7a", "Mixed_7a", _MIXED_7A)]
    for key, keras, plan in blocks:
        for number, chain in enumerate(plan):
            for place, (name, *_) in enumerate(chain):
                at = f".{place}" if len(chain) > 1 else ""
                names[f"{key}.branch{number}{at}"] = f"{keras}_Branch_{number}_{name}"
    return names
