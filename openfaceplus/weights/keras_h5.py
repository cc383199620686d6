"""Reading the arrays of Keras' ``.h5`` files, of whole models and of weights alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from openfaceplus.errors import ModelCorrupt
from openfaceplus.extras import require
from openfaceplus.files import shown
from openfaceplus.weights.source import open_regular
from openfaceplus.weights.trial import attempt

_LARGER, _LEAST = 4, 1 << 20  # what is read may have so many times the file, and so many bytes
_REMEDY = "name the right file, or download it again"


def read(path: Path) -> dict[tuple[str, str], np.ndarray]:
    """Every parameter as float32 by (layer, parameter): ("Bottleneck", "kernel").

    Keras keeps them as ``[model_weights/]<layer>/.../<layer>/<parameter>:0``; the network's
    description in the file, which may hold code, is not looked at. Raises ModelMissing,
    ModelCorrupt, and UsageError without h5py.
    """
    require("h5py", "facenet", f"{shown(path)}: reading .h5 files")
    attempt("h5", path)
    return parse(path)


def parse(path: Path) -> dict[tuple[str, str], np.ndarray]:
    """The same of a file that was not tried in a child process."""
    import h5py

    file, size = open_regular(path)
    file.close()
    found: dict[tuple[str, str], np.ndarray] = {}
    room = _LARGER * size + _LEAST

    def take(name: str, node: object) -> None:
        nonlocal room
        parts = name.split("/")
        # The optimizer's state lies in a tree of its own, under the same names.
        if not isinstance(node, h5py.Dataset) or len(parts) < 2 or parts[0] == "optimizer_weights":
            return
        if node.external or node.is_virtual:
            raise ValueError(f"{name} lies in another file, which is not read")
        room -= 4 * node.size
        if node.dtype.kind not in "fiu" or room < 0:
            raise ValueError(f"{name} is {node.dtype} {node.shape}: no parameter")
        found[parts[-2], parts[-1].partition(":")[0]] = np.asarray(node[()], np.float32)

    try:
        with h5py.File(path, "r") as opened:
            opened.visititems(take)
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelCorrupt(
            f"{shown(path)}: no HDF5 file, or damaged ({shown(reason)[:200]})", remedy=_REMEDY
        ) from None
    return found
