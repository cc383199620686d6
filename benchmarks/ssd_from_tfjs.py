"""Make ``face.onnx`` out of the MobileNet-SSD for faces that an npm package holds.

    python benchmarks/ssd_from_tfjs.py face.onnx
    openfaceplus align photos/ -o chips/ --detector ssd:face.onnx

npm fetches ``@vladmandic/face-api`` 1.7.15 (MIT), of which nothing is run: the weights are taken
out, checked, and put into an ONNX graph like those that TensorFlow's object detection exports. They
were stored for TF.js as 8-bit integers with a scale and a least value. The network is MobileNet v1
at 512 pixels with six maps of boxes (Liu and others, 2016; Howard and others, 2017), one class.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import math
import subprocess
import tarfile
import tempfile
from pathlib import Path

import numpy as np
import onnx
from onnx import helper, numpy_helper

RELEASE = "@vladmandic/face-api@1.7.15"
FILE = "package/model/ssd_mobilenetv1_model"
SHA256 = "2835640602d53718aa6ae9a42896327eaa21beefed056c218d32ca7d79e1e2f8"  # of its .bin
SIDE = 512  # pixels that the network sees
HALVED = (2, 4, 6, 12)  # depthwise layers with a stride of two


def main() -> None:
    parse = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parse.add_argument("output", type=Path, metavar="FILE.onnx")
    args = parse.parse_args()
    make(args.output)


def make(output: Path) -> None:
    """Fetch the weights and write the graph; CalledProcessError where npm fails."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run(
            ["npm", "pack", "--silent", RELEASE], cwd=folder, check=True, capture_output=True
        )
        with tarfile.open(next(Path(folder).glob("*.tgz"))) as archive:
            manifest, data = (
                archive.extractfile(FILE + end).read()
                for end in ("-weights_manifest.json", ".bin")
            )
    found = hashlib.sha256(data).hexdigest()
    if found != SHA256:
        raise SystemExit(f"{FILE}.bin has sha256 {found} and not {SHA256}")
    output.write_bytes(Graph(weights(json.loads(manifest), data)).build().SerializeToString())


def weights(manifest: list, data: bytes) -> dict[str, np.ndarray]:
    """The arrays of a TF.js weights file by name, float32."""
    arrays, at = {}, 0
    for entry in manifest[0]["weights"]:
        count = math.prod(entry["shape"])
        quantised = entry.get("quantization")
        kind = np.dtype(quantised["dtype"] if quantised else entry["dtype"])
        values = np.frombuffer(data, kind, count, at).astype(np.float32)
        at += count * kind.itemsize
        if quantised:
            values = values * np.float32(quantised["scale"]) + np.float32(quantised["min"])
        arrays[entry["name"]] = values.reshape(entry["shape"])
    return arrays


class Graph:
    """The network, put together from its weights."""

    def __init__(self, arrays: dict[str, np.ndarray]) -> None:
        self.arrays, self.nodes, self.constants = arrays, [], []

    def build(self) -> onnx.ModelProto:
        x = self.node("Cast", "image_tensor", to=onnx.TensorProto.FLOAT)
        x = self.node("Transpose", x, perm=[0, 3, 1, 2])
        size = self.constant(np.array([1, 3, SIDE, SIDE]))
        x = self.node("Resize", x, "", "", size, mode="linear")
        x = self.node("Sub", self.node("Div", x, self.number(127.5)), self.number(1))
        x = self.pointwise(x, "MobilenetV1/Conv2d_0_pointwise", 2)
        maps = []
        for number in range(1, 14):
            stride = 2 if number in HALVED else 1
            x = self.depthwise(x, f"MobilenetV1/Conv2d_{number}_depthwise", stride)
            x = self.pointwise(x, f"MobilenetV1/Conv2d_{number}_pointwise", 1)
            if number in (11, 13):
                maps.append(x)
        for number in range(8):
            x = self.pointwise(x, f"Prediction/Conv2d_{number}_pointwise", 1 + number % 2)
            if number % 2:
                maps.append(x)
        codes, classes = (
            self.node("Concat", *(self.rows(m, k, name, n) for k, m in enumerate(maps)), axis=1)
            for name, n in (("BoxEncodingPredictor", 4), ("ClassPredictor", 3))
        )
        self.suppress(self.decode(codes), self.node("Sigmoid", self.part(classes, 1, 2)))
        graph = helper.make_graph(
            self.nodes,
            "ssd",
            [value("image_tensor", onnx.TensorProto.UINT8, [1, "height", "width", 3])],
            [
                value("detection_boxes", onnx.TensorProto.FLOAT, [1, "n", 4]),
                value("detection_scores", onnx.TensorProto.FLOAT, [1, "n"]),
                value("num_detections", onnx.TensorProto.FLOAT, [1]),
            ],
            self.constants,
        )
        made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        onnx.checker.check_model(made)
        return made

    def node(self, kind: str, *inputs: str, output: str | None = None, **attributes) -> str:
        name = output or f"{kind} {len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, list(inputs), [name], **attributes))
        return name

    def constant(self, array: np.ndarray) -> str:
        name = f"constant {len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.ascontiguousarray(array), name))
        return name

    def number(self, number: float) -> str:
        return self.constant(np.float32(number))

    def convolution(self, x: str, kernel: np.ndarray, bias: np.ndarray | None, **how) -> str:
        """Padded as TensorFlow pads, which has the odd pixel at the right and below."""
        weight = [self.constant(kernel)] + ([] if bias is None else [self.constant(bias)])
        return self.node("Conv", x, *weight, auto_pad="SAME_UPPER", **how)

    def limited(self, x: str) -> str:
        return self.node("Clip", x, self.number(0), self.number(6))

    def pointwise(self, x: str, name: str, stride: int) -> str:
        kernel = self.arrays[f"{name}/weights"].transpose(3, 2, 0, 1)
        bias = self.arrays[f"{name}/convolution_bn_offset"]
        return self.limited(self.convolution(x, kernel, bias, strides=[stride] * 2))

    def depthwise(self, x: str, name: str, stride: int) -> str:
        kernel = self.arrays[f"{name}/depthwise_weights"].transpose(2, 3, 0, 1)
        x = self.convolution(x, kernel, None, strides=[stride] * 2, group=len(kernel))
        norm = ("gamma", "beta", "moving_mean", "moving_variance")
        four = (self.constant(self.arrays[f"{name}/BatchNorm/{one}"]) for one in norm)
        return self.limited(self.node("BatchNormalization", x, *four, epsilon=1e-3))

    def rows(self, x: str, number: int, predictor: str, columns: int) -> str:
        """(1, places, columns) of one map."""
        name = f"Prediction/BoxPredictor_{number}/{predictor}"
        kernel = self.arrays[f"{name}/weights"].transpose(3, 2, 0, 1)
        x = self.convolution(x, kernel, self.arrays[f"{name}/biases"])
        x = self.node("Transpose", x, perm=[0, 2, 3, 1])
        return self.node("Reshape", x, self.constant(np.array([1, -1, columns])))

    def part(self, x: str, start: int, end: int) -> str:
        """Some columns of (1, n, columns)."""
        ends = (self.constant(np.array([one])) for one in (start, end, 2))
        return self.node("Slice", x, *ends)

    def decode(self, codes: str) -> str:
        """(1, n, 4) ymin, xmin, ymax, xmax in 0..1 from codes and the boxes that these change."""
        start = self.arrays["Output/extra_dim"]
        sides = self.constant(start[..., 2:] - start[..., :2])
        middle = self.constant((start[..., 2:] + start[..., :2]) / 2)
        shift = self.node("Div", self.part(codes, 0, 2), self.number(10))
        centre = self.node("Add", self.node("Mul", shift, sides), middle)
        factor = self.node("Exp", self.node("Div", self.part(codes, 2, 4), self.number(5)))
        half = self.node("Div", self.node("Mul", factor, sides), self.number(2))
        corners = self.node("Sub", centre, half), self.node("Add", centre, half)
        return self.node(
            "Clip", self.node("Concat", *corners, axis=2), self.number(0), self.number(1)
        )

    def suppress(self, boxes: str, scores: str) -> None:
        """The three outputs: of boxes that overlap by half or more the best, at most a hundred."""
        by_class = self.node("Transpose", scores, perm=[0, 2, 1])
        limits = self.constant(np.array([100])), self.constant(np.array([0.5], np.float32))
        least = self.constant(np.array([0.1], np.float32))
        kept = self.node("NonMaxSuppression", boxes, by_class, *limits, least)
        column, axis = self.constant(np.array([2])), self.constant(np.array([1]))
        index = self.node("Squeeze", self.node("Gather", kept, column, axis=1), axis)
        self.node("Gather", boxes, index, axis=1, output="detection_boxes")
        flat = self.node("Squeeze", by_class, axis)
        self.node("Gather", flat, index, axis=1, output="detection_scores")
        many = self.node("Shape", index)
        self.node("Cast", many, to=onnx.TensorProto.FLOAT, output="num_detections")


def value(name: str, kind: int, shape: list) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, shape)


if __name__ == "__main__":
    main()
