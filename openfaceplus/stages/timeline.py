"""A video's appearances in the formats that other programs read: CSV and WebVTT."""

from __future__ import annotations

import html
from collections.abc import Mapping, Sequence
from typing import Any

from openfaceplus.files import MARK
from openfaceplus.stages.video_report import label
from openfaceplus.store.tables import csv_bytes

COLUMNS = (
    "video", "start", "end", "person", "name", "sequence", "faces", "score", "yaw", "pitch", "roll",
)  # fmt: skip


def as_csv(appearances: Sequence[Mapping[str, Any]]) -> str:
    """A row an appearance, with a header; cells that a spreadsheet would compute are defused."""
    rows = ([_cell(one[column]) for column in COLUMNS] for one in appearances)
    return csv_bytes([COLUMNS, *rows]).decode("utf-8", "surrogateescape")


def as_webvtt(appearances: Sequence[Mapping[str, Any]]) -> str:
    """A cue an appearance, in order of time, for players that show subtitles (W3C WebVTT)."""
    cues = [f"WEBVTT - {MARK}"]
    for one in sorted(appearances, key=lambda one: (one["start"], one["end"])):
        # A cue ends after it starts, or players drop it.
        start, end = one["start"], max(one["end"], one["start"] + 0.001)
        name = html.escape(label(one), quote=False)
        cues.append(f"{_stamp(start)} --> {_stamp(end)}\n{name}")
    return "\n\n".join(cues) + "\n"


def _stamp(seconds: float) -> str:
    whole, thousandths = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}.{thousandths:03}"


def _cell(value: Any) -> Any:
    if value is None:
        return ""
    return round(value, 3) if isinstance(value, float) else value
