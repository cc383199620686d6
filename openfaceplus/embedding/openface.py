"""OpenFace's nn4.small2: 96-px chips to 128 numbers of unit length."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from openfaceplus import weights
from openfaceplus.embedding.base import Embedder, weights_file
from openfaceplus.embedding.engine import TorchEngine
from openfaceplus.embedding.nets import nn4_plan
from openfaceplus.errors import ModelMissing
from openfaceplus.faces import ChipSpec, Space
from openfaceplus.weights import formats

_TORCH, _LUA = "nn4.small2", "nn4.small2-t7"


class OpenFaceNn4Small2(Embedder):
    """The network of OpenFace, in torch.

    Source: https://github.com/cmusatyalab/openface, Apache-2.0. ``weights`` is its ``.pt`` state
    dict, its Lua ``.t7`` or a folder of CSVs; without it the catalog's ``.pt`` or ``.t7`` is used,
    whichever is there, and where neither is the ``.pt`` is downloaded.
    """

    chip = ChipSpec(nn4_plan.SIZE, "outerEyesAndNose")
    dim = nn4_plan.DIM

    @classmethod
    def model(cls) -> str:
        """Of the weights that are here, else of those to download."""
        return next((name for name in (_TORCH, _LUA) if weights.locate(name)), _TORCH)

    def __init__(
        self, weights: Path | str | None = None, device: str = "cpu", threads: int | None = None
    ):
        if weights is not None and Path(weights).is_dir():
            path, digest = Path(weights), _folder_digest(Path(weights))
        else:
            path, digest = weights_file(self.model(), weights)
        self.space = Space("openface-nn4.small2-v1", digest)
        from openfaceplus.embedding.nets.nn4_small2 import NN4Small2

        self.engine = TorchEngine(NN4Small2().fill(_read(path)), device, threads)


def _read(path: Path) -> dict[str, np.ndarray]:
    layers = nn4_plan.layers()
    if path.is_dir():
        return formats.read_csv_folder(path, layers)
    if path.suffix == ".t7":
        return formats.read_torch7(path, layers)
    return formats.fit(formats.read_state_dict(path), layers, path)


def _folder_digest(folder: Path) -> str:
    """One sha256 for the CSVs of a folder, by their names and contents."""
    files = sorted(folder.glob("*.csv"))
    if not files:
        raise ModelMissing(f"{folder}: holds no CSV files of weights; name another folder")
    lines = [f"{file.name} {weights.sha256_of(file)}\n" for file in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
