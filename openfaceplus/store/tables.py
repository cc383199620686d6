"""Status tables: one row for every input of a stage, and the journal that survives a kill.

While a stage runs, finished rows are appended to a journal of JSON lines, so that an interrupted
run loses nothing but the photos in hand; at its end the table is written whole.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import TracebackType

from openfaceplus.errors import StorageError
from openfaceplus.files import atomic_write

Row = dict[str, str]

# File names may hold bytes that are not UTF-8; this brings them back as they were.
_TEXT = {"encoding": "utf-8", "errors": "surrogateescape"}


def write_table(path: Path, columns: Sequence[str], rows: Iterable[Row]) -> None:
    """Write rows as CSV with a header, whole or not at all."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, columns, restval="", extrasaction="ignore", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with atomic_write(path) as file:
        file.write(text.getvalue().encode(**_TEXT))


def read_table(path: Path) -> list[Row]:
    """The rows of a table; none if there is no file. Raises StorageError if it cannot be read."""
    try:
        with path.open(newline="", **_TEXT) as file:
            return [
                {key: value or "" for key, value in row.items() if key is not None}
                for row in csv.DictReader(file)
            ]
    except FileNotFoundError:
        return []
    except (OSError, csv.Error) as error:
        raise StorageError(f"{path}: cannot be read ({error}); delete it and run the stage again") from error


class Journal:
    """Rows of a run in progress, appended as they come. Use as a context manager."""

    def __init__(self, path: Path, settings_hash: str) -> None:
        self.path = path
        self._hash = settings_hash

    def rows(self) -> list[Row]:
        """What an interrupted run with the same settings left; a torn last line is dropped."""
        try:
            lines = self.path.read_text(**_TEXT).splitlines()
        except FileNotFoundError:
            return []
        except OSError as error:
            raise StorageError(f"{self.path}: cannot be read ({error})") from error
        rows = []
        for line in lines:
            try:
                row = json.loads(line)
            except ValueError:
                continue
            if isinstance(row, dict) and row.pop("settings", None) == self._hash:
                rows.append(row)
        return rows

    def __enter__(self) -> Journal:
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self.path.open("a", encoding="utf-8")
            # A kill may have torn the last line; what follows must start a new one.
            self._file.write("\n")
        except OSError as error:
            raise StorageError(f"{self.path}: cannot be written ({error})") from error
        return self

    def add(self, row: Row) -> None:
        """Append one row; it is on disk when this returns, a power cut aside."""
        try:
            self._file.write(json.dumps({"settings": self._hash, **row}) + "\n")
            self._file.flush()
        except OSError as error:
            raise StorageError(f"{self.path}: cannot be written ({error.strerror})") from error

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._file.close()

    def remove(self) -> None:
        """Forget the journal, once the table holds its rows."""
        self.path.unlink(missing_ok=True)
