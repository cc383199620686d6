"""The linear machine against scikit-learn's, and its left-out names against honest refits."""

from __future__ import annotations

import time

import numpy as np
import pytest
from vectors import faces

from openfaceplus.classify.svm import fit_ovr


def reference(x: np.ndarray, y: np.ndarray, c: float = 10.0):
    """liblinear itself, run to the end: far too slow for hundreds of people."""
    from sklearn.svm import LinearSVC

    return LinearSVC(C=c, tol=1e-9, max_iter=200_000, random_state=0).fit(x.astype(np.float64), y)


def left_out_slowly(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Every photo named by a machine trained without its person."""
    named = np.full(len(y), -1)
    for person in range(y.max() + 1):
        others = np.flatnonzero(np.arange(y.max() + 1) != person)
        keep = y != person
        machine, _ = fit_ovr(x[keep], np.searchsorted(others, y[keep]))
        named[~keep] = others[machine.names(x[~keep])]
    return named


@pytest.mark.parametrize("c", [1.0, 10.0, 100.0])
def test_it_is_liblinears_solution(c):
    x, y = faces(20, 3)
    ours, _ = fit_ovr(x, y, c=c)
    theirs = reference(x, y, c)
    assert np.abs(ours.coef - theirs.coef_).max() < 1e-3
    assert np.abs(ours.intercept - theirs.intercept_).max() < 1e-3
    probes, _ = faces(20, 5, seed=1)
    assert np.array_equal(ours.names(probes), theirs.predict(probes.astype(np.float64)))


def test_uneven_numbers_of_photos_and_any_order():
    x, y = faces(24, 6)
    keep = np.arange(len(y)) % 6 < 1 + y % 6
    x, y = x[keep], y[keep]
    theirs = reference(x, y)
    order = np.random.default_rng(0).permutation(len(y))
    ours, left = fit_ovr(x[order], y[order], leave_out=True)
    straight, left_straight = fit_ovr(x, y, leave_out=True)
    assert np.abs(ours.coef - theirs.coef_).max() < 1e-3
    assert np.abs(ours.coef - straight.coef).max() < 1e-4
    assert np.mean(left == left_straight[order]) > 0.98


def test_it_is_exact_where_people_cannot_be_separated():
    generator = np.random.default_rng(0)
    x = generator.normal(size=(120, 8)).astype(np.float32)
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    y = np.repeat(np.arange(6), 20)
    ours, left = fit_ovr(x, y, leave_out=True)
    assert np.abs(ours.coef - reference(x, y).coef_).max() < 2e-3
    assert np.mean(left == left_out_slowly(x, y)) >= 0.85
    assert np.all(left != y)


@pytest.mark.parametrize("noise", [0.2, 0.5])
def test_left_out_names_are_those_of_a_refit(noise):
    x, y = faces(20, 3, noise=noise)
    _, left = fit_ovr(x, y, leave_out=True)
    assert np.all(left != y) and left.min() >= 0
    assert np.mean(left == left_out_slowly(x, y)) >= 0.85


def test_left_out_names_are_all_right_where_it_is_plain_who_is_next():
    near, y = faces(24, 3)
    twins = faces(12, 1, seed=5)[0][y // 2]
    x = 0.8 * twins + 0.3 * near
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    _, left = fit_ovr(x, y, leave_out=True)
    assert np.array_equal(left, y ^ 1)
    assert np.array_equal(left, left_out_slowly(x, y))


def test_left_out_names_with_one_photo_each():
    x, y = faces(30, 1)
    _, left = fit_ovr(x, y, leave_out=True)
    assert np.mean(left == left_out_slowly(x, y)) >= 0.85


def test_two_fits_are_the_same_to_the_last_bit():
    x, y = faces(50, 3)
    (a, left_a), (b, left_b) = (fit_ovr(x, y, leave_out=True) for _ in range(2))
    assert a.coef.tobytes() == b.coef.tobytes() and a.intercept.tobytes() == b.intercept.tobytes()
    assert np.array_equal(left_a, left_b)


def test_one_person_is_always_meant():
    x, y = faces(1, 3)
    machine, left = fit_ovr(x, y, leave_out=True)
    assert machine.coef.shape == (1, 128) and np.isfinite(machine.coef).all()
    assert left.tolist() == [-1, -1, -1]
    assert machine.names(faces(9, 1, seed=1)[0]).tolist() == [0] * 9
    assert machine.names(np.empty((0, 128), np.float32)).tolist() == []
    alone, _ = fit_ovr(x[:1], y[:1])
    assert alone.names(x[:1]).tolist() == [0]


@pytest.mark.parametrize("photos", [1, 4])
def test_two_people(photos):
    x, y = faces(2, photos)
    machine, left = fit_ovr(x, y, leave_out=True)
    assert np.array_equal(machine.names(x), y)
    assert np.array_equal(left, 1 - y)
    # Two one-vs-rest machines on the same photos are each other's mirror image.
    assert np.abs(machine.coef[0] + machine.coef[1]).max() < 1e-4


def test_the_same_photo_many_times_and_under_two_names():
    x, y = faces(10, 2)
    x, y = np.concatenate([x] * 4), np.concatenate([y] * 4)
    ours, left = fit_ovr(x, y, leave_out=True)
    assert np.abs(ours.coef - reference(x, y).coef_).max() < 1e-3
    assert np.all(left != y)
    x[y == 3] = x[y == 4]
    ours, _ = fit_ovr(x, y)
    assert np.isfinite(ours.coef).all()
    assert np.abs(ours.coef - reference(x, y).coef_).max() < 2e-3


@pytest.mark.parametrize(
    "labels", [[0, 0, 2, 2], [1, 1, 2, 2], [-1, 0, 0, 1], [0, 0, 1], []], ids=str
)
def test_labels_that_do_not_fit_are_refused(labels):
    with pytest.raises(ValueError, match="labels"):
        fit_ovr(faces(2, 2)[0], np.array(labels, int))


def test_no_photo_is_refused():
    with pytest.raises(ValueError, match="need embeddings"):
        fit_ovr(np.empty((0, 128)), np.empty(0, int))


def test_hundreds_of_people_take_seconds():
    x, y = faces(400, 3)
    start = time.process_time()
    _, left = fit_ovr(x, y, leave_out=True)
    taken = time.process_time() - start
    assert taken < 4, f"{taken:.1f} s of processor time"
    assert np.all(left != y)
