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
from typing import TYPE_CHECKING

import numpy as np

from openfaceplus.changes import current, state
from openfaceplus.errors import OpenFacePlusError
from openfaceplus.model import Model
from openfaceplus.model_folder import ModelFolder, Person
from openfaceplus.server.problems import Refused
from openfaceplus.store.layout import PEOPLE

if TYPE_CHECKING:
    from openfaceplus.pipeline import Pipeline

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
        self.folder = ModelFolder(path)
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
            raise Refused(
                409, "nobody_enrolled", "nobody is enrolled", "train a model first, in its folder"
            )
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
            except OpenFacePlusError as error:
                log.error("the model that is there now cannot be used: %s", error)
                self._state = self._look()

    def _look(self) -> object:
        return state(self.folder.embeddings, self._names)

    def _load(self) -> None:
        """Read the folder; the snapshot is replaced when all of it is there."""
        before = self._look()
        path = current(self.folder.embeddings, self.folder.classifier.name)
        if self._pipeline is not None and not path.exists():
            self._snapshot, self._state = None, before
            return
        classifier, people = self.folder.people()
        recipe = self.folder.recipe(classifier)
        pipeline = self._pipeline
        if pipeline is None or pipeline.recipe != recipe:
            from openfaceplus.pipeline import Pipeline

            pipeline = Pipeline(recipe, commercial=self._commercial)
        classifier.check_space(str(pipeline.space))
        digest = hashlib.sha256()
        digest.update(classifier.vectors.tobytes() + classifier.labels.tobytes())
        digest.update("\n".join(classifier.ids).encode())
        ordered = sorted(people, key=lambda person: (person.name.casefold(), person.id))
        self._snapshot = Snapshot(Model(classifier, pipeline), tuple(ordered), digest.hexdigest())
        self._pipeline, self._state = pipeline, before
