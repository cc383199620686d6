"""Status tables: one row for every input of a stage, and the journal that survives a kill.

While a stage runs, finished rows are appended to a journal of JSON lines, so that an interrupted
run loses nothing but the photos in hand; at its end the table is written whole.
"""

from __future__ import annotations

import contextlib
import csv
import io
import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType

from openfaceplus.changes import Change
from openfaceplus.encrypted_files import open_text, read_text, seal_line, unseal_line
from openfaceplus.errors import StorageError
from openfaceplus.files import atomic_write, make_folder, opener, shown, unwritable
from openfaceplus.manifest import Manifest
from openfaceplus.store.layout import StageFiles

Row = dict[str, str]

# File names may hold bytes that are not UTF-8; this brings them back as they were.
_UTF8, _ODD = "utf-8", "surrogateescape"
# A spreadsheet runs a cell that begins so, but for numbers; an apostrophe makes it text.
_FORMULA = re.compile("'*[=+@\t\r-]")
_NUMBERS = re.compile(r"[-+]?[\d.]+(e[-+]?\d+)?([ ;][-+]?[\d.]+(e[-+]?\d+)?)*", re.ASCII)


def write_table(
    path: Path,
    columns: Sequence[str],
    rows: Iterable[Mapping[str, object]],
    *,
    ours: bool = False,
) -> None:
    """Write rows as CSV with a header, whole or not at all; ``ours`` as for ``atomic_write``."""
    values = ([row.get(column, "") for column in columns] for row in rows)
    with atomic_write(path, ours=ours) as file:
        file.write(csv_bytes([columns, *values]))


def write_stage(change: Change, files: StageFiles, manifest: Manifest, rows: list[Row]) -> None:
    """Stage the table of a stage and its manifest with counts of the rows' statuses."""
    ours = (change.folder / files.manifest).is_file()
    write_table(change.staged(files.table, ours=ours), files.columns, rows)
    counts = dict(Counter(row["status"] for row in rows))
    replace(manifest, counts=counts).write(change.staged(files.manifest))
    change.remove(files.old_journal)


def csv_bytes(rows: Iterable[Sequence[object]]) -> bytes:
    """Rows as CSV, quoted only where needed, in which a spreadsheet finds nothing to run."""
    text = io.StringIO(newline="")
    plain = csv.writer(text, lineterminator="\n")
    # Python before 3.13 leaves a lone carriage return unquoted, and reads it as the row's end.
    quoted = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    for row in rows:
        cells = [_defused(str(cell)) for cell in row]
        (quoted if "\r" in "".join(cells) else plain).writerow(cells)
    return text.getvalue().encode(_UTF8, _ODD)


def csv_rows(file: Iterable[str]) -> Iterator[list[str]]:
    """The inverse of ``csv_bytes``; empty lines are no rows."""
    for row in filter(None, csv.reader(file)):
        yield [cell[1:] if cell[0:1] == "'" and _FORMULA.match(cell) else cell for cell in row]


def _defused(cell: str) -> str:
    return f"'{cell}" if _FORMULA.match(cell) and not _NUMBERS.fullmatch(cell) else cell


def read_table(path: Path, columns: Sequence[str]) -> list[Row]:
    """The rows of a table; none if there is no file.

    Raises StorageError if it cannot be read or lacks one of the columns.
    """
    try:
        with open_text(path, _ODD) as file:
            reader = csv_rows(file)
            header = next(reader, [])
            if missing := set(columns) - set(header):
                raise csv.Error(f"no column {min(missing)!r}")
            places = [header.index(column) for column in columns]
            padding = [""] * len(header)  # for a row that was cut short
            return [
                dict(zip(columns, map((row + padding).__getitem__, places), strict=True))
                for row in reader
            ]
    except FileNotFoundError:
        return []
    except (OSError, csv.Error) as error:
        raise StorageError(
            f"{shown(path)}: cannot be read ({error})", remedy="delete it and run the stage again"
        ) from error


class Journal:
    """Rows of a run in progress, appended as they come. Use as a context manager.

    ``columns`` are those that each row has as text; a row without them does not count.
    """

    def __init__(self, path: Path, settings_hash: str, columns: Sequence[str] = ()) -> None:
        self.path = path
        self._hash = settings_hash
        self._columns = columns

    def rows(self) -> list[Row]:
        """What an interrupted run with the same settings left; a torn last line is dropped.

        Rows from before a run with other settings do not count: it may have overwritten their
        chips.
        """
        try:
            lines = read_text(self.path, _ODD).splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StorageError(f"{shown(self.path)}: cannot be read ({error})") from error
        rows: list[Row] = []
        for line in lines:
            try:
                row = json.loads(unseal_line(self.path, line))
            except (ValueError, RecursionError):
                continue
            if not isinstance(row, dict) or row.pop("settings", None) != self._hash:
                rows.clear()
            elif row and all(isinstance(row.get(column), str) for column in self._columns):
                rows.append(row)
        return rows

    def refuse_if_left(self, what: str) -> None:
        """Raises StorageError if a run was interrupted, so that what it made is incomplete."""
        if self.path.exists():
            raise StorageError(
                f"{shown(self.path.parent.parent)}: {what} was interrupted",
                remedy="run it again, it goes on where it stopped",
            )

    def __enter__(self) -> Journal:
        try:
            make_folder(self.path.parent)
            self._file = open(self.path, "a", encoding="utf-8", opener=opener)
            # A kill may have torn the last line; what follows must start a new one.
            self._file.write("\n")
            self.add({})
        except OSError as error:
            raise unwritable(self.path, error) from error
        return self

    def add(self, row: Row) -> None:
        """Append one row; it is on disk when this returns, a power cut aside."""
        try:
            text = json.dumps({"settings": self._hash, **row})
            self._file.write(seal_line(self.path, text) + "\n")
            self._file.flush()
        except OSError as error:
            raise unwritable(self.path, error) from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        # What a full disk did not take is still in the buffer; the error was raised already.
        with contextlib.suppress(OSError):
            self._file.close()
