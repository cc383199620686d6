"""The fuzzer notices what goes wrong, and a few of its cases of every kind; ``make fuzz``: many."""

from __future__ import annotations

import mutate
import pytest
from fuzz import run
from seeds import KINDS, make

ILLS = [
    "died, status -9",
    "took more than 1 s",
    "took ",
    "KeyError at readers.py",
    "",
    "",
    "no prin",
]


@pytest.mark.parametrize("ill", range(7))
def test_what_goes_wrong_is_noticed(ill, tmp_path):
    """A crash, a hang, memory, a foreign exception, nothing, our error, and one not in a line."""
    good = tmp_path / "good"
    good.mkdir()
    (good / "a.bin").write_bytes(b"\4")
    firsts = (
        mutate.case([good / "a.bin"], mutate.chance(0, "ills", number))[1][:1]
        for number in range(1000)
    )
    wanted = next(number for number, first in enumerate(firsts) if first and first[0] % 7 == ill)
    found = list(run("ills", [wanted], good, tmp_path, seconds=1))
    if not ILLS[ill]:
        assert found == []
        return
    (finding,) = found
    assert finding.what.startswith(ILLS[ill])
    assert f"--only {wanted} ills" in str(finding)
    assert (finding.folder / "a.bin").read_bytes()[0] % 7 == ill  # the case is kept


@pytest.mark.parametrize("kind", KINDS)
def test_some_damaged_files(kind, tmp_path):
    make(kind, tmp_path / "good")
    found = list(map(str, run(kind, range(20), tmp_path / "good", tmp_path)))
    assert found == []
