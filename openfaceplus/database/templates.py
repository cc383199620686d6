"""Photos' vectors of people who are known by an id, as from a trained model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from openfaceplus.database.ledger import Ledger
from openfaceplus.database.videos import copy, halfvec
from openfaceplus.errors import UsageError
from openfaceplus.faces import Space

if TYPE_CHECKING:
    import numpy as np

    from openfaceplus.database.connection import Database
    from openfaceplus.database.draft import Draft

_OWN = """
SELECT t.id FROM template t JOIN vector v ON v.template = t.id JOIN person p ON p.id = t.person
WHERE p.key = %s AND v.space = %s
"""


class Templates:
    """The templates of a space in a database."""

    def __init__(self, database: Database, space: Space | str, dimensions: int) -> None:
        self._db = database
        self._ledger = Ledger(database)
        number = database.space(space, dimensions)
        assert number is not None
        self.number = number

    def add(
        self,
        keys: Sequence[str],
        vectors: np.ndarray,
        names: Mapping[str, str] | None = None,
        *,
        replace: bool = False,
    ) -> list[int]:
        """Add (n, dimensions) vectors of n people by their ids; returns the templates' numbers.

        Who is not known by an id is looked for by name, else new; a name given in the database
        stays. With ``replace`` earlier templates of the same people go.
        """
        people = list(dict.fromkeys(keys))
        with self._ledger.one_at_a_time():
            known = self._known(people, names or {})
            draft = self._ledger.draft(p for p in known.values())
            missing = [key for key in people if key not in known]
            for key, person in zip(missing, self._ledger.new_people(len(missing)), strict=True):
                draft.set("person", person, True)
                known[key] = person
            for key, person in known.items():
                _describe(draft, person, key, (names or {}).get(key))
            if replace:
                self._drop(draft, people)
            numbers = [
                row[0]
                for row in self._db.rows(
                    "SELECT nextval('template_id') FROM generate_series(1, %s)", (len(keys),)
                )
            ]
            for number, key in zip(numbers, keys, strict=True):
                draft.set("template", number, known[key])
            self._ledger.append("import", draft.changes)
            copy(
                self._db.connection,
                "vector",
                "space, template, value",
                "int4 int8 halfvec",
                ((self.number, n, halfvec(v)) for n, v in zip(numbers, vectors, strict=True)),
            )
        return numbers

    def remove(self, key: str) -> int:
        """Remove the templates of a person; returns how many. Raises UsageError if there is none.

        Who has neither a name nor a sequence besides is gone.
        """
        with self._ledger.one_at_a_time():
            known = self._known([key], {})
            draft = self._ledger.draft(known.values())
            gone = self._drop(draft, [key])
            if not gone:
                raise UsageError(f"there is nobody with the id {key!r} in the gallery")
            for person in known.values():
                if not draft.get("name", person) and not draft.of(person):
                    draft.set("key", person, None)
                draft.sweep([person])
            self._ledger.append("import", draft.changes)
        return gone

    def same(self, keys: Sequence[str], vectors: np.ndarray) -> bool:
        """Whether the people have just these templates, in this order."""
        import numpy as np

        rows = self._db.rows(
            "SELECT p.key, v.value FROM template t JOIN vector v ON v.template = t.id "
            "JOIN person p ON p.id = t.person WHERE p.key = ANY(%s) AND v.space = %s ORDER BY t.id",
            (list(set(keys)), self.number),
        )
        if [row[0] for row in rows] != list(keys):
            return False
        kept = np.array([row[1].to_numpy() for row in rows])
        return bool((kept == vectors.astype(np.float16)).all())

    def _known(self, keys: Sequence[str], names: Mapping[str, str]) -> dict[str, int]:
        found = dict(self._db.rows("SELECT key, id FROM person WHERE key = ANY(%s)", (list(keys),)))
        called = dict(
            self._db.rows(
                "SELECT name, id FROM person WHERE name = ANY(%s)", (list(names.values()),)
            )
        )
        taken = set(found.values())
        for key in keys:
            person = called.get(names.get(key, ""))
            if key not in found and person is not None and person not in taken:
                found[key] = person
                taken.add(person)
        return found

    def _drop(self, draft: Draft, keys: Sequence[str]) -> int:
        gone = [n for key in keys for (n,) in self._db.rows(_OWN, (key, self.number))]
        for number in gone:
            draft.set("template", number, None)
        return len(gone)


def _describe(draft: Draft, person: int, key: str, name: str | None) -> None:
    """Give a person the id and name of the model, where they have none."""
    if not draft.get("key", person):
        draft.set("key", person, key)
    if name is not None and not draft.get("name", person):
        draft.set("name", person, name)
