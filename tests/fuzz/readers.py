"""What openfaceplus does with a file of each kind, in a process of its own, and what is wrong."""

from __future__ import annotations

import contextlib
import io
import os
import re
import resource
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import mutate
import numpy as np
import seeds

from openfaceplus.cli import module_of
from openfaceplus.errors import OpenFacePlusError
from openfaceplus.weights import trial

PIXELS = 1_000_000  # that a photo may have here, so that a large one is refused and not decoded
CEILING = 300 << 20  # bytes that reading one small file may take beyond what the process has
ADDRESSES = 12 << 30  # where the process ends, should all else fail


def read(kind: str, path: Path) -> None:
    """Read a file as openfaceplus would and use what comes. Raises whatever that raises."""
    _READERS[kind](path)


def _photo(path: Path) -> None:
    from openfaceplus.images import read_photo

    photo = read_photo(path, max_pixels=PIXELS)
    height, width = photo.pixels.shape[:2]
    assert photo.pixels.shape == (height, width, 3) and photo.pixels.dtype == np.uint8
    assert photo.pixels.flags.c_contiguous and (photo.width, photo.height) == (width, height)


def _table(path: Path) -> None:
    from openfaceplus.store import tables, vectors
    from openfaceplus.store.face_rows import face_from_row
    from openfaceplus.store.layout import ALIGNMENT, REPRESENTATION
    from openfaceplus.weights.formats import read_csv_folder

    if path.name in ("reps.csv", "labels.csv"):
        found, chips = vectors.read_vectors(path.parent)
        assert found.dtype == np.float32 and len(found) == len(chips)
    elif path.suffix == ".journal":
        for row in tables.Journal(path, "0123").rows():
            assert all(type(part) is str for part in row.values())
    elif path.name == ALIGNMENT.table:
        for row in tables.read_table(path, ALIGNMENT.columns):
            if row["status"] == "ok":
                assert face_from_row(row).landmarks is not None
    elif path.name == REPRESENTATION.table:
        tables.read_table(path, REPRESENTATION.columns)
    else:
        read_csv_folder(path.parent, seeds.LAYERS[-1:])


def _manifest(path: Path) -> None:
    from openfaceplus import changes, gallery, model_folder
    from openfaceplus.manifest import Manifest
    from openfaceplus.stages.represent import read_manifest
    from openfaceplus.weights import embedder_spec, pins

    if path.name == "people.json":
        for person in model_folder.read_people(path).values():
            assert type(person.name) is str
    elif path.name == "commit.json":
        shutil.move(path, path.parent / changes.STAGING / "commit.json")
        changes.current(path.parent, "reps.csv")
        with changes.changing(path.parent, limit=0):
            pass
    elif path.name == "pins.json":
        os.environ["OPENFACEPLUS_CACHE"] = str(path.parent)
        pins.pin(path.parent / "others")
    elif path.name == "spec.json":
        embedder_spec.read_spec(path, embedder_spec.EmbedderSpec())
    elif path.parent.name == "gallery":
        probe = np.eye(1, 8, dtype=np.float32)
        gallery.load(path.parent).search(probe, 2)
    else:
        made = Manifest.read(path)
        assert made is not None and len(made.settings_hash) == 12
        assert all(type(root) is str for root in made.roots)
        if path.name == "representation.json":
            read_manifest(path.parent)


def _classifier(path: Path) -> None:
    from openfaceplus.classify.classifier import Classifier

    made = Classifier.load(path)
    probes = np.eye(3, made.vectors.shape[1], dtype=np.float32)
    assert len(made.decide(probes)) == 3 and len(made.chips) == len(made.labels)
    made.calibrate(0.1, 0.95)


def _state_dict(path: Path) -> None:
    from openfaceplus.weights import formats

    found = formats.read_state_dict(path)
    assert all(values.dtype == np.float32 for values in found.values())


def _torch7(path: Path) -> None:
    from openfaceplus.weights.formats import read_torch7

    assert all(v.dtype == np.float32 for v in read_torch7(path, seeds.LAYERS).values())


def _keras(path: Path) -> None:
    from openfaceplus.weights.formats import read_keras_h5

    assert all(values.dtype == np.float32 for values in read_keras_h5(path).values())


def _graph(path: Path) -> None:
    from openfaceplus.detect.ssd import SsdDetector
    from openfaceplus.embedding.onnx import OnnxEmbedder
    from openfaceplus.weights.embedder_spec import EmbedderSpec

    if path.name.startswith("ssd"):
        SsdDetector(path).detect([np.zeros((40, 50, 3), np.uint8)])
        return
    layout = "NHWC" if path.name.startswith("nhwc") else "NCHW"
    spec = EmbedderSpec(size=32, layout=layout)
    embedder = OnnxEmbedder(path, spec=spec, threads=1)
    vectors = embedder.embed(np.zeros((1, 32, 32, 3), np.uint8))
    assert vectors.dtype == np.float32


def _dlib(path: Path) -> None:
    from openfaceplus.alignment.landmarks import Landmarks
    from openfaceplus.faces import Box
    from openfaceplus.weights.formats import read_dlib_dat

    if path.name.startswith("landmarks"):
        points = Landmarks(path).find(np.zeros((40, 40, 3), np.uint8), Box(5, 5, 30, 30))
        assert points.shape[1] == 2
    else:
        assert all(values.dtype == np.float32 for _, values in read_dlib_dat(path))


def _model(path: Path) -> None:
    """A command on a model folder one of whose files is odd; which one, the folder's name says."""
    root = next(parent for parent in path.parents if parent.name == "model")
    commands = [
        ("people", "list", root), ("people", "rename", root, "ada", "eve"),
        ("people", "remove", root, "bob"), ("infer", "-m", root, root / "blank.png", "--json"),
        ("classifier", "train", root / "generated-embeddings"),
    ]  # fmt: skip
    name, *words = commands[int(root.parent.name[-1]) % len(commands)]
    module = import_module(module_of(name))
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            run = module.script if name == "classifier" else module.main
            status = run(list(map(str, words)))
        except SystemExit as stop:
            status = stop.code
    said = err.getvalue()
    allowed = (0, 1, 2) if name == "infer" else (0, 2)
    if status not in allowed or "should not happen" in said or "Traceback" in said:
        raise AssertionError(f"{name} {words[0]}: status {status}: {said.strip()}")
    lines = [line for line in said.splitlines() if line.strip()]
    named = str(root.parent.name) in said or "cannot be read" in said  # a file the recipe names
    if status == 2 and not (len(lines) == 1 and named):
        raise AssertionError(f"{name} {words[0]}: no line that names the file: {said.strip()}")


def _stuck(path: Path) -> None:
    """No kind, but all that can be wrong with one, by the file's first byte: see test_fuzz."""
    ills: list[Callable[[], Any]] = [
        lambda: os.kill(os.getpid(), signal.SIGKILL), lambda: time.sleep(60),
        lambda: np.ones(CEILING // 4), lambda: {}["no"], lambda: None,
    ]  # fmt: skip
    ill = path.read_bytes()[0] % 7
    if ill < len(ills):
        ills[ill]()
    else:
        name = path.name if ill == 5 else "some\nfile"
        raise OpenFacePlusError(f"{name}: something is wrong")


_READERS: dict[str, Callable[[Path], None]] = {
    "photos": _photo, "tables": _table, "manifests": _manifest, "pkl": _classifier,
    "pt": _state_dict, "t7": _torch7, "h5": _keras, "onnx": _graph, "dat": _dlib,
    "models": _model, "ills": _stuck,
}  # fmt: skip


class Reader:
    """Makes cases of a kind in a folder, one after the other, and reads them."""

    def __init__(self, kind: str, seed: int, good: Path, folder: Path) -> None:
        self.kind, self.seed, self.folder = kind, seed, folder
        self.root = good
        found = (path for path in good.rglob("*") if path.is_file())
        self.files = sorted(path for path in found if path.name not in ("others", "blank.png"))
        self.files = [path for path in self.files if ".changes" not in path.parts]
        with open(os.devnull, "wb") as nothing:  # libtiff says what it thinks of damaged files
            os.dup2(nothing.fileno(), 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (ADDRESSES, ADDRESSES))
        trial.subprocess = SimpleNamespace(**vars(subprocess) | {"run": _forked})
        for path in self.files:  # libraries load now, and count for no case
            self.check(path, path.read_bytes(), -1)

    def __call__(self, number: int) -> tuple[str, bool]:
        """What is wrong with the case of that number, "" if nothing is; and whether it was refused
        as it should be."""
        path, data = mutate.case(self.files, mutate.chance(self.seed, self.kind, number))
        return self.check(path, data, number)

    def check(self, path: Path, data: bytes, number: int) -> tuple[str, bool]:
        """The same for a file's content; good files have numbers below 0."""
        os.environ["OPENFACEPLUS_CACHE"] = str(self.folder / "cache")
        folder = self.folder / f"case{number}"
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        case = folder / path.name
        if self.kind in ("tables", "manifests", "models"):  # several files make one
            shutil.copytree(self.root, folder, dirs_exist_ok=True)
            case = folder / path.relative_to(self.root)
        case.write_bytes(data)
        before = _peak()
        found, refused = "", False
        try:
            read(self.kind, case)
        except OpenFacePlusError as error:
            text, refused = str(error), True
            if not text.isprintable() or not text:
                found = f"no printable line: {text!r}"
            elif case.name not in text and str(folder) not in text:
                found = f"its file is not named: {text}"
        except BaseException as error:  # noqa: BLE001 - any other is a finding
            at = error.__traceback__
            while at is not None and at.tb_next is not None:
                at = at.tb_next
            code = at.tb_frame.f_code if at else None
            where = f"{Path(code.co_filename).name}:{at.tb_lineno}" if code and at else "?"
            found = f"{type(error).__name__} at {where}: {error}"
        taken = _peak() - before
        if not found and taken > CEILING:
            found = f"took {taken >> 20} MB"
        if not found:
            shutil.rmtree(folder, ignore_errors=True)
        return found, refused


def _peak() -> int:
    """The most memory, in bytes, that the process had since this was last asked."""
    status = Path("/proc/self/status").read_text()
    match = re.search(r"VmHWM:\s+(\d+)", status)
    Path("/proc/self/clear_refs").write_text("5")
    return int(match[1]) << 10 if match else 0


def _forked(command: list[str], *, timeout: float, **_: Any) -> Any:
    """What ``weights.trial`` runs in a fresh Python, in a fork of this one, which is faster."""
    child = os.fork()
    if not child:
        nothing = os.open(os.devnull, os.O_RDWR)
        for number in (0, 1, 2):
            os.dup2(nothing, number)
        status = 1
        try:
            status = trial._main(*command[-3:])
        finally:  # whatever is raised must not go on in the reader's own code
            os._exit(status)
    end = time.monotonic() + min(timeout, 5)
    while time.monotonic() < end:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return subprocess.CompletedProcess(command, os.waitstatus_to_exitcode(status))
        time.sleep(0.001)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    raise subprocess.TimeoutExpired(command, timeout)
