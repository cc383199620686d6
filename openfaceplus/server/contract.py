"""What the OpenAPI document promises of a route beside what it takes: answers and refusals."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from starlette.responses import Response

from openfaceplus.server.answers import Problem
from openfaceplus.server.keys import Role

if TYPE_CHECKING:
    from openfaceplus.server.rights import Route

_SAYS = {
    400: "the request cannot be read",
    401: "no key, or a wrong one",
    403: "the key may not do this, another site's page asked, or a session's token is missing",
    404: "what is asked for is not there",
    409: "it cannot be done as things are: nobody is enrolled, somebody of that name is, ...",
    413: "too much, or too many photos",
    416: "the file has no such part",
    421: "the server is not called so",
    422: "a parameter or a photo makes no sense",
    429: "too many requests",
    503: "there is too much to do, or the server cannot do it just now",
}
_LATER = {"Retry-After": {"description": "in how many seconds", "schema": {"type": "integer"}}}


def responses(route: Route) -> dict[int | str, dict[str, Any]]:
    """What FastAPI is to write down of a route's answers, by status."""
    found: dict[int | str, dict[str, Any]] = {
        status: {"model": Problem, "description": _SAYS[status]}
        | ({"headers": _LATER} if status in (429, 503) else {})
        for status in sorted(_refusals(route))
    }
    if route.gives is not None:
        found[route.more.get("status_code", 200)] = {"model": route.gives}
    found |= route.more.get("responses", {})
    return found


def files(kind: str, *statuses: int) -> dict[str, Any]:
    """What a route says whose answers are files of this kind; 200 and these have one."""
    content = {"content": {kind: {"schema": {"type": "string", "format": "binary"}}}}
    found = {status: content for status in (200, *statuses)}
    return {"response_class": Response, "responses": found}


def _refusals(route: Route) -> set[int]:
    statuses = {401, 403, 421, 429, 503, *route.refuses}
    if route.role is not Role.PUBLIC:
        statuses |= {409, 422}
    if route.writes:
        statuses |= {400, 409, 413, 422}
    if "{" in route.path:
        statuses.add(404)
    return statuses
