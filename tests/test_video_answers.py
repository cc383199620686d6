"""What is told of videos: timelines for other programs, and the page that needs no server."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from openfaceplus.errors import InTheWay
from openfaceplus.stages import timeline, video_report
from openfaceplus.words import clock


def appearance(sequence: int, person: int, name: str | None, start: float, end: float, **more):
    return {
        "person": person, "name": name, "video": "clips/one.mp4", "sequence": sequence,
        "start": start, "end": end, "faces": 12, "score": None, "yaw": 3.0, "pitch": -2.5,
        "roll": 0.25,
    } | more  # fmt: skip


def test_times_are_read_as_on_a_player():
    assert [clock(at) for at in (0, 59.96, 247.25, 3599.96, 7267)] == [
        "0:00.0", "1:00.0", "4:07.2", "1:00:00", "2:01:07",
    ]  # fmt: skip


def test_a_table_row_an_appearance_holds_nothing_that_a_spreadsheet_would_run():
    text = timeline.as_csv([appearance(7, 2, "=1+1", 1.25, 4), appearance(8, 3, None, 2, 3)])
    first, second = csv.DictReader(io.StringIO(text))
    assert first["name"] == "'=1+1" and first["start"] == "1.25" and first["sequence"] == "7"
    assert second["name"] == "" and second["score"] == ""


def test_subtitles_are_in_order_and_no_name_breaks_them():
    rows = [
        appearance(2, 5, None, 3661.5, 3662),
        appearance(1, 4, "<b>Ann\n--> & Bob", 0.5, 0.5),
    ]
    assert timeline.as_webvtt(rows) == (
        "WEBVTT - written by openfaceplus\n\n00:00:00.500 --> 00:00:00.501\n"
        "&lt;b&gt;Ann\\n--&gt; &amp; Bob\n\n"
        "01:01:01.500 --> 01:01:02.000\nPerson 5\n"
    )


@pytest.fixture
def contents(astronaut) -> video_report.Contents:
    jpeg = io.BytesIO()
    Image.open(astronaut).convert("RGB").crop((110, 0, 330, 220)).save(jpeg, "JPEG")
    rows = [
        appearance(1, 1, "<script>alert(1)</script>", 0, 4),
        appearance(2, 2, None, 1, 3),
        appearance(3, 1, "<script>alert(1)</script>", 6, 8),
    ]
    people = [
        {"person": 1, "name": rows[0]["name"], "sequences": 2, "videos": 1, "seconds": 6.0,
         "cohesion": 0.5},
        {"person": 2, "name": None, "sequences": 1, "videos": 1, "seconds": 2.0, "cohesion": None},
    ]  # fmt: skip
    return video_report.Contents(
        people, rows, [{"path": "clips/one.mp4", "duration": 10.0}],
        [{"sequence": 2, "person": 1, "name": rows[0]["name"], "score": 0.7}],
        {1: [(0.5, jpeg.getvalue())], 2: [(1.5, jpeg.getvalue())]},
        [1, 2, 3], np.eye(3, 8, dtype=np.float32), np.array([0.5, np.nan, 0.4]),
    )  # fmt: skip


def test_the_page_needs_nothing_else_and_shows_everybody(contents, tmp_path):
    page = video_report.write(contents, tmp_path / "report")
    text = page.read_text()
    assert page == tmp_path / "report" / "index.html" and list(page.parent.iterdir()) == [page]
    assert "<script" not in text and "&lt;script&gt;" in text
    assert "http" not in text and text.count("data:image/jpeg;base64,") == 4
    assert "Person 2" in text and "openfaceplus video merge 1 2" in text
    assert "openfaceplus video not 2 1" in text
    video_report.write(contents, tmp_path / "report")  # its own page it replaces


def test_no_page_of_somebody_elses_is_replaced(contents, tmp_path):
    (tmp_path / "index.html").write_text("my home page")
    with pytest.raises(InTheWay):
        video_report.write(contents, tmp_path)
    assert (tmp_path / "index.html").read_text() == "my home page"


def test_an_empty_database_makes_a_page_too(tmp_path):
    text = video_report.write(video_report.Contents([], [], []), tmp_path).read_text()
    assert "Nobody was found" in text
    assert Path(tmp_path / "index.html").is_file()
