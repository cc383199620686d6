"""Reading networks that Lua Torch wrote (``.t7``).

A file is one object: a number that says its kind, and then nothing, a double, a string, a table of
keys and values, or an object of a Torch class, which is a table or a tensor. Tables and objects
carry a number by which they are referred to again. A tensor is a view of a storage, a row of
numbers. Source: torch7's File.lua, Tensor.c and Storage.c.

A network is nested ``nn`` containers with their children in ``modules``. The layers with
parameters, met in depth, stand in the order of their definition, so the expected layers are
matched one by one, by kind and shape. Lua functions in a file are bytes to us and never run.
"""

from __future__ import annotations

import math
import re
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from openfaceplus.errors import ModelCorrupt
from openfaceplus.files import shown
from openfaceplus.weights import arrays
from openfaceplus.weights.source import read_regular

if TYPE_CHECKING:
    from openfaceplus.weights.formats import Layer

_LAYERS = {
    "conv": re.compile(r"\w+\.SpatialConvolution(MM)?"),
    "norm": re.compile(r"\w+\.(Spatial)?BatchNormalization"),
    "linear": re.compile(r"\w+\.Linear"),
}
_NUMBERS = re.compile(r"torch\.(?:Cuda)?(Byte|Char|Short|Int|Long|Float|Double|)(Tensor|Storage)")
_DTYPES = {
    "Byte": "|u1", "Char": "|i1", "Short": "<i2", "Int": "<i4", "Long": "<i8", "Float": "<f4",
    "Double": "<f8", "": "<f4",
}  # fmt: skip
_EPSILON = 1e-5  # nn.BatchNormalization's own, where a file does not state it
_OBJECTS = 200_000  # in a file; a network has thousands
_DEPTH = 64
_DIMENSIONS = 32
_NIL, _NUMBER, _STRING, _TABLE, _TORCH, _BOOLEAN = range(6)
_FUNCTIONS = {6, 7, 8}


class _Object(dict[Any, Any]):
    """An object of a Torch class: its fields, and the name of its class."""

    kind = ""


class _File:
    def __init__(self, data: bytes) -> None:
        self.data, self.at, self.objects, self.depth = data, 0, 0, 0
        self.known: dict[int, Any] = {}

    def skip(self, count: int) -> int:
        """Go on by so many bytes; returns from where."""
        left = len(self.data) - self.at
        if not 0 <= count <= left:
            raise ValueError(f"cut off: {count} bytes announced, {left} left")
        self.at += count
        return self.at - count

    def number(self, layout: str = "<i") -> Any:
        (value,) = struct.unpack_from(layout, self.data, self.skip(struct.calcsize(layout)))
        return value

    def text(self) -> bytes:
        count = self.number()
        return self.data[self.skip(count) : self.at]

    def read(self) -> Any:
        self.objects += 1
        kind = self.number()
        if self.objects > _OBJECTS or self.depth > _DEPTH:
            raise ValueError("too many objects, or too deep within each other")
        if kind == _NIL:
            return None
        if kind == _NUMBER:
            return self.number("<d")
        if kind == _STRING:
            return self.text()
        if kind == _BOOLEAN:
            return self.number() == 1
        if kind not in {_TABLE, _TORCH, *_FUNCTIONS}:
            raise ValueError(f"an object of the unknown kind {kind}")
        index = self.number()
        if index in self.known:
            return self.known[index]
        self.depth += 1
        made = self.torch(index) if kind == _TORCH else self.table(index, kind)
        self.depth -= 1
        return made

    def table(self, index: int, kind: int) -> Any:
        if kind in _FUNCTIONS:
            self.known[index] = self.text()
            self.read()  # what it refers to
            return self.known[index]
        made = self.known[index] = _Object()
        for _ in range(self.number()):
            key = self.read()
            value = self.read()
            if isinstance(key, bytes | float | bool):  # others are of no use here
                made[key] = value
        return made

    def torch(self, index: int) -> Any:
        name = self.text()
        if name.startswith(b"V "):  # a version, which files of long ago lack
            name = self.text()
        kind = name.decode("ascii", "replace")
        if found := _NUMBERS.fullmatch(kind):
            dtype, what = _DTYPES[found[1]], found[2]
            self.known[index] = self.tensor() if what == "Tensor" else self.storage(dtype)
            return self.known[index]
        made = self.known[index] = _Object()
        made.kind = kind
        fields = self.read()
        if isinstance(fields, _Object):
            made.update(fields)
        return made

    def storage(self, dtype: str) -> np.ndarray:
        count = self.number("<q")
        values = arrays.view(dtype, (count,), self.data, self.at)
        self.skip(values.nbytes)
        return values

    def tensor(self) -> np.ndarray:
        dimensions = self.number()
        if dimensions > _DIMENSIONS:
            raise ValueError(f"a tensor of {dimensions} dimensions")
        shape, strides = ([self.number("<q") for _ in range(dimensions)] for _ in range(2))
        start, storage = self.number("<q") - 1, self.read()
        if dimensions <= 0 or storage is None:
            return np.empty(0, np.float32)
        if not isinstance(storage, np.ndarray) or storage.ndim != 1:
            raise ValueError("a tensor without storage")
        last = start + sum((n - 1) * step for n, step in zip(shape, strides, strict=True))
        inside = start >= 0 and min(shape) > 0 and min(strides) >= 0 and last < len(storage)
        if not inside or np.prod(shape, dtype=float) > len(storage):
            raise ValueError(f"a tensor of shape {shape} does not fit its {len(storage)} numbers")
        steps = [stride * storage.itemsize for stride in strides]
        return np.lib.stride_tricks.as_strided(storage[start:], shape, steps)


def read(path: Path, layers: Sequence[Layer]) -> dict[str, np.ndarray]:
    """Parameters of the network in ``path`` under the keys of ``layers``; see ``formats``."""
    data = read_regular(path)
    try:
        modules = list(_parameterised(_File(data).read(), set()))
        if len(modules) != len(layers):
            raise ValueError(f"{len(modules)} layers with parameters, expected {len(layers)}")
        found: dict[str, np.ndarray] = {}
        for number, ((kind, module), layer) in enumerate(zip(modules, layers, strict=True), 1):
            if kind != layer.kind:
                raise ValueError(f"layer {number} is a {kind}, expected {layer.kind} {layer.key}")
            for name, shape in layer.parameters().items():
                found[f"{layer.key}.{name}"] = _parameter(module, name, shape)
        return found
    except (ValueError, TypeError, LookupError, ArithmeticError, struct.error) as error:
        raise ModelCorrupt(
            f"{shown(path)}: damaged, or not the Lua Torch network expected ({error})",
            remedy="name the right file, or download it again",
        ) from None


def _parameterised(module: Any, seen: set[int]) -> Iterator[tuple[str, _Object]]:
    """Layers with parameters below ``module`` in the order of definition, each once."""
    if not isinstance(module, _Object) or id(module) in seen:
        return
    seen.add(id(module))
    for kind, pattern in _LAYERS.items():
        if pattern.fullmatch(module.kind):
            yield kind, module
    children = module.get(b"modules") or {}
    for number in sorted(children):
        yield from _parameterised(children[number], seen)


def _parameter(module: _Object, name: str, shape: tuple[int, ...]) -> np.ndarray:
    values = module.get(name.encode())
    if name == "running_var" and values is None:
        # nn.BatchNormalization before its version 2 kept 1 / sqrt(variance + epsilon) instead.
        values = module[b"running_std"] ** -2.0 - (module.get(b"eps") or _EPSILON)
    if not isinstance(values, np.ndarray) or values.size != math.prod(shape):
        raise ValueError(f"{name} of a layer does not have the shape {shape}")
    # SpatialConvolutionMM keeps (outputs, inputs * height * width).
    return np.ascontiguousarray(values, np.float32).reshape(shape)
