"""Reading the log, and telling whether it is what was written."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from openfaceplus.audit import chain
from openfaceplus.errors import StorageError
from openfaceplus.files import shown

_CHANGE = b'"change":"'


@dataclass(frozen=True, slots=True)
class Checked:
    """What ``verify`` found: how many lines, of which so many close torn ones, and the last hash.

    ``problem`` is the first thing wrong, None if all is as it was written. ``unfinished`` says that
    the file ends within a line, as it does while one is written or after the writer was killed.
    """

    lines: int
    torn: int
    head: str
    problem: str | None = None
    unfinished: bool = False
    seen: bool = True


def entries(path: str | os.PathLike[str]) -> Iterator[dict[str, Any]]:
    """What the log says, oldest first; torn and changed lines are left out."""
    for raw in _lines(path):
        entry = chain.read(raw)
        if entry is not None:
            yield entry


def begun(path: str | os.PathLike[str]) -> list[dict[str, Any]]:
    """The changes, oldest first, that the log says were begun, and not what came of them."""
    found: dict[str, dict[str, Any]] = {}
    for raw in _lines(path):
        entry = chain.read(raw) if _CHANGE in raw else None
        if entry is not None and entry["state"] == "begun":
            found[entry["change"]] = entry
        elif entry is not None:
            found.pop(entry["change"], None)
    return list(found.values())


def verify(path: str | os.PathLike[str], head: str | None = None) -> Checked:
    """Whether each line is as it was written and follows on the one before.

    That nothing was taken from its end only somebody can tell who kept a hash: with ``head`` that
    hash has to be among the lines, which ``seen`` says. Raises StorageError for a file that cannot
    be read.
    """
    number, before, torn = 0, chain.START, 0
    seen, unfinished = head is None or head == chain.START, False
    broken: bytes | None = None
    place = 0
    problem = None
    for place, raw in enumerate(_lines(path), 1):
        if not raw.endswith(b"\n"):
            unfinished = True
            break
        entry = chain.read(raw)
        if entry is None and not raw.endswith(b"}\n"):
            broken = raw[:-1] if broken is None else broken + b"\n" + raw[:-1]
            continue
        closing = {} if broken is None else chain.torn(broken)
        if entry is None or {key: entry.get(key) for key in closing} != closing:
            problem = f"line {place - (broken is not None)}: not what was written"
            break
        if entry["before"] != before or entry["n"] != number + 1:
            problem = f"line {place}: does not follow on the line before it"
            break
        torn, broken = torn + bool(closing), None
        number, before = number + 1, entry["hash"]
        seen = seen or before == head
    if problem is None and broken is not None:
        problem = f"line {place}: not what was written"
    if problem is None and not seen:
        problem = "the line of that hash is not there: lines were taken from it"
    return Checked(number, torn, before, problem, unfinished, seen)


def _lines(path: str | os.PathLike[str]) -> Iterator[bytes]:
    try:
        with open(path, "rb") as file:
            yield from file
    except OSError as error:
        raise StorageError(
            f"{shown(path)}: cannot be read ({error.strerror or error})", remedy="name a log"
        ) from error
