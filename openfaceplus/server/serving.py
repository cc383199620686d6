"""Running a server until it is told to end."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import uvicorn

from openfaceplus.errors import UsageError
from openfaceplus.server.app import create_app
from openfaceplus.server.keys import KeyFile

if TYPE_CHECKING:
    from openfaceplus.server.settings import Settings

_GRACE = 30  # seconds that requests in hand are given at the end
_ENDING = (signal.SIGINT, signal.SIGTERM)
_WAITING = 128  # connections that the system keeps


def check(settings: Settings) -> None:
    """Raises UsageError for an address that others reach, where there are no keys."""
    if settings.local or (settings.keys is not None and KeyFile(settings.keys).all()):
        return
    raise UsageError(
        f"{settings.host} can be reached by others, who could then do everything without a key",
        remedy="add one first: openfaceplus keys add NAME, or serve 127.0.0.1",
        field="host",
    )


def serve(
    settings: Settings,
    ready: Callable[[str], object],
    certificate: Path | None = None,
    private_key: Path | None = None,
) -> None:
    """Serve until SIGTERM or SIGINT; then finish what is in hand. ``ready`` is told the address.

    Raises UsageError for an address that cannot be served, and what ``create_app`` raises.
    """
    check(settings)
    listening = _bind(settings)
    with listening:
        app = create_app(settings)
        config = uvicorn.Config(
            app, log_config=None, access_log=False, server_header=False, proxy_headers=False,
            timeout_graceful_shutdown=_GRACE, ws_max_size=settings.limits.frame,
            ssl_certfile=certificate, ssl_keyfile=private_key,
        )  # fmt: skip
        server = _Server(config)
        scheme = "https" if certificate else "http"
        host, port = listening.getsockname()[:2]
        server.ready = lambda: ready(f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}")
        server.run([listening])


class _Server(uvicorn.Server):
    """Says when it answers, and ends well when it is told to end."""

    ready: Callable[[], object]

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        if threading.current_thread() is not threading.main_thread():
            yield
            return
        before = {number: signal.signal(number, self.handle_exit) for number in _ENDING}
        try:
            yield
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            self.ready()


def _bind(settings: Settings) -> socket.socket:
    try:
        (family, _, _, _, address), *_ = socket.getaddrinfo(
            settings.host.strip("[]"), settings.port, type=socket.SOCK_STREAM
        )
        return socket.create_server(address[:2], family=family, backlog=_WAITING)
    except (OSError, OverflowError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UsageError(
            f"{settings.host}:{settings.port} cannot be served ({reason})",
            remedy="choose another port or address",
            field="port",
        ) from error
