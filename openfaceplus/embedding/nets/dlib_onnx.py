"""dlib's face ResNet as an ONNX graph, made from its weights without torch."""

from __future__ import annotations

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

from openfaceplus.embedding.nets.dlib_plan import DIM, SIZE, Block, Conv, Weights

# Old enough for every ONNX Runtime of the supported Pythons.
_OPSET = 17
_IR_VERSION = 8


def build(weights: Weights) -> ModelProto:
    """The graph: ``pixels`` (n, 150, 150, 3) RGB uint8 to ``embeddings`` (n, 128) float32.

    A change here or in the plan raises ``dlib_plan.GRAPH_VERSION``, for graphs are cached.
    """
    graph = _Graph()
    x = graph.add("Cast", "pixels", to=TensorProto.FLOAT)
    x = graph.add("Transpose", x, perm=(0, 3, 1, 2))
    x = graph.add("Relu", graph.conv(x, weights.stem, stride=2, padding=0))
    x = graph.add("MaxPool", x, kernel_shape=(3, 3), strides=(2, 2))
    for block in weights.blocks:
        x = _residual(graph, x, block)
    x = graph.add("Flatten", graph.add("GlobalAveragePool", x))
    graph.add("MatMul", x, graph.constant(weights.last), output="embeddings")
    return graph.model()


class _Graph:
    """Nodes and constants in the order they are added; an output is named by its number."""

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: object) -> str:
        output = output or f"{operator}{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def constant(self, values: np.ndarray) -> str:
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def conv(self, x: str, conv: Conv, stride: int, padding: int) -> str:
        kernel, bias = self.constant(conv.kernel), self.constant(conv.bias)
        return self.add("Conv", x, kernel, bias, strides=(stride,) * 2, pads=(padding,) * 4)

    def pad(self, x: str, channels: int, pixels: int) -> str:
        """Zeros behind the channels, and right and below."""
        if not channels and not pixels:
            return x
        ends = np.array([0, 0, 0, 0, 0, channels, pixels, pixels], np.int64)
        return self.add("Pad", x, self.constant(ends))

    def model(self) -> ModelProto:
        pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ("n", SIZE, SIZE, 3))
        vectors = helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ("n", DIM))
        graph = helper.make_graph(self.nodes, "dlib-resnet-v1", [pixels], [vectors], self.constants)
        opset = helper.make_opsetid("", _OPSET)
        return helper.make_model(graph, opset_imports=[opset], ir_version=_IR_VERSION)


def _residual(graph: _Graph, x: str, block: Block) -> str:
    stride, padding = (2, 0) if block.down else (1, 1)
    y = graph.add("Relu", graph.conv(x, block.first, stride, padding))
    y = graph.conv(y, block.second, 1, 1)
    if block.down:
        x = graph.add("AveragePool", x, kernel_shape=(2, 2), strides=(2, 2))
        x = graph.pad(x, block.grow, 0)
        y = graph.pad(y, 0, block.short)
    return graph.add("Relu", graph.add("Add", y, x))
