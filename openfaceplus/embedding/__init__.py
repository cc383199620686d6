"""Embedders: chips -> vectors.

An embedder declares the ``ChipSpec`` it wants and the ``Space`` its vectors live in, and turns
(n, size, size, 3) RGB uint8 pixels into (n, dim) float32, raw as the network gives them.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openfaceplus.errors import UsageError
from openfaceplus.registry import resolve
from openfaceplus.weights import require

if TYPE_CHECKING:
    from openfaceplus.embedding.base import Embedder
    from openfaceplus.weights.embedder_spec import EmbedderSpec

EMBEDDERS = {
    "dlib": "openfaceplus.embedding.dlib_resnet:DlibResnet",
    "openface": "openfaceplus.embedding.openface:OpenFaceNn4Small2",
    "dlib-int8": "openfaceplus.embedding.dlib_resnet:DlibInt8",
    "facenet": "openfaceplus.embedding.facenet:FaceNet",
    "sface": "openfaceplus.embedding.onnx:SFace",
    "arcface": "openfaceplus.embedding.onnx:ArcFace",
    "adaface": "openfaceplus.embedding.onnx:AdaFace",
    "onnx": "openfaceplus.embedding.onnx:OnnxEmbedder",
    "pixels": "openfaceplus.embedding.pixels:Pixels",
}


def kind_of(name: str) -> type[Embedder]:
    """The class of the embedder called ``name``. Raises UsageError for an unknown name."""
    kind: type[Embedder] = resolve(EMBEDDERS, name, "embedder")
    return kind


def create(
    name: str,
    *,
    weights: Path | str | None = None,
    require: Callable[[str], Path] = require,
    device: str = "cpu",
    threads: int | None = None,
    spec: EmbedderSpec | None = None,
    **own: Any,
) -> Embedder:
    """The embedder called ``name``, its weights loaded.

    ``weights`` is a file in place of the catalogued one, for which ``require`` is asked; the rest
    is as ``Embedder`` takes it, and ``own`` what this one takes beside. Raises UsageError for an
    unknown name or a spec for a network that takes none, ModelError where the weights cannot be
    used.
    """
    kind = kind_of(name)
    if spec is not None and kind.preset is None:
        raise UsageError(f"the embedder {name} needs no spec", remedy="leave it out", field="spec")
    file = None if weights is None else Path(weights)
    return kind(file, require=require, device=device, threads=threads, spec=spec, **own)
