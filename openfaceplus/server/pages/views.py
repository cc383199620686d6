"""The addresses of pages, and who may see them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import HTMLResponse, Response

from openfaceplus.server.access import Principal
from openfaceplus.server.keys import Role
from openfaceplus.server.pages import language, rendering
from openfaceplus.server.problems import missing
from openfaceplus.server.rights import Route
from openfaceplus.server.state import Here, Server, Who

THEMES = ("light", "dark")
NEED_PEOPLE = ("identify", "verify", "door", "accuracy")
"""Pages that are of no use while nobody is enrolled."""

_YEAR = 365 * 24 * 3600


@dataclass(frozen=True, slots=True)
class Page:
    """A page of the navigation: its name, which is that of its template, script and texts."""

    name: str
    path: str
    role: Role
    about: str


PAGES = (
    Page("identify", "/", Role.VIEWER, "Name the people in photos."),
    Page("people", "/people", Role.VIEWER, "See, add, rename and remove people."),
    Page("verify", "/verify", Role.VIEWER, "Compare two photos, or one with a person."),
    Page("door", "/door", Role.VIEWER, "Greet people who come before a camera."),
    Page("review", "/review", Role.ENROLLER, "Look at decisions that were unsure."),
    Page("videos", "/videos", Role.VIEWER, "See who was in which video when, and put it right."),
    Page("accuracy", "/accuracy", Role.VIEWER, "See what the model was measured on."),
)


def show(
    request: Request, who: Principal, server: Server, name: str, status: int = 200, **more: Any
) -> Response:
    """A page in the language and colours that its reader wants."""
    theme = request.cookies.get("theme", "")
    html = rendering.render(
        name,
        language.wanted(
            request.headers.get("accept-language", ""), request.cookies.get("language", "")
        ),
        pages=[page for page in PAGES if who.role >= page.role and _there(server, page)],
        user=None if who.session is None else who.name,
        role=str(who.role),
        csrf="" if who.session is None else who.session.csrf,
        theme=theme if theme in THEMES else "",
        needs_people=name in NEED_PEOPLE and server.current.known is None,
        passive=server.settings.liveness is not None,
        **more,
    )
    return HTMLResponse(html, status, {"Vary": "Accept-Language, Cookie"})


def _there(server: Server, page: Page) -> bool:
    """Whether this server has what a page is about."""
    needed = {"videos": server.archive, "review": server.reviews}
    return needed.get(page.name, server) is not None


def _view(page: Page) -> Callable[..., Awaitable[Response]]:
    async def view(request: Request, who: Who, server: Here) -> Response:
        if not _there(server, page):
            raise missing("page")
        return show(request, who, server, page.name)

    view.__doc__ = page.about
    return view


async def login(request: Request, who: Who, server: Here) -> Response:
    """Log in with a key."""
    return show(request, who, server, "login")


async def static(edition: str, name: str) -> Response:
    """Give what a page loads: styles, scripts, texts."""
    kind, data = rendering.static_files().get(name, ("", b""))
    if not kind:
        raise missing("file")
    kept = f"public, max-age={_YEAR}, immutable" if edition == rendering.edition() else "no-store"
    return Response(data, media_type=kind, headers={"Cache-Control": kept})


ROUTES = (
    *(Route("GET", page.path, page.role, _view(page), page=True) for page in PAGES),
    Route("GET", "/login", Role.PUBLIC, login, page=True),
    Route(
        "GET", "/static/{edition}/{name}", Role.PUBLIC, static,
        more={"include_in_schema": False},
    ),
)  # fmt: skip
