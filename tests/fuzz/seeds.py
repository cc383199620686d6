"""Small good files of every kind that openfaceplus reads; the fuzzer's cases are made from them."""

from __future__ import annotations

import json
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnx_files
import vectors
import weight_files
from PIL import Image, features

from openfaceplus import weights
from openfaceplus.classify.classifier import Classifier, id_from
from openfaceplus.classify.training import Settings
from openfaceplus.faces import Box, Face
from openfaceplus.gallery import create
from openfaceplus.manifest import Manifest
from openfaceplus.recipe import PROFILES
from openfaceplus.store.face_rows import face_to_row
from openfaceplus.store.layout import ALIGNMENT, CHIPS, EMBEDDINGS, REPRESENTATION
from openfaceplus.store.tables import write_table
from openfaceplus.weights.formats import Layer

LAYERS = [
    Layer("conv", "c", "c", (4, 3, 2, 2)), Layer("norm", "n", "n", (4,)),
    Layer("linear", "l", "l", (5, 4)),
]  # fmt: skip
PEOPLE = ("ada", "bob", "zoë")


def photos(folder: Path) -> None:
    rng = np.random.default_rng(0)
    smooth = rng.integers(0, 256, (3, 4, 3), np.uint8)
    image = Image.fromarray(smooth).resize((24, 18))
    deep = Image.fromarray(np.arange(24 * 18, dtype=np.uint16).reshape(18, 24) * 100)
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "a camera"
    palette = image.quantize(16)
    kinds = {
        "jpeg": (image, {}), "progressive": (image, {"progressive": True}),
        "grey": (image.convert("L"), {}), "cmyk": (image.convert("CMYK"), {}),
        "exif": (image, {"exif": exif}),
        "png": (image, {}), "png16": (deep, {}), "rgba": (image.convert("RGBA"), {}),
        "bilevel": (image.convert("1"), {}), "palette": (palette, {"transparency": 3}),
        "tiff": (image, {}), "tiff16": (deep, {}), "lzw": (image, {"compression": "tiff_lzw"}),
        "deflate": (image, {"compression": "tiff_adobe_deflate"}),
        "tiffjpeg": (image, {"compression": "jpeg"}), "float": (deep.convert("F"), {}),
        "tiffcmyk": (image.convert("CMYK"), {}),
        "webp": (image, {}), "lossless": (image.convert("RGBA"), {"lossless": True}),
        "gif": (palette, {}), "frames": (palette, {"save_all": True, "append_images": [palette]}),
        "bmp": (image, {}), "bmp8": (palette, {}), "ppm": (image, {}), "pgm": (deep, {}),
    }  # fmt: skip
    endings = {
        "jpeg": "jpeg progressive grey cmyk exif", "png": "png png16 rgba bilevel palette",
        "tiff": "tiff tiff16 lzw deflate tiffjpeg float tiffcmyk", "webp": "webp lossless",
        "gif": "gif frames", "bmp": "bmp bmp8", "ppm": "ppm pgm",
    }  # fmt: skip
    for ending, names in endings.items():
        for name in names.split():
            picture, options = kinds[name]
            picture.save(folder / f"{name}.{ending}", **options)
    if features.check("avif"):
        image.save(folder / "a.avif")
    if features.check("jpg_2000"):
        image.save(folder / "a.jp2")


def _trained(kind: str = "LinearSvm", *, strangers: bool = False, lda_dim: int = 0) -> Classifier:
    x, labels = vectors.faces(len(PEOPLE), 2)
    names = [PEOPLE[label] for label in labels]
    recipe, digest = PROFILES["dlib"].to_dict(), weights.find("dlib-resnet").sha256
    return Classifier.train(
        x, names,
        [f"/photos/{CHIPS}/{name}/{number}.png" for number, name in enumerate(names)],
        recipe=recipe, space=f"dlib-resnet-v1/2v@{digest[:12]}", ids=list(map(id_from, names)),
        settings=Settings(kind, lda_dim, 0.05),
        strangers=x[:2] if strangers else None,
    )  # fmt: skip


def pickles(folder: Path) -> None:
    import joblib
    from sklearn.svm import SVC

    for kind in ("LinearSvm", "GridSearchSvm", "GMM", "DecisionTree", "GaussianNB"):
        _trained(kind).save(folder / f"{kind}.pkl")
    _trained("RadialSvm", lda_dim=2, strangers=True).save(folder / "projected.pkl")
    foreign = {
        "svc": SVC().fit([[0.0], [1.0]], ["a", "b"]), "arrays": {"a": np.arange(9.0), "b": None},
        "plain": [1, "two", (3.5, b"4"), {"five": {6}}, 2**70, Path("/etc")],
    }  # fmt: skip
    for name, thing in foreign.items():
        for protocol in (0, 2, 4):
            data = pickle.dumps(thing, protocol)
            (folder / f"{name}-{protocol}.pkl").write_bytes(data)
    tree = {"format": "openfaceplus classifier", "format_version": 2, "vectors": np.eye(3)}
    joblib.dump(tree, folder / "joblib.pkl")


def tables(folder: Path) -> None:
    made = model(folder / "model") / EMBEDDINGS
    for name in ("reps.csv", "labels.csv", REPRESENTATION.table):
        (made / name).rename(folder / name)
    (folder / "model" / CHIPS / ALIGNMENT.table).rename(folder / ALIGNMENT.table)
    row = {"photo": "/photos/a.jpg", "status": "ok"}
    lines = ["", '{"settings": "0123"}', json.dumps({"settings": "0123", **row})] * 2
    (folder / "alignment.journal").write_text("\n".join(lines))
    shutil.rmtree(folder / "model")
    for layer in LAYERS[-1:]:
        (folder / f"{layer.csv}_w.csv").write_text("0.5\n" * 20)
        (folder / f"{layer.csv}_b.csv").write_text("0.5,1,2,3,4e-3\n")


def manifests(folder: Path) -> None:
    made = model(folder / "model")
    (made / EMBEDDINGS / "people.json").rename(folder / "people.json")
    (made / CHIPS / ALIGNMENT.manifest).rename(folder / "alignment.json")
    (made / EMBEDDINGS / REPRESENTATION.manifest).rename(folder / "representation.json")
    shutil.rmtree(folder / "model")
    (folder / "commit.json").write_text('{"new": ["a/b.png", "reps.csv"], "gone": ["a/c.png"]}')
    (folder / "pins.json").write_text('{"/a/b.onnx": "00ff", "onnx 00ff": "passed"}')
    (folder / "spec.json").write_text(
        '{"size": 112, "layout": "NCHW", "mean": [1, 2, 3.5], "std": 127.5, "unit": true}'
    )
    gallery = create("exact", "made-up", 8)
    gallery.add(["ann", "bob"], np.eye(2, 8, dtype=np.float32))
    gallery.save(folder / "gallery")
    (folder / ".changes/new").mkdir(parents=True)
    (folder / ".changes/new/reps.csv").touch()
    (folder / "others").write_text("{}")


def state_dicts(folder: Path) -> None:
    import torch

    state = {f"{layer.key}.weight": np.ones(layer.shape, np.float32) for layer in LAYERS}
    weight_files.write_pt(folder / "zip.pt", state)
    weight_files.write_pt(folder / "row.pt", state, _use_new_zipfile_serialization=False)
    kinds = {str(kind): torch.ones(2, 3, dtype=kind) for kind in (torch.half, torch.int64)}
    kinds["parameter"] = torch.nn.Parameter(torch.ones(2, 3))
    torch.save(kinds, folder / "kinds.pt")
    torch.save(torch.nn.Linear(2, 2), folder / "module.pt")


def torch7(folder: Path) -> None:
    modules = [
        ("nn.SpatialConvolutionMM", {"weight": np.ones((4, 12), "f4"), "bias": np.ones(4, "f4")}),
        ("nn.SpatialBatchNormalization", {
            "weight": np.ones(4, "f4"), "bias": np.ones(4, "f4"), "eps": 1e-5,
            "running_mean": np.ones(4, "f4"), "running_var": np.ones(4, "f4"),
        }),
        ("nn.Linear", {"weight": np.ones((5, 4), "f4"), "bias": np.ones(5, "f4")}),
    ]  # fmt: skip
    for double in (False, True):
        root = ("nn.Sequential", {"modules": modules, "train": False, "odd": ["a", None, 2.5]})
        weight_files.T7Writer(double).write(folder / f"{double}.t7", root)


def keras(folder: Path) -> None:
    import h5py

    for name, options in {"plain": {}, "packed": {"compression": "gzip", "chunks": (2, 2)}}.items():
        with h5py.File(folder / f"{name}.h5", "w") as file:
            for layer in ("Bottleneck", "Conv2d_1a"):
                group = file.create_group(f"model_weights/{layer}")
                group.attrs["weight_names"] = [f"{layer}/kernel:0".encode()]
                values = np.ones((4, 3), np.float32)
                group.create_dataset(f"{layer}/kernel:0", data=values, **options)
                group.create_dataset(f"{layer}/bias:0", data=np.ones(3, np.float16))


def graphs(folder: Path) -> None:
    onnx_files.embedder(folder / "embedder.onnx", 32, dim=4)
    onnx_files.embedder(folder / "nhwc.onnx", 32, layout="NHWC", batch=1, dim=4)
    onnx_files.ssd(folder / "ssd.onnx")


def dlib_files(folder: Path) -> None:
    layers = [
        ("con_4", np.ones(8, "f4")), ("affine_", np.ones(4, "f4")), ("fc_2", np.ones((4, 2), "f4")),
    ]  # fmt: skip
    weight_files.write_dlib(folder / "network.dat", layers)
    weight_files.write_landmarks(folder / "landmarks.dat")


def model(folder: Path) -> Path:
    """A model folder of made-up people, as ``train`` leaves one, but for the chips' pictures."""
    chips, embeddings = folder / CHIPS, folder / EMBEDDINGS
    made = _trained()
    embeddings.mkdir(parents=True)
    chips.mkdir()
    made.save(embeddings / "classifier.pkl")
    places = [str(chips / Path(chip).relative_to(f"/photos/{CHIPS}")) for chip in made.chips]
    lines = [",".join(map("{:.9g}".format, vector)) for vector in made.vectors.tolist()]
    (embeddings / "reps.csv").write_text("\n".join(lines) + "\n")
    text = "".join(
        f"{label + 1},{place}\n" for label, place in zip(made.labels, places, strict=True)
    )
    (embeddings / "labels.csv").write_text(text)
    people = {key: {"name": n, "folder": n} for key, n in zip(made.ids, made.people, strict=True)}
    (embeddings / "people.json").write_text(json.dumps(people))
    face = Face(Box(1, 2, 30, 40), 0.5, np.ones((5, 2), np.float32))
    rows = [
        {"person": Path(place).parent.name, "photo": f"/photos/{number}.jpg", "chip": place,
         "status": "ok", "fingerprint": "1-2", "faces": "1", **face_to_row(face)}
        for number, place in enumerate(places)
    ]  # fmt: skip
    write_table(chips / ALIGNMENT.table, ALIGNMENT.columns, rows)
    write_table(embeddings / REPRESENTATION.table, REPRESENTATION.columns, rows)
    settings = {"recipe": made.recipe, "space": made.space, "recut": False}
    Manifest("align", settings, {"ok": 6}, roots=["/photos"]).write(chips / ALIGNMENT.manifest)
    Manifest("represent", settings, {"ok": 6}).write(embeddings / REPRESENTATION.manifest)
    return folder


def models(folder: Path) -> None:
    Image.new("RGB", (40, 40)).save(model(folder / "model") / "blank.png")


KINDS: dict[str, Callable[[Path], None]] = {
    "photos": photos, "tables": tables, "manifests": manifests, "pkl": pickles, "pt": state_dicts,
    "t7": torch7, "h5": keras, "onnx": graphs, "dat": dlib_files, "models": models,
}  # fmt: skip


def make(kind: str, folder: Path) -> None:
    """The kind's files in ``folder``, which is made."""
    folder.mkdir(parents=True)
    KINDS[kind](folder)
