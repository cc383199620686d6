"""The client, against a server as a user starts one: keys, killed processes, a real socket."""

from __future__ import annotations

import contextlib
import os
import re
import shlex
import shutil
import signal
import subprocess
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from running import ROOT

pytest.importorskip("fastapi")

from servers import Process

import openfaceplus
from openfaceplus.audit import verify
from openfaceplus.client import Client, ServerError
from openfaceplus.errors import UnreadablePhoto
from openfaceplus.server.keys import KeyFile
from openfaceplus.server.rights import Table
from openfaceplus.server.routes import ROUTES

pytestmark = pytest.mark.heavy


@pytest.fixture(scope="module")
def own(model, tmp_path_factory) -> Path:
    """A folder with a model that may be changed, and keys."""
    folder = tmp_path_factory.mktemp("own")
    shutil.copytree(model, folder / "model")
    return folder


@pytest.fixture(scope="module")
def key(own) -> str:
    return KeyFile(own / "keys.json").add("boss", "admin")


def words(own: Path, audit: str = "audit.jsonl") -> tuple[object, ...]:
    return "-m", own / "model", "--keys", own / "keys.json", "--audit", own / audit


@pytest.fixture(scope="module")
def client(own, key):
    with Process(*words(own)) as server, Client(server.url, key) as made:
        yield made


def test_photos_in_typed_answers_out(client, portraits):
    kit, both = portraits / "test/kit1.jpg", portraits / "test/obama_and_biden.jpg"
    one, two, bad = client.identify(kit, both.read_bytes(), b"x", far=0.01)
    assert [face.name for face in one.faces] == ["kit"] and one.file == "kit1.jpg"
    assert [face.name for face in two.faces] == ["biden", "obama", None]
    assert two.faces[0].box.right < two.faces[1].box.left
    assert bad.status == "unreadable" and bad.problem and not bad.faces
    assert len(client.identify(both, largest=True)[0].faces) == 1
    assert np.allclose(client.embed(kit), openfaceplus.embed(kit), atol=1e-5)
    assert client.verify(kit, kit).same and not client.verify(kit, both).same
    people = {person.name: person for person in client.people()}
    assert client.verify(kit, person=people["kit"].id).same
    assert client.get("models")["models"][0]["people"] == 5


def test_what_a_server_refuses_is_an_error_with_its_words(client, portraits, tmp_path):
    kit = portraits / "test/kit1.jpg"
    with pytest.raises(ServerError) as refused:
        client.identify(kit, far=7)
    assert (refused.value.code, refused.value.field, refused.value.status) == (
        "invalid",
        "far",
        422,
    )
    with pytest.raises(ServerError) as refused:
        client.embed(b"x")
    assert refused.value.code == "photo_unreadable"
    with pytest.raises(UnreadablePhoto):
        client.identify(tmp_path / "none.jpg")
    with Client(str(client._http.base_url), "wrong") as other:
        with pytest.raises(ServerError) as refused:
            other.identify(kit)
        assert refused.value.status == 401
    with Client("http://127.0.0.1:9") as nobody, pytest.raises(ServerError) as refused:
        nobody.identify(kit)
    assert refused.value.status == 0 and "no answer" in str(refused.value)


def test_a_person_comes_and_goes(client, samples):
    actor = samples / "actor.png"
    made = client.add("Tom", [actor], consent="yes", purpose="a test", again="once")
    assert made == client.add("Tom", [actor], consent="yes", purpose="a test", again="once")
    assert made.photos[0].verdict == "ok" and made.person.consent["purpose"] == "a test"
    (check,) = client.check(actor)
    assert check.verdict == "looks_like_another" and check.like == made.person.id
    assert client.check(actor, person=made.person.id)[0].usable
    assert client.rename(made.person.id, "Thomas").name == "Thomas"
    assert client.identify(actor)[0].faces[0].name == "Thomas"
    assert client.add_photos(made.person.id, [actor]).person.enrolled_photos >= 1
    assert client.remove(made.person.id)["removed"] == made.person.id
    assert client.identify(actor)[0].faces[0].name is None


def test_a_process_that_dies_is_replaced(client, portraits):
    kit = portraits / "test/kit1.jpg"
    for child in _children(_parent(client)):
        os.kill(child, signal.SIGKILL)
    assert client.identify(kit)[0].faces[0].name == "kit"


@pytest.mark.parametrize("moment", [0.3])
def test_kill_minus_9_while_enrolling_loses_nothing_that_was_confirmed(
    own, key, samples, portraits, moment
):
    actor, kit = samples / "actor.png", portraits / "test/kit1.jpg"
    name = f"Tom {moment}"
    done = []
    with Process(*words(own, "killed.jsonl")) as server, Client(server.url, key) as client:
        client.add(name, [actor], consent="c", purpose="p", anyway=True)

        def add() -> None:
            with contextlib.suppress(ServerError):
                done.append(client.add("Other", [kit], consent="c", purpose="p", anyway=True))

        adding = threading.Thread(target=add)
        adding.start()
        time.sleep(moment)
        server.popen.kill()
        adding.join()
    with Process(*words(own, "killed.jsonl")) as server, Client(server.url, key) as client:
        people = {person.name: person for person in client.people()}
        assert people[name].consent is not None
        assert "Other" in people or not done
        for person in (name, "Other"):
            if person in people:
                client.remove(people[person].id)
    assert verify(own / "killed.jsonl").problem is None


def _parent(client: Client) -> int:
    port = client._http.base_url.port
    for process in Path("/proc").glob("[0-9]*/cmdline"):
        text = process.read_bytes()
        if b"serve" in text and int(process.parent.name) != os.getpid() and port:
            status = (process.parent / "status").read_text()
            if f"PPid:\t{os.getpid()}\n" in status:
                return int(process.parent.name)
    raise AssertionError


def _children(parent: int) -> list[int]:
    return [
        int(number)
        for task in Path(f"/proc/{parent}/task").iterdir()
        for number in (task / "children").read_text().split()
    ]


def test_the_documented_lines_work(own, key, portraits, samples, tmp_path):
    text = (ROOT / "docs/server.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```sh\n(.*?)```", text, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines() if line.startswith("curl")]
    assert len(lines) >= 10
    table = Table(ROUTES)
    for line in lines:
        method = "POST" if "-F" in line else "GET"
        path = re.search(r"https?://[^/]+(/v1/[^?\s]+)", line)[1]
        assert table.find(method, path), line
    if shutil.which("curl") is None:
        return
    test = portraits / "test"
    for name, photo in (("photo", test / "kit1.jpg"), ("other", test / "alex1.jpg"),
                        ("new", samples / "actor.png")):  # fmt: skip
        shutil.copy(photo, tmp_path / f"{name}.jpg")
    shutil.copytree(own / "model", tmp_path / "model")
    with Process("-m", tmp_path / "model", "--audit", tmp_path / "a") as server:
        for line in lines:
            if "127.0.0.1" in line:
                words = shlex.split(line.replace("http://127.0.0.1:8000", server.url))
                done = subprocess.run(
                    [*words, "-sf"], cwd=tmp_path, capture_output=True, text=True, timeout=60
                )
                assert done.returncode == 0 and done.stdout, line
