"""The one table of routes, and of the role that each needs: what is not in it does not exist."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from fastapi import FastAPI
from starlette.routing import compile_path

from openfaceplus.server import contract
from openfaceplus.server.keys import Role

WEBSOCKET = "WS"


@dataclass(frozen=True, slots=True)
class Route:
    """An address, the least role that may use it, and the function that answers.

    ``page`` is for browsers: who has no session is sent to log in. A request may have
    ``most_bytes``, None: those of all. ``asks`` says of a POST that it changes nothing. ``gives``
    describes the answer, and ``refuses`` says with which statuses it may refuse that others like
    it don't. ``more`` goes to FastAPI.
    """

    method: str
    path: str
    role: Role
    answer: Callable[..., Any]
    page: bool = False
    most_bytes: int | None = None
    asks: bool = False
    gives: Any = None
    refuses: tuple[int, ...] = ()
    more: dict[str, Any] = field(default_factory=dict)

    @property
    def writes(self) -> bool:
        """Whether a page of another site must not use it."""
        return self.method not in ("GET", WEBSOCKET)

    @property
    def changes(self) -> bool:
        """Whether using it changes something that stays; a session is no such thing."""
        return self.writes and not self.asks

    @property
    def about(self) -> str:
        """What it does, in a sentence."""
        return (self.answer.__doc__ or "").strip().partition("\n\n")[0].replace("\n    ", " ")


class Table:
    """Routes, found by method and path."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.routes = routes
        self._patterns = [(compile_path(route.path)[0], route) for route in routes]
        self._whole = {route.path for route in routes if "{" not in route.path}

    def find(self, method: str, path: str) -> Route | None:
        """The route of a request, None if there is none."""
        method = "GET" if method == "HEAD" else method
        return next((route for route in self._at(path) if route.method == method), None)

    def methods(self, path: str) -> list[str]:
        """What an address takes, nothing if there is no such."""
        return sorted({route.method for route in self._at(path)} - {WEBSOCKET})

    def _at(self, path: str) -> Iterator[Route]:
        for pattern, route in self._patterns:
            # An address that is a route's own is nobody's id.
            if route.path == path if path in self._whole else pattern.match(path):
                yield route

    def install(self, app: FastAPI) -> None:
        """Let an app answer at these routes, and at no other."""
        for route in self.routes:
            if route.method == WEBSOCKET:
                app.add_api_websocket_route(route.path, route.answer)
            else:
                shown = {"include_in_schema": not route.page} | route.more
                shown["responses"] = contract.responses(route)
                app.add_api_route(route.path, route.answer, methods=[route.method], **shown)


def markdown(routes: Iterable[Route]) -> str:
    """The table as it stands in the documentation."""
    lines = ["| route | least role | does |", "| --- | --- | --- |"]
    for route in routes:
        role = "nobody's key" if route.role is Role.PUBLIC else str(route.role)
        lines.append(f"| `{route.method} {route.path}` | {role} | {route.about} |")
    return "\n".join(lines) + "\n"
