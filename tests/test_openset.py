"""The open-set score, the rule that rests on it and the words that go with it."""

from __future__ import annotations

import math
import re
import time

import numpy as np
import pytest
from vectors import SPACE, faces, made_up_cohort, names_of, split

from openfaceplus.classify import cohort, openset, wording
from openfaceplus.classify.classifier import Classifier
from openfaceplus.classify.cohort import Cohort
from openfaceplus.classify.rule import UNSURE, OpenSetRule
from openfaceplus.classify.stored import check_whole, pack
from openfaceplus.classify.training import Settings
from openfaceplus.errors import UsageError
from openfaceplus.evaluate.metrics import reliability
from openfaceplus.model import Model
from openfaceplus.weights import safe

NOBODY = np.zeros((0, 128), np.float32)


@pytest.fixture
def measured(monkeypatch):
    """A cohort for the made-up space, and for no other."""
    monkeypatch.setattr(cohort, "find", lambda space: [made_up_cohort()] if space == SPACE else [])


def rule_of(people: int, photos: int = 3, cohorts: list[Cohort] | None = None) -> OpenSetRule:
    x, y = faces(people, photos)
    cohorts = [made_up_cohort()] if cohorts is None else cohorts
    return OpenSetRule.fit(x, y, names_of(np.arange(people)), SPACE, cohorts=cohorts)


def scorer_of(x: np.ndarray, y: np.ndarray, typical: np.ndarray = NOBODY) -> openset.Scorer:
    people = names_of(np.arange(y.max() + 1))
    return openset.Scorer.of(SPACE, people, openset.templates(x, y), typical)


# --- the score -------------------------------------------------------------------------------


@pytest.mark.parametrize("people", [1, 2, 5, 40, 300])
@pytest.mark.parametrize("typical", [NOBODY, faces(20, 1, seed=5)[0]], ids=["cosine", "typical"])
def test_the_score_is_its_formula_and_names_the_best(people, typical):
    x, y = faces(people, 2)
    scorer = scorer_of(x, y, typical)
    t, probes = scorer.gallery.vectors.astype(float), faces(6, 1, seed=4)[0].astype(float)
    common = [max((float(v @ c) for c in typical), default=0.0) for v in probes]
    hubs = [max((float(v @ c) for c in typical), default=0.0) for v in t]
    table = probes @ t.T - 0.4 * np.array(common)[:, None] - 0.2 * np.array(hubs)
    found = scorer.name(probes.astype(np.float32))
    order = np.argsort(-table, axis=1)
    assert np.array_equal(found.who, order[:, 0])
    rows = np.arange(6)
    assert np.allclose(found.score, table[rows, order[:, 0]], atol=1e-5)
    assert np.allclose(scorer.score(probes.astype(np.float32), order[:, -1]),
                       table[rows, order[:, -1]], atol=1e-5)  # fmt: skip
    if people == 1:
        assert np.all(found.second == -1) and np.all(found.second_score == -np.inf)
    else:
        assert np.array_equal(found.second, order[:, 1])
        assert np.allclose(found.second_score, table[rows, order[:, 1]], atol=1e-5)


def test_left_out_scores_are_those_of_a_gallery_without_the_person():
    x, y = faces(50, 3)
    typical = faces(20, 1, seed=5)[0]
    who, scores = scorer_of(x, y, typical).left_out(x, y)
    for person in range(0, 50, 7):
        mine, others = y == person, np.flatnonzero(np.arange(50) != person)
        refit = scorer_of(x[~mine], np.searchsorted(others, y[~mine]), typical).name(x[mine])
        assert np.allclose(scores[mine], refit.score, atol=1e-6)
        assert np.array_equal(who[mine], others[refit.who])
    alone = scorer_of(*faces(1, 4))
    assert np.all(alone.left_out(*faces(1, 4))[1] == -np.inf)


def test_unseen_scores_are_those_of_people_enrolled_with_one_photo_less():
    x, y = faces(8, 3)
    x, y = x[:22], y[:22]  # the last person has one photo
    typical = faces(20, 1, seed=5)[0]
    several, scores = scorer_of(x, y, typical).unseen(x, y)
    assert np.array_equal(several, np.arange(21))
    for i in (0, 5, 20):
        rest = np.arange(22) != i
        refit = scorer_of(x[rest], y[rest], typical)
        assert scores[i] == pytest.approx(refit.score(x[i : i + 1], y[i : i + 1])[0], abs=1e-6)
    assert not len(scorer_of(*faces(5, 1)).unseen(*faces(5, 1))[0])


# --- what a threshold rests on ---------------------------------------------------------------


def said(threshold, people: int) -> str:
    return "\n".join(wording.lines(threshold, people))


def test_it_rests_on_the_cohort_scored_against_the_gallery():
    rule = rule_of(8)
    scores = rule.scaled(
        rule.scorer.name(made_up_cohort().vectors, made_up_cohort().typicality).score
    )
    for far, level, most in ((0.01, None, 15), (0.05, 0.95, 75)):
        made = rule.threshold(far, level)
        assert made.uses == "built" and made.short is None and not made.calibration.estimate
        assert np.sum(scores >= made.value) == made.calibration.accepted
        assert 0.5 * most < made.calibration.accepted <= most
    text = said(rule.threshold(0.01), 8)
    assert "at most 1% of faces accepted, on average" in text
    assert "1,500 strangers of made-up people, scored against the 8 people enrolled" in text
    assert "95% interval" in text and "one-sided bound" in text and "like those" in text
    assert "with 95% confidence" in said(rule.threshold(0.05, 0.95), 8)


def test_the_scale_has_strangers_at_0_and_the_enrolled_at_1():
    for people, photos in ((3, 3), (60, 1), (60, 3)):
        data = split(people, photos, 4, 500, seed=9)
        rule = OpenSetRule.fit(
            data.x, data.y, names_of(np.arange(people)), SPACE, cohorts=[made_up_cohort()]
        )
        assert abs(np.median(rule.name(data.strangers).score)) < 0.15
        own = rule.scaled(rule.scorer.score(data.probes, data.owners))
        assert abs(np.median(own) - 1) < 0.2
        assert rule.raw(float(rule.scaled(0.5))) == pytest.approx(0.5)


@pytest.mark.parametrize("people", [2, 20, 60])
def test_the_rate_asked_is_the_rate_achieved(people):
    achieved = []
    for seed in range(8):
        data = split(people, 3, 1, 1500, seed=seed)
        rule = OpenSetRule.fit(
            data.x, data.y, names_of(np.arange(people)), SPACE, cohorts=[made_up_cohort()]
        )
        achieved.append(np.mean(rule.name(data.strangers).score >= rule.threshold(0.02).value))
    assert 0.013 < np.mean(achieved) < 0.028


def test_strangers_given_come_first_and_fall_back_where_they_are_too_few():
    given = Cohort.of(faces(60, 1, seed=7)[0], np.arange(60), "photos given", "strangers")
    rule = rule_of(8, cohorts=[given, made_up_cohort()])
    assert rule.threshold(0.05).uses == "strangers"
    assert "60 strangers, one photo each" in said(rule.threshold(0.05), 8)
    made = rule.threshold(0.01)
    assert made.uses == "built" and made.short is not None and made.short.n == 60
    assert "60 strangers support a rate of 1.6% at best" in said(made, 8)
    bare = rule_of(8, cohorts=[given]).threshold(0.01)
    assert bare.uses == "nobody" and bare.value == math.inf
    text = said(bare, 8)
    assert "60 strangers support a rate of 1.6% at best, so nobody is accepted" in text
    assert "photos of 99 strangers" in text and "299" in text


def test_without_a_cohort_people_are_left_out_in_turn():
    made = rule_of(120, cohorts=[]).threshold(0.05)
    assert made.uses == "people" and made.calibration.estimate and made.calibration.n == 120
    text = said(made, 120)
    assert "120 people left out in turn" in text and "estimate" in text
    few = rule_of(8, cohorts=[]).threshold(0.01)
    assert few.uses == "nobody" and few.value == math.inf
    assert "8 people left out in turn support a rate of 11% at best" in said(few, 8)
    alone = rule_of(1, 1, cohorts=[]).threshold(0.01)
    assert alone.uses == "nobody" and "nobody is accepted" in said(alone, 1)


def test_a_single_person_rests_on_the_cohort_too():
    made = rule_of(1, 1).threshold(0.01)
    assert made.uses == "built" and math.isfinite(made.value)
    assert rule_of(1).threshold(1e-6).uses == "nobody"


def test_a_lower_rate_never_lowers_the_threshold():
    for rule in (rule_of(4), rule_of(60), rule_of(60, cohorts=[])):
        for level in (None, 0.95):
            fars = (0.3, 0.1, 0.03, 0.01, 0.003, 0.001)
            values = [rule.threshold(far, level).value for far in fars]
            assert sorted(values) == values
    for far, level in ((0, None), (1, None), (math.nan, None), (0.1, 0), (0.1, 1)):
        with pytest.raises(UsageError):
            rule_of(4).threshold(far, level)


# --- confidence ------------------------------------------------------------------------------


def share(rule: OpenSetRule, scores: np.ndarray, prior: float = 0.5) -> np.ndarray:
    """Confidences of faces of these scores that are named for the first person."""
    return rule.confidences(scores, np.zeros(len(scores), int), prior)


@pytest.mark.parametrize("cohorts", [None, []], ids=["cohort", "none"])
@pytest.mark.parametrize("people", [1, 2, 30])
def test_confidence_is_a_probability_that_rises_with_the_score(people, cohorts):
    rule = rule_of(people, cohorts=cohorts)
    at = np.linspace(-3, 4, 3000)
    for prior in (0.0, 0.01, 0.5, 0.99, 1.0):
        shares = share(rule, at, prior)
        assert np.all((shares >= 0) & (shares <= 1)) and np.all(np.diff(shares) >= -1e-12)
    middle = np.linspace(0, 1, 50)
    assert np.all(share(rule, middle, 0.1) >= share(rule, middle, 0.5))
    assert np.all(share(rule, middle, 0.5) >= share(rule, middle, 0.9))
    assert np.all(share(rule, middle, 1.0) == 0)
    assert share(rule, np.array([0.0]))[0] < 0.3 and share(rule, np.array([1.0]))[0] > 0.7
    for prior in (-0.1, 1.1, math.nan):
        with pytest.raises(UsageError, match="share of strangers"):
            share(rule, at, prior)


@pytest.mark.parametrize("people", [4, 25, 80])
def test_confidence_is_about_the_truth(measured, people):
    shares, right, weights = [], [], []
    for seed in range(5):
        data = split(people, 3, 3, 300, seed=50 + seed)
        made = Classifier.train(data.x, names_of(data.y), names_of(data.y), recipe={}, space=SPACE)
        for vectors, owners in ((data.probes, data.owners), (data.strangers, None)):
            named, scores = made.score(vectors)
            shares.append(made.confidence(scores, named))
            truth = np.zeros(len(named), bool) if owners is None else named == owners
            right.append(truth)
            weights.append(np.full(len(named), 1 / len(named)))
    table = reliability(*map(np.concatenate, (shares, right, weights)))
    assert table.gap < 0.03


# --- the classifier --------------------------------------------------------------------------


def test_strangers_are_refused_at_the_rate_and_people_are_known(measured):
    data = split(100, 3, 2, 1500, seed=3)
    made = Classifier.train(
        data.x, names_of(data.y), names_of(data.y), recipe={}, space=SPACE,
        settings=Settings(far=0.05),
    )  # fmt: skip
    accepted = made.score(data.strangers)[1] >= made.calibrate().value
    assert 0.03 < np.mean(accepted) < 0.07
    strangers = np.array([d.name is not None for d in made.decide(data.strangers)])
    assert np.all(accepted[strangers])
    known = [d.name for d in made.decide(data.probes)]
    assert np.mean([a == b for a, b in zip(known, names_of(data.owners), strict=True)]) > 0.8
    everyone = made.decide(data.strangers, threshold=-9.0)
    assert all(d.name == d.closest or d.second for d in everyone)
    assert made.decide(data.strangers[:0]) == []


def test_a_face_between_two_people_is_given_to_neither(measured):
    x, y = faces(10, 3)
    made = trained(x, y)
    twin = x[3:6] + 0.03 * np.random.default_rng(0).normal(size=(3, 128)) / 128**0.5
    x = np.concatenate([x, (twin / np.linalg.norm(twin, axis=1)[:, None]).astype(np.float32)])
    twins = trained(x, np.append(y, [10] * 3))
    (one,) = made.decide(x[3:4])
    assert one.name == "p0001" and one.second is None
    (between,) = twins.decide(x[3:4])
    assert between.name is between.person is None
    assert {between.closest, between.second} == {"p0001", "p0010"}
    assert "unsure between" in repr(between)
    found = twins.rule.name(x[3:4])
    assert found.score[0] - found.second_score[0] < UNSURE
    (stranger,) = twins.decide(x[3:4], threshold=9.0)
    assert stranger.second is None  # who is not accepted is nobody's


def trained(x: np.ndarray, y: np.ndarray, **options) -> Classifier:
    """People p0000, ... whose ids are their names backwards."""
    names = names_of(y)
    ids = [name[::-1] for name in names]
    return Classifier.train(x, names, names, ids=ids, recipe={}, space=SPACE, **options)


def assert_same(made: Classifier, honest: Classifier) -> None:
    assert made.people == honest.people and made.ids == honest.ids and made.chips == honest.chips
    assert np.array_equal(made.labels, honest.labels)
    assert np.array_equal(made.vectors, honest.vectors)
    for far in (0.2, 0.05):
        assert made.calibrate(far).value == pytest.approx(honest.calibrate(far).value, abs=1e-6)
    probes, _ = faces(20, 1, seed=8)
    for mine, theirs in zip(made.score(probes), honest.score(probes), strict=True):
        assert np.allclose(mine, theirs, atol=1e-6)
    sure, honestly = (each.confidence(*reversed(each.score(probes))) for each in (made, honest))
    assert np.allclose(sure, honestly, atol=1e-6)
    check_whole(made)


@pytest.mark.parametrize("people", [2, 3, 5, 9, 40, pytest.param(150, marks=pytest.mark.heavy)])
def test_a_person_added_or_removed_is_as_if_trained_anew(measured, people):
    x, y = faces(people, 3, noise=0.6)
    made = trained(x, y)
    for gone in {0, people // 2, people - 1}:
        honest = trained(x[y != gone], y[y != gone])
        less = made.without(f"p{gone:04d}"[::-1])
        assert_same(less, honest)
        # ... and back again, now as the last.
        mine, name = x[y == gone], f"p{gone:04d}"
        order = np.argsort(y == gone, kind="stable")
        assert_same(
            less.with_person(name[::-1], name, mine, [name] * 3), trained(x[order], y[order])
        )
    # More photos of somebody who is enrolled.
    some = np.arange(len(x)) != 1
    more = trained(x[some], y[some]).with_person("0000p", "p0000", x[1:2], ["p0000"])
    order = np.argsort(np.arange(len(x)) == 1, kind="stable")
    assert_same(more, trained(x[order], y[order]))


def test_one_person_more_among_thousands_takes_no_time(measured):
    x, y = faces(5001, 3)
    made = trained(x[:-3], y[:-3])
    start = time.process_time()
    more = made.with_person("new", "New", x[-3:], ["a", "b", "c"])
    added = time.process_time() - start
    start = time.process_time()
    less = more.without("new")
    removed = time.process_time() - start
    assert added < 0.9 and removed < 0.9, f"{added:.2f} s, {removed:.2f} s of processor time"
    assert more.people[-1] == "New" and less.people == made.people


def test_ids_tell_people_of_one_name_apart(measured, tmp_path):
    x, y = faces(4, 3)
    names = ["Ann" if label in (1, 3) else f"p{label}" for label in y]
    ids = [f"id-{label}" for label in y]
    made = Classifier.train(x, names, names, ids=ids, recipe={}, space=SPACE)
    assert made.ids == ("id-0", "id-1", "id-2", "id-3")
    assert made.people == ("p0", "Ann", "p2", "Ann")
    (decision,) = made.decide(x[-1:], threshold=-9.0)
    assert (decision.person, decision.name) == ("id-3", "Ann")
    (stranger,) = made.decide(x[-1:], threshold=9.0)
    assert (stranger.person, stranger.name, stranger.closest) == (None, None, "Ann")
    made.save(tmp_path / "c.pkl")
    again = Classifier.load(tmp_path / "c.pkl")
    assert_same(again, made)
    drawn = Classifier.train(x, names, names, recipe={}, space=SPACE)
    assert drawn.people == ("p0", "Ann", "p2") and all(len(each) == 12 for each in drawn.ids)


def test_classifiers_of_versions_before_are_brought_forward(measured, tmp_path):
    x, y = faces(6, 3)
    made = trained(x, y, settings=Settings(far=0.02))
    old = {
        "format": "openfaceplus classifier", "format_version": 2, "version": "0",
        "people": list(made.people), "vectors": x, "labels": y.astype(np.int32),
        "chips": list(made.chips), "strangers": None, "recipe": {}, "space": SPACE,
        "settings": ["LinearSvm", 0, 0.02, None], "namer": {}, "rule": {},
    }  # fmt: skip
    safe.dump(tmp_path / "c.pkl", old)
    again = Classifier.load(tmp_path / "c.pkl")
    assert again.people == made.people and again.settings.far == 0.02
    assert again.ids == Classifier.load(tmp_path / "c.pkl").ids
    assert np.allclose(again.score(x)[1], made.score(x)[1], atol=1e-6)
    newer = old | {
        "format_version": 3, "people": pack(made.people), "ids": pack(made.ids),
        "chips": pack(made.chips),
    }  # fmt: skip
    safe.dump(tmp_path / "c.pkl", newer)
    assert_same(Classifier.load(tmp_path / "c.pkl"), made)


def test_what_is_trained_and_decided_shows_in_one_short_line(measured):
    x, y = faces(300, 3)
    made = trained(x, y)
    assert repr(made) == f"<Classifier: 300 people, 900 photos, {SPACE}>"
    assert repr(Model(made, None)) == f"<Model: Classifier: 300 people, 900 photos, {SPACE}>"
    shown = repr(made.decide(x[:1], threshold=-9.0) + made.decide(x[:1], threshold=9.0))
    assert re.fullmatch(
        r"\[<p0000, confidence \d\.\d\d>, <unknown, closest p0000, confidence \d\.\d\d>\]", shown
    )
