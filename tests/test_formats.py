"""Readers of network weights: each layout from a file written here, and every kind of bad file."""

from __future__ import annotations

import os
import pickle
import random

import numpy as np
import pytest
from weight_files import (
    T7Writer,
    dlib_layers,
    lua_network,
    nn4_state,
    synthetic,
    write_csvs,
    write_dlib,
    write_pt,
)

from openfaceplus.embedding.nets import dlib_plan, nn4_plan
from openfaceplus.errors import ModelCorrupt, ModelError, ModelMissing, UnsafeFile
from openfaceplus.weights import formats

SMALL = [
    formats.Layer("conv", "a", "a", (4, 3, 2, 2)),
    formats.Layer("norm", "b", "b", (4,)),
    formats.Layer("linear", "c", "c", (5, 4)),
]


@pytest.fixture(scope="module")
def state():
    return nn4_state()


@pytest.fixture
def small():
    return {
        f"{layer.key}.{name}": synthetic(f"{layer.key}.{name}", shape)
        for layer in SMALL
        for name, shape in layer.parameters().items()
    }


def small_network(small):
    fields = [
        {key[2:]: values for key, values in small.items() if key[0] == name} for name in "abc"
    ]
    kinds = "nn.SpatialConvolution", "nn.SpatialBatchNormalization", "nn.Linear"
    return "nn.Sequential", {"modules": list(zip(kinds, fields, strict=True))}


def assert_same(found, expected):
    assert list(found) == list(expected)
    for key, values in expected.items():
        np.testing.assert_array_equal(found[key], values, err_msg=key)
        assert found[key].dtype == np.float32


# What each reader must give back


def test_dlib_dat(tmp_path):
    layers = dlib_layers()
    found = formats.read_dlib_dat(write_dlib(tmp_path / "net.dat", layers))
    assert [name for name, _ in found] == [name for name, _ in layers]
    for (_, values), (_, expected) in zip(found, layers, strict=True):
        np.testing.assert_array_equal(values, expected)
    assert len(dlib_plan.fold(found, "net.dat").blocks) == 14


def test_dlib_names_within_weights_are_no_layers(tmp_path):
    values = np.frombuffer(b"\x01\x05con_4\x01\x07affine_" * 4, "<f4")
    path = write_dlib(tmp_path / "net.dat", [("con_4", values), ("affine_", values)])
    assert [name for name, _ in formats.read_dlib_dat(path)] == ["con_4", "affine_"]


@pytest.mark.parametrize("zipped", [True, False])
def test_state_dict(tmp_path, small, zipped):
    path = write_pt(tmp_path / "net.pt", small, _use_new_zipfile_serialization=zipped)
    assert_same(formats.read_state_dict(path), small)


def test_state_dict_of_parameters_in_half_precision(tmp_path):
    import torch

    path = tmp_path / "net.pt"
    torch.save({"w": torch.nn.Parameter(torch.ones(2, 3).half())}, path)
    assert_same(formats.read_state_dict(path), {"w": np.ones((2, 3), np.float32)})


@pytest.mark.parametrize("double", [False, True])
def test_torch7_of_openface(tmp_path, state, double):
    path = T7Writer(double).write(tmp_path / "net.t7", lua_network(state))
    assert_same(formats.read_torch7(path, nn4_plan.layers()), state)


def test_torch7_with_the_norms_of_older_torch(tmp_path, state):
    path = T7Writer(double=True).write(tmp_path / "net.t7", lua_network(state, old=True))
    found = formats.read_torch7(path, nn4_plan.layers())
    np.testing.assert_allclose(found["bn2.running_var"], state["bn2.running_var"], rtol=1e-6)


def test_csv_folder(tmp_path, small):
    folder = write_csvs(tmp_path / "csv", SMALL, small)
    assert_same(formats.read_csv_folder(folder, SMALL), small)


def test_csv_names_are_those_of_the_conversions():
    names = {layer.csv for layer in nn4_plan.layers()}
    assert {"conv1", "bn1", "inception_3a_3x3_conv1", "inception_3a_5x5_bn2"} <= names
    assert {"inception_3a_pool_conv", "inception_3a_pool_bn", "inception_5b_1x1_bn"} <= names
    assert "dense" in names and not any("3c_pool" in name for name in names)


# Files that are not what they should be


def test_fit_refuses_another_network(small):
    fits = formats.fit(small | {"b.num_batches_tracked": np.float32(3)}, SMALL, "net")
    assert list(fits) == list(small)
    for change, word in [
        ({"a.weight": small["a.weight"][:2]}, "a.weight"),
        ({"more.weight": small["a.bias"]}, "more.weight"),
        ({"c.bias": np.full(5, np.nan, np.float32)}, "c.bias"),
    ]:
        with pytest.raises(ModelCorrupt, match=word):
            formats.fit(small | change, SMALL, "net")
    del small["b.running_var"]
    with pytest.raises(ModelCorrupt, match=r"^net: b\.running_var is missing.*download"):
        formats.fit(small, SMALL, "net")


def test_dlib_other_networks(tmp_path):
    layers = dlib_layers()
    for wrong in (layers[:-1], layers[2:], [*layers, layers[-1]], layers[:1] + layers[2:]):
        found = formats.read_dlib_dat(write_dlib(tmp_path / "net.dat", wrong))
        with pytest.raises(ModelCorrupt, match=r"^some\.dat: .*dlib's face ResNet"):
            dlib_plan.fold(found, "some.dat")


def test_torch7_other_networks(tmp_path, small):
    kind, fields = small_network(small)
    conv, norm, linear = fields["modules"]
    for modules in ([conv, norm], [conv, linear, norm], [conv, norm, linear, linear], []):
        path = T7Writer().write(tmp_path / "net.t7", (kind, {"modules": modules}))
        with pytest.raises(ModelCorrupt, match=r"net\.t7: .*expected"):
            formats.read_torch7(path, SMALL)
    for other in ("text", 1.5, None, {"a": 1}):
        path = T7Writer().write(tmp_path / "net.t7", other)
        with pytest.raises(ModelCorrupt):
            formats.read_torch7(path, SMALL)


def test_torch7_never_reads_beyond_its_storage(tmp_path, small):
    path = T7Writer().write(tmp_path / "net.t7", small_network(small))
    data = path.read_bytes()
    shape = np.array([4, 3, 2, 2], "<i8").tobytes()
    assert data.count(shape) == 1
    for forged in ([4, 3, 2, 2**40], [4, 3, 2, 1000], [4, 3, 2, -2], [0, 3, 2, 2]):
        path.write_bytes(data.replace(shape, np.array(forged, "<i8").tobytes()))
        with pytest.raises(ModelCorrupt):
            formats.read_torch7(path, SMALL)


def test_csv_folder_with_holes(tmp_path, small):
    folder = write_csvs(tmp_path / "csv", SMALL, small)
    for content, word in [(b"1,2,three,4", "three"), (b"1,2,3", "4"), (b"\xff\xfe\x00", "text")]:
        (folder / "b_m.csv").write_bytes(content)
        with pytest.raises(ModelCorrupt, match=rf"b_m\.csv: .*{word}"):
            formats.read_csv_folder(folder, SMALL)
    (folder / "b_m.csv").write_text("1, 2\n3\t4 ")
    assert formats.read_csv_folder(folder, SMALL)["b.running_mean"].tolist() == [1, 2, 3, 4]
    (folder / "b_m.csv").unlink()
    with pytest.raises(ModelMissing, match=r"b_m\.csv"):
        formats.read_csv_folder(folder, SMALL)


class Evil:
    """A pickle of it runs a command."""

    def __init__(self, marker):
        self.marker = marker

    def __reduce__(self):
        return os.system, (f"touch '{self.marker}'",)


@pytest.mark.parametrize("protocol", [*range(pickle.HIGHEST_PROTOCOL + 1), "zip", "legacy"])
def test_hostile_state_dict_is_refused_unrun(tmp_path, protocol):
    import torch

    marker, path = tmp_path / "ran", tmp_path / "net.pt"
    content = {"conv1.weight": Evil(marker)}
    if isinstance(protocol, int):
        path.write_bytes(pickle.dumps(content, protocol))
    else:
        torch.save(content, path, _use_new_zipfile_serialization=protocol == "zip")
    with pytest.raises(UnsafeFile, match=r"net\.pt: would call (posix|os)\.system"):
        formats.read_state_dict(path)
    assert not marker.exists()


def test_whole_models_are_no_state_dicts(tmp_path):
    import torch

    torch.save(torch.nn.Linear(2, 2), tmp_path / "net.pt")
    with pytest.raises(UnsafeFile, match="Linear"):
        formats.read_state_dict(tmp_path / "net.pt")
    for content in ([torch.ones(2)], {"epoch": 3}, {1: torch.ones(2)}, torch.ones(2)):
        torch.save(content, tmp_path / "net.pt")
        with pytest.raises(ModelCorrupt, match=r"net\.pt"):
            formats.read_state_dict(tmp_path / "net.pt")


READERS = {
    "dat": formats.read_dlib_dat,
    "pt": formats.read_state_dict,
    "old.pt": formats.read_state_dict,
    "t7": lambda path: formats.read_torch7(path, SMALL),
}


@pytest.fixture
def good(tmp_path, small):
    """A small, good file of every format."""
    layers = [("con_4", small["a.weight"].ravel()), ("fc_2", small["c.weight"])]
    return {
        "dat": write_dlib(tmp_path / "good.dat", layers),
        "pt": write_pt(tmp_path / "good.pt", small),
        "old.pt": write_pt(tmp_path / "old.pt", small, _use_new_zipfile_serialization=False),
        "t7": T7Writer().write(tmp_path / "good.t7", small_network(small)),
    }


@pytest.mark.parametrize("kind", READERS)
def test_damaged_files_give_one_kind_of_error(tmp_path, good, kind):
    READERS[kind](good[kind])
    data, chance = good[kind].read_bytes(), random.Random(0)
    path = tmp_path / "damaged"
    refused = 0
    for _ in range(300):
        damaged = bytearray(data[: chance.randrange(len(data))] if chance.random() < 0.5 else data)
        for _ in range(chance.randrange(4)):
            if damaged:
                damaged[chance.randrange(len(damaged))] = chance.randrange(256)
        path.write_bytes(damaged)
        try:
            READERS[kind](path)
        except ModelError as error:
            assert str(path) in str(error)
            refused += 1
    assert refused > 100


@pytest.mark.parametrize("kind", READERS)
def test_absent_empty_and_other_files(tmp_path, kind):
    with pytest.raises(ModelMissing, match="absent"):
        READERS[kind](tmp_path / "absent")
    with pytest.raises(ModelMissing):
        READERS[kind](tmp_path)
    for content in (b"", b"\x00" * 100, b"<html>not found</html>", b"PK\x03\x04 no archive"):
        (tmp_path / "other").write_bytes(content)
        with pytest.raises(ModelCorrupt, match="other"):
            READERS[kind](tmp_path / "other")
