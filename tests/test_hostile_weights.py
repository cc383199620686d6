"""Files of weights made to harm: no memory beyond what they hold, no hang, no byte of others."""

from __future__ import annotations

import contextlib
import os
import struct
import time
import tracemalloc
import zipfile
from pathlib import Path

import numpy as np
import pytest
from weight_files import write_landmarks, write_pt

from openfaceplus.errors import ModelCorrupt, ModelError, ModelMissing
from openfaceplus.weights import dlib_shapes, formats, onnx_session, require, trial

LINEAR = [formats.Layer("linear", "c", "c", (5, 4))]
READERS = {
    "dat": formats.read_dlib_dat,
    "pt": formats.read_state_dict,
    "t7": lambda path: formats.read_torch7(path, LINEAR),
    "csv": lambda path: formats.read_csv_folder(path.parent, LINEAR),
}


@contextlib.contextmanager
def refused(match: str, kind: type[ModelError] = ModelCorrupt):
    """The block raises that error, and takes at most some megabytes and seconds for it."""
    tracemalloc.start()
    start = time.perf_counter()
    try:
        with pytest.raises(kind, match=match):
            yield
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 64e6
    assert time.perf_counter() - start < 20


@pytest.mark.parametrize("kind", READERS)
def test_pipes_and_devices_are_no_weights(kind, tmp_path):
    pipe, zero = tmp_path / "c_w.csv", tmp_path / "zero"
    os.mkfifo(pipe)
    zero.symlink_to("/dev/zero")
    for place in (pipe, zero):
        if kind == "csv" and place == zero:
            pipe.unlink()
            zero.rename(pipe)
            place = pipe
        with refused("not a regular file"):
            READERS[kind](place)
    with pytest.raises(ModelMissing):
        READERS[kind](tmp_path / "none" / "none")


@pytest.mark.parametrize("kind", READERS)
def test_files_beyond_the_ceiling_are_not_read(kind, tmp_path):
    with open(tmp_path / "c_w.csv", "wb") as file:
        file.truncate(3 << 30)  # takes no room
    with refused("3,221,225,472 bytes, more than"):
        READERS[kind](tmp_path / "c_w.csv")


# -- .t7


def string(text: str) -> bytes:
    return struct.pack("<i", len(text)) + text.encode()


def torch_object(index: int, name: str, content: bytes) -> bytes:
    return struct.pack("<ii", 4, index) + string("V 1") + string(name) + content


def tensor(kind: str, shape, strides, start: int, count: int, data: bytes) -> bytes:
    numbers = (*shape, *strides, start)
    head = struct.pack(f"<i{len(numbers)}q", len(shape), *numbers)
    storage = torch_object(3, f"torch.{kind}Storage", struct.pack("<q", count) + data)
    return torch_object(2, f"torch.{kind}Tensor", head + storage)


def linear(weight: bytes) -> bytes:
    """nn.Linear with that weight, and the same as bias."""
    table = struct.pack("<iii", 3, 9, 1) + struct.pack("<i", 2) + string("weight") + weight
    return torch_object(1, "nn.Linear", table)


KINDS = ["Byte", "Char", "Short", "Int", "Long", "Float", "Double", "CudaByte", "Cuda", "CudaInt"]


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "shape, strides, start",
    [((5, 4), (4, 1), 1), ((5, 4), (0, 0), 1), ((2, 1), (2**40, 1), 1), ((2,), (-1,), 2),
     ((1,), (1,), 3), ((1,), (1,), 0), ((2**33,), (0,), 1), ((1,) * 40, (1,) * 40, 1)],
)  # fmt: skip
def test_tensors_never_reach_beyond_their_storage(tmp_path, kind, shape, strides, start):
    """Of torchfile's own tensors, Byte and Long among them, each read what lay behind."""
    (tmp_path / "a.t7").write_bytes(linear(tensor(kind, shape, strides, start, 2, bytes(16))))
    with refused(r"does not fit|dimensions|beyond"):
        formats.read_torch7(tmp_path / "a.t7", LINEAR)


@pytest.mark.parametrize(
    "content",
    [
        linear(tensor("Double", (5, 4), (4, 1), 1, 2**30, b"")),
        linear(tensor("Byte", (5, 4), (4, 1), 1, -1, bytes(99))),
        struct.pack("<ii", 2, 2**31 - 1) + b"a",
        struct.pack("<ii", 2, -1) + b"a",
        struct.pack("<iii", 3, 1, 2**31 - 1),
        struct.pack("<iii", 3, 1, 1) * 100_000,
        torch_object(1, "torch.FloatTensor", struct.pack("<i", 2**31 - 1)),
        torch_object(1, "torch.FloatTensor", struct.pack("<i", 10**6) + bytes(16 * 10**6)),
        struct.pack("<iii", 3, 1, 2**30) + bytes(12 * 10**6),
        struct.pack("<iii", 3, 1, 1) + struct.pack("<ii", 3, 1) * 2,
    ],
)
def test_t7_takes_no_more_than_the_file_holds(tmp_path, content):
    (tmp_path / "a.t7").write_bytes(content)
    with refused("damaged"):
        formats.read_torch7(tmp_path / "a.t7", LINEAR)


# -- .pt


@pytest.mark.parametrize("zipped", [True, False])
def test_a_small_pt_makes_no_large_tensor(tmp_path, zipped):
    """Strides of 0 made 8 GB of one number."""
    import torch

    path = tmp_path / "a.pt"
    for made in (
        {"w": torch.zeros(1, dtype=torch.half).expand(2**32)},
        {"w": torch.zeros(1).expand(2**31, 2)},
        {f"w{i}": part for i, part in enumerate([torch.zeros(1000)] * 1000)},
    ):
        torch.save(made, path, _use_new_zipfile_serialization=zipped)
        with refused(r"numbers"):
            formats.read_state_dict(path)


def test_archives_that_are_compressed_or_overlap(tmp_path):
    path = write_pt(tmp_path / "a.pt", {"w": np.zeros(5_000_000, np.float32)})
    packed = tmp_path / "b.pt"
    with zipfile.ZipFile(path) as old, zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as new:
        for member in old.namelist():
            new.writestr(member, old.read(member))
    assert packed.stat().st_size < 100_000
    with refused("compressed"):
        formats.read_state_dict(packed)
    with zipfile.ZipFile(packed, "w") as new:
        for number in range(400_000):
            new.filelist.append(zipfile.ZipInfo(f"{number:08}"))
        for info in new.filelist:
            info.header_offset = info.CRC = info.compress_size = info.file_size = 0
        new._didModify = True
    with refused("too many members"):
        formats.read_state_dict(packed)


@pytest.mark.parametrize("count", [0, 1, 3])
def test_storages_of_other_sizes_than_announced(tmp_path, count):
    import torch

    path = tmp_path / "a.pt"
    torch.save({"w": torch.ones(2)}, path, _use_new_zipfile_serialization=False)
    data = path.read_bytes()
    two = struct.pack("<q", 2) + np.ones(2, "<f4").tobytes()
    assert data.count(two) == 1
    path.write_bytes(data.replace(two, struct.pack("<q", count) + two[8:]))
    with pytest.raises(ModelError):
        formats.read_state_dict(path)


def test_state_dicts_are_read_without_torch(tmp_path):
    import subprocess
    import sys

    path = write_pt(tmp_path / "a.pt", {"w": np.ones((2, 3), np.float32)})
    code = f"""
import sys
from openfaceplus.weights import dlib_shapes, formats, onnx_session, require, trial
assert formats.read_state_dict({str(path)!r})["w"].shape == (2, 3)
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)


# -- .h5


def test_h5_reads_no_other_file_and_makes_no_large_array(tmp_path):
    h5py = pytest.importorskip("h5py")
    (tmp_path / "secret").write_bytes(bytes(range(40)))

    def external(group) -> None:
        group.create_dataset("kernel:0", (10,), "f4", external=[(tmp_path / "secret", 0, 40)])

    def virtual(group) -> None:
        layout = h5py.VirtualLayout((10,), "f4")
        layout[:] = h5py.VirtualSource(str(tmp_path / "other.h5"), "x", (10,))
        group.create_virtual_dataset("kernel:0", layout)

    def unwritten(group) -> None:
        group.create_dataset("kernel:0", (2**31,), "f4", fillvalue=1, chunks=(2**10,))

    def packed(group) -> None:
        group.create_dataset("kernel:0", data=np.zeros(2**25, "f4"), compression="gzip")

    def text(group) -> None:
        group.create_dataset("kernel:0", data=["a"], dtype=h5py.string_dtype())

    from openfaceplus.weights import keras_h5

    for number, make in enumerate((external, virtual, unwritten, packed, text)):
        path = tmp_path / f"{number}.h5"
        with h5py.File(path, "w") as file:
            make(file.create_group("Bottleneck/Bottleneck"))
        assert path.stat().st_size < 300_000
        with refused("another file" if number < 2 else "no parameter"):
            keras_h5.parse(path)
        with pytest.raises(ModelCorrupt):
            formats.read_keras_h5(path)


# -- what native libraries parse is tried in a child process


@pytest.fixture
def quick(monkeypatch, tmp_path):
    monkeypatch.setenv("OPENFACEPLUS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(trial, "_SECONDS", 8)
    monkeypatch.setattr(onnx_session, "_SECONDS", 1)


@pytest.fixture
def quicker(quick, monkeypatch):
    """For what never ends: that its time is up is said after two seconds."""
    monkeypatch.setattr(trial, "_SECONDS", 2)


@pytest.mark.parametrize("kind", ["onnx", "h5", "landmarks", "tensorflow"])
def test_pipes_and_devices_are_not_tried(kind, tmp_path, quick):
    os.mkfifo(tmp_path / "pipe")
    for place in (tmp_path / "pipe", Path("/dev/zero")):
        with refused("not a regular file"):
            trial.attempt(kind, place)


def graph(nodes, constants=(), outputs=("y",), functions=(), side=4):
    from onnx import TensorProto, helper

    takes = [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 3, side, side])]
    gives = [helper.make_tensor_value_info(one, TensorProto.FLOAT, None) for one in outputs]
    made = helper.make_graph(nodes, "g", takes, gives, list(constants))
    imports = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    model = helper.make_model(made, opset_imports=imports, functions=functions)
    model.ir_version = 8
    return model.SerializeToString()


def endless():
    """A loop whose condition stays true."""
    from onnx import TensorProto, helper, numpy_helper

    nodes = [helper.make_node("Identity", ["c"], ["d"]), helper.make_node("Identity", ["v"], ["w"])]
    takes = [("i", TensorProto.INT64, []), ("c", TensorProto.BOOL, [])]
    body = helper.make_graph(
        nodes, "b",
        [*(helper.make_tensor_value_info(*one) for one in takes),
         helper.make_tensor_value_info("v", TensorProto.FLOAT, None)],
        [helper.make_tensor_value_info("d", TensorProto.BOOL, []),
         helper.make_tensor_value_info("w", TensorProto.FLOAT, None)],
    )  # fmt: skip
    loop = helper.make_node("Loop", ["", "t", "x"], ["y"], body=body)
    return graph([loop], [numpy_helper.from_array(np.array(True), "t")])


def vast():
    """64 GB of one number."""
    from onnx import helper, numpy_helper

    shape = numpy_helper.from_array(np.array([2**34]), "s")
    return graph([helper.make_node("ConstantOfShape", ["s"], ["y"])], [shape])


def doubling():
    """Functions that call each other twice, 30 deep."""
    from onnx import helper

    imports = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    functions = []
    for level in range(30):
        name, inner = f"f{level}", f"f{level + 1}"
        kind, domain = (inner, "own") if level < 29 else ("Neg", "")
        nodes = [
            helper.make_node(kind, ["a"], ["b"], domain=domain),
            helper.make_node(kind, ["b"], ["c"], domain=domain),
        ]
        functions.append(helper.make_function("own", name, ["a"], ["c"], nodes, imports))
    return graph([helper.make_node("f0", ["x"], ["y"], domain="own")], functions=functions)


@pytest.mark.parametrize("make", [vast, doubling])
def test_graphs_that_take_all_memory_or_time(make, tmp_path, quicker):
    path = tmp_path / "a.onnx"
    path.write_bytes(make())
    for _ in range(2):  # what was refused is not remembered as good
        with refused("memory|more than 2 s"):
            onnx_session.open_session(path)


def test_loops_end(tmp_path, quicker, monkeypatch):
    path = tmp_path / "a.onnx"
    path.write_bytes(endless())
    with refused("more than 2 s"):
        onnx_session.open_session(path)
    monkeypatch.setattr(onnx_session, "attempt", lambda kind, path: None)
    session = onnx_session.open_session(path)  # as if it looped on some photos only
    with refused("fails when run"):
        onnx_session.run_session(session, {"x": np.zeros((1, 3, 4, 4), "f4")}, None, path)


def test_weights_outside_the_graph_are_not_read(tmp_path, quick, monkeypatch):
    from onnx import TensorProto, helper

    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret").write_bytes(np.ones(3 * 4 * 4 * 64, "<f4").tobytes())
    outside = TensorProto(name="w", data_type=TensorProto.FLOAT, dims=[1, 3, 4, 4 * 64])
    outside.data_location = TensorProto.EXTERNAL
    for name in ("secret", str(tmp_path / "secret"), "../secret"):
        del outside.external_data[:]
        entry = outside.external_data.add()
        entry.key, entry.value = "location", name
        node = helper.make_node("Identity", ["w"], ["y"])
        (tmp_path / "a.onnx").write_bytes(graph([node], [outside]))
        with pytest.raises(ModelCorrupt, match="no ONNX graph"):
            onnx_session.open_session(tmp_path / "a.onnx")
    with pytest.raises(ModelCorrupt):
        onnx_session.open_session((tmp_path / "a.onnx").read_bytes())


def test_known_files_need_no_child(tmp_path, quick, monkeypatch):
    path = tmp_path / "a.onnx"
    from onnx import helper

    path.write_bytes(graph([helper.make_node("Neg", ["x"], ["y"])]))
    onnx_session.open_session(path)
    monkeypatch.setattr(trial.subprocess, "run", None)
    onnx_session.open_session(path)
    trial.attempt("landmarks", require("dlib-landmarks-5"))


def test_landmarks_that_point_outside(tmp_path, quick):
    """dlib follows such indices; a mutant in a hundred crashed the process."""
    from openfaceplus.alignment.landmarks import Landmarks

    good = require("dlib-landmarks-5").read_bytes()
    chance = np.random.default_rng(0)
    dlib_shapes.check(str(require("dlib-landmarks-5")))
    changed = bytearray(good)
    changed[100_000:100_400] = bytes(chance.integers(0, 256, 400).tolist())
    for number, data in enumerate((bytes(changed), good[:-9], good + b"\0", b"", b"\1\1" * 99)):
        path = tmp_path / f"{number}.dat"
        path.write_bytes(data)
        with pytest.raises((ValueError, IndexError)):
            dlib_shapes.check(str(path))
    with pytest.raises(ModelCorrupt, match="not opened"):
        Landmarks(path)


@pytest.mark.parametrize("what", ["pixel", "anchor"])
def test_single_indices_of_landmarks(what, tmp_path):
    path = write_landmarks(tmp_path / "a.dat")
    dlib_shapes.check(str(path))
    import dlib

    dlib.shape_predictor(str(path))  # so dlib takes it for one
    write_landmarks(path, **{what: 2})
    dlib.shape_predictor(str(path))
    with pytest.raises(ValueError):
        dlib_shapes.check(str(path))
