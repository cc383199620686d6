"""Videos that are indexed in the background, one after the other, by a process of their own."""

from __future__ import annotations

import asyncio
import mmap
import os
import secrets
import struct
import tempfile
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from openfaceplus.errors import OpenFacePlusError
from openfaceplus.server import problems
from openfaceplus.server.problems import busy
from openfaceplus.stages.workers import Lost, Workers

if TYPE_CHECKING:
    from pathlib import Path

    from openfaceplus.recipe import Recipe

_PROGRESS = struct.Struct("<qq")
_MOST, _WAITING = 200, 20  # jobs that are remembered, and that may wait


@dataclass(slots=True, eq=False)
class Job:
    """A video to be indexed: ``state`` is ``waiting``, ``running``, ``done`` or ``failed``."""

    id: str
    video: str
    by: str
    asked: str
    state: str = "waiting"
    result: dict[str, Any] | None = None
    error: dict[str, Any] | None = None


class Jobs:
    """Indexes videos into a database, and names who is in them by the model."""

    def __init__(
        self, db: str, recipe: Recipe, model: Path, commercial: bool,
    ) -> None:  # fmt: skip
        # Where the process says how far it is: a file without a name.
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - open as long as this
        self._file.truncate(_PROGRESS.size)
        self._map = mmap.mmap(self._file.fileno(), _PROGRESS.size)
        place = f"/proc/{os.getpid()}/fd/{self._file.fileno()}"
        self._workers = Workers[str, dict[str, Any]](
            _Indexer, (db, recipe, str(model), commercial, place), 1, apart=True
        )
        self._thread = ThreadPoolExecutor(1, "videos")
        self._jobs: dict[str, Job] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, source: str, called: str, by: str) -> Job:
        """Have a video indexed. Raises Refused if too many wait."""
        if sum(job.state == "waiting" for job in self._jobs.values()) >= _WAITING:
            raise busy("too many videos are waiting", 60)
        now = datetime.now(UTC).isoformat(timespec="seconds")
        job = Job(secrets.token_hex(6), called, by, now)
        self._jobs[job.id] = job
        for old in [one.id for one in self._jobs.values() if one.result or one.error][:-_MOST]:
            del self._jobs[old]
        task = asyncio.create_task(self._run(job, source))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return job

    def all(self) -> list[Job]:
        """The jobs, the newest first."""
        return list(reversed(self._jobs.values()))

    def find(self, number: str) -> Job | None:
        """The job of an id, if it is remembered."""
        return self._jobs.get(number)

    def described(self, job: Job) -> dict[str, Any]:
        """For JSON: ``frames`` are those done, and of how many, None where that is unknown."""
        done, total = _PROGRESS.unpack(self._map[:]) if job.state == "running" else (0, 0)
        return {
            "id": job.id, "video": job.video, "by": job.by, "asked": job.asked,
            "state": job.state, "frames": done, "of": total or None,
            "result": job.result, "error": job.error,
        }  # fmt: skip

    async def stop(self) -> None:
        """End what runs: an unfinished video is indexed anew when it is asked for again."""
        for task in self._tasks:
            task.cancel()
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        self._workers.close()
        self._thread.shutdown(wait=True, cancel_futures=True)
        self._map.close()
        self._file.close()

    async def _run(self, job: Job, source: str) -> None:
        def work() -> dict[str, Any]:
            job.state = "running"
            self._map[:] = _PROGRESS.pack(0, 0)
            (result,) = self._workers.map([source])
            if isinstance(result, Lost):
                raise RuntimeError("the process that indexes videos died")
            return result

        try:
            found = await asyncio.get_running_loop().run_in_executor(self._thread, work)
            job.error = found.pop("error")
            job.result = {key: value for key, value in found.items() if key != "video"}
        except OpenFacePlusError as error:
            job.error = problems.of(error).body()
        except Exception as error:  # noqa: BLE001 - said in the usual shape, and logged
            job.error = problems.internal(error).body()
        job.state = "done" if job.error is None else "failed"


class _Indexer:
    """Indexes one video after the other, in a process of its own."""

    def __init__(self, db: str, recipe: Recipe, model: str, commercial: bool, place: str) -> None:
        self._db, self._recipe, self._model = db, recipe, model
        self._commercial = commercial
        self._place = os.open(place, os.O_RDWR)

    def __call__(self, source: str) -> dict[str, Any]:
        from openfaceplus.database import connect
        from openfaceplus.errors import StorageError
        from openfaceplus.model import Model
        from openfaceplus.stages.video_index import IndexOptions, index
        from openfaceplus.stages.video_names import name_people

        options = IndexOptions(self._recipe, commercial=self._commercial)
        (found,) = index([source], self._db, options, jobs=1, watch=self._watch)
        named = 0
        if found.error is None:
            try:
                model = Model.load(self._model, commercial=self._commercial)
            except StorageError:  # nobody is enrolled
                return found.to_dict() | {"named": 0}
            with connect(self._db) as db:
                named = name_people(db, model)
        return found.to_dict() | {"named": named}

    def _watch(self, _: str, done: int, total: int | None) -> None:
        os.pwrite(self._place, _PROGRESS.pack(done, total or 0), 0)
