"""The log of decisions: it only grows, and tells if anything in it was changed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from running import call, environment, refused

from openfaceplus.audit import AuditLog, chain, entries, verify
from openfaceplus.errors import StorageError


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "log/audit.jsonl"


def written(path: Path, count: int = 5) -> list[bytes]:
    with AuditLog(path) as log:
        for number in range(count):
            log.append({"what": "identify", "number": number})
    return path.read_bytes().splitlines(keepends=True)


def test_lines_follow_on_each_other_over_several_openings(path):
    written(path, 3)
    written(path, 2)
    assert [entry["n"] for entry in entries(path)] == [1, 2, 3, 4, 5]
    found = verify(path)
    assert (found.problem, found.lines, found.torn) == (None, 5, 0)
    assert oct(path.stat().st_mode & 0o777) == "0o600"


@pytest.mark.parametrize("line", range(5))
def test_any_change_is_found(path, line):
    lines = written(path)

    def problem(*changed: bytes) -> str | None:
        path.write_bytes(b"".join(changed))
        return verify(path).problem

    rest = lines[line + 1 :]
    changed = lines[line].replace(b'"what":"identify"', b'"what":"identifY"')
    assert f"line {line + 1}" in problem(*lines[:line], changed, *rest)
    rehashed = json.loads(lines[line]) | {"number": 9}
    rehashed.pop("hash")
    number, before = rehashed.pop("n"), rehashed.pop("before")
    forged, _ = chain.line(number, before, rehashed)
    if rest:  # the last line may be forged by who can write the file: docs/server.md
        assert problem(*lines[:line], forged, *rest)
        assert problem(*lines[:line], *rest)  # taken out
    assert problem(*lines[:line], lines[line], *lines[line:])  # twice
    assert problem(*lines[:line], b"\n", *lines[line:])
    assert problem(*lines) is None


def test_lines_taken_from_the_end_are_missed_by_who_kept_a_hash(path):
    lines = written(path)
    head = verify(path).head
    path.write_bytes(b"".join(lines[:3]))
    assert verify(path).problem is None
    found = verify(path, head)
    assert not found.seen and "taken" in found.problem
    written(path, 4)
    assert verify(path, head).problem and verify(path, verify(path).head).problem is None


@pytest.mark.parametrize("left", [1, 10, -2, -1, None])
def test_a_line_torn_by_a_kill_is_closed(path, left):
    lines = written(path)
    path.write_bytes(b"".join(lines[:4]) + lines[4][:left])
    torn = left not in (None, -1)  # at -1 only its end was missing
    assert verify(path).unfinished is (left is not None)
    written(path, 2)
    found = verify(path)
    assert found.problem is None and found.torn == torn and not found.unfinished
    numbers = [entry.get("number") for entry in entries(path)]
    assert numbers == ([0, 1, 2, 3, None, 0, 1] if torn else [0, 1, 2, 3, 4, 0, 1])
    # Killed again while it was closed.
    whole = path.read_bytes().splitlines(keepends=True)
    if torn:
        for end in (whole[5][:7], b""):
            path.write_bytes(b"".join(whole[:5]) + end)
            written(path, 1)
            assert verify(path).problem is None and verify(path).torn == 1


def test_what_is_no_log_is_left_alone(path):
    path.parent.mkdir()
    for text in (b"hello\n", b"{}\n", b'{"n": 1}\n{"n": 2}\n', b"\0" * 100_000 + b"\n}\n"):
        path.write_bytes(text)
        with pytest.raises(StorageError):
            AuditLog(path)
        assert path.read_bytes() == text
    path.unlink()
    path.symlink_to("/dev/null")
    with pytest.raises(StorageError):
        AuditLog(path)


def test_one_process_writes_it(path):
    with AuditLog(path), pytest.raises(StorageError, match="another process writes"):
        AuditLog(path)
    written(path)


def test_threads_share_it(path):
    with AuditLog(path) as log:
        writing = [threading.Thread(target=log.append, args=({"number": i},)) for i in range(20)]
        for thread in writing:
            thread.start()
        for thread in writing:
            thread.join()
    assert {entry["number"] for entry in entries(path)} == set(range(20))
    assert verify(path).problem is None


def test_what_was_confirmed_outlives_kill_minus_9(path):
    code = f"""
from openfaceplus.audit import AuditLog
with AuditLog({str(path)!r}) as log:
    number = 0
    while True:
        log.append({{"number": number, "long": "x" * 5000}})
        print(number, flush=True)
        number += 1
"""
    for _ in range(3):
        with subprocess.Popen(
            [sys.executable, "-c", code], env=environment(), stdout=subprocess.PIPE, text=True
        ) as process:
            confirmed = [int(process.stdout.readline()) for _ in range(20)]
            process.send_signal(signal.SIGKILL)
        with AuditLog(path):
            pass
        found = verify(path)
        assert found.problem is None
        numbers = [entry["number"] for entry in entries(path) if "number" in entry]
        assert max(confirmed) in numbers


def test_the_command_says_it(path, tmp_path):
    lines = written(path)
    said = call("audit", "verify", "--audit", path).stdout
    assert "5 lines, all as written" in said and verify(path).head in said
    assert json.loads(call("audit", "verify", "--json", "--audit", path).stdout)["lines"] == 5
    assert call("audit", "show", "--audit", path).stdout.count("identify") == 5
    path.write_bytes(b"".join(lines).replace(b'"number":2', b'"number":7'))
    assert "line 3" in call("audit", "verify", "--audit", path, expect=1).stderr
    assert "cannot be read" in refused("audit", "verify", "--audit", tmp_path / "none")


def test_a_full_disk_loses_no_line_that_was_confirmed(path, monkeypatch):
    written(path, 2)
    with AuditLog(path) as log:
        real = os.write

        def full(file: int, data: bytes) -> int:
            if len(data) > 20:
                return real(file, data[:20])
            raise OSError(28, "No space left on device")

        monkeypatch.setattr(os, "write", full)
        with pytest.raises(StorageError, match="No space left"):
            log.append({"number": 9, "long": "x" * 100})
        monkeypatch.setattr(os, "write", real)
        log.append({"number": 10})
    found = verify(path)
    assert found.problem is None and found.torn == 1
