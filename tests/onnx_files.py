"""Small ONNX networks with real operators and weights set by hand, for tests without weights."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

FLOAT, UINT8 = TensorProto.FLOAT, TensorProto.UINT8
SIDE = 64  # pixels that the detector sees
ANCHOR, STRIDE = 16, 4


def _write(path: Path, nodes, inputs, outputs, constants) -> Path:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(*one) for one in inputs],
        [helper.make_tensor_value_info(*one) for one in outputs],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    made.ir_version = 8
    save(made, path)
    return path


def embedder(
    path: Path,
    size: int = 112,
    *,
    batch: int | str = "n",
    layout: str = "NCHW",
    dim: int = 16,
    outputs: int = 1,
    inputs: int = 1,
    kind: str = "vector",
) -> Path:
    """A convolution, ReLU, average over 4x4 cells, a dense layer: one vector a chip.

    ``kind`` may be ``map`` (no vector), ``total`` (one row for all chips) or ``nan``.
    """
    rng = np.random.default_rng(7)
    constants = {
        "w": rng.normal(0, 0.3, (8, 3, 5, 5)).astype("f4"),
        "b": rng.normal(0, 0.1, 8).astype("f4"),
        "dense": rng.normal(0, 0.1, (8 * 16, dim)).astype("f4"),
        "nan": np.float32("nan"),
        "axes": np.array([0], np.int64),
    }
    if layout == "NHWC":
        nodes = [helper.make_node("Transpose", ["x"], ["t"], perm=[0, 3, 1, 2])]
        shape = [batch, size, size, 3]
    else:
        nodes, shape = [helper.make_node("Identity", ["x"], ["t"])], [batch, 3, size, size]
    pool = size // 4
    nodes += [
        helper.make_node("Conv", ["t", "w", "b"], ["c"], pads=[2, 2, 2, 2]),
        helper.make_node("Relu", ["c"], ["r"]),
        helper.make_node("AveragePool", ["r"], ["p"], kernel_shape=[pool] * 2, strides=[pool] * 2),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("MatMul", ["f", "dense"], ["v"]),
    ]
    last = {"vector": "v", "map": "c", "total": "s", "nan": "bad"}[kind]
    if kind == "total":
        nodes.append(helper.make_node("ReduceSum", ["v", "axes"], ["s"]))
    if kind == "nan":
        nodes.append(helper.make_node("Mul", ["v", "nan"], ["bad"]))
    found = [(last, FLOAT, None), ("r", FLOAT, None)][:outputs]
    takes = [("x", FLOAT, shape), ("y", FLOAT, [1])][:inputs]
    return _write(path, nodes, takes, found, constants)


def ssd(path: Path, *, boxes: str = "detection_boxes", kind: int = UINT8) -> Path:
    """A detector of reddish squares with the parts of MobileNet-SSD.

    Any picture is resized to 64 pixels; a convolution scores anchors of 16 pixels, 4 apart, and
    gives their offsets; these are decoded, overlaps are suppressed, and the rest is gathered.
    """
    kernel = np.zeros((1, 3, ANCHOR, ANCHOR), "f4")
    kernel[0, 0], kernel[0, 1:] = 1, -0.5
    count = (SIDE - ANCHOR) // STRIDE + 1
    centres = (np.arange(count) * STRIDE + ANCHOR / 2) / SIDE
    y, x = np.meshgrid(centres, centres, indexing="ij")
    anchors = np.stack([y.ravel(), x.ravel()], 1).astype("f4")  # (n, 2) centres
    half = np.log(1.25).astype("f4") * 5  # sizes are coded as 5 log(size / anchor)
    constants = {
        "size": np.array([1, 3, SIDE, SIDE], np.int64),
        "kernel": kernel / (255 * ANCHOR**2),
        "score bias": np.array([-0.6], "f4"),
        "gain": np.float32(20),
        "offsets": np.zeros((4, 3, ANCHOR, ANCHOR), "f4"),
        "offset bias": np.array([0.5, -0.5, half, half], "f4"),
        "flat": np.array([1, 4, -1], np.int64),
        "flat scores": np.array([1, 1, -1], np.int64),
        "halves": np.array([2, 2], np.int64),
        "anchors": anchors[None],
        "anchor": np.float32(ANCHOR / SIDE),
        "ten": np.float32(10),
        "five": np.float32(5),
        "two": np.float32(2),
        "most": np.array([100], np.int64),
        "iou": np.array([0.3], "f4"),
        "least": np.array([0.1], "f4"),
        "column": np.array([2], np.int64),
        "axis": np.array([1], np.int64),
        "none": np.array([], "f4"),
    }
    node = helper.make_node
    nodes = [
        node("Cast", ["image_tensor"], ["pixels"], to=FLOAT),
        node("Transpose", ["pixels"], ["planes"], perm=[0, 3, 1, 2]),
        node("Resize", ["planes", "none", "none", "size"], ["small"], mode="linear"),
        node("Conv", ["small", "kernel", "score bias"], ["raw"], strides=[STRIDE] * 2),
        node("Mul", ["raw", "gain"], ["logits"]),
        node("Sigmoid", ["logits"], ["score map"]),
        node("Reshape", ["score map", "flat scores"], ["scores"]),
        node("Conv", ["small", "offsets", "offset bias"], ["codes map"], strides=[STRIDE] * 2),
        node("Reshape", ["codes map", "flat"], ["codes rows"]),
        node("Transpose", ["codes rows"], ["codes"], perm=[0, 2, 1]),
        node("Split", ["codes", "halves"], ["shifts", "logs"], axis=2),
        node("Div", ["shifts", "ten"], ["shift"]),
        node("Mul", ["shift", "anchor"], ["moved"]),
        node("Add", ["moved", "anchors"], ["centre"]),
        node("Div", ["logs", "five"], ["log"]),
        node("Exp", ["log"], ["factor"]),
        node("Mul", ["factor", "anchor"], ["sides"]),
        node("Div", ["sides", "two"], ["half"]),
        node("Sub", ["centre", "half"], ["low"]),
        node("Add", ["centre", "half"], ["high"]),
        node("Concat", ["low", "high"], ["boxes"], axis=2),
        node("NonMaxSuppression", ["boxes", "scores", "most", "iou", "least"], ["kept"]),
        node("Gather", ["kept", "column"], ["index column"], axis=1),
        node("Squeeze", ["index column", "axis"], ["index"]),
        node("Gather", ["boxes", "index"], [boxes], axis=1),
        node("Squeeze", ["scores", "axis"], ["score rows"]),
        node("Gather", ["score rows", "index"], ["detection_scores"], axis=1),
        node("Shape", ["index"], ["many"]),
        node("Cast", ["many"], ["num_detections"], to=FLOAT),
    ]
    outputs = [(name, FLOAT, None) for name in (boxes, "detection_scores", "num_detections")]
    inputs = [("image_tensor", kind, [1, "height", "width", 3])]
    return _write(path, nodes, inputs, outputs, constants)


def red_square(height: int, width: int, centre: tuple[float, float], side: float) -> np.ndarray:
    """What ``ssd`` detects: (height, width, 3) grey with a red rectangle, in parts of the whole."""
    picture = np.full((height, width, 3), 90, np.uint8)
    (x, y), half = centre, side / 2
    rows = slice(round((y - half) * height), round((y + half) * height))
    picture[rows, round((x - half) * width) : round((x + half) * width)] = (255, 20, 20)
    return picture


def liveness(path: Path, size: int = 80, classes: int = 3) -> Path:
    """A network with MiniFASNet's input and output: the bluer a crop, the likelier a real face.

    The second logit is how much more blue (the first channel, as in BGR) than red it holds, in
    steps of 12.75 of 255; the others are 0.
    """
    weight = np.zeros((3, classes), "f4")
    weight[0, 1], weight[2, 1] = 1 / 12.75, -1 / 12.75
    nodes = [
        helper.make_node("GlobalAveragePool", ["x"], ["p"]),
        helper.make_node("Flatten", ["p"], ["f"]),
        helper.make_node("MatMul", ["f", "w"], ["logits"]),
    ]
    takes = [("x", FLOAT, ["n", 3, size, size])]
    return _write(path, nodes, takes, [("logits", FLOAT, ["n", classes])], {"w": weight})
