"""What a server holds while it runs, and how routes come by it."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import Depends
from starlette.requests import HTTPConnection

from openfaceplus.audit import AuditLog
from openfaceplus.model import Identified
from openfaceplus.server.access import Access, Principal
from openfaceplus.server.archive import Archive
from openfaceplus.server.current import Current, Snapshot
from openfaceplus.server.guard import WHO
from openfaceplus.server.inference import Ask, Inference, passive
from openfaceplus.server.intents import Intents
from openfaceplus.server.jobs import Jobs
from openfaceplus.server.kept import Kept
from openfaceplus.server.metrics import Metrics, outcome
from openfaceplus.server.problems import Refused
from openfaceplus.server.recorder import Recorder
from openfaceplus.server.retention import Retention
from openfaceplus.server.reviews import Reviews
from openfaceplus.server.writer import Writer

if TYPE_CHECKING:
    from openfaceplus.faces import Decision
    from openfaceplus.pipeline import PhotoFaces
    from openfaceplus.server.settings import Settings

log = logging.getLogger(__name__)


@dataclass(eq=False)
class Server:
    """Made before the event loop starts, so that what is wrong is said then."""

    settings: Settings
    metrics: Metrics = field(default_factory=Metrics)
    cameras: int = 0
    adding: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        settings = self.settings
        passive(settings)  # what is wrong with it is said now
        self.current = Current(settings.model, settings.commercial, self._changed)
        self.audit = Recorder(AuditLog(settings.audit))
        self.kept = Kept(settings.kept)  # one server writes a log, so one uses this
        self.access = Access(settings, self.kept)
        self.intents = Intents(self.audit, self.current, self.kept)
        self.writer = Writer(self.current.folder.classifier, settings.commercial)
        keep = settings.keep_unsure
        self.reviews = None if keep is None else Reviews(keep)
        self.retention = None if settings.retain is None else Retention(self, settings.retain)
        self.archive, self.jobs = self._videos()
        self._inference = self._pool()
        self._warming: asyncio.Task[None] | None = None
        self._closing: set[asyncio.Task[None]] = set()
        self._count_people()

    async def start(self) -> None:
        """Begin to work, in the running event loop."""
        await self.intents.settle()
        self._inference.start()
        self.current.start()
        await self._inference.warm()
        self._warming = asyncio.create_task(self._warm_writer())
        if self.retention is not None:
            self.retention.start()

    async def stop(self) -> None:
        """Finish what is in hand."""
        if self._warming is not None:
            await self._warming
        if self.retention is not None:
            await self.retention.stop()
        await self.current.stop()
        await self._inference.stop()
        if self.jobs is not None:
            await self.jobs.stop()
        if self.archive is not None:
            await asyncio.to_thread(self.archive.close)
        await asyncio.gather(*self._closing)
        await asyncio.to_thread(self.writer.close)
        await asyncio.to_thread(self.audit.close)
        self.kept.close()

    async def _warm_writer(self) -> None:
        """While others are answered already; what goes wrong is said when it is used."""
        with contextlib.suppress(Exception):
            await self.writer.warm()

    async def look(
        self, photos: Sequence[bytes], *, largest: bool = False, live: bool = False
    ) -> tuple[Snapshot, list[PhotoFaces]]:
        """The faces of photos, and the model to judge them by. Raises Refused."""
        snapshot = self.current.now
        return snapshot, await self.faces(photos, largest=largest, live=live)

    async def faces(
        self, photos: Sequence[bytes], *, largest: bool = False, live: bool = False
    ) -> list[PhotoFaces]:
        """The faces of photos, whether or not anybody is enrolled; with ``live`` also how live they
        look. Raises Refused."""
        if live and self.settings.liveness is None:
            raise Refused(
                422, "no_liveness", "this server has no network that judges liveness",
                "ask without it, or start the server with one", field="liveness",
            )  # fmt: skip
        return await self._inference.look([Ask(data, largest, live) for data in photos])

    async def record(self, who: Principal, what: str, **more: Any) -> None:
        """Write to the log that somebody asked for something, and what became of it."""
        await self.audit.write({"who": who.name, "what": what, **more})

    async def record_decisions(
        self, who: Principal, what: str, snapshot: Snapshot, found: Sequence[Identified]
    ) -> None:
        """Write to the log what was decided about photos, a line a face; names are not in it."""
        lines = []
        for one in found:
            self.metrics.decided(one.decisions)
            about = {"who": who.name, "what": what, "model": snapshot.hash[:16]}
            lines += [about | answered(decision) for decision in one.decisions]
            if not one.decisions:
                lines.append(about | {"answer": one.status})
        await self.audit.write(*lines)

    async def keep_unsure(self, photos: Sequence[bytes], found: Sequence[Identified]) -> None:
        """Keep unsure faces to be looked at, where that was asked for."""
        if self.reviews is not None:
            for data, one in zip(photos, found, strict=True):
                most = self.settings.limits.pixels
                await asyncio.to_thread(self.reviews.keep, data, one.decisions, most)

    def _videos(self) -> tuple[Archive | None, Jobs | None]:
        """The database and what indexes into it, if one was asked for."""
        settings = self.settings
        if settings.db is None or settings.uploads is None:
            return None, None
        model, recipe = self.current.folder.classifier, self.current.pipeline.recipe
        return (
            Archive(settings.db, settings.uploads),
            Jobs(settings.db, recipe, model, settings.commercial),
        )

    def _pool(self) -> Inference:
        return Inference(self.current.pipeline.recipe, self.settings, self.metrics)

    def _changed(self) -> None:
        """Another model is there: with another recipe it needs other processes."""
        self._count_people()
        if self._inference.recipe != self.current.pipeline.recipe:
            old, self._inference = self._inference, self._pool()
            self._inference.start()
            task = asyncio.create_task(old.stop())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _count_people(self) -> None:
        known = self.current.known
        self.metrics.people.set(0 if known is None else len(known.people))


def answered(decision: Decision) -> dict[str, Any]:
    """A decision as the log has it: a person's id and never their name, which can be forgotten."""
    return {
        "answer": outcome(decision),
        "person": decision.person,
        "score": round(decision.score, 4),
        "threshold": decision.to_dict()["threshold"],
    }


# FastAPI would call these in a thread if they were not async.
async def server_of(connection: HTTPConnection) -> Server:
    """The server that an app is."""
    server: Server = connection.app.state.server
    return server


async def who_of(connection: HTTPConnection) -> Principal:
    """Who asks."""
    who: Principal = connection.scope[WHO]
    return who


Here = Annotated[Server, Depends(server_of)]
Who = Annotated[Principal, Depends(who_of)]
