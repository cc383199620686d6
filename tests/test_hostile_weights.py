"""Files of weights made to harm: no memory beyond what they hold, no hang, no byte of others."""

from __future__ import annotations

import contextlib
import os
import struct
import time
import tracemalloc
import zipfile

import numpy as np
import pytest
from weight_files import write_pt

from openfaceplus.errors import ModelCorrupt, ModelError, ModelMissing
from openfaceplus.weights import formats

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
from openfaceplus.weights import formats
assert formats.read_state_dict({str(path)!r})["w"].shape == (2, 3)
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", code], check=True)
