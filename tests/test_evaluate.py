"""Error rates against brute force and scikit-learn; who is compared with whom."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score
from vectors import faces

from openfaceplus.errors import StorageError, UsageError
from openfaceplus.evaluate import metrics, protocols

lists = st.lists(st.integers(-20, 20).map(lambda x: x / 20), min_size=1, max_size=40)


# --- metrics ---------------------------------------------------------------------------------


@given(lists, lists)
@settings(max_examples=80, deadline=None)
def test_auc_and_eer(genuine, impostors):
    g, i = np.array(genuine), np.array(impostors)
    truth = np.repeat([1, 0], [len(g), len(i)])
    area = metrics.auc(g, i)
    assert area == pytest.approx(roc_auc_score(truth, np.concatenate([g, i])))
    far, tar = metrics.roc(g, i)
    assert far[0] == tar[0] == 0 and far[-1] == tar[-1] == 1
    assert np.all(np.diff(far) >= 0) and np.all(np.diff(tar) >= 0)
    assert area == pytest.approx(np.trapezoid(tar, far))
    rate = metrics.eer(g, i)
    thresholds = np.unique(np.concatenate([g, i, [9]]))
    worst = min(max(np.mean(i >= t), np.mean(g < t)) for t in thresholds)
    best = max(min(np.mean(i >= t), np.mean(g < t)) for t in thresholds)
    assert best - 1e-9 <= rate <= worst + 1e-9


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@given(values=st.lists(st.floats(-1, 1, width=32), min_size=1, max_size=60), rate=st.floats(0, 1))
@settings(max_examples=80, deadline=None)
def test_a_threshold_accepts_at_most_the_rate_and_is_the_lowest(kind, values, rate):
    impostors = np.array(values, kind)
    threshold = metrics.threshold_at(impostors, rate)
    assert np.mean(np.asarray(impostors, float) >= threshold) <= rate + 1e-9
    for lower in np.unique(impostors)[np.unique(impostors) < threshold]:
        assert np.mean(impostors >= lower) > rate - 1e-9
    # Genuine scores that tie with an impostor that is refused are refused as well.
    tar = metrics.tar_at_far(impostors, impostors, rate)
    assert tar <= rate + 1e-9


def test_photos_that_failed_are_never_accepted():
    failed = np.full(3, -np.inf)
    assert metrics.tar_at_far(np.array([0.5, -np.inf]), np.array([0.1, 0.2]), 1.0) == 0.5
    assert metrics.tar_at_far(np.array([0.5, -np.inf]), failed, 0.1) == 0.5
    assert metrics.threshold_at(np.array([]), 0.5) == math.inf


def test_weights_count_scores_that_often():
    generator = np.random.default_rng(0)
    scores, counts = generator.random(50).round(1), generator.integers(0, 4, 50)
    for rate in (0.0, 0.05, 0.3, 0.9):
        weighted = metrics.threshold_at(scores, rate, counts.astype(float))
        repeated = metrics.threshold_at(np.repeat(scores, counts), rate)
        for score in scores[counts > 0]:
            assert (score >= weighted) == (score >= repeated)


@given(st.lists(st.tuples(st.integers(0, 12), st.booleans()), min_size=1, max_size=40))
@settings(max_examples=80, deadline=None)
def test_the_best_threshold_is_the_best(rows):
    scores = np.array([score / 10 for score, _ in rows])
    same = np.array([truth for _, truth in rows])

    def accuracy(threshold):
        return np.mean((scores >= threshold) == same)

    found = metrics.best_threshold(scores, same)
    assert accuracy(found) == max(accuracy(t) for t in [*np.unique(scores), 99])


def test_folds_choose_their_thresholds_on_the_others():
    scores = np.array([0.9, 0.1, 0.8, 0.2, 0.35, 0.3])
    same = np.array([True, False, True, False, True, True])
    folds = np.array([0, 0, 1, 1, 2, 2])
    assert metrics.fold_accuracies(scores, same, folds)[2] == 0.0


def test_bootstrap_draws_people():
    weights = []
    metrics.bootstrap(lambda w: weights.append(w) or float(w[0]), 7, draws=50)
    assert all(w.sum() == 7 and len(w) == 7 for w in weights)
    values = np.random.default_rng(0).normal(size=400)
    low, high = metrics.bootstrap(lambda w: float((w * values).sum() / w.sum()), 400, draws=800)
    assert (high - low) / 2 == pytest.approx(1.96 * values.std() / 20, rel=0.15)
    assert low < values.mean() < high


def test_open_set_rates_by_hand():
    probes = metrics.Probes(
        np.array([0.9, 0.8, 0.7, -np.inf]), np.array([True, False, True, False]),
        np.array(["a", "a", "b", "b"]), np.array([0.75, 0.1, 0.1, -np.inf]), np.arange(4),
    )  # fmt: skip
    assert probes.rank1 == 0.5 and probes.dir_at(0.7) == 0.5 and probes.dir_at(0.75) == 0.25
    assert probes.fpir_at(0.75) == 0.25 and probes.fpir_at(0.76) == 0
    assert probes.dir_at_fpir(0.01) == 0.25 and probes.dir_at_fpir(0.25) == 0.5
    ((low, high),) = probes.dir_intervals([0.25], draws=50)
    assert 0 <= low <= 0.5 <= high <= 1
    part = probes.subset(probes.people == "b", probes.stranger_scores > 0.5)
    assert part.rank1 == 0.5 and len(part.stranger_scores) == 1


def test_reliability_of_what_is_calibrated_by_construction():
    generator = np.random.default_rng(0)
    confidence = generator.random(20_000)
    right = generator.random(20_000) < confidence
    table = metrics.reliability(confidence, right, np.ones(20_000))
    assert table.gap < 0.02 and len(table.truth) == 10
    assert metrics.reliability(confidence**2, right, np.ones(20_000)).gap > 0.1


# --- protocols -------------------------------------------------------------------------------


def test_pairs_as_lfw_writes_them(tmp_path):
    lines = ["10\t154"]
    for fold in range(10):
        same = [f"Amber_Tamblyn\t{n + 1}\t{n + 2}" for n in range(154)]
        lines += same + [f"Ann_{fold}\t{n + 1}\tBen\t2" for n in range(154)]
    (tmp_path / "pairs.txt").write_text("".join(f"{line}\n" for line in lines))
    pairs = protocols.read_pairs(tmp_path / "pairs.txt")
    assert len(pairs) == 3080 and sum(pair.same for pair in pairs) == 1540
    assert pairs[0] == protocols.Pair(("Amber_Tamblyn", 1), ("Amber_Tamblyn", 2), 0)
    assert pairs[-1] == protocols.Pair(("Ann_9", 154), ("Ben", 2), 9)
    assert [sum(pair.fold == fold for pair in pairs) for fold in range(10)] == [308] * 10
    (tmp_path / "one.txt").write_text("1\nA B\t1\t2\nA B\t1\tC D\t3\n")
    one = protocols.read_pairs(tmp_path / "one.txt")
    assert one[1].second == ("C D", 3) and [pair.fold for pair in one] == [0, 0]


@pytest.mark.parametrize(
    "text",
    ["", "x\n", "1 1\na 1 2\n", "1 1\na 1 2\na 1 b\n", "1\na 1 2\na 1 b 2\na 1 b 3\n", "0 0 0\n",
     "1\na one two\na 1 b 2\n", "0\n", "10 0\n"],
)  # fmt: skip
def test_malformed_pairs_are_one_line(tmp_path, text):
    (tmp_path / "pairs.txt").write_text(text)
    with pytest.raises(StorageError, match=r"pairs\.txt"):
        protocols.read_pairs(tmp_path / "pairs.txt")
    with pytest.raises(StorageError, match="gone"):
        protocols.read_pairs(tmp_path / "gone.txt")


@pytest.mark.parametrize("keep", [0.01, 0.2, 1.0])
def test_all_against_all_is_brute_force(keep, monkeypatch):
    x, people = faces(25, 4)
    monkeypatch.setattr(
        protocols, "_blocks", lambda v: ((i, min(i + 7, len(v)), v[i : i + 7] @ v.T)
                                         for i in range(0, len(v), 7)),
    )  # fmt: skip
    made = protocols.all_pairs(x, people, keep)
    i, j = np.triu_indices(100, 1)
    scores, same = np.einsum("nd,nd->n", x[i], x[j]), people[i] == people[j]
    assert np.allclose(np.sort(made.genuine), np.sort(scores[same]), atol=1e-6)
    top = np.sort(scores[~same])[::-1]
    assert np.allclose(made.impostors, top[: len(made.impostors)], atol=1e-6)
    assert made.impostor_pairs() == len(top) and len(made.impostors) >= keep * len(top) - 1
    for far in (0.001, 0.005, 0.01):
        limit = top[int(far * len(top))]
        assert made.tar_at_far(far) == pytest.approx(np.mean(scores[same] > limit), abs=1e-9)


def test_weights_of_people_are_copies_of_them():
    x, people = faces(12, 3)
    made = protocols.all_pairs(x, people, 1.0)
    weights = np.random.default_rng(0).multinomial(12, np.full(12, 1 / 12)).astype(float)
    pairs = np.prod(weights[made.impostor_people], axis=1)
    assert made.impostor_pairs(weights) >= pairs.sum()
    assert made.tar_at_far(0.01, np.ones(12)) == made.tar_at_far(0.01)
    with pytest.raises(UsageError, match="at least two photos"):
        protocols.all_pairs(x[:1], people[:1])


def test_the_open_set_split():
    people = [*"aaaa", *"bbbbb", *"ccc", *"dd", "e", "f"]
    split = protocols.openset_split(people)
    assert split.enrolled.tolist() == [0, 1, 2, 4, 5, 6]
    assert split.probes.tolist() == [3, 7, 8]
    assert split.known_unknowns.tolist() == [9, 10, 11, 12, 13]
    assert split.unknown_unknowns.tolist() == [14, 15]
    mixed = protocols.openset_split(["a", "b", "a", "a", "b", "a", "a"])
    assert mixed.enrolled.tolist() == [0, 2, 3] and mixed.probes.tolist() == [5, 6]
    drawn = [protocols.openset_split(people, gallery=1, seed=s).enrolled[0] for s in range(20)]
    assert set(drawn) == {0, 4}
    with pytest.raises(UsageError, match="only 2 people"):
        protocols.openset_split(people, gallery=3)
    with pytest.raises(UsageError, match="nobody has more than 9"):
        protocols.openset_split(people, enrol=9)
