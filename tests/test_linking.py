"""Who is whom over sequences, on planted people: points of a sphere and their surroundings."""

from __future__ import annotations

import numpy as np
import pytest

from openfaceplus.classify import cohort
from openfaceplus.classify.linking import NEW, Linked, Sequences, link, recluster
from openfaceplus.classify.sequence_rule import SequenceRule

SPACE = "dlib-resnet-v1/2v@55533b28a958"


@pytest.fixture(scope="module")
def rule():
    return SequenceRule.of(cohort.find(SPACE), 128)


@pytest.fixture(scope="module")
def strangers():
    """Made-up people, no two of whom are much alike."""
    (shipped,) = cohort.find(SPACE)
    chosen = [0]
    for i in range(len(shipped.vectors)):
        if len(chosen) < 30 and (shipped.vectors[chosen] @ shipped.vectors[i]).max() < 0.88:
            chosen.append(i)
    return shipped.vectors[chosen]


def around(means, times, distance, seed=0):
    """``times`` vectors about each mean (people, dimensions) at such a mean distance."""
    generator = np.random.default_rng(seed)
    means = np.repeat(means, times, axis=0)
    made = means + generator.standard_normal(means.shape) * np.sqrt(2 * distance / means.shape[1])
    made /= np.linalg.norm(made, axis=1, keepdims=True)
    return made.astype(np.float32), np.repeat(np.arange(len(means) // times), times)


def sequences(vectors, *, person=None, fixed=(), apart=(), refused=()):
    n = len(vectors)
    put_right = np.zeros(n, bool)
    put_right[list(fixed)] = True
    known = np.full(n, NEW) if person is None else np.asarray(person)
    pairs = [np.array(each, int).reshape(-1, 2) for each in (apart, refused)]
    return Sequences(vectors, np.ones(n), known, put_right, *pairs)


def same(a, b):
    """Whether two numberings mean the same groups."""
    return ((a[:, None] == a) == (b[:, None] == b)).all()


def test_people_are_found_again(strangers, rule):
    vectors, who = around(strangers, 5, 0.02)
    linked = link(sequences(vectors), rule)
    assert isinstance(linked, Linked)
    assert same(linked.person, who)
    assert set(linked.person) == set(range(1, 31))


def test_order_does_not_matter(strangers, rule):
    vectors, _ = around(strangers, 5, 0.02)
    order = np.random.default_rng(1).permutation(len(vectors))
    straight, mixed = (link(sequences(each), rule).person for each in (vectors, vectors[order]))
    assert same(straight[order], mixed)


def test_two_on_screen_at_once_are_never_one(strangers, rule):
    vectors, _ = around(strangers[:3], 4, 0.005)
    linked = link(sequences(vectors, apart=[(0, 1)]), rule)
    assert linked.person[0] != linked.person[1]
    assert len(set(linked.person)) == 4


def test_what_a_user_put_right_stays(strangers, rule):
    vectors, _ = around(strangers[:2], 4, 0.005)
    person = [3, 3, 8, NEW, 4, NEW, NEW, NEW]
    linked = link(sequences(vectors, person=person, fixed=[0, 2, 4], refused=[(3, 3)]), rule)
    assert linked.person[[0, 1, 2, 4]].tolist() == [3, 3, 8, 4]
    assert linked.person[3] != 3
    again = recluster(sequences(vectors, person=person, fixed=[0, 2, 4], refused=[(3, 3)]), rule)
    assert again.person[[0, 2, 4]].tolist() == [3, 8, 4]
