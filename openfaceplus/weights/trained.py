"""Folders that training an embedder leaves: a graph, and a manifest that says what it takes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from openfaceplus.errors import StorageError, UsageError
from openfaceplus.files import shown
from openfaceplus.manifest import Manifest
from openfaceplus.weights.embedder_spec import EmbedderSpec, make_spec

MANIFEST, GRAPH = "embedder.json", "embedder.onnx"


@dataclass(frozen=True, slots=True)
class TrainedFolder:
    """The ``graph`` of a trained embedder, the ``spec`` of its input, and by how many
    ``landmarks`` its chips were cut."""

    graph: Path
    spec: EmbedderSpec
    landmarks: int


def trained_folder(path: str | Path) -> TrainedFolder | None:
    """What lies in the folder ``path``, None if no trained embedder does.

    Raises StorageError if what says so was altered.
    """
    folder = Path(path)
    made = Manifest.read(folder / MANIFEST)
    if made is None:
        return None
    try:
        landmarks = made.settings["landmarks"]
        if landmarks not in (5, 68):
            raise ValueError(f"{landmarks!r} landmarks")
        spec = make_spec(made.settings["spec"], EmbedderSpec(), folder / MANIFEST)
        return TrainedFolder(folder / GRAPH, spec, landmarks)
    except (KeyError, TypeError, ValueError, AttributeError, UsageError) as error:
        raise StorageError(
            f"{shown(folder / MANIFEST)}: was altered ({error})", remedy="train again"
        ) from error
