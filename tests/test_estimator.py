"""The open-set classifier among scikit-learn's tools."""

from __future__ import annotations

import pickle
import warnings

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import Normalizer, StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks
from vectors import SPACE, faces, made_up_cohort, names_of, split

from openfaceplus.classify import OpenSetClassifier, cohort
from openfaceplus.errors import UnsupportedRate


def unsupported(estimator: OpenSetClassifier) -> dict[str, str]:
    """The checks that a classifier which may answer with no class at all cannot pass."""
    checks = ("one_label", "classes", "train")
    reason = "some samples are of no class"
    named = {f"check_classifiers_{check}": reason for check in checks}
    named["check_decision_proba_consistency"] = reason
    return {} if estimator.far is None else named


@parametrize_with_checks(
    [OpenSetClassifier(), OpenSetClassifier(far=None), OpenSetClassifier(far=None, C=0.5)],
    expected_failed_checks=unsupported,
)
def test_it_is_one_of_scikit_learns(estimator, check):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        check(estimator)


@pytest.fixture(scope="module")
def data():
    return split(60, 3, 2, 400)


@pytest.fixture(scope="module")
def names(data):
    return np.array(names_of(data.y))


def test_closed_set_without_a_rate(data, names):
    made = OpenSetClassifier(far=None).fit(data.x, names)
    assert made.score(data.probes, names_of(data.owners)) > 0.9
    assert set(made.predict(data.strangers)) <= set(made.classes_)
    shares = made.predict_proba(data.probes)
    assert np.allclose(shares.sum(axis=1), 1) and shares.min() >= 0
    assert np.array_equal(made.classes_[shares.argmax(axis=1)], made.predict(data.probes))
    assert made.decision_function(data.probes).shape == (120, 60)


def test_with_a_rate_strangers_are_rejected(data, names):
    made = OpenSetClassifier(far=0.1).fit(data.x, names)
    let_in = np.mean(made.predict(data.strangers) != "unknown")
    assert 0.02 < let_in < 0.2
    known = made.predict(data.probes)
    assert np.mean(known == names_of(data.owners)) > 0.75
    stricter = OpenSetClassifier(far=0.05, confidence_level=0.9).fit(data.x, names)
    assert stricter.threshold_ > made.threshold_
    accepted = made.open_set_score(data.probes) >= made.threshold_
    assert np.array_equal(accepted, known != "unknown")


def test_strangers_given_to_fit_make_the_threshold(data, names):
    half = len(data.strangers) // 2
    given, others = data.strangers[:half], data.strangers[half:]
    made = OpenSetClassifier(far=0.05).fit(data.x, names, strangers=given)
    assert np.mean(made.predict(given) != "unknown") <= 0.05
    assert np.mean(made.predict(others) != "unknown") < 0.12
    assert OpenSetClassifier(far=None).fit(data.x, names, strangers=given).threshold_ == -np.inf
    with pytest.raises(ValueError, match="features"):
        OpenSetClassifier(far=0.05).fit(data.x, names, strangers=given[:, :9])


@pytest.mark.parametrize("space", ["", SPACE])
def test_strangers_are_rejected_by_default(space):
    """Forty people and 310 samples: too few for one in a hundred, and said so; but no reason to
    accept nobody, or everybody."""
    people = split(40, 8, 2, 400)
    x, y = people.x[:310], people.y[:310]
    with pytest.warns(UnsupportedRate, match=r"39 classes .* support a rate of 2\.5% .* not 1%"):
        made = OpenSetClassifier(space=space).fit(x, y)
    assert np.isfinite(made.threshold_)
    known = made.predict(people.probes)
    assert np.mean(known == people.owners) > 0.8
    assert np.mean(made.predict(x) == y) > 0.9
    assert np.mean(made.predict(people.strangers) != -1) < 0.06
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        OpenSetClassifier(far=0.03, space=space).fit(x, y)


def test_too_few_strangers_are_the_threshold_and_said_to_be(data, names):
    with pytest.warns(UnsupportedRate, match="20 strangers support a rate of 4.8% at best"):
        made = OpenSetClassifier().fit(data.x, names, strangers=data.strangers[:20])
    assert np.all(made.predict(data.strangers[:20]) == "unknown")
    assert np.mean(made.predict(data.strangers) != "unknown") < 0.15


def test_a_cohort_serves_its_space(data, names, monkeypatch):
    monkeypatch.setattr(cohort, "find", lambda space: [made_up_cohort()] if space == SPACE else [])
    made = OpenSetClassifier(far=0.005, space=SPACE).fit(data.x, names)
    assert np.isfinite(made.threshold_) and len(made.rule_.scorer.typical)
    assert np.mean(made.predict(data.strangers) != "unknown") < 0.03
    shares = made.predict_proba(data.probes)
    assert shares.min() >= 0 and shares.sum(axis=1).max() <= 1 + 1e-9
    assert np.count_nonzero(shares, axis=1).max() == 1
    strange = made.predict_proba(data.strangers).sum(axis=1)
    assert shares.sum(axis=1).mean() > 0.8 > 0.3 > strange.mean()


@pytest.mark.parametrize(
    "kind", ["U", "object", "int64", "int8", "uint8", "float64", "bool"], ids=str
)
def test_labels_of_any_type(data, kind):
    few = data.y < (2 if kind == "bool" else 40)
    x, y = data.x[few], data.y[few]
    labels = np.array(names_of(y), dtype=kind) if kind in ("U", "object") else y.astype(kind)
    made = OpenSetClassifier(far=0.4).fit(x, labels)
    # The middle between all people is nobody; two people's photos are each other's opposites.
    answers = made.predict(np.concatenate([x, np.zeros_like(x) + x.mean(axis=0)]))
    unknown = "unknown" if kind in ("U", "object") else -1
    assert np.all(answers[len(x) :] == unknown) or kind == "bool"
    given = answers[: len(x)]
    assert np.all((given == labels) | (given == unknown))
    assert np.mean(given == labels) > 0.8 or kind == "bool"
    closed = OpenSetClassifier(far=None).fit(x, labels)
    assert closed.predict(x).dtype == closed.classes_.dtype


def test_the_unknown_label_may_be_chosen_and_not_be_a_class(data, names):
    made = OpenSetClassifier(far=0.1, unknown="nobody").fit(data.x, names)
    assert set(made.predict(-data.x)) == {"nobody"}
    with pytest.raises(ValueError, match="unknown"):
        OpenSetClassifier(far=0.1, unknown="p0003").fit(data.x, names)
    few = data.y < 2
    signs = np.where(data.y[few] == 0, -1, 1)
    with pytest.raises(ValueError, match="unknown"):
        OpenSetClassifier(far=0.1).fit(data.x[few], signs)
    other = OpenSetClassifier(far=0.1, unknown=0).fit(data.x, data.y + 1)
    assert 0 in other.predict(data.strangers) and -1 not in other.predict(data.strangers)
    assert set(OpenSetClassifier(far=None).fit(data.x[few], signs).predict(data.x[few])) == {-1, 1}


def test_pipelines_copies_and_pickles(data, names):
    made = make_pipeline(StandardScaler(), OpenSetClassifier(far=0.1)).fit(data.x, names)
    assert "unknown" in made.predict(data.strangers)
    assert np.mean(made.predict(data.probes) == names_of(data.owners)) > 0.5
    again = pickle.loads(pickle.dumps(made))
    assert np.array_equal(again.predict(data.strangers), made.predict(data.strangers))
    copy = clone(OpenSetClassifier(far=0.02, confidence_level=0.9, C=3, space="s", unknown="x"))
    assert copy.get_params() == {
        "far": 0.02, "confidence_level": 0.9, "C": 3, "space": "s", "unknown": "x",
    }  # fmt: skip
    with pytest.raises(NotFittedError):
        copy.predict(data.x)


def test_cross_validation_and_search(data, names):
    x, y = np.concatenate([data.x, data.probes]), np.append(names, names_of(data.owners))
    scores = cross_validate(OpenSetClassifier(far=None), x, y, cv=3)["test_score"]
    assert len(scores) == 3 and scores.min() > 0.9
    open_set = cross_val_predict(OpenSetClassifier(far=0.1), x, y, cv=3)
    assert 0.75 < np.mean(open_set == y) <= 1
    search = GridSearchCV(
        make_pipeline(Normalizer(), OpenSetClassifier(far=None)),
        {"opensetclassifier__C": [0.1, 10]},
        cv=2,
    )
    assert search.fit(x, y).best_score_ > 0.9


def test_shift_and_scale_do_not_matter(data, names):
    made = OpenSetClassifier(far=0.1).fit(data.x, names)
    moved = OpenSetClassifier(far=0.1).fit(data.x * 50 + 1000, names)
    same = made.predict(data.probes) == moved.predict(data.probes * 50 + 1000)
    assert np.mean(same) > 0.97


def test_one_class_and_rates_that_make_no_sense():
    x, y = faces(1, 4)
    assert OpenSetClassifier(far=None).fit(x, y).predict(-x).tolist() == [0] * 4
    with pytest.warns(UnsupportedRate, match="nobody is accepted"):
        alone = OpenSetClassifier(far=0.1).fit(x, y)
    assert alone.predict(x).tolist() == [-1] * 4  # nothing says how strangers score
    from openfaceplus.errors import UsageError

    for far in (0, 1, -1, float("nan")):
        with pytest.raises(UsageError, match="rate of strangers"):
            OpenSetClassifier(far=far).fit(*faces(9, 2))
