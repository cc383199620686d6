"""Reading the arrays of Keras' ``.h5`` files, of whole models and of weights alone."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from openfaceplus.errors import ModelCorrupt, ModelMissing
from openfaceplus.extras import require

_REMEDY = "name the right file, or download it again"


def read(path: Path) -> dict[tuple[str, str], np.ndarray]:
    """Every parameter as float32 by (layer, parameter): ("Bottleneck", "kernel").

    Keras keeps them as ``[model_weights/]<layer>/.../<layer>/<parameter>:0``; the network's
    description in the file, which may hold code, is not looked at. Raises ModelMissing,
    ModelCorrupt.
    """
    require("h5py", "facenet", f"{path}: reading .h5 files")
    import h5py

    found: dict[tuple[str, str], np.ndarray] = {}

    def take(name: str, node: object) -> None:
        parts = name.split("/")
        # The optimizer's state lies in a tree of its own, under the same names.
        if isinstance(node, h5py.Dataset) and len(parts) > 1 and parts[0] != "optimizer_weights":
            found[parts[-2], parts[-1].partition(":")[0]] = np.asarray(node[()], np.float32)

    try:
        with h5py.File(path, "r") as file:
            file.visititems(take)
    except FileNotFoundError:
        raise ModelMissing(f"{path}: cannot be read (no such file); check the path") from None
    except (OSError, RuntimeError, KeyError, ValueError, TypeError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise ModelCorrupt(f"{path}: no HDF5 file, or damaged ({reason}); {_REMEDY}") from None
    return found
