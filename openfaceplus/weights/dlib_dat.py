"""Reading dlib's serialised networks (``.dat``).

A ``.dat`` is C++ objects written one after another. An integer is a control byte (high bit: the
sign, low four bits: how many bytes follow) and little-endian bytes; a string is its length and its
bytes; a tensor is the integer 2, four dimensions and little-endian float32. Layers with parameters
stand from input to output and begin with their name, which is all that has to be understood: the
templates round them need not be. Source: dlib/serialize.h and dlib/dnn/layers.h of dlib 19.
"""

from __future__ import annotations

import re
from math import prod
from pathlib import Path

import numpy as np

from openfaceplus.errors import ModelCorrupt
from openfaceplus.files import shown
from openfaceplus.weights.source import read_regular

_LAYER = re.compile(rb"\x01\x05(con_4)|\x01\x07(affine_)|\x01\x04(fc_2)")
_TENSOR_VERSION = 2


def read_dlib_dat(path: Path | str) -> list[tuple[str, np.ndarray]]:
    """Parameter layers of a dlib network, from input to output.

    Each is its name (``con_4``, ``affine_``, ``fc_2``) and its float32 parameters as the file has
    them: flat for ``con_4`` (weights, then biases) and ``affine_`` (gamma, then beta), (inputs,
    outputs) for ``fc_2``. Raises ModelMissing and ModelCorrupt.
    """
    data = read_regular(path)
    layers, position = [], 0
    try:
        while found := _LAYER.search(data, position):
            name = found[found.lastindex or 0].decode()
            values, position = _tensor(data, found.end(), leading=2 if name == "fc_2" else 0)
            layers.append((name, values if name == "fc_2" else values.ravel()))
    except (IndexError, ValueError):
        raise ModelCorrupt(
            f"{shown(path)}: breaks off or is damaged after {len(layers)} layers",
            remedy="install or download it again",
        ) from None
    if not layers:
        raise ModelCorrupt(
            f"{shown(path)}: no dlib network in this file", remedy="name a dlib .dat network"
        )
    return layers


def _integer(data: bytes, position: int) -> tuple[int, int]:
    """The integer at ``position`` and where the next thing begins."""
    control = data[position]
    end = position + 1 + (control & 0x0F)
    if end > len(data):
        raise IndexError(end)
    value = int.from_bytes(data[position + 1 : end], "little")
    return (-value if control & 0x80 else value), end


def _tensor(data: bytes, position: int, leading: int) -> tuple[np.ndarray, int]:
    """The tensor after ``leading`` integers, in two dimensions, and where the next thing begins."""
    for _ in range(leading):
        _, position = _integer(data, position)
    version, position = _integer(data, position)
    shape = []
    for _ in range(4):
        size, position = _integer(data, position)
        shape.append(size)
    end = position + 4 * prod(shape)
    if version != _TENSOR_VERSION or min(shape) < 1 or end > len(data):
        raise ValueError(shape)
    return np.frombuffer(data[position:end], "<f4").reshape(shape[0], -1), end
