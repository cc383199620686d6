"""dlib's face ResNet as an ONNX graph, made from its weights without torch."""

from __future__ import annotations

from typing import Any

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
    return network(Graph(), weights)


class Graph:
    """Nodes and constants in the order they are added; an output is named by its number.

    What a graph of fewer bits does otherwise has a method: ``chips``, ``kept``, ``parameters``,
    ``pool`` and ``pad`` (see ``dlib_int8``).
    """

    def __init__(self) -> None:
        self.nodes: list[NodeProto] = []
        self.constants: list[TensorProto] = []

    def add(self, operator: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        output = output or f"{operator}{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, inputs, [output], **attributes))
        return output

    def constant(self, values: np.ndarray) -> str:
        name = f"constant{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(values, name))
        return name

    def chips(self) -> str:
        """The input as (n, 3, 150, 150) float32."""
        x = self.add("Cast", "pixels", to=TensorProto.FLOAT)
        return self.add("Transpose", x, perm=(0, 3, 1, 2))

    def kept(self, x: str) -> str:
        """A map as it is kept for the operations that read it."""
        return x

    def conv(self, x: str, conv: Conv, stride: int, padding: int) -> str:
        kernel, bias = self.parameters(x, conv)
        return self.add("Conv", x, kernel, bias, strides=(stride,) * 2, pads=(padding,) * 4)

    def parameters(self, x: str, conv: Conv) -> tuple[str, str]:
        """Kernel and bias of a convolution of ``x``."""
        return self.constant(conv.kernel), self.constant(conv.bias)

    def pool(self, x: str, operator: str, size: int) -> str:
        """A map of half the size, from windows of size x size."""
        return self.add(operator, x, kernel_shape=(size, size), strides=(2, 2))

    def pad(self, x: str, channels: int, pixels: int, *value: str) -> str:
        """Zeros, or ``value``, behind the channels, and right and below."""
        ends = np.array([0, 0, 0, 0, 0, channels, pixels, pixels], np.int64)
        return self.add("Pad", x, self.constant(ends), *value)

    def model(self) -> ModelProto:
        pixels = helper.make_tensor_value_info("pixels", TensorProto.UINT8, ("n", SIZE, SIZE, 3))
        vectors = helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ("n", DIM))
        graph = helper.make_graph(self.nodes, "dlib-resnet-v1", [pixels], [vectors], self.constants)
        opset = helper.make_opsetid("", _OPSET)
        return helper.make_model(graph, opset_imports=[opset], ir_version=_IR_VERSION)


def network(graph: Graph, weights: Weights) -> ModelProto:
    """The whole network, in the way of ``graph``."""
    x = graph.add("Relu", graph.conv(graph.chips(), weights.stem, stride=2, padding=0))
    x = graph.pool(graph.kept(x), "MaxPool", 3)
    for block in weights.blocks:
        x = _residual(graph, graph.kept(x), block)
    x = graph.add("Flatten", graph.add("GlobalAveragePool", x))
    graph.add("MatMul", x, graph.constant(weights.last), output="embeddings")
    return graph.model()


def _residual(graph: Graph, x: str, block: Block) -> str:
    stride, padding = (2, 0) if block.down else (1, 1)
    y = graph.kept(graph.add("Relu", graph.conv(x, block.first, stride, padding)))
    y = graph.kept(graph.conv(y, block.second, 1, 1))
    if block.down:
        x = graph.pool(x, "AveragePool", 2)
    if block.grow:
        x = graph.pad(x, block.grow, 0)
    if block.short:
        y = graph.pad(y, 0, block.short)
    return graph.add("Relu", graph.add("Add", y, x))
