"""How the server is, and what it knows."""

from __future__ import annotations

import math
from typing import Any

from fastapi import Request
from prometheus_client import CONTENT_TYPE_LATEST
from starlette.responses import JSONResponse, Response

from openfaceplus.classify.rule import Threshold
from openfaceplus.errors import OpenFacePlusError
from openfaceplus.model import Model, Policy
from openfaceplus.server import answers
from openfaceplus.server.contract import files
from openfaceplus.server.keys import Role
from openfaceplus.server.rights import Route
from openfaceplus.server.state import Here
from openfaceplus.version import __version__

RATES = (0.1, 0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0002, 0.0001)
"""False-accept rates for which ``models`` says the threshold."""


async def health(server: Here) -> dict[str, Any]:
    """Say whether the server can answer."""
    return {"status": "ok", "version": __version__, "enrolled": server.current.known is not None}


async def models(server: Here) -> dict[str, Any]:
    """Describe the model: who is in it, how its faces are embedded, and which threshold each
    false-accept rate takes."""
    snapshot = server.current.now
    model = snapshot.model
    classifier = model.classifier
    rates = [
        {
            "far": far, "threshold": _finite(threshold.value), "uses": threshold.uses,
            "supported": threshold.short is None,
        }
        for far, threshold in thresholds(model)
    ]  # fmt: skip
    return {
        "models": [
            {
                "hash": snapshot.hash[:16],
                "people": len(snapshot.people),
                "photos": len(classifier.labels),
                "kind": classifier.settings.kind,
                "space": classifier.space,
                "far": classifier.settings.far,
                "threshold": _finite(model.threshold(Policy()).value),
                "rates": rates,
            }
        ]
    }


def thresholds(model: Model) -> list[tuple[float, Threshold]]:
    """What each of ``RATES`` accepts, of those that the model can tell."""
    found = []
    for far in RATES:
        try:
            found.append((far, model.threshold(Policy(far))))
        except OpenFacePlusError:
            continue
    return found


async def metrics(server: Here) -> Response:
    """Count requests, decisions and waiting photos, for Prometheus."""
    return Response(server.metrics.text(), media_type=CONTENT_TYPE_LATEST)


async def openapi(request: Request) -> JSONResponse:
    """Describe the interface, as OpenAPI 3.1."""
    return JSONResponse(request.app.openapi())


def _finite(value: float) -> float | None:
    """JSON has no infinity: None where nobody would be accepted."""
    return float(value) if math.isfinite(value) else None


ROUTES = (
    Route("GET", "/v1/health", Role.PUBLIC, health, gives=answers.Health),
    Route("GET", "/v1/openapi.json", Role.PUBLIC, openapi, more={"include_in_schema": False}),
    Route("GET", "/v1/models", Role.VIEWER, models, gives=answers.Models),
    Route("GET", "/v1/metrics", Role.VIEWER, metrics, more=files("text/plain")),
)
