"""People of trained models in a database: brought in, and asked who somebody is."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from openfaceplus.errors import UsageError
from openfaceplus.faces import Decision, euclidean
from openfaceplus.files import shown
from openfaceplus.model_folder import ModelFolder
from openfaceplus.verification import Comparer

if TYPE_CHECKING:
    from openfaceplus.database.connection import Database


@dataclass(frozen=True, slots=True)
class Imported:
    """How many photos of whom a database has from a model, by name, and what embedded them."""

    photos: dict[str, int]
    space: str


def import_people(folder: ModelFolder, database: Database) -> Imported:
    """Bring a model's people into a database, with the vectors of their photos.

    Who is there already, by id or else by name, stays who they are; their earlier vectors of the
    same network are replaced. Raises SpaceMismatch if that has vectors of other dimensions there.
    """
    from openfaceplus.database.templates import Templates

    classifier, people = folder.people()
    labels = classifier.labels.tolist()
    templates = Templates(database, classifier.space, classifier.vectors.shape[1])
    keys = [people[label].id for label in labels]
    if not templates.same(keys, classifier.vectors):
        names = {person.id: person.name for person in people}
        templates.add(keys, classifier.vectors, names, replace=True)
    counts = Counter(people[label].name for label in labels)
    return Imported(dict(counts), classifier.space)


def whois(database: Database, photo: Any, comparer: Comparer) -> Decision:
    """The closest of the people that were brought in, or that the face is nobody's.

    The rate holds for the whole search: a stranger has as many chances as there are vectors, so
    each comparison gets its part of the rate. Raises UsageError if there is nobody to compare with.
    """
    from openfaceplus.database.gallery import PostgresGallery

    space = comparer.pipeline.space
    vector, box = comparer.embed(photo)
    gallery = PostgresGallery(database, space, len(vector)) if database.space(space) else None
    if not gallery:
        raise UsageError(
            f"{shown(database.place)}: holds nobody who was embedded as {space}",
            remedy="import the people of a model, or choose its profile",
            field="db",
        )
    (match,) = gallery.search(vector)[0]
    distance = euclidean(match.score)
    limit = comparer.limit(len(gallery))
    closest = gallery.names.get(match.person, match.person)
    known = distance <= limit
    return Decision(
        match.person if known else None, closest if known else None, closest, None, -distance,
        -limit, box,
    )  # fmt: skip
