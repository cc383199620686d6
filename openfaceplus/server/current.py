"""The model as it is now: a snapshot that is replaced whole when its files change."""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from openfaceplus.changes import current, state
from openfaceplus.errors import StorageError
from openfaceplus.files import shown
from openfaceplus.model import Model
from openfaceplus.model_folder import ModelFolder, Person, find_classifier
from openfaceplus.pipeline import Pipeline
from openfaceplus.recipe import recipe
from openfaceplus.server.problems import Refused
from openfaceplus.store.layout import CHIPS, CLASSIFIER, EMBEDDINGS, PEOPLE

_EVERY = 1.0  # seconds between looks at the folder
log = logging.getLogger(__name__)


@dataclass(frozen=True, eq=False)
class Snapshot:
    """A model, its people in the order of their names, and the hash of its classifier."""

    model: Model
    people: tuple[Person, ...]
    hash: str

    @cached_property
    def by_id(self) -> dict[str, Person]:
        """The people by their ids."""
        return {person.id: person for person in self.people}

    @cached_property
    def photos(self) -> dict[str, int]:
        """How many photos of each person are enrolled, by id."""
        ids = self.model.classifier.ids
        counts = Counter(self.model.classifier.labels.tolist())
        return {ids[number]: count for number, count in counts.items()}

    def vectors(self, person: str) -> np.ndarray:
        """A person's (n, dimensions) vectors."""
        model = self.model.classifier
        chosen: np.ndarray = model.vectors[model.labels == model.ids.index(person)]
        return chosen

    def chip(self, person: str) -> Path:
        """Where the chip lies that is most like all of a person's."""
        model = self.model.classifier
        rows = np.flatnonzero(model.labels == model.ids.index(person))
        vectors = model.vectors[rows]
        return Path(model.chips[int(rows[(vectors @ vectors.sum(axis=0)).argmax()])])


class Current:
    """Gives the newest snapshot of a model folder; requests keep the one that they began with."""

    def __init__(self, path: Path | None, commercial: bool, changed: Callable[[], object]) -> None:
        self.folder = ModelFolder(classifier_path(path))
        self._commercial, self._changed = commercial, changed
        self._names = (self.folder.classifier.name, PEOPLE)
        self._state: object = None
        self._lock = asyncio.Lock()
        self._watcher: asyncio.Task[None] | None = None
        self._snapshot: Snapshot | None = None
        self._pipeline: Pipeline | None = None
        self._load()

    @property
    def pipeline(self) -> Pipeline:
        """What the newest model's vectors are made by, and where nobody is left, were."""
        assert self._pipeline is not None
        return self._pipeline

    @property
    def known(self) -> Snapshot | None:
        """The newest snapshot, None where nobody is enrolled."""
        return self._snapshot

    @property
    def now(self) -> Snapshot:
        """The newest snapshot. Raises Refused if nobody is enrolled."""
        if self._snapshot is None:
            raise Refused(409, "nobody_enrolled", "nobody is enrolled", "enrol somebody first")
        return self._snapshot

    def start(self) -> None:
        """Begin to look for changes by other processes."""
        self._watcher = asyncio.create_task(self._watch())

    async def stop(self) -> None:
        """Look no more."""
        if self._watcher is not None:
            self._watcher.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._watcher

    async def refresh(self) -> None:
        """Take up what has changed, if anything has."""
        async with self._lock:
            if self._look() != self._state:
                await asyncio.to_thread(self._load)
                self._changed()

    async def _watch(self) -> None:
        while True:
            await asyncio.sleep(_EVERY)
            try:
                await self.refresh()
            except Exception as error:  # noqa: BLE001 - the snapshot before serves on
                log.error("the model that is there now cannot be used: %s", error)
                self._state = self._look()

    def _look(self) -> object:
        return state(self.folder.embeddings, self._names)

    def _load(self) -> None:
        """Read the folder; the snapshot is replaced when all of it is there."""
        before = self._look()
        path = current(self.folder.embeddings, self.folder.classifier.name)
        if not path.exists():
            if self._pipeline is None:
                self._pipeline = Pipeline(recipe(), commercial=self._commercial)
                self._pipeline.check_alignment()
            self._snapshot, self._state = None, before
            return
        classifier, people = self.folder.people()
        made_by = self.folder.recipe(classifier)
        pipeline = self._pipeline
        if pipeline is None or pipeline.recipe != made_by:
            pipeline = Pipeline(made_by, commercial=self._commercial)
        classifier.check_space(str(pipeline.space))
        digest = hashlib.sha256()
        digest.update(classifier.vectors.tobytes() + classifier.labels.tobytes())
        digest.update("\n".join(classifier.ids).encode())
        ordered = sorted(people, key=lambda person: (person.name.casefold(), person.id))
        self._snapshot = Snapshot(Model(classifier, pipeline), tuple(ordered), digest.hexdigest())
        self._pipeline, self._state = pipeline, before


def classifier_path(path: Path | None) -> Path | None:
    """The path of a model; of a folder in which nobody is enrolled yet, or any more, that of the
    classifier to be. Raises StorageError for what is neither."""
    if path is None or path.is_file():
        return path
    names = {one.name for one in path.iterdir()} if path.is_dir() else set()
    if path.parent.is_dir() and (not names or names & {CHIPS, EMBEDDINGS}):
        return path / EMBEDDINGS / CLASSIFIER
    if names:
        return find_classifier(path)
    raise StorageError(
        f"{shown(path)}: its folder is not there",
        remedy="make it, or check the name",
        field="model",
    )
