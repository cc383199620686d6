"""What a server counts, for Prometheus."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest

if TYPE_CHECKING:
    from openfaceplus.faces import Decision

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30)


class Metrics:
    """Counters of one server."""

    def __init__(self) -> None:
        self.registry = registry = CollectorRegistry()
        self._requests = Counter(
            "openfaceplus_requests", "Answers by route and status",
            ("method", "route", "status"), registry=registry,
        )  # fmt: skip
        self._seconds = Histogram(
            "openfaceplus_request_seconds", "How long answers took", ("route",),
            buckets=_SECONDS, registry=registry,
        )  # fmt: skip
        self._decisions = Counter(
            "openfaceplus_decisions", "Faces by what was decided", ("decision",), registry=registry
        )
        self.waiting = Gauge(
            "openfaceplus_photos_waiting", "Photos that wait for a process", registry=registry
        )
        self.batch = Histogram(
            "openfaceplus_batch_photos", "Photos that a process took at once",
            buckets=(1, 2, 4, 8, 16), registry=registry,
        )  # fmt: skip
        self.people = Gauge("openfaceplus_people", "People enrolled", registry=registry)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count an answer. Unknown methods are one, lest strangers fill memory with names."""
        known = method if method in ("GET", "HEAD", "POST", "PATCH", "DELETE") else "other"
        self._requests.labels(known, route, status).inc()
        self._seconds.labels(route).observe(seconds)

    def decided(self, decisions: Iterable[Decision]) -> None:
        """Count decisions."""
        for one in decisions:
            self._decisions.labels(outcome(one)).inc()

    def text(self) -> bytes:
        """As Prometheus reads it."""
        return generate_latest(self.registry)


def outcome(decision: Decision) -> str:
    """A decision in a word."""
    if decision.name is not None:
        return "known"
    if decision.note is not None:
        return "not_judged"
    return "unknown" if decision.second is None else "unsure"
