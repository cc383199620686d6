"""Faces of photos, looked for by processes that stay, several waiting photos at a time."""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from openfaceplus.pipeline import PhotoFaces, Pipeline
from openfaceplus.server.problems import busy
from openfaceplus.stages.workers import Lost, Workers
from openfaceplus.threads import processes

if TYPE_CHECKING:
    from openfaceplus.liveness.passive import PassiveLiveness
    from openfaceplus.recipe import Recipe
    from openfaceplus.server.metrics import Metrics
    from openfaceplus.server.settings import Settings

_WINDOW = 0.003  # seconds that a photo waits for others to go with it, if none waits already
_MOST = 16  # photos that a process takes at once


@dataclass(frozen=True, slots=True)
class Ask:
    """A photo's bytes, and which of its faces: the most prominent, or all but for a limit; with
    ``live`` also how live they look."""

    data: bytes
    largest: bool = False
    live: bool = False

    @property
    def kind(self) -> tuple[bool, bool]:
        """What is the same of all that go through the pipeline at once."""
        return self.largest, self.live


class Looker:
    """Finds and embeds faces, in whichever process it is made."""

    def __init__(self, recipe: Recipe, settings: Settings) -> None:
        self._pipeline = Pipeline(recipe, commercial=settings.commercial)
        self._pixels, self._faces = settings.limits.pixels, settings.limits.faces
        _ = self._pipeline.detector, self._pipeline.predictor, self._pipeline.embedder
        self._passive = passive(settings)

    def __call__(self, asked: Sequence[Ask]) -> list[PhotoFaces]:
        results: list[PhotoFaces | None] = [None] * len(asked)
        for kind in {one.kind for one in asked}:
            chosen = [i for i, one in enumerate(asked) if one.kind == kind]
            largest, live = kind
            found = self._pipeline.look(
                [asked[i].data for i in chosen],
                largest=largest,
                most=self._faces,  # a crowd may hold up all others
                max_pixels=self._pixels,
                photos=live,
            )
            for i, one in zip(chosen, found, strict=True):
                scores = self._live(one) if live else ()
                results[i] = replace(one, source=None, photo=None, live=scores)
        return [one for one in results if one is not None]

    def _live(self, found: PhotoFaces) -> list[float]:
        """How live each face looks."""
        if found.photo is None or self._passive is None:
            return []
        boxes = [face.box.scaled(1 / found.photo.scale) for face in found.faces]
        return self._passive.scores(found.photo.pixels, boxes)


def passive(settings: Settings) -> PassiveLiveness | None:
    """The network that says how live a face looks, if there is one. Raises what it raises."""
    if settings.liveness is None:
        return None
    from openfaceplus.liveness.passive import PassiveLiveness

    return PassiveLiveness(settings.liveness, settings.liveness_scale, threads=1)


class Inference:
    """A pool of processes for one recipe. ``start`` it in the event loop that asks it."""

    def __init__(self, recipe: Recipe, settings: Settings, metrics: Metrics) -> None:
        self.recipe = recipe
        self._jobs = processes(settings.jobs)
        self._limits, self._metrics = settings.limits, metrics
        self._workers = Workers[Ask, PhotoFaces](Looker, (recipe, settings), self._jobs, apart=True)
        self._threads = ThreadPoolExecutor(self._jobs, "inference")
        self._queue: asyncio.Queue[tuple[Ask, asyncio.Future[PhotoFaces]]] = asyncio.Queue()
        self._tasks: list[asyncio.Task[None]] = []

    def start(self) -> None:
        """Begin to take photos."""
        self._tasks = [asyncio.create_task(self._serve()) for _ in range(self._jobs)]

    async def warm(self) -> None:
        """Start the processes, so that the first to ask need not wait. Raises what they raise."""
        loop = asyncio.get_running_loop()
        nothing = [Ask(b"")]
        await asyncio.gather(
            *(loop.run_in_executor(self._threads, self._ask, nothing) for _ in range(self._jobs))
        )

    async def stop(self) -> None:
        """Take no more, finish what is in hand, and end the processes."""
        for task in self._tasks:
            task.cancel()
        for task in self._tasks:
            with contextlib.suppress(asyncio.CancelledError):
                await task
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        self._threads.shutdown(wait=True)
        self._workers.close()

    async def look(self, asked: Sequence[Ask]) -> list[PhotoFaces]:
        """The faces of some photos. Raises Refused if too many wait, or these waited too long."""
        waiting = self._queue.qsize()
        if waiting + len(asked) > self._limits.waiting:
            raise busy("too many photos are waiting", 1 + waiting // 8)
        loop = asyncio.get_running_loop()
        futures = [loop.create_future() for _ in asked]
        for one, future in zip(asked, futures, strict=True):
            self._queue.put_nowait((one, future))
        self._metrics.waiting.set(self._queue.qsize())
        try:
            async with asyncio.timeout(self._limits.patience):
                return list(await asyncio.gather(*futures))
        except TimeoutError:
            raise busy("these photos waited too long", 5) from None
        finally:
            for future in futures:
                future.cancel()

    async def _serve(self) -> None:
        loop = asyncio.get_running_loop()
        while True:
            batch = [await self._queue.get()]
            if self._queue.empty():
                await asyncio.sleep(_WINDOW)
            fair = math.ceil((self._queue.qsize() + 1) / self._jobs)
            while len(batch) < min(fair, _MOST) and not self._queue.empty():
                batch.append(self._queue.get_nowait())
            # Who asked may have gone meanwhile.
            batch = [(one, future) for one, future in batch if not future.done()]
            self._metrics.waiting.set(self._queue.qsize())
            if not batch:
                continue
            self._metrics.batch.observe(len(batch))
            asked = [one for one, _ in batch]
            try:
                found = await loop.run_in_executor(self._threads, self._ask, asked)
            except asyncio.CancelledError:
                for _, future in batch:
                    future.cancel()
                raise
            except Exception as error:  # noqa: BLE001 - raised where it was asked
                for _, future in batch:
                    if not future.done():
                        future.set_exception(error)
                continue
            for (_, future), one in zip(batch, found, strict=True):
                if not future.done():
                    future.set_result(one)

    def _ask(self, asked: list[Ask]) -> list[PhotoFaces]:
        import numpy as np

        (results,) = self._workers.map_chunks([asked])
        return [
            PhotoFaces(None, (), np.empty((0, 0), np.float32), (), one.error("the photo"))
            if isinstance(one, Lost)
            else one
            for one in results
        ]
