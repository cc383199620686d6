"""FaceNet: 160-px chips to 512 numbers of unit length, or 128 not of unit length."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from openfaceplus.embedding.engine import Engine, TorchEngine
from openfaceplus.embedding.onnx import OnnxEmbedder
from openfaceplus.errors import ModelCorrupt, UsageError
from openfaceplus.extras import require
from openfaceplus.weights import formats
from openfaceplus.weights.embedder_spec import EmbedderSpec

_CHIP_FIELDS = ("template", "padding")  # all that a spec may change of a network that we build
_CLASSIFIER = "logits."


class FaceNet(OnnxEmbedder):
    """Inception-ResNet-v1 of the FaceNet tutorials.

    ``weights`` is facenet-pytorch's state dict (``.pt``, 512-D; the catalog's where none is given),
    the Keras file of the older tutorials (``.h5``, 128-D) or an ONNX export (``.onnx``). Chips are
    dlib's with a border; ``spec`` may ask for the template ``box``, the detector's box as the
    tutorials cut it.
    """

    name = "facenet"
    # FaceNet learned boxes with a border, the face upright or not; see docs/models.md.
    preset = EmbedderSpec(160, std=128.0, template="dlib", padding=0.35)
    chip = preset.chip
    dim = 512
    models = ("facenet-vggface2",)

    def _load(
        self, path: Path, spec: EmbedderSpec, device: str, threads: int | None
    ) -> tuple[Engine, int]:
        suffix = path.suffix.lower()
        if suffix == ".onnx":
            return super()._load(path, spec, device, threads)
        for field, value in spec.to_dict().items():
            if field not in _CHIP_FIELDS and value != getattr(self.preset, field):
                raise UsageError(
                    f"{path}: {field} belongs to the network",
                    remedy=f"for facenet a spec may change {' and '.join(_CHIP_FIELDS)} alone",
                )
        require("torch", "torch", "FaceNet")
        from openfaceplus.embedding.nets.inception_resnet_v1 import InceptionResnetV1, keras_names

        keras = suffix in (".h5", ".hdf5")
        if keras:
            found = from_keras(formats.read_keras_h5(path), keras_names(), path)
        else:
            state = formats.read_state_dict(path)
            found = {k: v for k, v in state.items() if not k.startswith(_CLASSIFIER)}
        last = found.get("last_linear.weight")
        if last is None or last.ndim != 2:
            raise ModelCorrupt(
                f"{path}: no FaceNet: it lacks last_linear", remedy="name another file"
            )
        network = InceptionResnetV1(len(last), standardise=keras)
        shapes = {key: tuple(value.shape) for key, value in network.state_dict().items()}
        network.fill(formats.fit_shapes(found, shapes, path))
        return TorchEngine(network, device, threads), len(last)


def from_keras(
    found: Mapping[tuple[str, str], np.ndarray], names: Mapping[str, str], path: Path
) -> dict[str, np.ndarray]:
    """A state dict out of a Keras file's arrays, ``names`` being Keras' of our layers.

    Keras holds kernels as height, width, in, out, and FaceNet's batch norms have no gamma.
    Raises ModelCorrupt for a file of another network.
    """

    def take(layer: str, parameter: str) -> np.ndarray:
        if (layer, parameter) not in found:
            raise ModelCorrupt(
                f"{path}: {layer}/{parameter} is missing: another network",
                remedy="name the right file",
            )
        return found[layer, parameter]

    def norm(key: str, layer: str) -> dict[str, np.ndarray]:
        beta = take(layer, "beta")
        return {
            f"{key}.weight": found.get((layer, "gamma"), np.ones_like(beta)),
            f"{key}.bias": beta,
            f"{key}.running_mean": take(layer, "moving_mean"),
            f"{key}.running_var": take(layer, "moving_variance"),
        }

    state: dict[str, np.ndarray] = {}
    for key, layer in names.items():
        kernel = take(layer, "kernel")
        if kernel.ndim != 4:
            raise ModelCorrupt(f"{path}: {layer}/kernel is {kernel.shape}: another network")
        kernel = np.ascontiguousarray(kernel.transpose(3, 2, 0, 1))
        if key.endswith(".conv2d"):
            state |= {f"{key}.weight": kernel, f"{key}.bias": take(layer, "bias")}
        else:
            state |= {f"{key}.conv.weight": kernel, **norm(f"{key}.bn", f"{layer}_BatchNorm")}
    state["last_linear.weight"] = np.ascontiguousarray(take("Bottleneck", "kernel").T)
    return state | norm("last_bn", "Bottleneck_BatchNorm")
