"""Who is whom over sequences, on planted people: points of a sphere and their surroundings."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from openfaceplus.classify import cohort
from openfaceplus.classify.linking import NEW, Sequences, link, recluster
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


def room(people, alike):
    """The same people seen in one light, in which all have something in common."""
    made = people + alike * people.mean(axis=0)
    return (made / np.linalg.norm(made, axis=1, keepdims=True)).astype(np.float32)


def test_people_are_found_again(strangers, rule):
    vectors, who = around(strangers, 5, 0.04)
    linked = link(sequences(vectors), rule)
    assert same(linked.person, who)
    assert set(linked.person) == set(range(1, 31))
    assert np.isnan(linked.before).all()
    assert (linked.after > 0.3).all()


def test_people_of_one_room_are_told_apart(strangers, rule):
    """They are as alike as one person is elsewhere, so that no threshold would do."""
    people = room(strangers[:5], 1.5)
    vectors, who = around(people, 4, 0.008)
    others = (people @ people.T)[np.triu_indices(5, 1)]
    pairs, elsewhere = around(strangers, 5, 0.04)
    own = (pairs @ pairs.T)[elsewhere[:, None] == elsewhere]
    assert others.max() > np.median(own)
    order = np.random.default_rng(2).permutation(len(vectors))
    assert same(link(sequences(vectors[order]), rule).person, who[order])
    one_by_one = np.full(0, NEW)
    for i in range(len(order)):
        known = np.append(one_by_one, NEW)
        one_by_one = link(sequences(vectors[order[: i + 1]], person=known), rule).person
    assert same(one_by_one, who[order])


def test_order_does_not_matter(strangers, rule):
    vectors, _ = around(strangers, 5, 0.05)
    order = np.random.default_rng(1).permutation(len(vectors))
    straight, mixed = (link(sequences(each), rule).person for each in (vectors, vectors[order]))
    assert same(straight[order], mixed)


def test_the_first_two_are_one_only_if_they_are_surely(strangers, rule):
    first, second, alike = 0, 1, strangers @ strangers.T
    twice, _ = around(strangers[:1], 2, 0.005)
    assert len(set(link(sequences(twice), rule).person)) == 1
    perhaps, _ = around(strangers[:1], 2, 0.04)
    linked = link(sequences(perhaps), rule)
    assert linked.person[0] != linked.person[1]
    (suggestion,) = linked.suggestions
    assert {suggestion.person, linked.person[suggestion.sequence]} == {1, 2}
    assert alike[first, second] < 0.88
    assert not link(sequences(strangers[:2]), rule).suggestions


def test_who_was_two_becomes_one_when_that_is_seen(strangers, rule):
    vectors, who = around(strangers, 5, 0.04)
    early = np.flatnonzero(who < 1)[:2]
    assert len(set(link(sequences(vectors[early]), rule).person)) == 2
    person = np.full(len(vectors), NEW)
    person[early] = 7, 9
    linked = link(sequences(vectors, person=person), rule)
    assert set(linked.person[who == 0]) == {7}
    assert same(linked.person, who)


def test_strangers_are_kept_out(rule):
    (shipped,) = cohort.find(SPACE)
    people, rest = shipped.vectors[:30], shipped.vectors[30:230]
    known, _ = around(people, 4, 0.04)
    person = link(sequences(known), rule).person
    both = np.concatenate([known, rest])
    after = link(sequences(both, person=[*person, *[NEW] * len(rest)]), rule).person
    joined = np.isin(after[len(known) :], after[: len(known)])
    assert joined.sum() <= 2
    assert len(set(person)) <= 32
    loose = SequenceRule.of(cohort.find(SPACE), 128, far=0.3)
    assert loose.threshold(people) < rule.threshold(people)


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


def test_apart_holds_for_all_of_a_person(strangers, rule):
    vectors, _ = around(strangers, 5, 0.02)
    both = [(0, 1), (2, 3)]
    person = link(sequences(vectors, apart=both), rule).person
    assert all(person[i] != person[j] for i, j in both)
    known = link(sequences(vectors), rule).person
    with_pair = recluster(sequences(vectors, person=known, apart=both), rule).person
    assert all(with_pair[i] != with_pair[j] for i, j in both)


def test_nobody_is_split_but_by_clustering_afresh(strangers, rule):
    vectors, who = around(strangers, 5, 0.02)
    person = np.where(who == 1, 0, who) + 1
    linked = link(sequences(vectors, person=person), rule)
    assert same(linked.person, person)
    afresh = recluster(sequences(vectors, person=person), rule)
    assert same(afresh.person, who)
    kept = afresh.person == person
    assert kept[who != 1].sum() + kept[who == 1].sum() == 29 * 5
    assert afresh.after[0] > afresh.before[0] + 0.2


def test_who_has_been_put_right_keeps_the_number(strangers, rule):
    vectors, who = around(strangers, 5, 0.02)
    person = np.full(len(vectors), NEW)
    person[[0, 1]] = 4, 50
    linked = link(sequences(vectors, person=person, fixed=[1]), rule)
    assert set(linked.person[who == 0]) == {50}
    apart = link(sequences(vectors, person=person, fixed=[0, 1]), rule)
    assert apart.person[[0, 1]].tolist() == [4, 50]


def test_without_a_cohort_nobody_is_joined(strangers):
    vectors, _ = around(strangers[:2], 3, 0.001)
    nobody = SequenceRule.of([], 128)
    assert not nobody.usable
    linked = link(sequences(vectors), nobody)
    assert len(set(linked.person)) == 6
    assert not linked.suggestions


def test_nothing_links_to_nothing(rule):
    linked = link(sequences(np.zeros((0, 128), np.float32)), rule)
    assert len(linked.person) == 0


def test_pieces_of_a_video_do_not_show_how_people_vary(strangers, rule):
    twice, _ = around(strangers[:1], 2, 0.04)
    others, who = around(strangers[1:4], 6, 0.003)
    pieces = sequences(np.concatenate([twice, others]))
    assert len(set(link(pieces, rule).person)) == 4
    videos = np.array([0, 1, *who])
    linked = link(replace(pieces, videos=videos), rule)
    assert len(set(linked.person)) == 5
    assert linked.suggestions[0].sequence in (0, 1)


def test_a_smaller_cohort_has_nearly_the_same_scale(rule):
    (shipped,) = cohort.find(SPACE)
    ends = []
    for some in (slice(0, 300), slice(300, 600), slice(0, 1500)):
        part = replace(shipped, vectors=shipped.vectors[some], typicality=shipped.typicality[some])
        made = SequenceRule.of([part], 128)
        assert made.zero == pytest.approx(rule.zero, abs=0.005)
        ends.append(made.one)
    assert ends == pytest.approx([rule.one] * 3, abs=0.012)
