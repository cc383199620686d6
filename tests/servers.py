"""Servers for tests: in this process, or as a user starts one."""

from __future__ import annotations

import re
import subprocess
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from running import command_line, environment

from openfaceplus.server.app import create_app
from openfaceplus.server.settings import Limits, Settings

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it would have httpx2
    from fastapi.testclient import TestClient

HOST = "http://localhost"


@contextmanager
def serving(model: Path, folder: Path, **more: Any) -> Iterator[TestClient]:
    """A client of an app whose processes run."""
    with client(model, folder, **more) as made:
        yield made


def client(model: Path, folder: Path, limits: Limits | None = None, **more: Any) -> TestClient:
    """A client of an app that does not run yet: it can refuse, and say what is enrolled."""
    settings = Settings(
        model, folder / "audit.jsonl", jobs=1, limits=limits or Limits(), **more
    )  # fmt: skip
    return TestClient(create_app(settings), base_url=HOST, raise_server_exceptions=False)


def bearer(key: str) -> dict[str, str]:
    """The header that a key goes into."""
    return {"Authorization": f"Bearer {key}"}


def photos(*paths: Path) -> list[tuple[str, tuple[str, bytes]]]:
    """Photos as a form sends them."""
    return [("photo", (path.name, path.read_bytes())) for path in paths]


def shape(response: httpx.Response, status: int, code: str | None) -> dict[str, str | None]:
    """An error's body, once it has the status, the code (None: any) and the fields of all."""
    assert response.status_code == status, response.text
    body: dict[str, str | None] = response.json()
    assert set(body) == {"code", "problem", "field", "remedy"}, body
    assert body["code"] == code or code is None, body
    assert body["problem"] and body["remedy"] != ""
    assert response.headers["content-security-policy"].startswith("default-src 'none'")
    return body


class Process:
    """``openfaceplus serve`` on a free port."""

    def __init__(self, *words: object, env: dict[str, str] | None = None) -> None:
        self.popen = subprocess.Popen(
            command_line("serve", "--port", 0, "--jobs", 1, *words), env=environment(env),
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip
        assert self.popen.stdout is not None
        self.said: list[str] = []
        for line in self.popen.stdout:
            self.said.append(line)
            if found := re.search(r"https?://\S+", line):
                self.url = found[0]
                return
        raise AssertionError("".join(self.said))

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        self.popen.kill()
        self.popen.communicate()
