"""A server killed between a change and its line in the log: the next one says what came of it."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("fastapi")

import httpx
from running import environment
from servers import Process, photos, serving

from openfaceplus.audit import begun, entries, verify
from openfaceplus.server import consents

FORM = {"name": "Tom", "consent": "signed", "purpose": "the door"}


def killed(folder: Path, when: str, method: str, path: str, **asked: Any) -> None:
    """Run a server that is killed as soon as its writer has made a change, or is about to."""
    code = f"""
import os, signal
from pathlib import Path
from servers import serving
from openfaceplus.server.writer import Writer

real = Writer._ask
def ask(self, change):
    if change[0] == "warm":
        return real(self, change)
    if {when!r} == "after":
        real(self, change)
    os.kill(os.getpid(), signal.SIGKILL)

Writer._ask = ask
folder = Path({str(folder)!r})
with serving(folder / "model", folder) as server:
    people = server.get("/v1/people").json()["people"]
    ids = {{one["name"]: one["id"] for one in people}}
    server.request({method!r}, {path!r}.format(**ids), **{asked!r})
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=120,
        env=environment({"PYTHONPATH": os.pathsep.join(sys.path)}),
    )  # fmt: skip
    assert done.returncode == -signal.SIGKILL, done.stderr


def changes(folder: Path) -> list[tuple[str, str]]:
    return [(e["what"], e["state"]) for e in entries(folder / "audit.jsonl") if "change" in e]


@pytest.mark.heavy
def test_a_change_has_its_line_and_its_consent_though_the_server_was_killed(
    model, samples, tmp_path
):
    shutil.copytree(model, tmp_path / "model")
    sent = [("photo", ("tom.png", (samples / "actor.png").read_bytes()))]
    killed(tmp_path, "after", "POST", "/v1/people", data=FORM, files=sent)
    assert changes(tmp_path) == [("enrol", "begun")]
    with serving(tmp_path / "model", tmp_path) as server:
        people = server.get("/v1/people").json()["people"]
    (tom,) = [one for one in people if one["name"] == "Tom"]
    assert tom["consent"]["consent"] == "signed" and tom["enrolled_photos"] == 1
    assert changes(tmp_path) == [("enrol", "begun"), ("enrol", "found done")]
    assert {e["person"] for e in entries(tmp_path / "audit.jsonl")} == {tom["id"]}
    assert verify(tmp_path / "audit.jsonl").problem is None


@pytest.mark.heavy
@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("what", ["rename", "remove", "enrol"])
def test_each_change_that_was_cut_off_is_looked_at(model, samples, tmp_path, what, when):
    shutil.copytree(model, tmp_path / "model")
    sent = [("photo", ("kit.png", (samples / "actor.png").read_bytes()))]
    match what:
        case "rename":
            killed(tmp_path, when, "PATCH", "/v1/people/{kit}", data={"name": "Tim"})
        case "remove":
            killed(tmp_path, when, "DELETE", "/v1/people/{kit}")
        case _:
            more = {"anyway": "true"}
            killed(tmp_path, when, "POST", "/v1/people/{kit}/photos", data=more, files=sent)
    with serving(tmp_path / "model", tmp_path) as server:
        people = {one["name"]: one for one in server.get("/v1/people").json()["people"]}
    done = when == "after"
    assert changes(tmp_path) == [(what, "begun"), (what, "found done" if done else "not done")]
    assert ("kit" in people) == (not done or what == "enrol")
    assert ("Tim" in people) == (done and what == "rename")
    for path in tmp_path.glob("audit.jsonl*"):
        assert b"Tim" not in path.read_bytes()


def test_what_fails_is_said_to_be_not_done_and_leaves_no_consent(model, samples, tmp_path):
    shutil.copytree(model, tmp_path / "model")
    with serving(tmp_path / "model", tmp_path) as server:
        here = server.app.state.server
        here.writer.add = broken
        assert server.post("/v1/people", data=FORM, files=photos(samples / "actor.png")).is_error
        assert consents.read(here.current.folder) == {}
    assert changes(tmp_path) == [("enrol", "begun"), ("enrol", "not done")]


async def broken(*_: object) -> None:
    raise RuntimeError("the disk broke")


@pytest.mark.heavy
def test_kills_at_any_time_leave_no_change_without_its_outcome(model, portraits, samples, tmp_path):
    shutil.copytree(model, tmp_path / "model")
    words = ("-m", tmp_path / "model", "--audit", tmp_path / "audit.jsonl")
    chance = random.Random(0)
    sources = [samples / "actor.png", portraits / "train/kit/kit2.jpeg"]
    confirmed: dict[str, bool] = {}

    def ask(url: str, number: int) -> None:
        form = FORM | {"name": f"N{number}", "anyway": "true"}
        with httpx.Client(base_url=url, timeout=60) as client:
            try:
                said = client.post("/v1/people", data=form, files=photos(sources[number % 2]))
                if said.status_code == 201:
                    confirmed[said.json()["id"]] = True
                    if number % 3 == 0:
                        client.delete(f"/v1/people/{said.json()['id']}").raise_for_status()
                        confirmed[said.json()["id"]] = False
            except httpx.HTTPError:
                pass

    for turn in range(12):
        with Process(*words) as server, ThreadPoolExecutor(3) as pool:
            for number in range(3):
                pool.submit(ask, server.url, turn * 3 + number)
            time.sleep(chance.uniform(0.2, 6))
            server.popen.kill()
    with Process(*words) as server, httpx.Client(base_url=server.url) as client:
        people = {one["id"]: one for one in client.get("/v1/people?limit=200").json()["people"]}
    log = list(entries(tmp_path / "audit.jsonl"))
    assert begun(tmp_path / "audit.jsonl") == []
    assert verify(tmp_path / "audit.jsonl").problem is None
    outcomes = {e["change"]: e for e in log if e.get("state") not in (None, "begun")}
    assert len(outcomes) == len({e["change"] for e in log if "change" in e}) > 5
    done = {what: {e["person"] for e in outcomes.values()
                   if e["what"] == what and e["state"] in ("done", "found done")}
            for what in ("enrol", "remove")}  # fmt: skip
    enrolled_here = {key for key, one in people.items() if one["consent"] is not None}
    assert enrolled_here == done["enrol"] - done["remove"]
    assert {one["name"] for key, one in people.items() if key not in enrolled_here} == {
        path.name for path in (portraits / "train").iterdir()
    }
    for person, there in confirmed.items():
        assert not there or person in people
