"""Changes of the model, made one after the other by a process of their own."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openfaceplus import encrypted_files, encryption
from openfaceplus.changes import current
from openfaceplus.files import atomic_write
from openfaceplus.model_folder import ModelFolder
from openfaceplus.server.problems import busy
from openfaceplus.stages.workers import Lost, Workers

if TYPE_CHECKING:
    from openfaceplus.stages.summary import Summary

_PREFIX = "openfaceplus-enrol-"
_MOST = 8  # changes that wait
_PATIENCE = 60.0  # seconds for which another program's change is waited for

Change = tuple[str, tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Added:
    """What came of enrolling: the reason by photo for those that were not taken."""

    refused: Mapping[str, str]


class Writer:
    """Adds, renames and removes people."""

    def __init__(self, classifier: Path, commercial: bool) -> None:
        _sweep()
        self._workers = Workers[Change, Any](_Changes, (classifier, commercial), 1, apart=True)
        self._thread = ThreadPoolExecutor(1, "writer")
        self._waiting = 0

    async def warm(self) -> None:
        """Start the process, so that the first who is enrolled need not wait for it."""
        await self._do("warm")

    async def add(self, name: str, photos: Mapping[str, bytes], id: str) -> Added:
        """Enrol photos, by the names that their files are to have, as a person's; ``id`` is that
        of somebody new, in a model of nobody ``id_from(name)``."""
        added: Added = await self._do("add", name, photos, id)
        return added

    async def rename(self, name: str, new: str) -> None:
        """Give a person another name."""
        await self._do("rename", name, new)

    async def remove(self, name: str) -> Any:
        """Forget a person; gives the receipt of ``stages.people.remove``."""
        return await self._do("remove", name)

    async def _do(self, what: str, *arguments: Any) -> Any:
        if self._waiting >= _MOST:
            raise busy("too many changes are waiting", 5)
        self._waiting += 1
        try:
            loop = asyncio.get_running_loop()
            # A change that has begun is carried through, whether or not who asked is still there.
            work = loop.run_in_executor(self._thread, self._ask, (what, arguments))
            return await asyncio.shield(work)
        finally:
            self._waiting -= 1

    def _ask(self, change: Change) -> Any:
        (result,) = self._workers.map([change])
        if isinstance(result, Lost):
            raise RuntimeError(f"the process that was to {change[0]} somebody died")
        return result

    def close(self) -> None:
        """Finish what is in hand, and end the process."""
        self._thread.shutdown(wait=True)
        self._workers.close()


class _Changes:
    """Carries out changes, in the writer's process."""

    def __init__(self, classifier: Path, commercial: bool) -> None:
        self._classifier, self._commercial = classifier, commercial
        self._calls: dict[str, Callable[..., Any]] = {
            "add": self._add, "rename": self._rename, "remove": self._remove, "warm": self._warm,
        }  # fmt: skip

    def __call__(self, change: Change) -> Any:
        what, arguments = change
        return self._calls[what](*arguments)

    @property
    def _folder(self) -> ModelFolder:
        return ModelFolder(self._classifier, limit=_PATIENCE)

    def _warm(self) -> None:
        """Load what enrolling takes."""
        from openfaceplus.pipeline import Pipeline
        from openfaceplus.recipe import recipe
        from openfaceplus.stages import enrol, people

        _ = enrol, people
        folder, there = self._folder, self._classifier.exists()
        made_by = folder.recipe(folder.read()) if there else recipe()
        pipeline = Pipeline(made_by, commercial=self._commercial)
        _ = pipeline.detector, pipeline.predictor, pipeline.embedder

    def _add(self, name: str, photos: Mapping[str, bytes], id: str) -> Added:
        from openfaceplus.stages import enrol

        if not current(self._classifier.parent, self._classifier.name).exists():
            return self._begin(name, photos)
        with _private_folder() as folder:
            for file, data in photos.items():
                _write(folder / file, data)
            _, summary = enrol.add(
                self._folder, name, folder, id=id, jobs=1, commercial=self._commercial
            )
        return _added(summary)

    def _begin(self, name: str, photos: Mapping[str, bytes]) -> Added:
        """Make a model of the first person."""
        from openfaceplus.recipe import recipe
        from openfaceplus.stages.align import AlignOptions
        from openfaceplus.stages.train import TrainOptions, train_photos

        with _private_folder() as folder:
            for file, data in photos.items():
                _write(folder / name / file, data)
            made = train_photos(
                folder, self._classifier.parent.parent, recipe(),
                AlignOptions(commercial=self._commercial), None,
                TrainOptions(jobs=1, commercial=self._commercial),
            )  # fmt: skip
        return _added(made.aligned)

    def _rename(self, name: str, new: str) -> None:
        from openfaceplus.stages import people

        people.rename(self._folder, name, new)

    def _remove(self, name: str) -> Any:
        from openfaceplus.stages import people

        return people.remove(self._folder, name)


def _added(summary: Summary) -> Added:
    return Added({
        Path(row["photo"]).name: row["status"]
        for row in summary.rows
        if row["status"] not in summary.usable
    })  # fmt: skip


@contextlib.contextmanager
def _private_folder() -> Any:
    """A folder of its owner's alone, gone when the block ends."""
    folder = Path(tempfile.mkdtemp(prefix=f"{_PREFIX}{os.getpid()}-"))
    try:
        if encryption.on():
            encrypted_files.mark(folder)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _write(path: Path, photo: bytes) -> None:
    with atomic_write(path) as file:
        file.write(photo)


def _sweep() -> None:
    """Remove photos that a killed server left."""
    for folder in Path(tempfile.gettempdir()).glob(f"{_PREFIX}*"):
        number = folder.name.removeprefix(_PREFIX).partition("-")[0]
        alive = number.isdigit() and os.path.exists(f"/proc/{number}")
        with contextlib.suppress(OSError):
            if not alive and folder.stat().st_uid == os.getuid() and not folder.is_symlink():
                shutil.rmtree(folder, ignore_errors=True)


def files_of(photos: Sequence[bytes]) -> dict[str, bytes]:
    """Photos by names made from their content: the same photo twice is one."""
    import hashlib

    return {f"{hashlib.sha256(data).hexdigest()[:24]}.photo": data for data in photos}
