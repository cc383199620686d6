"""The linear machine: it is scikit-learn's, as plain arrays, where it does not take long."""

from __future__ import annotations

import time

import numpy as np
import pytest
from vectors import SPACE, faces, names_of, split

from openfaceplus.classify import svm
from openfaceplus.classify.classifier import Classifier
from openfaceplus.classify.openset import CANDIDATES
from openfaceplus.classify.training import Settings


def reference(x: np.ndarray, y: np.ndarray, c: float = 10.0):
    """liblinear itself, run to the end: far too slow for hundreds of people."""
    from sklearn.svm import LinearSVC

    return LinearSVC(C=c, tol=1e-9, max_iter=200_000, random_state=0).fit(x.astype(np.float64), y)


@pytest.mark.parametrize("c", [1.0, 10.0, 100.0])
def test_it_is_liblinears_solution(c):
    x, y = faces(20, 3)
    ours, theirs = svm.fit(x, y, c), reference(x, y, c)
    # What liblinear stops at by default is a thousandth of a margin away from the end.
    assert np.abs(ours.coef - theirs.coef_).max() < 0.02
    probes, _ = faces(20, 5, seed=1)
    assert np.array_equal(ours.names(probes), theirs.predict(probes.astype(np.float64)))


@pytest.mark.parametrize("photos", [1, 4])
def test_two_people_have_a_machine_each(photos):
    x, y = faces(2, photos)
    machine = svm.fit(x, y)
    assert machine.coef.shape == (2, 128) and machine.intercept.shape == (2,)
    assert np.array_equal(machine.names(x), y)
    assert np.array_equal(machine.coef[0], -machine.coef[1])
    assert machine.names(np.empty((0, 128), np.float32)).tolist() == []


def test_two_fits_are_the_same_to_the_last_bit():
    x, y = faces(50, 3)
    a, b = svm.fit(x, y), svm.fit(x, y)
    assert a.coef.tobytes() == b.coef.tobytes() and a.intercept.tobytes() == b.intercept.tobytes()


def trained(x: np.ndarray, y: np.ndarray, **settings) -> Classifier:
    names = names_of(y)
    return Classifier.train(x, names, names, recipe={}, space=SPACE, settings=Settings(**settings))


def test_it_names_faces_while_training_it_takes_no_time():
    few = trained(*faces(50, 3))
    assert isinstance(few.namer, svm.LinearOvR) and len(few.namer.coef) == 50
    x, y = faces(1000, 5)
    start = time.process_time()
    many = trained(x, y)
    taken = time.process_time() - start
    assert many.namer is None and taken < 4, f"{taken:.1f} s of processor time"
    assert np.mean(many.score(x)[0] == y) > 0.98
    assert trained(*faces(1, 4)).namer is None


def test_it_names_no_better_than_the_nearest_template():
    data = split(60, 3, 4, 0, seed=5)
    made = trained(data.x, data.y)
    nearest = made.rule.scorer.gallery.nearest(data.probes, 1)[0][:, 0]
    machine, template = (
        np.mean(named == data.owners) for named in (made.score(data.probes)[0], nearest)
    )
    assert template > machine - 0.02


def test_a_name_that_none_of_the_nearest_ten_bears_is_not_given():
    x, y = faces(30, 3)
    made = trained(x, y, kind="DecisionTree")
    probes, _ = faces(200, 1, seed=9)
    named, scores = made.score(probes)
    among, _ = made.rule.scorer.gallery.nearest(probes, CANDIDATES)
    assert np.all((among == named[:, None]).any(axis=1)) and np.isfinite(scores).all()
    answers = made.namer.names(probes)
    far = ~(among == answers[:, None]).any(axis=1)
    assert far.any() and np.array_equal(named[far], among[far, 0])
    assert np.array_equal(named[~far], answers[~far])
