"""Networks that can be trained, by name, with the chips that they take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openfaceplus.errors import UsageError
from openfaceplus.weights import formats
from openfaceplus.weights.embedder_spec import EmbedderSpec

if TYPE_CHECKING:
    from torch import nn


def _nn4_small2(dim: int) -> nn.Module:
    from openfaceplus.embedding.nets.nn4_plan import DIM
    from openfaceplus.embedding.nets.nn4_small2 import NN4Small2

    if dim != DIM:
        raise UsageError(f"nn4.small2 has {DIM} numbers a vector, not {dim}", field="dim")
    network: nn.Module = NN4Small2()
    return network


def _inception_resnet_v1(dim: int) -> nn.Module:
    from openfaceplus.embedding.nets.inception_resnet_v1 import InceptionResnetV1

    return InceptionResnetV1(dim)


def _residual(stages: str) -> Callable[[int], nn.Module]:
    def build(dim: int) -> nn.Module:
        networks: Any = import_module("openfaceplus.training.networks")
        made: nn.Module = networks.ResidualNet(getattr(networks, stages), dim)
        return made

    return build


@dataclass(frozen=True, slots=True)
class Trainable:
    """``build`` makes the network for so many numbers a vector, ``spec`` says which chips it
    takes: RGB 0..255 as they are, channels last. ``landmarks`` is how many they are cut by."""

    build: Callable[[int], nn.Module]
    spec: EmbedderSpec
    landmarks: int = 5


def _spec(size: int, template: str, padding: float | None = None) -> EmbedderSpec:
    return EmbedderSpec(size, "NHWC", "RGB", 0.0, 1.0, False, template, padding)


NETWORKS: Mapping[str, Trainable] = {
    "nn4.small2": Trainable(_nn4_small2, _spec(96, "outerEyesAndNose"), 68),
    "inception-resnet-v1": Trainable(_inception_resnet_v1, _spec(160, "dlib", 0.35)),
    "dlib-resnet": Trainable(_residual("DLIB_STAGES"), _spec(150, "dlib", 0.25)),
    "small": Trainable(_residual("SMALL_STAGES"), _spec(96, "dlib", 0.25)),
}
"""``dlib-resnet`` has dlib's layers with batch norms, ``small`` a tenth of its cost."""


def trainable(name: str) -> Trainable:
    """The network called ``name``. Raises UsageError for an unknown one."""
    if name not in NETWORKS:
        raise UsageError(
            f"there is no network {name!r} to train",
            remedy=f"known are: {', '.join(NETWORKS)}",
            field="network",
        )
    return NETWORKS[name]


def build(name: str, dim: int, seed: int, weights: Path | None = None) -> nn.Module:
    """A network to train, of chance or of a state dict's ``weights``.

    Raises UsageError for an unknown name, ModelError for a file that does not fit.
    """
    import torch
    from torch import nn

    network = _on_cpu(trainable(name).build, dim, seed)
    network.requires_grad_(True)
    for layer in network.modules():
        if isinstance(layer, nn.Conv2d):
            nn.init.kaiming_normal_(layer.weight, mode="fan_out", nonlinearity="relu")
            if layer.bias is not None:
                nn.init.zeros_(layer.bias)
    if weights is not None:
        own = network.state_dict()
        shapes = {
            key: tuple(value.shape)
            for key, value in own.items()
            if not key.endswith("num_batches_tracked")
        }
        found = formats.fit_shapes(formats.read_state_dict(weights), shapes, weights)
        for key, value in found.items():
            own[key].copy_(torch.from_numpy(value))
    return network


def _on_cpu(make: Callable[[int], nn.Module], dim: int, seed: int) -> nn.Module:
    """The network with random parameters, the same for the same seed."""
    import torch
    from torch import nn

    torch.manual_seed(seed)
    network = make(dim)
    if any(one.is_meta for one in network.parameters()):
        network = network.to_empty(device="cpu")
        for layer in network.modules():
            if isinstance(layer, (nn.BatchNorm1d, nn.BatchNorm2d)):
                if layer.num_batches_tracked is None:
                    layer.register_buffer("num_batches_tracked", torch.tensor(0))
                layer.reset_parameters()
            elif isinstance(layer, (nn.Conv2d, nn.Linear)):
                layer.reset_parameters()
    return network
