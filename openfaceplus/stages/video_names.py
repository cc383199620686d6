"""Names for the people of a database, where a trained model knows them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from openfaceplus.classify.openset import templates
from openfaceplus.database.rows import Join
from openfaceplus.model import Model, Policy
from openfaceplus.stages.reidentify import FAR, together

if TYPE_CHECKING:
    from openfaceplus.database.connection import Database

AUTHOR = "model"
"""Who is said to have given such names in the log."""


def name_people(db: Database, model: Model, far: float = FAR) -> int:
    """Name those without a name whom the model accepts at the rate; returns how many.

    A person is judged by the mean of their sequences. Two whom the model gives one name become one,
    unless they were on screen at once: then the surer one gets it.
    """
    space = str(model.pipeline.space)
    held = db.read.sequences(space)
    people = db.read.people()
    taken = {one.name: one.person for one in people if one.name is not None}
    theirs = np.isin(held.people, [one.person for one in people if one.name is None])
    if not theirs.any():
        return 0
    nameless, labels = np.unique(held.people[theirs], return_inverse=True)
    limit = model.threshold(Policy(far)).value
    decisions = model.classifier.decide(templates(held.vectors[theirs], labels), limit)
    order = sorted(zip(nameless.tolist(), decisions, strict=True), key=lambda p: -p[1].score)
    named = 0
    for person, decision in order:
        name = decision.name
        if name is None:
            continue
        if name not in taken:
            db.commands.name(person, name, AUTHOR)
            taken[name] = person
            named += 1
            continue
        mine = np.flatnonzero(held.people == person)
        other = np.flatnonzero(held.people == taken[name])
        both = np.concatenate([mine, other])
        pairs = together(held.videos[both], held.starts[both], held.ends[both])
        if len(pairs) or held.fixed[mine].any():
            continue
        numbers = held.sequences[mine].tolist()
        db.commands.record([Join(one, taken[name], decision.score) for one in numbers])
        held.people[mine] = taken[name]
        named += 1
    return named
