"""OpenFace's other classifiers: our evaluation against scikit-learn's, and forged machines."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from openfaceplus.classify import kinds
from openfaceplus.classify.machines import Gaussians, Linear, Projected, Tree, Votes
from openfaceplus.classify.names import KINDS
from openfaceplus.errors import UsageError
from openfaceplus.weights import safe


def estimators():
    """scikit-learn's, untrained, and what ours is made of."""
    from sklearn.mixture import GaussianMixture
    from sklearn.naive_bayes import GaussianNB
    from sklearn.svm import SVC, LinearSVC
    from sklearn.tree import DecisionTreeClassifier

    return {
        "linear": (LinearSVC(C=10, random_state=0), Linear),
        "votes": (SVC(C=10, kernel="linear"), Votes),
        "radial": (SVC(C=1, gamma=2), Votes),
        "soft": (SVC(C=100, gamma=0.001), Votes),
        "mixture": (GaussianMixture(5, covariance_type="diag", reg_covar=1e-3), Gaussians),
        "bayes": (GaussianNB(), Gaussians),
        "tree": (DecisionTreeClassifier(max_depth=20, random_state=0), Tree),
    }


def blobs(people: int, seed: int = 0, spread: float = 0.5):
    """Unit vectors of people who are hard to tell apart, and their numbers."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(people), 8)
    vectors = rng.normal(size=(people, 32))[labels] + rng.normal(size=(len(labels), 32)) / spread
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    return vectors.astype(np.float32), labels


@pytest.mark.parametrize("people", [2, 3, 5, 40])
@pytest.mark.parametrize("name", estimators())
def test_predictions_are_scikit_learns(name, people):
    vectors, labels = blobs(people)
    others, _ = blobs(people, 1)
    estimator, form = estimators()[name]
    if name == "mixture":
        estimator.n_components = people
    estimator.fit(vectors, labels)
    machine = form.of(estimator)
    machine.check(people, 32)
    for photos in (vectors, others):
        np.testing.assert_array_equal(machine.names(photos), estimator.predict(photos))
        one_by_one = [machine.names(photo[None])[0] for photo in photos]
        np.testing.assert_array_equal(one_by_one, estimator.predict(photos))
    assert machine.names(vectors[:0]).shape == (0,)


@pytest.fixture(scope="module")
def portrait_vectors(openface):
    """Embeddings of the portraits, OpenFace's own files of them, and whose they are."""
    folder = openface / "generated-embeddings"
    vectors = np.loadtxt(folder / "reps.csv", np.float32, delimiter=",", ndmin=2)
    names = [line.split(",", 1)[0] for line in (folder / "labels.csv").read_text().splitlines()]
    labels = np.unique(names, return_inverse=True)[1]
    keep = np.bincount(labels)[labels] > 1
    return vectors[keep], np.unique(labels[keep], return_inverse=True)[1]


@pytest.mark.parametrize("lda_dim", [0, 2])
@pytest.mark.parametrize("kind", KINDS)
def test_real_embeddings(kind, lda_dim, portrait_vectors, monkeypatch, tmp_path):
    """What is stored and loaded names real faces, and mixtures of two, as scikit-learn does."""
    vectors, labels = portrait_vectors
    people = int(labels.max()) + 1
    trained = []
    for form in (Linear, Votes, Gaussians, Tree, Projected):
        make = form.of.__func__

        def keep(cls, *models, make=make):
            trained.append(models[0])
            return make(cls, *models)

        monkeypatch.setattr(form, "of", classmethod(keep))
    namer = kinds.fit(kind, vectors, labels, lda_dim)
    safe.dump(tmp_path / "c.pkl", kinds.to_dict(namer))
    namer = kinds.from_dict(safe.load(tmp_path / "c.pkl"), people, 128)
    mixed = (vectors[:, None] + vectors).reshape(-1, 128)
    mixed /= np.linalg.norm(mixed, axis=1, keepdims=True)
    if not trained:
        assert kind == "LinearSvm" and not lda_dim
        return
    seen = trained[-1].transform(mixed) if lda_dim else mixed
    np.testing.assert_array_equal(namer.names(mixed), trained[0].predict(seen))


@pytest.mark.parametrize("name", ["mixture", "bayes", "tree"])
def test_two_people_of_the_same_photos(name):
    vectors, labels = blobs(6)
    vectors[labels == 4] = vectors[labels == 1]
    estimator, form = estimators()[name]
    if name == "mixture":
        start = np.stack([vectors[labels == one].mean(0) for one in range(6)])
        estimator.set_params(n_components=6, means_init=start)
    machine = form.of(estimator.fit(vectors, labels))
    np.testing.assert_array_equal(machine.names(vectors), estimator.predict(vectors))


@pytest.mark.parametrize("name", ["votes", "radial"])
def test_as_many_votes_for_several_people(name):
    vectors, labels = blobs(9)
    others = np.concatenate([blobs(9, seed)[0] for seed in range(1, 30)])
    estimator, form = estimators()[name]
    machine = form.of(estimator.fit(vectors, labels))
    votes = np.sort(machine._votes(others.astype(float)), axis=1)
    assert (votes[:, -1] == votes[:, -2]).sum() >= 5
    np.testing.assert_array_equal(machine.names(others), estimator.predict(others))


def test_the_dimensions_of_a_projection():
    vectors, labels = blobs(3)
    with pytest.raises(UsageError) as caught:
        kinds.fit("LinearSvm", vectors, labels, 3)
    assert caught.value.field == "lda_dim" and "2" in caught.value.remedy


# -- forged machines


@pytest.fixture(scope="module")
def stored():
    """Every form as it is stored, of three people and 32 dimensions."""
    vectors, labels = blobs(3)
    return {
        (kind, dim): kinds.to_dict(kinds.fit(kind, vectors, labels, dim))
        for kind in KINDS
        for dim in (0, 2)
        if kind != "LinearSvm" or dim
    }


FORGED = [
    ("RadialSvm", "counts", lambda a: a + 1),
    ("RadialSvm", "counts", lambda a: np.array([-1, len(a), 1 << 40])),
    ("RadialSvm", "counts", lambda a: np.full(3, 2**62)),
    ("RadialSvm", "counts", lambda a: a.astype(float)),
    ("RadialSvm", "counts", lambda a: a[:2]),
    ("RadialSvm", "support", lambda a: a[:, :5]),
    ("RadialSvm", "support", lambda a: a[:-1]),
    ("RadialSvm", "support", lambda a: a.astype(bool)),
    ("RadialSvm", "dual", lambda a: a[:, :-1]),
    ("RadialSvm", "dual", lambda a: a[:-1]),
    ("RadialSvm", "intercept", lambda a: a[:1]),
    ("RadialSvm", "gamma", lambda a: a[:0]),
    ("GMM", "means", lambda a: a[:2]),
    ("GMM", "variances", lambda a: a[:, :1]),
    ("GaussianNB", "weights", lambda a: a[:1]),
    ("DecisionTree", "left", lambda a: a * 0),
    ("DecisionTree", "left", lambda a: a + 10**6 * (a > 0)),
    ("DecisionTree", "left", lambda a: a - (a > 1)),
    ("DecisionTree", "right", lambda a: np.where(a > 0, -7, a)),
    ("DecisionTree", "right", lambda a: np.where(a > 0, 1, a)),
    ("DecisionTree", "right", lambda a: a[:-1]),
    ("DecisionTree", "feature", lambda a: a * 0 + 99),
    ("DecisionTree", "feature", lambda a: a * 0 - 5),
    ("DecisionTree", "feature", lambda a: a.astype(float)),
    ("DecisionTree", "label", lambda a: a * 0 + 3),
    ("DecisionTree", "label", lambda a: a * 0 - 1),
    ("DecisionTree", "threshold", lambda a: a[:1]),
    ("DecisionTree", "threshold", lambda a: a.astype("U9")),
]
ALTERED = (AttributeError, KeyError, TypeError, ValueError)


@pytest.mark.parametrize("kind, field, change", FORGED)
def test_forged_machines_are_refused(stored, kind, field, change):
    good = stored[kind, 0]
    kinds.from_dict(good, 3, 32)
    with pytest.raises(ValueError):
        kinds.from_dict(good | {field: change(good[field])}, 3, 32)


def test_machines_of_other_kinds_of_values_are_refused(stored):
    projected = stored["GMM", 2]
    kinds.from_dict(projected, 3, 32)
    for change in (
        {"form": "Estimator"}, {"form": None}, {"form": []}, {"more": 1}, {"center": None},
        {"directions": np.ones(32)}, {"directions": np.ones((31, 2))}, {"center": np.ones(31)},
        {"machine": projected}, {"machine": projected["machine"] | {"means": 3}},
        {"machine": {"kind": "LinearSvm", "coef": np.ones((3, 2)), "intercept": np.ones(3)}},
        {"machine": stored["RadialSvm", 0]},
    ):  # fmt: skip
        with pytest.raises(ALTERED):
            kinds.from_dict(projected | change, 3, 32)
    for people, dimensions in ((2, 32), (4, 32), (3, 31)):
        for (kind, _), good in stored.items():
            if kind == "DecisionTree":  # which may leave people and numbers out
                continue
            with pytest.raises(ValueError):
                kinds.from_dict(good, people, dimensions)


@given(st.data())
@settings(max_examples=400, deadline=None, suppress_health_check=list(HealthCheck))
def test_altered_machines_answer_or_are_refused(stored, data):
    """Whatever numbers stand in a file: the answer is one of the people, or ours is an error."""
    good = stored[data.draw(st.sampled_from(sorted(stored)))]
    holder = data.draw(st.sampled_from([good, *(v for v in good.values() if type(v) is dict)]))
    field = data.draw(st.sampled_from([k for k, v in holder.items() if type(v) is np.ndarray]))
    array = holder[field].copy()
    place = data.draw(st.integers(0, max(array.nbytes - 1, 0)))
    if array.nbytes:
        array.reshape(-1).view("u1")[place] = data.draw(st.integers(0, 255))
    changed = holder | {field: array}
    changed = changed if holder is good else good | {"machine": changed}
    vectors = blobs(3)[0]
    try:
        namer = kinds.from_dict(changed, 3, 32)
    except ALTERED:
        return
    with np.errstate(all="ignore"):
        named = namer.names(vectors)
    assert named.shape == (len(vectors),) and set(named.tolist()) <= {0, 1, 2}
