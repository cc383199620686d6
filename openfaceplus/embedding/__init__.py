"""Embedders: chips -> vectors.

An embedder declares the ``ChipSpec`` it wants and the ``Space`` its vectors live in, and turns
(n, size, size, 3) RGB uint8 pixels into (n, dim) float32, raw as the network gives them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openfaceplus.registry import resolve

if TYPE_CHECKING:
    from openfaceplus.embedding.base import Embedder

EMBEDDERS = {
    "dlib": "openfaceplus.embedding.dlib_resnet:DlibResnet",
    "openface": "openfaceplus.embedding.openface:OpenFaceNn4Small2",
    "dlib-int8": "openfaceplus.embedding.dlib_resnet:DlibInt8",
    "facenet": "openfaceplus.embedding.facenet:FaceNet",
    "sface": "openfaceplus.embedding.onnx:SFace",
    "arcface": "openfaceplus.embedding.onnx:ArcFace",
    "adaface": "openfaceplus.embedding.onnx:AdaFace",
    "onnx": "openfaceplus.embedding.onnx:OnnxEmbedder",
}


def create(name: str, **options: object) -> Embedder:
    """The embedder called ``name``, its weights loaded.

    Options every embedder takes: ``weights`` (a file in place of the catalogued one), ``device``
    ("cpu", "cuda", "cuda:1"), ``threads`` (None: all cores; 1 in worker processes); those of other
    projects' networks also ``spec`` (``weights.embedder_spec.EmbedderSpec``). for
    an unknown name, ModelError where the weights cannot be used.
    """
    return resolve(EMBEDDERS, name, "embedder")(**options)
