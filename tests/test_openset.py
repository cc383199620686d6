"""The open-set score, the rule that rests on it and the words that go with it."""

from __future__ import annotations

import math
import re
import time

import numpy as np
import pytest
from vectors import SPACE, faces, made_up_factory, names_of, nearest, split

from openfaceplus.classify import confidence, factory, openset, wording
from openfaceplus.classify.classifier import Classifier, Settings
from openfaceplus.classify.rule import SMALL, OpenSetRule
from openfaceplus.classify.stored import check_whole
from openfaceplus.errors import UsageError
from openfaceplus.evaluate.metrics import reliability
from openfaceplus.model import Model
from openfaceplus.weights import safe

FULL = openset.ScoreParams(center=np.eye(1, 128, dtype=np.float32)[0])
PLAIN = openset.ScoreParams(rivals=0.0, hub=0.0, mean=0.0)


@pytest.fixture
def measured(monkeypatch):
    """Factory numbers for the made-up space, and for no other."""
    made = made_up_factory()
    monkeypatch.setattr(factory, "load", lambda space: made if space == SPACE else None)
    return made


def rule_of(people: int, photos: int = 3, space: str = SPACE, seed: int = 0) -> OpenSetRule:
    x, y = faces(people, photos, seed)
    return OpenSetRule.fit(x, y, names_of(np.arange(people)), space)


def scorer_of(x: np.ndarray, y: np.ndarray, params: openset.ScoreParams) -> openset.Scorer:
    return openset.Scorer.of(x, y, names_of(np.arange(y.max() + 1)), params)


# --- the score -------------------------------------------------------------------------------


def slow_score(templates: np.ndarray, params, x: np.ndarray, who: int, gone: int = -1) -> float:
    """The formula of the module's docstring, word for word, were the person ``gone`` not there."""
    t = templates.astype(float)

    def near(v: np.ndarray, but: int) -> float:
        others = [max(float(v @ o), params.floor) for i, o in enumerate(t) if i not in (but, gone)]
        closest = [*sorted(others, reverse=True), params.floor, params.floor, params.floor][:3]
        return sum(closest) / 3

    score = x @ t[who] - params.rivals * near(x, who) - params.hub * near(t[who], who)
    return score + (0 if params.center is None else params.mean * float(x @ params.center))


@pytest.mark.parametrize("people", [1, 2, 3, 4, 5, 40, 300])
@pytest.mark.parametrize("params", [FULL, PLAIN], ids=["full", "plain"])
def test_the_score_is_its_formula(people, params):
    x, y = faces(people, 2)
    scorer = scorer_of(x, y, params)
    templates = scorer.gallery.vectors
    probes, _ = faces(6, 1, seed=4)
    order = np.argsort(-(probes @ templates.T), axis=1)
    for rank in {0, min(4, people - 1), min(9, people - 1)}:
        scores = scorer.score(probes, order[:, rank])
        slow = [
            slow_score(templates, params, probe.astype(float), who)
            for probe, who in zip(probes, order[:, rank], strict=True)
        ]
        assert np.allclose(scores, slow, atol=1e-6)
    if people > 10:  # who is not among the nearest ten is not meant
        assert np.all(scorer.score(probes, order[:, 10]) == -np.inf)


def test_without_rivals_hubs_and_mean_it_is_the_cosine():
    x, y = faces(12, 3)
    scorer = scorer_of(x, y, PLAIN)
    templates = scorer.gallery.vectors
    assert np.allclose(scorer.score(x, y), np.einsum("nd,nd->n", x, templates[y]))
    assert np.allclose(np.linalg.norm(templates, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("params", [FULL, PLAIN], ids=["full", "plain"])
@pytest.mark.parametrize(("people", "photos"), [(2, 1), (4, 3), (6, 2), (50, 3), (200, 2)])
def test_left_out_scores_are_those_of_a_gallery_without_the_person(people, photos, params):
    x, y = faces(people, photos)
    scorer = scorer_of(x, y, params)
    near = openset.Near.of(scorer.gallery, x, y)
    left = scorer.left_out(x, y, near)
    templates = scorer.gallery.vectors
    for i in range(0, len(x), 7):
        cosines = x[i] @ templates.T
        cosines[y[i]] = -2
        slow = slow_score(templates, params, x[i].astype(float), int(cosines.argmax()), int(y[i]))
        assert left[i] == pytest.approx(slow, abs=1e-6)
    for person in range(0, people, 5):
        mine = y == person
        others = np.flatnonzero(np.arange(people) != person)
        refit = scorer_of(x[~mine], np.searchsorted(others, y[~mine]), params)
        assert np.allclose(left[mine], nearest(refit, x[mine])[1], atol=1e-6)


def test_nobody_is_left_of_a_single_person():
    x, y = faces(1, 4)
    scorer = scorer_of(x, y, FULL)
    assert np.all(scorer.left_out(x, y, openset.Near.of(scorer.gallery, x, y)) == -np.inf)
    assert np.isfinite(scorer.score(x, y)).all()


def test_a_rival_lowers_the_score_and_a_stranger_far_away_does_not():
    x, y = faces(10, 3)
    probe, who = x[:1], np.zeros(1, int)
    before = scorer_of(x, y, FULL).score(probe, who)[0]
    rival = np.concatenate([x, probe])
    label = np.append(y, 10)
    assert scorer_of(rival, label, FULL).score(probe, who)[0] < before - 0.005
    far = np.concatenate([x, -probe])
    assert scorer_of(far, label, FULL).score(probe, who)[0] == pytest.approx(before, abs=1e-6)


# --- what a threshold rests on ---------------------------------------------------------------


def said(threshold, people: int) -> str:
    return "\n".join(wording.lines(threshold, people))


def test_it_rests_on_people_where_there_are_enough(measured):
    made = rule_of(120, space="unknown").threshold(0.05)
    assert made.uses == "people" and made.calibration.met and made.calibration.n == 120
    assert made.value == pytest.approx(made.calibration.threshold, abs=2e-6)
    assert made.calibration.threshold < made.value  # decisions are from it up
    blend = rule_of(120).threshold(0.05)
    assert blend.uses in ("people", "blend")
    ends = sorted((blend.factory, blend.calibration.threshold))
    assert ends[0] <= blend.value <= ends[1] + 2e-6
    assert "120 people left out in turn" in said(blend, 120)
    sure = rule_of(120).threshold(0.05, 0.95)
    assert sure.value >= max(sure.factory, sure.calibration.threshold)
    text = said(made, 120)
    assert "at most 5% of faces accepted, on average" in text
    assert "120 people left out in turn" in text and "estimate" in text
    assert "95% interval" in text and "one-sided bound" in text
    assert "at best" not in text


def test_it_rests_on_strangers_where_there_are_some(measured):
    strangers = faces(400, 1, seed=7)[0]
    x, y = faces(20, 3)
    rule = OpenSetRule.fit(x, y, names_of(np.arange(20)), SPACE)
    scores = nearest(rule.scorer, strangers)[1]
    rule = rule.with_strangers(scores)
    for sure, most in ((None, 20), (0.95, 13)):
        made = rule.threshold(0.05, sure)
        assert made.uses == "strangers" and not made.calibration.estimate
        assert np.sum(scores >= made.value) == made.calibration.accepted <= most
    assert "with 95% confidence" in said(made, 20)
    assert "400 strangers, one photo each" in said(made, 20)
    assert "like those" in said(made, 20)


def test_few_people_get_the_stricter_of_theirs_and_the_factorys(measured):
    made = rule_of(40).threshold(0.05)
    assert len(np.unique(rule_of(40).labels)) < SMALL and made.calibration.met
    assert made.uses == "stricter"
    assert made.value == pytest.approx(max(made.factory, made.calibration.threshold), abs=2e-6)
    text = said(made, 40)
    assert "stricter of that and the shipped calibration for 40 people" in text
    assert "measured on made-up faces" in text


def test_too_few_people_get_the_factorys_and_are_told_what_to_add(measured):
    made = rule_of(8).threshold(0.01)
    assert made.uses in ("factory", "stricter") and not made.calibration.met
    assert made.value >= made.factory
    text = said(made, 8)
    assert "8 people left out in turn support a rate of 11% at best" in text
    assert "99 strangers" in text and "299" in text and "photos of 99" in text


def test_a_single_person_rests_on_the_factory(measured):
    made = rule_of(1, 1).threshold(0.01)
    assert made.uses == "factory" and math.isfinite(made.value)
    assert made.value == pytest.approx(made.factory, abs=2e-6)
    assert "rests on the shipped calibration for 1 person" in said(made, 1)


def test_nobody_is_accepted_where_nothing_supports_the_rate(measured):
    for made in (rule_of(8, space="unknown").threshold(0.01), rule_of(8).threshold(1e-6)):
        assert made.uses == "nobody" and made.value == math.inf
        assert "Nobody is accepted" in said(made, 8)
    alone = rule_of(1, space="unknown").threshold(0.01)
    assert alone.uses == "nobody" and "1 person left out in turn supports" in said(alone, 1)


def test_too_few_strangers_fall_back_too(measured):
    rule = rule_of(8).with_strangers(np.linspace(0.3, 0.6, 30))
    made = rule.threshold(0.01)
    assert made.uses == "stricter" and made.value > 0.6  # above all strangers seen
    assert "30 strangers support a rate of 3.2% at best" in said(made, 8)
    bare = rule_of(8, space="unknown").with_strangers(np.linspace(0.3, 0.6, 30))
    assert bare.threshold(0.01).uses == "nobody"
    assert bare.threshold(0.1).uses == "strangers"


def test_a_lower_rate_never_lowers_the_threshold(measured):
    for rule in (rule_of(4), rule_of(30), rule_of(60), rule_of(60, space="unknown")):
        for sure in (None, 0.95):
            values = [rule.threshold(far, sure).value for far in np.geomspace(0.3, 0.0006, 40)]
            assert np.all(np.diff(values) >= -1e-12) if np.isfinite(values).all() else True
            finite = [value for value in values if math.isfinite(value)]
            assert finite == values[: len(finite)] and sorted(finite) == finite


def test_a_rule_survives_being_stored(measured):
    rule = rule_of(12)
    again = OpenSetRule.from_dict(rule.to_dict(), rule.labels, rule.scorer.gallery.people, SPACE)
    assert again.threshold(0.1) == rule.threshold(0.1)
    at = np.linspace(0.4, 0.7, 50)
    assert np.array_equal(share(again, at), share(rule, at))


# --- confidence ------------------------------------------------------------------------------


def share(rule: OpenSetRule, scores: np.ndarray, prior: float = 0.5) -> np.ndarray:
    """Confidences of faces of these scores that are named for the first person."""
    return rule.confidences(scores, np.zeros(len(scores), int), prior)


@pytest.mark.parametrize("space", [SPACE, "unknown"])
@pytest.mark.parametrize("people", [1, 2, 30])
def test_confidence_is_a_probability_that_rises_with_the_score(measured, people, space):
    rule = rule_of(people, space=space)
    at = np.linspace(-1.5, 2, 3000)
    for prior in (0.0, 0.01, 0.5, 0.99, 1.0):
        shares = share(rule, at, prior)
        assert np.all((shares >= 0) & (shares <= 1)) and np.all(np.diff(shares) >= -1e-12)
    middle = np.linspace(0.45, 0.6, 50)
    assert np.all(share(rule, middle, 0.1) >= share(rule, middle, 0.5))
    assert np.all(share(rule, middle, 0.5) >= share(rule, middle, 0.9))
    assert np.all(share(rule, middle, 1.0) == 0)
    for prior in (-0.1, 1.1, math.nan):
        with pytest.raises(UsageError, match="share of strangers"):
            share(rule, at, prior)


@pytest.mark.parametrize("people", [25, 80])
def test_confidence_is_about_the_truth(measured, people):
    shares, right, weights = [], [], []
    for seed in range(3):
        data = split(people, 3, 3, 300, seed=50 + seed)
        made = Classifier.train(data.x, names_of(data.y), names_of(data.y), recipe={}, space=SPACE)
        for vectors, owners in ((data.probes, data.owners), (data.strangers, None)):
            named, scores = made.score(vectors)
            shares.append(made.confidence(scores, named))
            truth = np.zeros(len(named), bool) if owners is None else named == owners
            right.append(truth)
            weights.append(np.full(len(named), 1 / len(named)))
    table = reliability(*map(np.concatenate, (shares, right, weights)))
    assert table.gap < 0.06


def test_plain_confidence_is_a_half_at_the_threshold():
    sure = confidence.plain(np.linspace(0.7, 0.9, 50), 0.88)
    assert sure.of(np.array([0.88]), np.ones(1))[0] == pytest.approx(0.5)


# --- the classifier --------------------------------------------------------------------------


def test_strangers_are_refused_at_the_rate_and_people_are_known(measured):
    data = split(100, 3, 2, 1500, seed=3)
    made = Classifier.train(
        data.x, names_of(data.y), names_of(data.y), recipe={}, space=SPACE,
        settings=Settings(far=0.05),
    )  # fmt: skip
    strangers = [d.name for d in made.decide(data.strangers)]
    assert sum(name is not None for name in strangers) / len(strangers) < 0.08
    known = [d.name for d in made.decide(data.probes)]
    assert np.mean([a == b for a, b in zip(known, names_of(data.owners), strict=True)]) > 0.8
    everyone = made.decide(data.strangers, threshold=-1.0)
    assert all(d.name == d.closest for d in everyone)
    assert made.decide(data.strangers[:0]) == []


def trained(x: np.ndarray, y: np.ndarray, **options) -> Classifier:
    """People p0000, ... whose ids are their names backwards."""
    names = names_of(y)
    ids = [name[::-1] for name in names]
    return Classifier.train(x, names, names, ids=ids, recipe={}, space=SPACE, **options)


def assert_same(made: Classifier, honest: Classifier) -> None:
    assert made.people == honest.people and made.ids == honest.ids and made.chips == honest.chips
    assert np.array_equal(made.labels, honest.labels)
    assert np.array_equal(made.vectors, honest.vectors)
    for mine, theirs in ((made.rule.near, honest.rule.near),
                         (made.rule.scorer.near, honest.rule.scorer.near)):  # fmt: skip
        assert np.array_equal(mine.who, theirs.who)
        assert np.allclose(mine.cosine, theirs.cosine, atol=1e-6)
    assert np.allclose(made.rule.left_out, honest.rule.left_out, atol=1e-6)
    for far in (0.2, 0.05):
        assert made.calibrate(far).value == pytest.approx(honest.calibrate(far).value, abs=1e-6)
    probes, _ = faces(20, 1, seed=8)
    for mine, theirs in zip(made.score(probes), honest.score(probes), strict=True):
        assert np.allclose(mine, theirs, atol=1e-6)
    check_whole(made)


@pytest.mark.parametrize("people", [2, 3, 5, 9, 150])
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
    assert added < 0.5 and removed < 0.5, f"{added:.2f} s, {removed:.2f} s of processor time"
    assert more.people[-1] == "New" and less.people == made.people


def test_ids_tell_people_of_one_name_apart(measured, tmp_path):
    x, y = faces(4, 3)
    names = ["Ann" if label in (1, 3) else f"p{label}" for label in y]
    ids = [f"id-{label}" for label in y]
    made = Classifier.train(x, names, names, ids=ids, recipe={}, space=SPACE)
    assert made.ids == ("id-0", "id-1", "id-2", "id-3")
    assert made.people == ("p0", "Ann", "p2", "Ann")
    (decision,) = made.decide(x[-1:], threshold=-1.0)
    assert (decision.person, decision.name) == ("id-3", "Ann")
    (stranger,) = made.decide(x[-1:], threshold=9.0)
    assert (stranger.person, stranger.name, stranger.closest) == (None, None, "Ann")
    made.save(tmp_path / "c.pkl")
    again = Classifier.load(tmp_path / "c.pkl")
    assert_same(again, made)
    drawn = Classifier.train(x, names, names, recipe={}, space=SPACE)
    assert drawn.people == ("p0", "Ann", "p2") and all(len(each) == 12 for each in drawn.ids)


def test_classifiers_of_the_version_before_are_brought_forward(measured, tmp_path):
    x, y = faces(6, 3)
    made = trained(x, y)
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
    assert np.allclose(again.rule.left_out, made.rule.left_out, atol=1e-6)


def test_what_is_trained_and_decided_shows_in_one_short_line(measured):
    x, y = faces(300, 3)
    made = trained(x, y)
    assert repr(made) == f"<Classifier: 300 people, 900 photos, {SPACE}>"
    assert repr(Model(made, None)) == f"<Model: Classifier: 300 people, 900 photos, {SPACE}>"
    shown = repr(made.decide(x[:1], threshold=-1.0) + made.decide(x[:1], threshold=9.0))
    assert re.fullmatch(
        r"\[<p0000, confidence \d\.\d\d>, <unknown, closest p0000, confidence \d\.\d\d>\]", shown
    )
