"""A gallery whose templates lie in a database: of people from trained models."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from openfaceplus.database.search import nearest
from openfaceplus.database.templates import Templates
from openfaceplus.faces import Match, Space
from openfaceplus.gallery.base import check_people, check_space, checked

if TYPE_CHECKING:
    from openfaceplus.database.connection import Database


class PostgresGallery:
    """The templates of a space in a database, searched by cosine; see ``gallery.Gallery``.

    Scores are those of vectors with 16 bits a number: they differ from a gallery's in memory by up
    to 0.0005. Raises SpaceMismatch if the space has other dimensions there.
    """

    def __init__(self, database: Database, space: Space | str, dim: int = 128) -> None:
        self.space, self.dim = str(space), dim
        self._db = database
        self._templates = Templates(database, space, dim)

    def __len__(self) -> int:
        """How many templates there are."""
        return int(
            self._db.rows(
                "SELECT count(template) FROM vector WHERE space = %s", (self._templates.number,)
            )[0][0]
        )

    @property
    def people(self) -> list[str]:
        """The ids of the people with a template, in the order in which these first came."""
        return list(self.names)

    @property
    def names(self) -> dict[str, str]:
        """What people are called, by id; without a name that is the id."""
        return dict(
            self._db.rows(
                "SELECT p.key, coalesce(p.name, p.key) FROM person p "
                "JOIN template t ON t.person = p.id JOIN vector v ON v.template = t.id "
                "WHERE v.space = %s AND p.key IS NOT NULL GROUP BY p.id ORDER BY min(t.id)",
                (self._templates.number,),
            )
        )

    def add(
        self, people: Sequence[str], vectors: Any, space: Space | str | None = None
    ) -> list[int]:
        """Add (n, dim) vectors of unit length of n people; returns the templates' numbers.

        Raises UsageError if they do not fit, SpaceMismatch if ``space`` is another.
        """
        check_space(self.space, space)
        vectors = checked(vectors, self.dim)
        check_people(people, vectors)
        return self._templates.add(people, vectors) if len(vectors) else []

    def remove(self, person: str) -> int:
        """Remove all templates of a person; returns how many. Raises UsageError if none."""
        return self._templates.remove(person)

    def search(
        self, vectors: Any, k: int = 1, space: Space | str | None = None
    ) -> list[list[Match]]:
        """For each of (n, dim) probes its k most alike templates, best first; fewer if fewer are
        there. The score is the cosine, -1 to 1.

        Raises UsageError if a probe does not fit, SpaceMismatch if ``space`` is another.
        """
        check_space(self.space, space)
        probes = checked(vectors, self.dim)
        found = nearest(self._db, "template", probes, self.space, k)
        numbers = {number for one in found for number, _ in one}
        people = dict(
            self._db.rows(
                "SELECT t.id, coalesce(p.key, p.id::text) FROM template t "
                "JOIN person p ON p.id = t.person WHERE t.id = ANY(%s)",
                (list(numbers),),
            )
        )
        return [[Match(people[n], n, score) for n, score in one if n in people] for one in found]
