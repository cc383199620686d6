"""How well the model tells strangers from the people in it, as was measured when it was made."""

from __future__ import annotations

import asyncio
import math
from typing import Any

import numpy as np

from openfaceplus.model import Model, Policy
from openfaceplus.server.keys import Role
from openfaceplus.server.rights import Route
from openfaceplus.server.routes.health import thresholds
from openfaceplus.server.state import Here

_BINS = 48
_EDGES = 0.005  # share of the scores that the outermost bins take in


async def accuracy(server: Here) -> dict[str, Any]:
    """Say how strangers and the enrolled score, and what each false-accept rate rests on."""
    return await asyncio.to_thread(_measured, server.current.now.model)


def _measured(model: Model) -> dict[str, Any]:
    classifier = model.classifier
    rule = classifier.rule
    _, raw = rule.scorer.unseen(classifier.vectors, classifier.labels)
    enrolled = rule.scaled(np.asarray(raw, float))
    series = [each.scores for each in rule.strangers if len(each.scores)] + [enrolled]
    ends = [np.quantile(one, (_EDGES, 1 - _EDGES)) for one in series if len(one)]
    low, high = (
        float(end) for end in (np.min([0.0, *np.ravel(ends)]), np.max([1.0, *np.ravel(ends)]))
    )
    edges = np.linspace(low, high, _BINS + 1)
    usual = model.threshold(Policy()).value

    def shares(scores: np.ndarray) -> list[float]:
        # In double precision, or the clipped might lie a rounding beyond the ends.
        counts, _ = np.histogram(np.clip(scores.astype(float), low, high), edges)
        return [round(float(part), 5) for part in counts / max(1, len(scores))]

    return {
        "far": classifier.settings.far,
        "threshold": usual if math.isfinite(usual) else None,
        "from": low,
        "to": high,
        "strangers": [
            {"kind": each.kind, "data": each.data, "count": len(each.scores),
             "shares": shares(each.scores)}
            for each in rule.strangers
        ],
        "enrolled": {"count": len(enrolled), "shares": shares(enrolled)},
        "rates": [_rate(far, limit, enrolled) for far, limit in thresholds(model)],
    }  # fmt: skip


def _rate(far: float, threshold: Any, enrolled: np.ndarray) -> dict[str, Any]:
    made = threshold.calibration
    return {
        "far": far,
        "threshold": threshold.value if math.isfinite(threshold.value) else None,
        "uses": threshold.uses,
        "strangers": made.n,
        "accepted": made.accepted,
        "interval": [round(end, 6) for end in made.interval],
        "missed": int((enrolled < threshold.value).sum()),
    }


ROUTES = (Route("GET", "/v1/models/accuracy", Role.VIEWER, accuracy),)
