"""Reading networks that Lua Torch wrote (``.t7``), through the library torchfile.

A network is nested ``nn`` containers with their children in ``modules``. The layers with
parameters, met in depth, stand in the order of their definition, so the expected layers are
matched one by one, by kind and shape. Lua functions in a file are bytes to us and never run.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import torchfile

from openfaceplus.errors import ModelCorrupt, ModelMissing

if TYPE_CHECKING:
    from openfaceplus.weights.formats import Layer

_KINDS = {
    "conv": re.compile(r"\w+\.SpatialConvolution(MM)?"),
    "norm": re.compile(r"\w+\.(Spatial)?BatchNormalization"),
    "linear": re.compile(r"\w+\.Linear"),
}
_EPSILON = 1e-5  # nn.BatchNormalization's own, where a file does not state it
_DAMAGE = (
    torchfile.T7ReaderException, struct.error, EOFError, ValueError, TypeError, LookupError,
    AttributeError, ArithmeticError, MemoryError, RecursionError, NotImplementedError,
)  # fmt: skip


def read(path: Path, layers: Sequence[Layer]) -> dict[str, np.ndarray]:
    """Parameters of the network in ``path`` under the keys of ``layers``; see ``formats``."""
    try:
        with open(path, "rb") as file:
            # torchfile's lists cannot hold tensors (it compares them), so tables stay dicts.
            network = torchfile.T7Reader(file, use_list_heuristic=False).read_obj()
        modules = list(_parameterised(network, set()))
        if len(modules) != len(layers):
            raise ValueError(f"{len(modules)} layers with parameters, expected {len(layers)}")
        found: dict[str, np.ndarray] = {}
        for number, ((kind, module), layer) in enumerate(zip(modules, layers, strict=True), 1):
            if kind != layer.kind:
                raise ValueError(f"layer {number} is a {kind}, expected {layer.kind} {layer.key}")
            for name, shape in layer.parameters().items():
                found[f"{layer.key}.{name}"] = _parameter(module, name, shape)
        return found
    except OSError as error:
        reason = error.strerror or error
        raise ModelMissing(f"{path}: cannot be read ({reason}); check the path") from None
    except _DAMAGE as error:
        raise ModelCorrupt(
            f"{path}: damaged, or not the Lua Torch network expected ({error}); "
            "name the right file, or download it again"
        ) from None


def _parameterised(module: Any, seen: set[int]) -> Iterator[tuple[str, torchfile.TorchObject]]:
    """Layers with parameters below ``module`` in the order of definition, each once."""
    if not isinstance(module, torchfile.TorchObject) or id(module) in seen:
        return
    seen.add(id(module))
    name = module.torch_typename().decode("ascii", "replace")
    for kind, pattern in _KINDS.items():
        if pattern.fullmatch(name):
            yield kind, module
    children = module["modules"] or {}
    for number in sorted(children):
        yield from _parameterised(children[number], seen)


def _parameter(module: torchfile.TorchObject, name: str, shape: tuple[int, ...]) -> np.ndarray:
    values = module[name]
    if name == "running_var" and values is None:
        # nn.BatchNormalization before its version 2 kept 1 / sqrt(variance + epsilon) instead.
        values = module["running_std"] ** -2.0 - (module["eps"] or _EPSILON)
    if values is None or len(values) != shape[0]:
        raise ValueError(f"{name} of a layer does not have the shape {shape}")
    # SpatialConvolutionMM keeps (outputs, inputs * height * width).
    return np.ascontiguousarray(values, np.float32).reshape(shape)


def _tensor(reader: torchfile.T7Reader, version: bytes) -> np.ndarray:
    """In place of torchfile's own, which trusts shape and strides and reads beyond the storage."""
    dimensions = reader.read_int()
    shape = reader.read_long_array(dimensions)
    strides = reader.read_long_array(dimensions)
    start = reader.read_long() - 1
    storage = reader.read_obj()
    if not dimensions or storage is None:
        return np.empty(0, np.float32)
    last = start + sum((size - 1) * stride for size, stride in zip(shape, strides, strict=True))
    inside = start >= 0 and min(shape) > 0 and min(strides) >= 0 and last < len(storage)
    if not inside or np.prod(shape, dtype=float) > len(storage):
        raise ValueError(f"a tensor of shape {shape} does not fit its {len(storage)} numbers")
    strides = [stride * storage.itemsize for stride in strides]
    return np.lib.stride_tricks.as_strided(storage[start:], shape, strides)


for _name in (b"Float", b"Double", b"Cuda", b"CudaDouble"):
    torchfile.register_handler(b"torch.%bTensor" % _name)(_tensor)
