"""Writers of weight files, as other programs leave them, for the tests of their readers."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from openfaceplus.embedding.nets import dlib_plan, nn4_plan
from openfaceplus.weights.formats import Layer


def own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A fixture: a cache folder of the test file's own, for pins and graphs."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("OPENFACEPLUS_CACHE", str(folder))
        yield folder


def synthetic(key: str, shape: tuple[int, ...]) -> np.ndarray:
    """The weights behind the golden outputs of tests/golden."""
    rng = np.random.default_rng(zlib.crc32(key.encode()))
    if key.endswith("running_var"):
        values = rng.uniform(0.5, 1.5, shape)
    elif key.endswith(("running_mean", "bias")):
        values = rng.normal(0, 0.1, shape)
    elif len(shape) == 1:
        values = rng.uniform(0.5, 1.5, shape)
    else:
        values = rng.normal(0, 1, shape) * np.sqrt(2 / np.prod(shape[1:]))
    return values.astype(np.float32)


def nn4_state() -> dict[str, np.ndarray]:
    """A state dict of nn4.small2 with synthetic weights."""
    shapes = {
        f"{layer.key}.{name}": shape
        for layer in nn4_plan.layers()
        for name, shape in layer.parameters().items()
    }
    return {key: synthetic(key, shape) for key, shape in shapes.items()}


def dlib_layers(seed: int = 0) -> list[tuple[str, np.ndarray]]:
    """Layers of dlib's face ResNet with random weights, as ``read_dlib_dat`` gives them."""
    rng = np.random.default_rng(seed)

    def conv(outputs: int, inputs: int, size: int) -> list[tuple[str, np.ndarray]]:
        fan = inputs * size * size
        kernel = rng.normal(0, (1 / fan) ** 0.5, outputs * fan)
        values = np.concatenate([kernel, rng.normal(0, 0.1, outputs)])
        affine = np.concatenate([rng.uniform(0.5, 1.5, outputs), rng.normal(0, 0.1, outputs)])
        return [("con_4", values.astype("f4")), ("affine_", affine.astype("f4"))]

    layers, inputs = conv(32, 3, 7), 32
    for channels, blocks, _ in dlib_plan.STAGES:
        for _ in range(blocks):
            layers += conv(channels, inputs, 3) + conv(channels, channels, 3)
            inputs = channels
    return [*layers, ("fc_2", rng.normal(0, 0.1, (256, 128)).astype("f4"))]


def _dlib_integer(value: int) -> bytes:
    size = max(1, (abs(value).bit_length() + 7) // 8)
    return bytes([size | 0x80 * (value < 0)]) + abs(value).to_bytes(size, "little")


def write_landmarks(path: Path, pixel: int = 1, anchor: int = 1) -> Path:
    """dlib's predictor of 2 points: one tree of one split, which asks for the pixel of that number,
    and two pixels near the points of number 0 and ``anchor``. Numbers above 1 point outside."""
    integer, one = _dlib_integer, _dlib_integer(1)
    shape = integer(-4) + integer(-1) + one * 8
    tree = one + integer(pixel) + integer(0) + one * 2 + integer(2) + shape * 2
    anchors = one + integer(2) + integer(0) + integer(anchor)
    path.write_bytes(one + shape + one * 2 + tree + anchors + one + integer(2) + one * 8)
    return path


def write_dlib(path: Path, layers: list[tuple[str, np.ndarray]]) -> Path:
    """A ``.dat``: names and tensors with some of the integers that stand between them."""
    integer = _dlib_integer
    data = integer(1) + integer(-70000)
    for name, values in layers:
        shape = values.shape if values.ndim == 2 else (values.size, 1)
        data += integer(len(name)) + name.encode()
        if name == "fc_2":
            data += integer(shape[1]) + integer(shape[0])
        data += b"".join(map(integer, (2, *shape, 1, 1)))
        data += values.astype("<f4").tobytes() + integer(32) + integer(-7)
    path.write_bytes(data)
    return path


class T7Writer:
    """Lua Torch's binary form. Parameters share one storage, as after ``getParameters``."""

    def __init__(self, double: bool = False) -> None:
        self.kind, self.dtype = ("Double", "<f8") if double else ("Float", "<f4")
        self.values: list[np.ndarray] = []
        self.count = 0
        self.known: dict[int, int] = {}

    def write(self, path: Path, root: object) -> Path:
        self._collect(root)
        path.write_bytes(self._any(root))
        return path

    def _collect(self, node: object) -> None:
        if isinstance(node, np.ndarray):
            self.known[id(node)] = sum(values.size for values in self.values)
            self.values.append(node.ravel())
        for part in _parts(node):
            self._collect(part)

    def _any(self, node: object) -> bytes:
        if node is None:
            return struct.pack("<i", 0)
        if isinstance(node, bool):
            return struct.pack("<ii", 5, node)
        if isinstance(node, (int, float)):
            return struct.pack("<id", 1, node)
        if isinstance(node, str):
            return struct.pack("<i", 2) + _string(node)
        if isinstance(node, np.ndarray):
            return self._tensor(node)
        if isinstance(node, tuple):
            name, fields = node
            return self._head(4) + _string("V 1") + _string(name) + self._any(fields)
        if isinstance(node, list):
            node = dict(enumerate(node, 1))
        body = b"".join(self._any(key) + self._any(value) for key, value in node.items())
        return self._head(3) + struct.pack("<i", len(node)) + body

    def _head(self, kind: int) -> bytes:
        self.count += 1
        return struct.pack("<ii", kind, self.count)

    def _tensor(self, values: np.ndarray) -> bytes:
        strides = [step // values.itemsize for step in np.zeros(values.shape, values.dtype).strides]
        numbers = (*values.shape, *strides, self.known[id(values)] + 1)
        head = self._head(4) + _string("V 1") + _string(f"torch.{self.kind}Tensor")
        shape = struct.pack("<i", values.ndim) + struct.pack(f"<{len(numbers)}q", *numbers)
        return head + shape + self._storage()

    def _storage(self) -> bytes:
        if "storage" in self.known:
            return struct.pack("<ii", 4, self.known["storage"])
        head = self._head(4) + _string("V 1") + _string(f"torch.{self.kind}Storage")
        self.known["storage"] = self.count
        data = np.concatenate(self.values).astype(self.dtype)
        return head + struct.pack("<q", data.size) + data.tobytes()


def _string(text: str) -> bytes:
    return struct.pack("<i", len(text)) + text.encode()


def _parts(node: object) -> list[object]:
    if isinstance(node, tuple):
        return [node[1]]
    if isinstance(node, dict):
        return list(node.values())
    return node if isinstance(node, list) else []


def lua_network(state: dict[str, np.ndarray], old: bool = False) -> tuple[str, dict]:
    """nn4.small2 as OpenFace's Lua definition builds it; ``old``: norms as Torch once kept them."""

    def layer(name: str, key: str, flat: bool = False, **fields: object) -> tuple[str, dict]:
        weight = state[f"{key}.weight"]
        weight = weight.reshape(len(weight), -1) if flat else weight
        return f"nn.{name}", fields | {"weight": weight, "bias": state[f"{key}.bias"]}

    def norm(key: str) -> tuple[str, dict]:
        mean, variance = state[f"{key}.running_mean"], state[f"{key}.running_var"]
        if old:
            fields = {"running_std": (variance + 1e-5) ** -0.5}
        else:
            fields = {"running_var": variance, "eps": 1e-5}
        return layer("SpatialBatchNormalization", key, running_mean=mean, **fields)

    def convs(prefix: str, indices: tuple[int, ...]) -> list[tuple[str, dict]]:
        return [
            module
            for index in indices
            for module in (
                layer("SpatialConvolutionMM", f"{prefix}.{index}", flat=True, kW=3.0),
                norm(f"{prefix}.{index + 1}"),
                ("nn.ReLU", {"inplace": True}),
            )
        ]

    def sequential(modules: list) -> tuple[str, dict]:
        return "nn.Sequential", {"modules": modules, "train": False}

    def inception(plan: nn4_plan.Inception) -> tuple[str, dict]:
        prefix = f"incept{plan.name}.branches"
        branches = [convs(f"{prefix}.{at}", (0, 3)) for at in range(len(plan.convs))]
        pool = ("nn.SpatialMaxPooling", {"kW": 3.0})
        if plan.pool[0] == "l2":
            pool = ("nn.SpatialLPPooling", {"modules": [("nn.Square", {}), ("nn.Sqrt", {})]})
        at = len(plan.convs)
        branches.append([pool, *convs(f"{prefix}.{at}", (1,) if plan.projection else ())])
        if plan.plain:
            branches.append(convs(f"{prefix}.{at + 1}", (0,)))
        concat = ("nn.DepthConcat", {"dimension": 2.0, "modules": [*map(sequential, branches)]})
        return "nn.Inception", {"modules": [concat], "inputSize": float(plan.inputs)}

    stem = []
    for number in (1, 2, 3):
        stem.append(layer("SpatialConvolutionMM", f"conv{number}", flat=True))
        stem += [norm(f"bn{number}"), ("nn.ReLU", {})]
        stem += [("nn.SpatialCrossMapLRN", {"alpha": 1e-4})] * (number != 2)
    tail = [("nn.Reshape", {}), ("nn.View", {}), layer("Linear", "ln"), ("nn.Normalize", {})]
    return sequential([*stem, *map(inception, nn4_plan.INCEPTIONS), *tail])


def write_pt(path: Path, state: dict[str, np.ndarray], **options: object) -> Path:
    """torch's state dict."""
    import torch

    torch.save({key: torch.tensor(values) for key, values in state.items()}, path, **options)
    return path


def write_csvs(folder: Path, layers: list[Layer], state: dict[str, np.ndarray]) -> Path:
    """One CSV a parameter: one number a line, convolutions and dense layers alike."""
    folder.mkdir()
    suffixes = {"weight": "w", "bias": "b", "running_mean": "m", "running_var": "v"}
    for layer in layers:
        for name in layer.parameters():
            values = state[f"{layer.key}.{name}"].ravel()
            text = "\n".join(map(repr, values.tolist()))
            (folder / f"{layer.csv}_{suffixes[name]}.csv").write_text(text + "\n")
    return folder


def facenet_state(dim: int = 512) -> dict[str, np.ndarray]:
    """A state dict of Inception-ResNet-v1 with synthetic weights."""
    from openfaceplus.embedding.nets.inception_resnet_v1 import InceptionResnetV1

    shapes = {key: tuple(v.shape) for key, v in InceptionResnetV1(dim).state_dict().items()}
    return {key: synthetic(key, shape) for key, shape in shapes.items()}


def write_facenet_h5(
    path: Path, state: dict[str, np.ndarray], whole: bool = True
) -> tuple[Path, dict[str, np.ndarray]]:
    """The network as ``facenet_keras.h5`` keeps it: kernels as height, width, in, out, batch norms
    without gamma; ``whole`` models have their weights under ``model_weights``.

    Returns the path and the state dict that was written, its gammas one.
    """
    import h5py

    from openfaceplus.embedding.nets.inception_resnet_v1 import keras_names

    written = {}

    with h5py.File(path, "w") as file:
        root = file.create_group("model_weights") if whole else file
        if whole:
            file.attrs["model_config"] = b'{"class_name": "Model"}'
            kept = file.create_group("optimizer_weights").create_group("Bottleneck")
            kept["kernel:0"] = np.zeros(3, np.float32)

        def put(layer: str, **parameters: np.ndarray) -> None:
            group = root.create_group(layer)
            names = [f"{layer}/{name}:0".encode() for name in parameters]
            group.attrs["weight_names"] = np.array(names)
            for name, values in parameters.items():
                group.create_dataset(f"{layer}/{name}:0", data=values)

        def norm(layer: str, key: str) -> None:
            beta, mean, variance = (
                state[f"{key}.{name}"] for name in ("bias", "running_mean", "running_var")
            )
            put(layer, beta=beta, moving_mean=mean, moving_variance=variance)
            written[f"{key}.weight"] = np.ones_like(beta)

        for key, layer in keras_names().items():
            last = key.endswith(".conv2d")
            kernel = state[f"{key}.weight" if last else f"{key}.conv.weight"].transpose(2, 3, 1, 0)
            if last:
                put(layer, kernel=kernel, bias=state[f"{key}.bias"])
            else:
                put(layer, kernel=kernel)
                norm(f"{layer}_BatchNorm", f"{key}.bn")
        put("Bottleneck", kernel=state["last_linear.weight"].T)
        norm("Bottleneck_BatchNorm", "last_bn")
        root.create_group("AvgPool")
    return path, state | written
