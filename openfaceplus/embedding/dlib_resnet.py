"""dlib's face recognition ResNet: 150-px chips to 128 numbers, in float32 or 8-bit integers."""

from __future__ import annotations

from importlib import import_module
from pathlib import Path
from typing import ClassVar

from openfaceplus import extras
from openfaceplus.embedding.base import Embedder, Require
from openfaceplus.embedding.engine import Engine, OnnxEngine, TorchEngine
from openfaceplus.embedding.nets import dlib_plan, dlib_ranges
from openfaceplus.errors import ModelCorrupt, UsageError
from openfaceplus.faces import ChipSpec, Space
from openfaceplus.weights import find, require
from openfaceplus.weights.embedder_spec import EmbedderSpec
from openfaceplus.weights.formats import read_dlib_dat
from openfaceplus.weights.graph_cache import cached

ENGINES = ("auto", "onnx", "torch")


class DlibResnet(Embedder):
    """The network of ``dlib.face_recognition_model_v1``, its vectors equal to 1e-5.

    Source: https://github.com/davisking/dlib-models, public domain. ``engine`` is ``onnx``,
    ``torch`` or ``auto``: ONNX Runtime on the CPU, else torch.
    """

    name: ClassVar[str] = "dlib-resnet-v1"
    models = ("dlib-resnet",)
    chip = ChipSpec(dlib_plan.SIZE, "dlib", 0.25)
    dim = dlib_plan.DIM

    def __init__(
        self,
        file: Path | None = None,
        *,
        require: Require = require,
        device: str = "cpu",
        threads: int | None = None,
        spec: EmbedderSpec | None = None,
        engine: str = "auto",
    ) -> None:
        path, digest = self.weights_file(file, require)
        self.space = Space(self.name, digest)
        self.engine = self._engine(path, digest, engine, device, threads)

    def _engine(
        self, path: Path, digest: str, engine: str, device: str, threads: int | None
    ) -> Engine:
        if engine not in ENGINES:
            raise UsageError(
                f"there is no engine named {engine!r}", remedy=f"known are: {', '.join(ENGINES)}"
            )
        if engine == "auto":
            engine = "onnx" if device == "cpu" else "torch"
        if engine == "torch":
            extras.require("torch", "torch", f"device {device!r} with engine torch")
            from openfaceplus.embedding.nets.dlib_resnet import DlibResnetModule

            return TorchEngine(DlibResnetModule(_weights(path)), device, threads)
        if device != "cpu":
            raise UsageError(
                f"the onnx engine runs on the CPU, not on {device!r}", remedy="choose engine torch"
            )
        name = f"dlib-resnet-{digest[:16]}-{dlib_plan.GRAPH_VERSION}"
        return OnnxEngine(cached(name, lambda: _graph(path, "dlib_onnx")), threads, path)


class DlibInt8(DlibResnet):
    """The same network in 8-bit integers, its vectors a space of their own: on processors with VNNI
    in less than half the time.

    Runs in ONNX Runtime on the CPU only, and takes no other weights than the catalogued: the ranges
    of its integers were measured with those. Loss and speed: docs/models.md.
    """

    name = "dlib-resnet-v1-int8"

    def _engine(
        self, path: Path, digest: str, engine: str, device: str, threads: int | None
    ) -> Engine:
        if device != "cpu" or engine not in ("auto", "onnx"):
            raise UsageError(
                f"dlib-int8 runs in ONNX Runtime on the CPU, not on {device!r} by engine "
                f"{engine!r}",
                remedy="choose the embedder dlib",
            )
        if digest != find(self.model()).sha256:
            raise ModelCorrupt(
                f"{path}: not dlib's face ResNet v1 as published, which alone dlib-int8 takes",
                remedy="choose the embedder dlib for other weights",
            )
        name = f"dlib-resnet-int8-{digest[:16]}-{dlib_plan.GRAPH_VERSION}.{dlib_ranges.VERSION}"
        return OnnxEngine(cached(name, lambda: _graph(path, "dlib_int8")), threads, path)


def _weights(path: Path) -> dlib_plan.Weights:
    return dlib_plan.fold(read_dlib_dat(path), path)


def _graph(path: Path, builder: str) -> bytes:
    module = import_module(f"openfaceplus.embedding.nets.{builder}")  # loads onnx
    graph: bytes = module.build(_weights(path)).SerializeToString()
    return graph
