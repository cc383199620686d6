"""The only readers of network weight files; all give NumPy float32 arrays and run nothing.

=====================  =====================================================================
``read_dlib_dat``      dlib's serialised networks (``.dat``)
``read_state_dict``    torch's state dicts (``.pt``, ``.pth``)
``read_torch7``        Lua Torch's networks (``.t7``)
``read_csv_folder``    one CSV a parameter, as the Keras conversions of OpenFace have them
``read_keras_h5``      Keras' models and weights (``.h5``)
=====================  =====================================================================

Each raises ModelMissing for a file that cannot be read, ModelCorrupt for one that is damaged or
holds another network, and UnsafeFile for one that would run code; the path is in the message.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from openfaceplus.errors import ModelCorrupt
from openfaceplus.files import shown
from openfaceplus.weights.dlib_dat import read_dlib_dat
from openfaceplus.weights.source import read_regular

__all__ = [
    "Layer",
    "fit",
    "fit_shapes",
    "read_csv_folder",
    "read_dlib_dat",
    "read_keras_h5",
    "read_state_dict",
    "read_torch7",
]

_CSV_NUMBER = 64  # bytes that a number may take
_CSV_SUFFIXES = {"weight": "w", "bias": "b", "running_mean": "m", "running_var": "v"}


@dataclass(frozen=True, slots=True)
class Layer:
    """A layer with parameters that a network expects in its file.

    ``kind`` is conv, norm or linear, ``key`` its name in the state dict, ``csv`` its name in a
    folder of CSVs, ``shape`` its weight's shape. All layers of a network stand in the order of its
    state dict.
    """

    kind: str
    key: str
    csv: str
    shape: tuple[int, ...]

    def parameters(self) -> dict[str, tuple[int, ...]]:
        """Shapes of all it keeps: weight, bias, and a norm's running mean and variance."""
        names = ["weight", "bias"] + ["running_mean", "running_var"] * (self.kind == "norm")
        return {name: self.shape if name == "weight" else self.shape[:1] for name in names}


def fit(
    found: Mapping[str, np.ndarray], layers: Iterable[Layer], path: Path | str
) -> dict[str, np.ndarray]:
    """What ``layers`` expect out of ``found``, in their order; ModelCorrupt where it is not so."""
    shapes = {
        f"{layer.key}.{name}": shape
        for layer in layers
        for name, shape in layer.parameters().items()
    }
    return fit_shapes(found, shapes, path)


def fit_shapes(
    found: Mapping[str, np.ndarray], shapes: Mapping[str, tuple[int, ...]], path: Path | str
) -> dict[str, np.ndarray]:
    """The same for a network given by the shape of every parameter."""
    fitted = {}
    for key, shape in shapes.items():
        values = found.get(key)
        if values is None:
            raise ModelCorrupt(f"{path}: {key} is missing: another network", remedy=_REMEDY)
        if values.shape != shape:
            raise ModelCorrupt(
                f"{path}: {key} is {values.shape}, expected {shape}: another network",
                remedy=_REMEDY,
            )
        if not np.isfinite(values).all():
            raise ModelCorrupt(f"{path}: {key} holds numbers that are none", remedy=_REMEDY)
        fitted[key] = values
    if extra := [key for key in found if key not in fitted and not key.endswith(_COUNTER)]:
        raise ModelCorrupt(
            f"{path}: has {shown(extra[0])[:200]} too many: another network", remedy=_REMEDY
        )
    return fitted


_REMEDY = "name the right file, or download it again"
_COUNTER = ".num_batches_tracked"  # newer torch adds it to every batch norm; no use here


def read_state_dict(path: Path | str) -> dict[str, np.ndarray]:
    """All tensors of a torch state dict, by key."""
    from openfaceplus.weights.torch_pt import read

    return read(Path(path))


def read_keras_h5(path: Path | str) -> dict[tuple[str, str], np.ndarray]:
    """All parameters of a Keras file, by layer and parameter: ("Bottleneck", "kernel")."""
    from openfaceplus.weights.keras_h5 import read

    return read(Path(path))


def read_torch7(path: Path | str, layers: Iterable[Layer]) -> dict[str, np.ndarray]:
    """A network that Lua Torch wrote, under the state-dict keys of ``layers``."""
    from openfaceplus.weights.torch7 import read

    layers = list(layers)
    return fit(read(Path(path), layers), layers, path)


def read_csv_folder(path: Path | str, layers: Iterable[Layer]) -> dict[str, np.ndarray]:
    """A network from ``<layer>_{w,b,m,v}.csv``: weight, bias, running mean, running variance.

    A file holds one parameter's numbers in C order, separated by commas or line ends.
    """
    layers = list(layers)
    found = {}
    for layer in layers:
        for name, shape in layer.parameters().items():
            file = Path(path) / f"{layer.csv}_{_CSV_SUFFIXES[name]}.csv"
            found[f"{layer.key}.{name}"] = _read_csv(file, shape)
    return fit(found, layers, path)


def _read_csv(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    count = math.prod(shape)
    data = read_regular(path, largest=_CSV_NUMBER * count + 1024)
    try:
        words = data.decode("ascii").replace(",", " ").split()
        if len(words) != count:
            raise ValueError(f"{len(words)} numbers")
        return np.array(words, np.float32).reshape(shape)
    except ValueError as error:
        raise ModelCorrupt(
            f"{shown(path)}: no text of {count} numbers ({error})", remedy=_REMEDY
        ) from None
