"""Embedders of other projects, brought as ONNX files: ArcFace, AdaFace, SFace, or any described."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from openfaceplus import weights
from openfaceplus.embedding.base import Embedder, Require
from openfaceplus.embedding.engine import Engine
from openfaceplus.errors import ModelCorrupt, UsageError
from openfaceplus.faces import Space, unit_length
from openfaceplus.weights.embedder_spec import EmbedderSpec
from openfaceplus.weights.onnx_session import open_session, run_session

_KINDS = {"tensor(float)": np.float32, "tensor(float16)": np.float16, "tensor(uint8)": np.uint8}


class PreparedOnnx:
    """An ONNX network behind the preparation of its input that an ``EmbedderSpec`` describes.

    ``dim`` is how many numbers a vector has. Raises ModelMissing for a file that cannot be read,
    ModelCorrupt for one that is no ONNX graph or does not turn such chips into vectors.
    """

    def __init__(self, path: Path, spec: EmbedderSpec, threads: int | None = None) -> None:
        self._path, self._spec = path, spec
        self._session = open_session(path, threads)
        self._input, self._kind, self._batch = self._checked_input()
        self._output = self._checked_output()
        size = spec.size
        # Two unlike chips show whether a row of the output belongs to a row of the input.
        blank = np.zeros((2, size, size, 3), np.uint8)
        blank[1] = np.arange(size * size * 3, dtype=np.uint8).reshape(size, size, 3)
        self.dim = 0
        self.dim = self.run(blank).shape[1]

    def run(self, pixels: np.ndarray) -> np.ndarray:
        vectors: list[np.ndarray] = []
        step = self._batch or len(pixels)
        for start in range(0, len(pixels), step):
            part = prepare(pixels[start : start + step], self._spec).astype(self._kind)
            count = len(part)
            if count < step:  # a graph exported for so many at a time
                part = np.concatenate([part, np.repeat(part[-1:], step - count, axis=0)])
            outputs = run_session(self._session, {self._input: part}, [self._output], self._path)
            vectors.append(self._checked(outputs[0], step)[:count])
        found = np.concatenate(vectors)
        if self._spec.unit:
            found = unit_length(found)
        return found

    def _checked(self, values: Any, count: int) -> np.ndarray:
        """The output as (count, dim) float32."""
        shape = np.shape(values)
        trailing = len(shape) >= 2 and all(side == 1 for side in shape[2:])
        if not trailing or shape[0] != count or (self.dim and shape[1] != self.dim):
            raise ModelCorrupt(
                f"{self._path}: {count} chips gave an output of shape {shape} where {count} "
                "vectors were expected: no embedder, or its output has no fixed length",
                remedy="export it with one vector a chip",
            )
        found = np.asarray(values, np.float32).reshape(shape[:2])
        if not self.dim and not np.isfinite(found).all():
            raise ModelCorrupt(f"{self._path}: returns NaN", remedy="export it again")
        return found

    def _checked_input(self) -> tuple[str, Any, int | None]:
        """Name and type of the graph's one input, and for how many chips it was exported."""
        inputs, spec = self._session.get_inputs(), self._spec
        if len(inputs) != 1:
            raise ModelCorrupt(f"{self._path}: takes {len(inputs)} inputs, not one: {_NO}")
        (found,) = inputs
        size = (spec.size, spec.size)
        wanted = (3, *size) if spec.layout == "NCHW" else (*size, 3)
        shape = tuple(found.shape)
        fits = len(shape) == 4 and all(
            side == want or not isinstance(side, int)
            for side, want in zip(shape[1:], wanted, strict=True)
        )
        if not fits:
            raise ModelCorrupt(
                f"{self._path}: its input is {_text(shape)}, not {_text(('n', *wanted))}",
                remedy="describe what it takes in a spec, or name another file",
                field="spec",
            )
        if found.type not in _KINDS:
            raise ModelCorrupt(f"{self._path}: its input is {found.type}, not of pixels: {_NO}")
        batch = shape[0] if isinstance(shape[0], int) and shape[0] > 0 else None
        return found.name, _KINDS[found.type], batch

    def _checked_output(self) -> str:
        names = [one.name for one in self._session.get_outputs()]
        if self._spec.output is None and len(names) != 1:
            raise ModelCorrupt(
                f"{self._path}: has {len(names)} outputs ({', '.join(names)})",
                remedy="name the vector's in its spec, as "
                f'{{"output": "{(names or ["embedding"])[0]}"}}',
                field="spec",
            )
        if self._spec.output not in (None, *names):
            raise UsageError(
                f"{self._path}: has no output {self._spec.output!r}",
                remedy=f"it has: {', '.join(names)}",
            )
        return self._spec.output or names[0]


_NO = "no embedder of one picture; name another file"


def prepare(pixels: np.ndarray, spec: EmbedderSpec) -> np.ndarray:
    """(n, size, size, 3) RGB uint8 chips as the network's float32 input, in its layout."""
    x: np.ndarray = pixels.astype(np.float32)
    if spec.colour == "BGR":
        x = x[..., ::-1]
    if spec.standardise:
        mean = x.mean((1, 2, 3), keepdims=True)
        deviation = x.std((1, 2, 3), keepdims=True)
        x = (x - mean) / np.maximum(deviation, (x.size / max(len(x), 1)) ** -0.5)
    else:
        x = (x - np.asarray(spec.mean, np.float32)) / np.asarray(spec.std, np.float32)
    return np.ascontiguousarray(x.transpose(0, 3, 1, 2) if spec.layout == "NCHW" else x)


class OnnxEmbedder(Embedder):
    """Any network that turns one chip into one vector; the spec says what it takes."""

    name = "onnx"
    preset: ClassVar[EmbedderSpec] = EmbedderSpec()
    chip = EmbedderSpec().chip

    def __init__(
        self,
        file: Path | None = None,
        *,
        require: Require = weights.require,
        device: str = "cpu",
        threads: int | None = None,
        spec: EmbedderSpec | None = None,
    ) -> None:
        path, digest = self.weights_file(file, require)
        spec = spec or self.preset
        self.space = Space(self._space_name(spec), digest)
        self.chip = spec.chip
        self.engine, self.dim = self._load(path, spec, device, threads)

    def _load(
        self, path: Path, spec: EmbedderSpec, device: str, threads: int | None
    ) -> tuple[Engine, int]:
        """What runs the file's network, and how many numbers a vector has."""
        if device != "cpu":
            raise UsageError(
                f"ONNX networks run on the CPU, not on {device!r}",
                remedy="choose the device cpu",
                field="device",
            )
        engine = PreparedOnnx(path, spec, threads)
        return engine, engine.dim

    def _space_name(self, spec: EmbedderSpec) -> str:
        """The embedder's name, with a mark of what ``spec`` changes in its preset."""
        if spec == self.preset:
            return self.name
        text = json.dumps(spec.to_dict(), sort_keys=True)
        return f"{self.name}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


class ArcFace(OnnxEmbedder):
    """InsightFace's ArcFace and its kin (AuraFace, EdgeFace): 112-px chips, RGB."""

    name = "arcface"


class AdaFace(OnnxEmbedder):
    """AdaFace (Kim, Jain and Liu, CVPR 2022): ArcFace's chips, BGR."""

    name = "adaface"
    preset = EmbedderSpec(colour="BGR")


class SFace(OnnxEmbedder):
    """SFace (Zhong et al., 2021) of OpenCV's zoo, Apache-2.0: ArcFace's chips, RGB 0..255."""

    name = "sface"
    preset = EmbedderSpec(mean=0.0, std=1.0)
    models = ("sface",)


def _text(shape: tuple[Any, ...]) -> str:
    return "x".join("?" if side is None else str(side) for side in shape) or "nothing"
