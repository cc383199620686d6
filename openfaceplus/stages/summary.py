"""What became of a stage's inputs, and how a stage says how far it is."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from openfaceplus.store.tables import Row
from openfaceplus.words import counted, statuses

Progress = Callable[[str, int], AbstractContextManager[Callable[[], object]]]
"""Called with a label and the number of items; gives a context whose value is called per item."""


@contextmanager
def no_progress(label: str, total: int) -> Iterator[Callable[[], object]]:
    """Says nothing."""
    yield lambda: None


@dataclass(frozen=True, slots=True)
class Summary:
    """The rows of a stage's table. ``fresh`` of them were made by this run, the others kept."""

    verb: str
    rows: Sequence[Row]
    table: Path
    usable: frozenset[str]
    fresh: int = 0
    remarks: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many rows of each status, most frequent first."""
        return dict(Counter(row["status"] for row in self.rows).most_common())

    @property
    def succeeded(self) -> int:
        return sum(row["status"] in self.usable for row in self.rows)

    @property
    def failed(self) -> int:
        return len(self.rows) - self.succeeded

    def __str__(self) -> str:
        done = f"{self.succeeded:,} of {counted(len(self.rows), 'photo')} {self.verb}"
        kept = len(self.rows) - self.fresh
        again = f", {kept} kept from before" if kept else ""
        return f"{done} ({statuses(self.counts)}{again}); see {self.table}"
