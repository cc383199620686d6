"""Requests that nobody would send who means well: no answer is a 500, none hangs."""

from __future__ import annotations

import random
import socket
import string

import made_videos
import pytest

pytest.importorskip("fastapi")

from servers import client

from openfaceplus.database.rows import Join
from openfaceplus.server.rights import WEBSOCKET
from openfaceplus.server.routes import ROUTES
from openfaceplus.server.settings import Limits

pytestmark = pytest.mark.heavy

ODD = (
    "", " ", "0", "-1", "1e999", "nan", "null", "true", "[]", "{}", "../../etc/passwd", "%2e%2e%2f",
    "\0", "é\u202e\U0001f600", "a" * 5000, "'; DROP TABLE person; --", "<script>alert(1)</script>",
    "2147483648", "9223372036854775808", "\r\nSet-Cookie: a=b", "\ud800",
)  # fmt: skip


@pytest.fixture
def server(model, db, tmp_path):
    """A server with everything, in which some are enrolled and some are in videos."""
    some, labels = made_videos.sequences(2, 2)
    numbers = made_videos.index(db, "a.mp4", some)
    db.commands.record([Join(n, -1 - label) for n, label in zip(numbers, labels, strict=True)])
    settings = {"db": db.url, "uploads": tmp_path / "videos", "keep_unsure": tmp_path / "unsure"}
    # Who waits for a process that never starts is told so at once.
    made = client(model, tmp_path, limits=Limits(rate=10**6, patience=0.01), **settings)
    yield made
    made.app.state.server.archive.close()


def names(operation: dict) -> list[str]:
    """What a route takes, in its query or its form."""
    found = [one["name"] for one in operation.get("parameters", ())]
    for kind in operation.get("requestBody", {}).get("content", {}).values():
        reference = kind["schema"].get("$ref", "").rpartition("/")[2]
        found.append(reference)
    return found


def test_no_request_is_a_500(server):
    chance = random.Random(0)
    schema = server.app.openapi()
    forms = {
        name: list(one.get("properties", ()))
        for name, one in schema["components"]["schemas"].items()
    }
    seen: dict[int, int] = {}
    for _ in range(800):
        route = chance.choice([one for one in ROUTES if one.method != WEBSOCKET and not one.page])
        path = route.path
        if "{" in path:
            filled = chance.choice((*ODD, "1", "2")).encode(errors="replace").decode()
            path = path.replace("{id}", quoted(filled) or "x")
        operation = schema["paths"].get(route.path, {}).get(route.method.lower(), {})
        given: dict[str, str] = {}
        for name in names(operation):
            for field in forms.get(name, [name]):
                if chance.random() < 0.7:
                    text = chance.choice((*ODD, "1", "2", "kit"))
                    given[field] = text.encode(errors="replace").decode()
        more: dict = {}
        if route.method == "GET":
            more["params"] = given
        elif chance.random() < 0.2:
            more["content"] = bytes(chance.randrange(256) for _ in range(50))
            more["headers"] = {"Content-Type": chance.choice(
                ("multipart/form-data", "multipart/form-data; boundary=x", "application/json", "x")
            )}  # fmt: skip
        else:
            uploaded = [(name, ("x", b"\xff\xd8 no photo")) for name in ("photo", "video")]
            more |= {"data": given, "files": uploaded[: chance.randrange(3)] or None}
        answer = server.request(route.method, path, **more)
        seen[answer.status_code] = seen.get(answer.status_code, 0) + 1
        fine = answer.status_code < 500 or answer.json()["code"] == "busy"
        assert fine, (route, more, answer.text)
        if answer.status_code >= 400:
            assert set(answer.json()) == {"code", "problem", "field", "remedy"}, answer.text
            assert not any(word in answer.text for word in ("Traceback", "psycopg", "/model/"))
    assert {200, 404, 422} <= set(seen), seen


def quoted(text: str) -> str:
    from urllib.parse import quote

    return quote(text, safe="")[:300]


def test_names_that_are_no_text(server):
    boundary = b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\n\xff\xfe\r\n--x--\r\n'
    answer = server.post("/v1/people", content=boundary,
                         headers={"Content-Type": "multipart/form-data; boundary=x"})  # fmt: skip
    assert answer.status_code == 422


def test_bytes_that_are_no_http(model, tmp_path):
    from servers import Process

    chance = random.Random(1)
    with Process("-m", model, "--audit", tmp_path / "a") as server:
        host, port = server.url.removeprefix("http://").split(":")
        for _ in range(30):
            with socket.create_connection((host, int(port)), timeout=10) as raw:
                start = chance.choice(
                    (b"", b"GET / HTTP/1.1\r\n", b"POST /v1/identify HTTP/1.1\r\n")
                )
                noise = "".join(chance.choices(string.printable, k=200)).encode()
                raw.sendall(start + noise + b"\r\n\r\n")
                raw.shutdown(socket.SHUT_WR)
                said = raw.recv(100)
                assert not said or said.startswith((b"HTTP/1.1 4", b"HTTP/1.1 503"))
        with socket.create_connection((host, int(port)), timeout=10) as raw:
            raw.sendall(b"GET /v1/health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert raw.recv(100).startswith(b"HTTP/1.1 200")
