"""Clients that ask a server who is in photos, one photo a request, as fast as it answers.

``serving.py`` runs this with locust and says through the environment: ``PHOTOS``, a folder;
``REQUESTS``, after how many to stop (0: never); ``RESULT``, the file that what was seen goes to.
"""

from __future__ import annotations

import itertools
import json
import os
import resource
import time
from collections import Counter
from pathlib import Path
from typing import Any

import gevent
from locust import FastHttpUser, events, task
from locust.exception import StopUser

BOUNDARY = "openfaceplus"
seen: Counter[str] = Counter()
spent: list[float] = [0.0, 0.0]
slowest: dict[str, float] = {}


def body(path: Path) -> bytes:
    """A photo as a form sends it, made once so that the clients cost little."""
    head = (
        f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="photo"; filename="{path.name}"'
        "\r\nContent-Type: image/jpeg\r\n\r\n"
    )
    return head.encode() + path.read_bytes() + f"\r\n--{BOUNDARY}--\r\n".encode()


PHOTOS = [body(path) for path in sorted(Path(os.environ["PHOTOS"]).rglob("*.jp*g"))]
REQUESTS = int(os.environ.get("REQUESTS", "0"))
turn = itertools.count()


class Client(FastHttpUser):
    """Asks, waits for the answer, and asks again; one that is refused waits as it is told to."""

    network_timeout = connection_timeout = 120.0

    def on_stop(self) -> None:
        if REQUESTS and self.environment.runner.user_count <= 1:  # the last one
            gevent.spawn(self.environment.runner.quit)

    @task
    def identify(self) -> None:
        number = next(turn)
        if REQUESTS and number >= REQUESTS:
            raise StopUser
        kind = {"Content-Type": f"multipart/form-data; boundary={BOUNDARY}"}
        photo = PHOTOS[number % len(PHOTOS)]
        with self.client.post(
            "/v1/identify", data=photo, headers=kind, catch_response=True
        ) as answer:  # fmt: skip
            wait = note(answer)
        if wait:
            gevent.sleep(wait)


def note(answer: Any) -> float:
    """Count an answer; how long to wait before the next, in seconds."""
    after = (answer.headers or {}).get("retry-after")
    said = "refused" if answer.status_code == 503 and after else str(answer.status_code)
    if answer.status_code == 200 and answer.json()["photos"][0]["status"] != "ok":
        said = "no face"
    seen[said] += 1
    slowest[said] = max(slowest.get(said, 0.0), answer.request_meta["response_time"])
    if said in ("200", "no face", "refused"):
        answer.success()
    else:
        answer.failure(said)
    return float(after) if said == "refused" else 0.0


def used() -> float:
    """Seconds of processor time of this process."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


@events.test_start.add_listener
def started(**_: object) -> None:
    spent[:] = [used(), time.time()]


@events.test_stop.add_listener
def stopped(environment: Any, **_: object) -> None:
    seconds = time.time() - spent[1]
    total = environment.stats.total
    good = seen["200"] + seen["no face"]
    Path(os.environ["RESULT"]).write_text(json.dumps({
        "seconds": seconds, "rate": good / seconds, "seen": seen, "slowest_ms": slowest,
        "errors": total.num_failures,
        "p50_ms": total.get_response_time_percentile(0.5),
        "p95_ms": total.get_response_time_percentile(0.95),
        "client_cores": (used() - spent[0]) / seconds,
    }))  # fmt: skip
