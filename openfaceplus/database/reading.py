"""Who is who, and who was where when."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from openfaceplus.database.rows import Appearance, Descriptors, Person, StoredCrop, Suggestion
from openfaceplus.encryption import unseal
from openfaceplus.faces import Box, Space
from openfaceplus.sequences import Pose, Seen

if TYPE_CHECKING:
    import numpy as np

    from openfaceplus.database.connection import Database

APPEARANCE = """
SELECT a.person, p.name, v.path, s.id, s.starts, s.ends, s.faces, a.score, s.yaw, s.pitch, s.roll,
    v.id, coalesce(a.fixed, false), s.evidence
FROM sequence s JOIN video v ON v.id = s.video
LEFT JOIN assignment a ON a.sequence = s.id LEFT JOIN person p ON p.id = a.person
"""

_PEOPLE = """
SELECT p.id, p.name, count(s.id), count(DISTINCT s.video),
    coalesce(sum(s.ends - s.starts), 0)::double precision, p.cohesion, p.key,
    (SELECT count(*) FROM template t WHERE t.person = p.id)
FROM person p LEFT JOIN assignment a ON a.person = p.id LEFT JOIN sequence s ON s.id = a.sequence
GROUP BY p.id ORDER BY count(s.id) DESC, p.id
"""


class Reader:
    """Reads what stands. What concerns a video that is being indexed is not left out."""

    def __init__(self, database: Database) -> None:
        self._db = database

    def people(self) -> list[Person]:
        """Everybody, those with the most sequences first."""
        return [Person(*row) for row in self._db.rows(_PEOPLE)]

    def person(self, who: int | str) -> int | None:
        """The number of the person of that number or name, None if there is none."""
        column, value = ("id", who) if isinstance(who, int) else ("name", who)
        rows = self._db.rows(f"SELECT id FROM person WHERE {column} = %s", (value,))
        return rows[0][0] if rows else None

    def appearances(
        self,
        person: int | None = None,
        video: int | None = None,
        sequences: Iterable[int] | None = None,
    ) -> list[Appearance]:
        """All sequences, or those of a person, a video or some numbers, by video and time."""
        rows = self._db.rows(
            f"{APPEARANCE} WHERE (%(person)s::integer IS NULL OR a.person = %(person)s) "
            "AND (%(video)s::integer IS NULL OR s.video = %(video)s) "
            "AND (%(some)s::bigint[] IS NULL OR s.id = ANY(%(some)s)) "
            "ORDER BY v.id, s.starts, s.id",
            {
                "person": person,
                "video": video,
                "some": None if sequences is None else list(sequences),
            },
        )
        return [appearance(row) for row in rows]

    def count(self, space: Space | str) -> int:
        """How many sequences of a space there are."""
        rows = self._db.rows(
            "SELECT count(sequence) FROM vector JOIN space ON space.id = space WHERE name = %s",
            (str(space),),
        )
        return int(rows[0][0])

    def sequences(
        self,
        space: Space | str,
        ids: Iterable[int] | None = None,
        person: int | None = None,
        video: int | None = None,
        undecided: bool = False,
    ) -> Descriptors:
        """The descriptors of a space, or those of some sequences, a person, a video, or nobody."""
        rows = self._db.rows(
            "SELECT s.id, x.value, s.video, s.starts, s.ends, coalesce(a.person, 0), "
            "coalesce(a.fixed, false), s.evidence, s.spread "
            "FROM vector x JOIN sequence s ON s.id = x.sequence "
            "LEFT JOIN assignment a ON a.sequence = s.id "
            "WHERE x.space = (SELECT id FROM space WHERE name = %(space)s) "
            "AND (%(person)s::integer IS NULL OR a.person = %(person)s) "
            "AND (%(video)s::integer IS NULL OR s.video = %(video)s) "
            "AND (%(some)s::bigint[] IS NULL OR s.id = ANY(%(some)s)) "
            "AND (NOT %(undecided)s OR a.person IS NULL) ORDER BY s.id",
            {
                "space": str(space),
                "undecided": undecided,
                "person": person,
                "video": video,
                "some": None if ids is None else list(ids),
            },
        )
        return _descriptors(rows)

    def faces(self, sequence: int) -> list[Seen]:
        """The faces of a sequence, by time."""
        rows = self._db.rows(
            'SELECT at, "left", top, "right", bottom, score, points, yaw, pitch, roll, quality '
            "FROM face WHERE sequence = %s ORDER BY at",
            (sequence,),
        )
        return [_seen(row) for row in rows]

    def crops(self, sequence: int) -> list[StoredCrop]:
        """The best faces of a sequence, best first."""
        rows = self._db.rows(
            "SELECT sequence, at, quality, jpeg, vector FROM crop WHERE sequence = %s "
            "ORDER BY quality DESC, at",
            (sequence,),
        )
        return [
            StoredCrop(number, at, quality, unseal(jpeg, "a crop"), _unit([vector])[0])
            for number, at, quality, jpeg, vector in rows
        ]

    def suggestions(self, person: int | None = None) -> list[Suggestion]:
        """Which sequences may be whose, the surest first."""
        rows = self._db.rows(
            "SELECT g.sequence, g.person, p.name, g.score, v.path, s.starts, s.ends "
            "FROM suggestion g JOIN person p ON p.id = g.person "
            "JOIN sequence s ON s.id = g.sequence JOIN video v ON v.id = s.video "
            "WHERE %(person)s::integer IS NULL OR g.person = %(person)s "
            "ORDER BY g.score DESC, g.sequence",
            {"person": person},
        )
        return [
            Suggestion(sequence, who, name, score, os.fsdecode(path), start, end)
            for sequence, who, name, score, path, start, end in rows
        ]

    def pairs_apart(self) -> list[tuple[int, int]]:
        """(sequence, person) of all that a user said is not so."""
        rows = self._db.rows("SELECT sequence, person FROM refusal ORDER BY sequence, person")
        return [(sequence, person) for sequence, person in rows]


def appearance(row: Sequence[Any]) -> Appearance:
    """A row of ``APPEARANCE``, and what follows it."""
    person, name, path, *rest = row
    return Appearance(person, name, os.fsdecode(path), *rest)


def _descriptors(rows: Sequence[Sequence[Any]]) -> Descriptors:
    import numpy as np

    ids, vectors, videos, starts, ends, people, fixed, evidence, spread = (
        zip(*rows, strict=True) if rows else [()] * 9
    )
    return Descriptors(
        np.array(ids, np.int64),
        _unit(vectors),
        np.array(videos, np.int64),
        np.array(starts, np.float64),
        np.array(ends, np.float64),
        np.array(people, np.int64),
        np.array(fixed, bool),
        np.array(evidence, np.float32),
        np.array(spread, np.float32),
    )


def _unit(vectors: Sequence[Any]) -> np.ndarray:
    """(n, dimensions) float32 of unit length; what 16 bits lost of it is put back."""
    import numpy as np

    if not vectors:
        return np.empty((0, 0), np.float32)
    rows = np.stack([vector.to_numpy() for vector in vectors]).astype(np.float32)
    lengths = np.linalg.norm(rows, axis=1, keepdims=True)
    return rows / np.where(lengths > 0, lengths, 1)


def _seen(row: Sequence[Any]) -> Seen:
    import numpy as np

    at, left, top, right, bottom, score, points, yaw, pitch, roll, quality = row
    return Seen(
        at,
        Box(left, top, right, bottom),
        score,
        None if points is None else np.array(points, np.float32).reshape(-1, 2),
        None if yaw is None else Pose(yaw, pitch, roll),
        quality,
    )
