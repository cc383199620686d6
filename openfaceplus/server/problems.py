"""Errors as a server says them: a status, and always the same four fields."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, Response

from openfaceplus import errors
from openfaceplus.errors import OpenFacePlusError

log = logging.getLogger(__name__)

_STATUS: dict[type[OpenFacePlusError], int] = {
    errors.PhotoError: 422,
    errors.VideoError: 422,
    errors.UsageError: 422,
    errors.TrainingError: 422,
    errors.VideoClaimed: 409,
    errors.SpaceMismatch: 409,
}
"""Of errors that are about what was asked; others are about the server."""

_LATER = 60  # seconds after which what failed may go well

_CODES = {
    400: ("malformed", "the request cannot be read", "check how it is put together"),
    404: ("not_found", "there is nothing at this address", "see /v1/openapi.json"),
    405: ("method_not_allowed", "this address does not take that method", "see /v1/openapi.json"),
    413: ("too_large", "the request is too large", "send less at once"),
    416: ("no_such_part", "the file has no such part", "ask for another range"),
}


class Refused(Exception):
    """A request that is not carried out, and why, in the words of every other error."""

    def __init__(
        self,
        status: int,
        code: str,
        problem: str,
        remedy: str,
        *,
        field: str | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(problem)
        self.status, self.code, self.problem = status, code, problem
        self.remedy, self.field, self.headers = remedy, field, headers

    def answer(self) -> JSONResponse:
        """The response that says so."""
        return JSONResponse(self.body(), self.status, self.headers)

    def body(self) -> dict[str, str | None]:
        """The four fields."""
        return {
            "code": self.code, "problem": self.problem, "field": self.field,
            "remedy": self.remedy or None,
        }  # fmt: skip


def busy(problem: str, seconds: int = 1) -> Refused:
    """That there is too much to do just now."""
    return Refused(
        503, "busy", problem, f"try again in {seconds} s", headers={"Retry-After": str(seconds)}
    )


def missing(what: str, field: str | None = None) -> Refused:
    """That somebody or something asked for by its id is not there."""
    return Refused(404, "not_found", f"there is no such {what}", "list what there is", field=field)


def internal(error: BaseException) -> Refused:
    """What is said of an error that is nobody's to know; the server's log has it."""
    log.error("a request failed", exc_info=error)
    return Refused(
        500, "internal", "the server failed at this", "its log says why: tell who runs it"
    )


def of(error: OpenFacePlusError) -> Refused:
    """The same error for who asked; of what concerns the server's own files only that it is so."""
    for kind, status in _STATUS.items():
        if isinstance(error, kind):
            known = error.to_dict()
            return Refused(status, error.code, error.problem, error.remedy, field=known["field"])
    log.error("a request failed", exc_info=error)
    return Refused(
        503, error.code, "the server cannot do this just now", "its log says why: try again later",
        headers={"Retry-After": str(_LATER)},
    )  # fmt: skip


def of_status(status: int, headers: Mapping[str, str] | None = None) -> Refused:
    """What a status of HTTP says of itself."""
    code, problem, remedy = _CODES.get(
        status, ("refused", "the request was refused", "see /v1/openapi.json")
    )
    return Refused(status, code, problem, remedy, headers=headers)


def install(app: FastAPI) -> None:
    """Let all errors of an app take this shape."""
    app.add_exception_handler(Refused, _refused)
    app.add_exception_handler(OpenFacePlusError, _ours)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(HTTPException, _http)


async def _refused(_: Request, error: Any) -> Response:
    answer: Response = error.answer()
    return answer


async def _ours(_: Request, error: Any) -> Response:
    return of(error).answer()


async def _invalid(_: Request, error: Any) -> Response:
    """What does not fit a route's parameters; nothing of what was given is said back."""
    first = error.errors()[0]
    place = [str(part) for part in first["loc"] if part not in ("body", "query", "path", "header")]
    return Refused(
        422, "invalid", str(first["msg"]), "see /v1/openapi.json", field=".".join(place) or None
    ).answer()


async def _http(_: Request, error: Any) -> Response:
    return of_status(error.status_code, error.headers).answer()
