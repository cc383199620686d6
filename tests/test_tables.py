"""Tables: a spreadsheet runs nothing in them, and what is read is what was written."""

from __future__ import annotations

import csv

import numpy as np
import pytest
from running import table

from openfaceplus.changes import changing
from openfaceplus.faces import Box, Face
from openfaceplus.store.face_rows import face_from_row, face_to_row
from openfaceplus.store.tables import read_table, write_table
from openfaceplus.store.vectors import read_vectors, write_vectors

ODD = [
    "=1+1.jpg", "+1+1", "-2+3|cmd", "-1-1", "@SUM(A1)", "\t=1", "\r=1", "-", "'=1", "''-x", "'",
    "'a", "=HYPERLINK(\"http://x\";\"y\")", "=1,2\n3", "- 1", "a=b", "", "-1;cmd",
]  # fmt: skip
NUMBERS = ["-3", "-0.25", "-1e-05", "+7", "12", "-3.5 4;-5 -6e+02"]


@pytest.mark.parametrize("text", ODD + NUMBERS)
def test_what_is_read_is_what_was_written(tmp_path, text):
    rows = [{"photo": text, "reason": "r"}, {"photo": "last", "reason": text}]
    write_table(tmp_path / "t.csv", ("photo", "reason"), rows)
    assert read_table(tmp_path / "t.csv", ("photo", "reason")) == rows
    seen = table(tmp_path / "t.csv")[0]["photo"]
    assert seen == text if text in NUMBERS else seen[:1] not in tuple("=+-@\t\r")


def test_coordinates_stay_numbers(tmp_path):
    face = Face(Box(-12.5, -3, 90, 1e6), -0.25, np.array([[-1, 2], [3, -4]], np.float32))
    row = face_to_row(face)
    write_table(tmp_path / "t.csv", tuple(row), [row])
    assert table(tmp_path / "t.csv") == [row]
    back = face_from_row(read_table(tmp_path / "t.csv", tuple(row))[0])
    assert back.box == face.box and np.array_equal(back.landmarks, face.landmarks)


def test_labels_round_trip(tmp_path):
    chips = ["=cmd/a.png", "-x/b.png", "ada/c.png"]
    with changing(tmp_path) as change:
        write_vectors(change, -np.eye(3, dtype=np.float32), chips)
        change.commit()
    vectors, read = read_vectors(tmp_path)
    assert read == chips and np.array_equal(vectors, -np.eye(3))
    with (tmp_path / "labels.csv").open(newline="") as file:
        assert [row[1][0] for row in csv.reader(file)] == ["'", "'", "a"]
    assert (tmp_path / "reps.csv").read_text().startswith("-1,")
