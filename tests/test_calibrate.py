"""Rates of strangers: exact where statistics are exact, and by simulation where they promise."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, binom
from vectors import SPACE, faces, names_of, split

from openfaceplus.classify import calibrate
from openfaceplus.classify.calibrate import from_scores
from openfaceplus.classify.rule import OpenSetRule
from openfaceplus.errors import UsageError

FACTS = {0.10: (9, 29), 0.05: (19, 59), 0.01: (99, 299), 0.003: (333, 998), 0.001: (999, 2995)}

scores = st.lists(st.floats(-1, 1).map(lambda x: round(x, 2)), min_size=1, max_size=60)
rates = st.floats(0.0005, 0.9)
confidences = st.sampled_from([None, 0.5, 0.9, 0.95, 0.99])


@given(st.integers(1, 400), st.data(), st.sampled_from([0.8, 0.95, 0.975]))
@settings(max_examples=60, deadline=None)
def test_bounds_are_clopper_and_pearsons(n, data, confidence):
    k = data.draw(st.integers(0, n))
    upper = 1.0 if k == n else beta.ppf(confidence, k + 1, n - k)
    lower = 0.0 if k == 0 else beta.ppf(1 - confidence, k, n - k + 1)
    assert calibrate.upper_bound(k, n, confidence) == pytest.approx(upper, abs=1e-9)
    assert calibrate.lower_bound(k, n, confidence) == pytest.approx(lower, abs=1e-9)


def test_bounds_of_many_are_exact_and_quick():
    for k, n in ((0, 20_000), (37, 20_000), (19_990, 20_000)):
        assert calibrate.upper_bound(k, n) == pytest.approx(beta.ppf(0.95, k + 1, n - k), abs=1e-9)
        low = 0.0 if k == 0 else beta.ppf(0.05, k, n - k + 1)
        assert calibrate.lower_bound(k, n) == pytest.approx(low, abs=1e-9)


@given(st.integers(1, 800), rates, st.sampled_from([0.5, 0.9, 0.95]))
@settings(max_examples=80, deadline=None)
def test_as_many_are_allowed_as_the_bound_permits(n, far, sure):
    k = calibrate.allowed(n, far, sure)
    tails = binom.cdf([k, k + 1], n, far)
    assert k < 0 or tails[0] <= 1 - sure + 1e-9
    assert k + 1 >= n or tails[1] > 1 - sure - 1e-9


@pytest.mark.parametrize(("far", "people"), FACTS.items())
def test_how_many_are_needed_is_the_table_in_the_facts(far, people):
    assert (calibrate.needed(far), calibrate.needed(far, 0.95)) == people
    for sure, n in zip((None, 0.95), people, strict=True):
        spread = np.linspace(0, 1, n)
        assert from_scores(spread, far, sure).met
        assert from_scores(spread, far, sure).threshold == 1.0
        # The largest of all scores is the last resort: one stranger less supports nothing.
        less = from_scores(spread[:-1], far, sure)
        assert not less.met and less.threshold == math.inf and less.accepted == 0


@given(scores, rates, confidences)
@settings(max_examples=150, deadline=None)
def test_strangers_threshold(values, far, sure):
    made = from_scores(np.array(values), far, sure)
    assert made.n == len(values) and not made.estimate
    assert made.met == math.isfinite(made.threshold)
    assert made.met == (far >= calibrate.supported(made.n, sure))
    # Ties are refused together, never accepted together.
    assert made.accepted == sum(value > made.threshold for value in values)
    assert made.accepted <= far * (made.n + 1)
    assert 0 <= made.interval[0] <= made.accepted / made.n <= made.interval[1] <= 1
    assert made.accepted / made.n <= made.bound <= 1
    if made.met:
        assert made.threshold in values


@given(scores, rates, rates, confidences)
@settings(max_examples=80, deadline=None)
def test_a_higher_rate_never_asks_for_a_higher_score(values, one, other, sure):
    low, high = sorted((one, other))
    strict, loose = (from_scores(np.array(values), far, sure).threshold for far in (low, high))
    assert strict >= loose


@given(scores, rates, st.sampled_from([(0.5, 0.8), (0.9, 0.99)]))
@settings(max_examples=40, deadline=None)
def test_more_confidence_never_asks_for_less(values, far, sures):
    less, more = (from_scores(np.array(values), far, sure).threshold for sure in sures)
    assert more >= less


def test_people_left_out_are_an_estimate():
    made = from_scores(np.arange(19.0), 0.05, estimate=True)
    assert made.estimate and made.threshold == 18 and made.to_dict()["interval"] == made.interval


def test_nobody_supports_nothing():
    made = from_scores(np.empty(0), 0.6)
    assert made.threshold == math.inf and made.accepted == 0 and made.supported == 1
    assert made.interval == (0.0, 1.0) and made.bound == 1


@pytest.mark.parametrize("ask", [0, 1, -0.1, 1.5, math.nan, math.inf])
def test_rates_that_make_no_sense_are_refused(ask):
    with pytest.raises(UsageError, match="rate of strangers"):
        from_scores(np.zeros(9), ask)
    with pytest.raises(UsageError, match="confidence level"):
        from_scores(np.zeros(9), 0.5, ask)


@pytest.mark.parametrize(("n", "far"), [(19, 0.05), (150, 0.02), (600, 0.01)])
def test_strangers_rates_hold(n, far):
    """Uniform scores: the achieved rate of a threshold t is 1 - t."""
    generator = np.random.default_rng(n)
    draws = 600
    values = generator.random((draws, n))
    average = np.array([1 - from_scores(row, far).threshold for row in values])
    promised = math.floor(far * (n + 1) + 1e-9) / (n + 1)
    noise = average.std() / draws**0.5
    assert average.mean() <= promised + 4 * noise and promised <= far
    assert average.mean() >= promised - 4 * noise
    if n >= calibrate.needed(far, 0.95):
        sure = np.array([1 - from_scores(row, far, 0.95).threshold for row in values[:300]])
        exceeded = int((sure > far).sum())
        assert binom.sf(exceeded - 1, len(sure), 0.05) > 1e-3, f"{exceeded} of {len(sure)}"


def achieved(people: int, far: float, draws: int) -> float:
    """The mean rate at thresholds from galleries of made-up people, on strangers never seen."""
    everyone, _ = faces(1000, 1, seed=99)
    rates = []
    for seed in range(draws):
        data = split(people, 3, 0, 0, seed=seed)
        rule = OpenSetRule.fit(data.x, data.y, names_of(np.arange(people)), SPACE)
        rates.append(np.mean(rule.name(everyone).score >= rule.threshold(far).value))
    return float(np.mean(rates))


@pytest.mark.parametrize(("people", "far"), [(30, 0.1), (60, 0.05)])
def test_left_out_people_give_about_the_rate(people, far):
    rate = achieved(people, far, 10)
    assert far / 1.5 < rate < far * 1.5
