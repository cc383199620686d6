"""The application: what a server holds, the routes, and what wraps them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from fastapi import FastAPI
from starlette.formparsers import MultiPartParser

from openfaceplus.server import problems
from openfaceplus.server.edge import Edge
from openfaceplus.server.guard import Guard
from openfaceplus.server.pages import ErrorPages
from openfaceplus.server.repeats import Repeats
from openfaceplus.server.rights import Table
from openfaceplus.server.routes import ROUTES
from openfaceplus.server.settings import Settings
from openfaceplus.server.state import Server
from openfaceplus.version import __version__


def create_app(settings: Settings) -> FastAPI:
    """A server of one model, to be run by uvicorn.

    Raises StorageError if there is no model, another server writes the audit log, or the file of
    keys is none.
    """
    server = Server(settings)
    table = Table(ROUTES)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        await server.start()
        try:
            yield
        finally:
            await server.stop()

    app = FastAPI(
        title="openfaceplus", version=__version__, lifespan=lifespan,
        openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False,
    )  # fmt: skip
    app.state.server = server
    table.install(app)
    problems.install(app)
    # Photos are never on the disk: a body is not larger than this anyway.
    MultiPartParser.spool_max_size = settings.limits.body
    app.add_middleware(Repeats, kept=server.kept)
    app.add_middleware(Guard, settings=settings, access=server.access, table=table)
    app.add_middleware(Edge, table=table, limits=settings.limits, metrics=server.metrics)
    app.add_middleware(ErrorPages)
    return app
