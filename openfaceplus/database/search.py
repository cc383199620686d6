"""Which stored vectors are most like one: exactly, or by an index where there are very many."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from openfaceplus.database.reading import APPEARANCE, appearance
from openfaceplus.database.rows import Appearance
from openfaceplus.database.videos import halfvec
from openfaceplus.errors import DatabaseError, UsageError
from openfaceplus.faces import Space
from openfaceplus.gallery.base import checked

if TYPE_CHECKING:
    from openfaceplus.database.connection import Database

INDEXED_FROM = 100_000
"""Vectors of a space from which an index answers sooner than looking at them all."""

CANDIDATES, _MOST = 200, 1000
"""How many rows an index weighs: of the ten nearest among 200,000 with 100 of them it found 97.0%,
with 200 97.7% in twice the time (benchmarks/database.py --candidates); and the most allowed."""

_KINDS = ("sequence", "template")
_LINKS = 768  # bytes that a row takes beside its vector while an index is made
_MEMORY = (1024, 4096)  # MiB for that, at least and at most


def search(
    database: Database,
    vector: Any,
    space: Space | str,
    k: int = 10,
    video: int | None = None,
) -> list[Appearance]:
    """The k sequences most like a (dimensions,) vector, best first, by cosine."""
    (one,) = nearest(database, "sequence", vector, space, k, video)
    found = dict(one)
    rows = database.rows(f"{APPEARANCE} WHERE s.id = ANY(%s)", (list(found),))
    made = [appearance((*row, found[row[3]])) for row in rows]
    return sorted(made, key=lambda one: (-(one.likeness or 0.0), one.sequence))


def nearest(
    database: Database,
    kind: str,
    vectors: Any,
    space: Space | str,
    k: int,
    video: int | None = None,
) -> list[list[tuple[int, float]]]:
    """For each of (n, dimensions) vectors the k most alike of a ``kind``, sequences or templates:
    their numbers and the cosines, best first."""
    number, dimensions = known_space(database, space)
    probes = checked(vectors, dimensions)
    if k < 1:
        raise UsageError(f"k={k}: at least one match can be asked for", field="k")
    # Space and dimensions are written out, as an index of theirs asks.
    distance = order = f"value::halfvec({dimensions}) <=> %(probe)s"
    within = ""
    if video is not None:
        # All of a video are compared: the index would find few of the right video.
        within, order = "AND video = %(video)s", f"({distance}) + 0"
    query = (
        f"SELECT found, 1 - distance FROM (SELECT {kind} AS found, {distance} AS distance "
        f"FROM vector WHERE space = {number} AND {kind} IS NOT NULL {within} "
        f"ORDER BY {order} LIMIT %(k)s) AS nearest ORDER BY distance, found"
    )
    with database.transaction():
        # Without it an index gives up after a few rows that are there no more.
        database.run("SET LOCAL hnsw.iterative_scan = strict_order")
        database.run(f"SET LOCAL hnsw.ef_search = {min(_MOST, max(CANDIDATES, 2 * k))}")
        return [
            database.rows(query, {"probe": halfvec(probe), "k": k, "video": video})
            for probe in probes
        ]


def known_space(database: Database, space: Space | str) -> tuple[int, int]:
    """The number and dimensions of a space. Raises UsageError if nothing of it is there."""
    rows = database.rows("SELECT id, dimensions FROM space WHERE name = %s", (str(space),))
    if not rows:
        raise UsageError(
            f"the database has nothing that was embedded as {space}",
            remedy="choose the network that it was made with",
            field="space",
        )
    return rows[0]


def index(database: Database, rows: int = INDEXED_FROM) -> list[str]:
    """Make the indexes that are missing, of spaces with that many vectors; returns their names.

    It takes minutes for a million. Those that are there grow by themselves.
    """
    made = []
    for number, dimensions in database.rows("SELECT id, dimensions FROM space ORDER BY id"):
        for kind in _KINDS:
            name = f"vector_{number}_{kind}"
            there = database.rows("SELECT to_regclass(%s) IS NOT NULL", (name,))[0][0]
            count = database.rows(
                f"SELECT count(*) FROM vector WHERE space = %s AND {kind} IS NOT NULL", (number,)
            )[0][0]
            if there or count < rows:
                continue
            definition = (
                f"CREATE INDEX {name} ON vector USING hnsw "
                f"((value::halfvec({dimensions})) halfvec_cosine_ops) "
                f"WHERE space = {number} AND {kind} IS NOT NULL"
            )
            memory = min(max(_MEMORY[0], count * (2 * dimensions + _LINKS) >> 20), _MEMORY[1])
            try:
                _build(database, definition, memory)
            except DatabaseError as error:
                if "shared memory" not in error.problem:
                    raise
                # A container may give it little.
                _build(database, definition, _MEMORY[0], workers=0)
            made.append(name)
    return made


def _build(database: Database, definition: str, memory: int, workers: int = 2) -> None:
    """``memory`` is in MiB; an index that does not fit into it takes many times as long."""
    with database.transaction():
        database.run(f"SET LOCAL maintenance_work_mem = '{memory}MB'")
        database.run(f"SET LOCAL max_parallel_maintenance_workers = {workers}")
        database.run(definition)
