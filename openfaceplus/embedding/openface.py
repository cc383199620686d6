"""OpenFace's nn4.small2: 96-px chips to 128 numbers of unit length."""

from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np

from openfaceplus import extras, weights
from openfaceplus.embedding.base import Embedder, Require
from openfaceplus.embedding.engine import TorchEngine
from openfaceplus.embedding.nets import nn4_plan
from openfaceplus.errors import ModelMissing
from openfaceplus.faces import ChipSpec, Space
from openfaceplus.weights import formats
from openfaceplus.weights.embedder_spec import EmbedderSpec


class OpenFaceNn4Small2(Embedder):
    """The network of OpenFace, in torch.

    Source: https://github.com/cmusatyalab/openface, Apache-2.0. Its weights are a ``.pt`` state
    dict, the Lua ``.t7`` or a folder of CSVs; where neither is here, those that openfaceplus
    trained itself.
    """

    name = "openface-nn4.small2-v1"
    chip = ChipSpec(nn4_plan.SIZE, "outerEyesAndNose")
    also = frozenset({"outerEyesAndNose", "innerEyesAndBottomLip"})
    landmarks = 68
    dim = nn4_plan.DIM
    unit = True
    models = ("nn4.small2", "nn4.small2-t7", "nn4.small2-lfw")

    def __init__(
        self,
        file: Path | None = None,
        *,
        require: Require = weights.require,
        device: str = "cpu",
        threads: int | None = None,
        spec: EmbedderSpec | None = None,
    ) -> None:
        extras.require("torch", "torch", "the network nn4.small2")
        if file is not None and file.is_dir():
            path, digest = file, _folder_digest(file)
        else:
            path, digest = self.weights_file(file, require)
        self.space = Space(self.name, digest)
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
        raise ModelMissing(f"{folder}: holds no CSV files of weights", remedy="name another folder")
    lines = [f"{file.name} {weights.sha256_of(file)}\n" for file in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
