"""The image's files: every command in them is one of ours, and the health check tells health."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from importlib import import_module

import pytest
import yaml
from running import ROOT

from openfaceplus.cli import COMMANDS, common

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVER, DATABASE = COMPOSE["services"]["server"], COMPOSE["services"]["database"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()


def written() -> list[str]:
    """Every command line of ours in the Dockerfile, the compose file and what is said of them."""
    texts = [DOCKERFILE, (ROOT / "docker-compose.yml").read_text()]
    texts += [(ROOT / name).read_text() for name in ("README.md", "docs/server.md")]
    found = [SERVER["command"]]
    for text in texts:
        found += re.findall(r"docker run [^\n]*? openfaceplus ([^\n&]+)", text)
        found += re.findall(r"docker compose run [^\n]*? server ([^\n&]+)", text)
        found += re.findall(r"^RUN openfaceplus ([^\\\n]+)", text, re.MULTILINE)
    return [line for line in dict.fromkeys(found) if ".py" not in line.split()[0]]


@pytest.mark.parametrize("line", written())
def test_every_command_is_one_of_ours(line, monkeypatch):
    name, *words = shlex.split(line)
    parsed = []

    def parse(parser, argv, _):
        parsed.append(parser.parse_args(argv))
        return 0

    assert name in COMMANDS
    monkeypatch.setattr(common, "run", parse)
    assert import_module(f"openfaceplus.cli.{name}").main(words) == 0 and len(parsed) == 1
    if name == "serve":
        assert parsed[0].host == "0.0.0.0" and parsed[0].port == 8000


def test_commands_were_found():
    names = {line.split()[0] for line in written()}
    assert names >= {"train", "infer", "keys", "serve", "models"}


def test_nothing_runs_as_root_or_is_reached_by_others():
    assert re.findall(r"^USER (\w+)", DOCKERFILE, re.MULTILINE)[-1] == "openfaceplus"
    assert f"useradd --uid {SERVER['user']} " in DOCKERFILE
    for service in (SERVER, DATABASE):
        assert all(port.startswith("127.0.0.1:") for port in service["ports"])
        assert service["healthcheck"]["test"] and service["restart"] == "unless-stopped"
        kept = [volume.partition(":")[0] for volume in service["volumes"]]
        assert set(kept) <= COMPOSE["volumes"].keys()
    assert SERVER["depends_on"]["database"]["condition"] == "service_healthy"
    assert "PASSWORD" not in SERVER["command"]


def test_the_health_check_tells_health(model, tmp_path):
    pytest.importorskip("fastapi")
    from servers import Process

    from openfaceplus.server.keys import KeyFile

    kind, python, *words = SERVER["healthcheck"]["test"]
    assert (kind, python) == ("CMD", "python")
    keys = KeyFile(tmp_path / "keys.json")
    keys.add("me", "admin")
    given = ("--host", "0.0.0.0", "--keys", keys.path, "--audit", tmp_path / "audit.jsonl")
    with Process("-m", model, *given) as process:
        here = f":{process.url.rpartition(':')[2]}/"
        check = [sys.executable, *(word.replace(":8000/", here) for word in words)]
        assert subprocess.run(check, timeout=20, check=False).returncode == 0
    ended = subprocess.run(check, stderr=subprocess.DEVNULL, timeout=20, check=False)
    assert ended.returncode != 0
