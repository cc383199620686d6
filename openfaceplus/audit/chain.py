"""One line of the log: JSON whose hash covers it and the line before."""

from __future__ import annotations

import hashlib
import json
from typing import Any

START = "0" * 64
"""What the first line has before it."""

_BEGINNING = b'{"n":'


def line(number: int, before: str, entry: dict[str, Any]) -> tuple[bytes, str]:
    """An entry as the line of that number after the one of hash ``before``, and its own hash."""
    whole = {"n": number, **entry, "before": before}
    digest = hashlib.sha256(_text(whole).encode()).hexdigest()
    return (_text(whole | {"hash": digest}) + "\n").encode(), digest


def read(raw: bytes) -> dict[str, Any] | None:
    """What a line says, None if it is no whole line, or not what was written."""
    try:
        whole = json.loads(raw)
        digest = whole.pop("hash")
        good = hashlib.sha256(_text(whole).encode()).hexdigest() == digest
        if not (good and isinstance(whole["n"], int) and isinstance(whole["before"], str)):
            return None
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
        return None
    entry: dict[str, Any] = whole | {"hash": digest}
    return entry


def begins(raw: bytes) -> bool:
    """Whether it may be the beginning of a line."""
    return raw.startswith(_BEGINNING[: len(raw)])


def torn(raw: bytes) -> dict[str, Any]:
    """The entry that closes what a killed process left of a line, or of several."""
    return {"what": "torn", "bytes": len(raw), "sha256": hashlib.sha256(raw).hexdigest()}


def _text(whole: dict[str, Any]) -> str:
    return json.dumps(whole, ensure_ascii=True, separators=(",", ":"), allow_nan=False)
