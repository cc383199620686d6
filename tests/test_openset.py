"""The open-set score, the rule that rests on it and the words that go with it."""

from __future__ import annotations

import math

import numpy as np
import pytest
from vectors import SPACE, faces, made_up_factory, names_of, split

from openfaceplus.classify import confidence, factory, openset, wording
from openfaceplus.classify.classifier import Classifier, Settings
from openfaceplus.classify.rule import SMALL, OpenSetRule
from openfaceplus.classify.svm import fit_ovr
from openfaceplus.errors import UsageError
from openfaceplus.evaluate.metrics import reliability

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
    _, named = fit_ovr(x, y, leave_out=True)
    return OpenSetRule.fit(x, y, space, named)


# --- the score -------------------------------------------------------------------------------


def slow_score(gallery: openset.Gallery, x: np.ndarray, who: int) -> float:
    """The formula of the module's docstring, word for word."""
    params, t = gallery.params, gallery.templates.astype(float)

    def near(v: np.ndarray, but: int) -> float:
        others = sorted((max(float(v @ o), params.floor) for i, o in enumerate(t) if i != but))
        closest = [*others[::-1], params.floor, params.floor, params.floor][:3]
        return sum(closest) / 3

    score = x @ t[who] - params.rivals * near(x, who) - params.hub * near(t[who], who)
    return score + (0 if params.center is None else params.mean * float(x @ params.center))


@pytest.mark.parametrize("people", [1, 2, 3, 4, 5, 40])
@pytest.mark.parametrize("params", [FULL, PLAIN], ids=["full", "plain"])
def test_the_score_is_its_formula(people, params):
    x, y = faces(people, 2)
    gallery = openset.enrol(x, y, params)
    probes, _ = faces(6, 1, seed=4)
    for who in {0, people // 2, people - 1}:
        scores = gallery.score(probes, np.full(6, who))
        slow = [slow_score(gallery, probe.astype(float), who) for probe in probes]
        assert np.allclose(scores, slow, atol=2e-6)


def test_without_rivals_hubs_and_mean_it_is_the_cosine():
    x, y = faces(12, 3)
    gallery = openset.enrol(x, y, PLAIN)
    assert np.allclose(gallery.score(x, y), np.einsum("nd,nd->n", x, gallery.templates[y]))
    assert np.allclose(np.linalg.norm(gallery.templates, axis=1), 1, atol=1e-6)


@pytest.mark.parametrize("params", [FULL, PLAIN], ids=["full", "plain"])
@pytest.mark.parametrize(("people", "photos"), [(2, 1), (4, 3), (6, 2), (50, 3)])
def test_left_out_scores_are_those_of_a_gallery_without_the_person(people, photos, params):
    x, y = faces(people, photos)
    gallery = openset.enrol(x, y, params)
    _, named = fit_ovr(x, y, leave_out=True)
    left = openset.left_out(gallery, x, y, named)
    for person in range(people):
        mine = y == person
        others = np.flatnonzero(np.arange(people) != person)
        refit = openset.enrol(x[~mine], np.searchsorted(others, y[~mine]), params)
        honest = refit.score(x[mine], np.searchsorted(others, named[mine]))
        assert np.allclose(left[mine], honest, atol=2e-6)


def test_nobody_is_left_of_a_single_person():
    x, y = faces(1, 4)
    gallery = openset.enrol(x, y, FULL)
    assert np.all(openset.left_out(gallery, x, y, np.full(4, -1)) == -np.inf)
    assert np.isfinite(gallery.score(x, y)).all()


def test_a_rival_lowers_the_score_and_a_stranger_far_away_does_not():
    x, y = faces(10, 3)
    probe, who = x[:1], np.zeros(1, int)
    before = openset.enrol(x, y, FULL).score(probe, who)[0]
    rival = np.concatenate([x, probe])
    label = np.append(y, 10)
    assert openset.enrol(rival, label, FULL).score(probe, who)[0] < before - 0.005
    far = np.concatenate([x, -probe])
    assert openset.enrol(far, label, FULL).score(probe, who)[0] == pytest.approx(before, abs=1e-6)


def test_blocks_do_not_matter(monkeypatch):
    x, y = faces(60, 3)
    _, named = fit_ovr(x, y, leave_out=True)
    gallery = openset.enrol(x, y, FULL)
    whole = gallery.score(x, y), openset.left_out(gallery, x, y, named)
    monkeypatch.setattr(openset, "_BLOCK", 7)
    parts = gallery.score(x, y), openset.left_out(gallery, x, y, named)
    assert np.allclose(whole[0], parts[0], atol=1e-6)
    assert np.allclose(whole[1], parts[1], atol=1e-6)


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
    machine, named = fit_ovr(x, y, leave_out=True)
    rule = OpenSetRule.fit(x, y, SPACE, named)
    scores = rule.gallery.score(strangers, machine.names(strangers))
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
    again = OpenSetRule.from_dict(rule.to_dict(), rule.labels, SPACE)
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
        with pytest.raises(UsageError, match="--prior"):
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


def test_a_classifier_without_a_person_is_one_that_never_knew_them(measured):
    x, y = faces(9, 3)
    made = Classifier.train(x, names_of(y), names_of(y), recipe={}, space=SPACE)
    less = made.without("p0004")
    honest = Classifier.train(
        x[y != 4], names_of(y[y != 4]), names_of(y[y != 4]), recipe={}, space=SPACE
    )
    assert less.people == honest.people and "p0004" not in less.people
    assert np.array_equal(less.rule.left_out, honest.rule.left_out)
    assert less.calibrate(0.2) == honest.calibrate(0.2)
