"""Galleries: what is added is found, what is removed is not, and damage is told."""

import json
import subprocess
import sys

import numpy as np
import onnxruntime  # noqa: F401 - before usearch; see gallery.ann
import pytest

from openfaceplus import gallery
from openfaceplus.errors import SpaceMismatch, StorageError, UsageError
from openfaceplus.faces import Space

SPACE = Space("dlib-resnet-v1/2v", "0" * 64)
OTHER = Space("dlib-resnet-v1/6v", "0" * 64)
KINDS = list(gallery.GALLERIES)


def unit(vectors):
    return (vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)).astype(np.float32)


def faces(people, photos, dim=128, seed=0):
    """Names and vectors in clusters of few dimensions, as faces lie; and a probe of each person."""
    rng = np.random.default_rng(seed)
    centres = unit(rng.normal(size=(people, 48)) @ rng.normal(size=(48, dim)))
    names = [f"p{i}" for i in range(people) for _ in range(photos)]

    def around(rows):
        return unit(rows + 0.25 / np.sqrt(dim) * rng.normal(size=rows.shape))

    return names, around(np.repeat(centres, photos, 0)), around(centres)


@pytest.fixture(params=KINDS)
def kind(request):
    if request.param == "approximate":
        pytest.importorskip("usearch")
    return request.param


@pytest.fixture
def small(kind):
    names, vectors, probes = faces(40, 3)
    made = gallery.create(kind, SPACE)
    made.add(names, vectors)
    return made, names, vectors, probes


@pytest.fixture(params=[*KINDS, "postgres"])
def make(request):
    """What makes an empty gallery of a kind, wherever its templates lie."""
    if request.param == "postgres":
        from openfaceplus.database.gallery import PostgresGallery

        db = request.getfixturevalue("db")
        return lambda space=SPACE, dim=128: PostgresGallery(db, space, dim)
    if request.param == "approximate":
        pytest.importorskip("usearch")
    return lambda space=SPACE, dim=128: gallery.create(request.param, space, dim)


@pytest.fixture
def any_small(make):
    names, vectors, probes = faces(40, 3)
    made = make()
    made.add(names, vectors)
    return made, names, vectors, probes


def answers(found):
    return [[(match.person, round(match.score, 5)) for match in one] for one in found]


def test_what_is_added_is_found(any_small):
    made, names, vectors, probes = any_small
    kind = getattr(made, "kind", "postgres")
    assert len(made) == 120 and made.people == [f"p{i}" for i in range(40)]
    found = made.search(probes, k=3, space=SPACE)
    assert [[m.person for m in one] for one in found] == [[f"p{i}"] * 3 for i in range(40)]
    scores = np.sort(probes @ vectors.T, axis=1)[:, :-4:-1]
    if kind == "distance":
        scores = -np.sqrt(2 - 2 * np.sort(probes @ vectors.T.astype(float), axis=1)[:, :-4:-1])
    rounding = 5e-4 if kind == "postgres" else 1e-6  # it keeps 16 bits of each number
    np.testing.assert_allclose([[m.score for m in one] for one in found], scores, atol=rounding)
    assert made.search(vectors[5])[0][0].person == names[5]


def test_added_later_and_one_at_a_time(any_small):
    made, *_ = any_small
    names, vectors, _ = faces(30, 1, seed=7)
    for name, vector in zip(names, vectors, strict=True):
        made.add([f"new-{name}"], vector)
    assert len(made) == 150
    assert [one[0].person for one in made.search(vectors)] == [f"new-{name}" for name in names]


def test_removed_people_are_gone_and_may_come_back(any_small):
    made, names, vectors, probes = any_small
    assert made.remove("p3") == 3
    assert len(made) == 117 and "p3" not in made.people
    assert all(m.person != "p3" for m in made.search(probes[3], k=117)[0])
    with pytest.raises(UsageError, match="p3"):
        made.remove("p3")
    made.add(names[9:12], vectors[9:12])
    assert [m.person for m in made.search(probes[3], k=3)[0]] == ["p3"] * 3


def test_saved_and_mapped(small, tmp_path):
    made, _, vectors, probes = small
    made.remove("p0")
    made.save(tmp_path / "g")
    again = gallery.load(tmp_path / "g", SPACE)
    assert type(again) is type(made) and len(again) == len(made) and again.people == made.people
    assert isinstance(again._vectors, np.memmap)
    assert answers(again.search(probes, k=5)) == answers(made.search(probes, k=5))
    # A mapped one can be changed; its files stay as they are.
    again.remove("p1")
    again.add(["x", "x"], vectors[:2])
    assert again.search(vectors[0])[0][0].person == "x"
    assert "x" not in gallery.load(tmp_path / "g").people
    again.save(tmp_path / "g")
    assert "x" in gallery.load(tmp_path / "g").people
    assert len(list((tmp_path / "g").iterdir())) == (5 if made.kind == "approximate" else 4)


def test_saving_over_what_is_mapped(small, tmp_path):
    made, _, _, probes = small
    made.save(tmp_path)
    mapped = gallery.load(tmp_path)
    before = answers(mapped.search(probes, k=2))
    made.remove("p5")
    made.save(tmp_path)
    mapped.save(tmp_path)
    assert answers(mapped.search(probes, k=2)) == before
    assert answers(gallery.load(tmp_path).search(probes, k=2)) == before


def test_nobody_and_k_beyond_all(make):
    made = make(dim=8)
    one = unit(np.ones(8))
    assert made.search(one, k=3) == [[]] and made.search(np.empty((0, 8))) == []
    made.add([], np.empty((0, 8)))
    assert len(made) == 0
    made.add(["a"], one)
    assert [m.person for m in made.search(one, k=9)[0]] == ["a"]
    made.remove("a")
    assert made.search(one, k=9) == [[]] and made.people == []


def test_empty_and_k_beyond_all(kind, tmp_path):
    made = gallery.create(kind, SPACE, dim=8)
    one = unit(np.ones(8))
    assert made.search(one, k=3) == [[]] and made.search(np.empty((0, 8))) == []
    made.add([], np.empty((0, 8)))
    made.save(tmp_path)
    again = gallery.load(tmp_path)
    assert len(again) == 0 and again.search(one) == [[]]
    again.add(["a"], one)
    assert [m.person for m in again.search(one, k=9)[0]] == ["a"]
    again.remove("a")
    assert again.search(one, k=9) == [[]] and again.people == []


def test_duplicates_are_templates_of_their_own(make):
    made = make(dim=8)
    one = unit(np.arange(8.0))
    made.add(["a", "b", "a"], np.array([one, one, one]))
    assert sorted(m.person for m in made.search(one, k=5)[0]) == ["a", "a", "b"]


def test_other_spaces_are_refused(any_small):
    made, _, vectors, _ = any_small
    for call in (
        lambda: made.search(vectors[0], space=OTHER),
        lambda: made.add(["a"], vectors[:1], space=OTHER),
    ):
        with pytest.raises(SpaceMismatch, match="6v"):
            call()


def test_other_spaces_are_not_loaded(small, tmp_path):
    made, *_ = small
    made.save(tmp_path)
    with pytest.raises(SpaceMismatch, match="2v"):
        gallery.load(tmp_path, str(OTHER))


@pytest.mark.parametrize(
    "names, vectors",
    [
        (["a"], np.full((1, 8), np.nan)),
        (["a"], np.ones((1, 9)) / 3),
        (["a", "b"], np.eye(8)[:1]),
        ("a", np.eye(8)[:1]),
        ([1], np.eye(8)[:1]),
        (["a"], "text"),
    ],
)
def test_what_does_not_fit_is_refused(make, names, vectors):
    made = make(dim=8)
    with pytest.raises(UsageError):
        made.add(names, vectors)
    assert len(made) == 0 and made.people == []
    with pytest.raises(UsageError):
        made.search(np.eye(8), k=0)


@pytest.mark.parametrize("vectors", [np.zeros((1, 8)), np.ones((1, 8))], ids=["zero", "long"])
def test_vectors_of_other_lengths_are_for_distances(kind, vectors):
    made = gallery.create(kind, SPACE, dim=8)
    if kind == "distance":
        made.add(["a"], vectors)
        assert made.search(vectors + 3)[0][0].score == pytest.approx(-(8**0.5) * 3)
        return
    with pytest.raises(UsageError, match="unit length"):
        made.add(["a"], vectors)


def test_a_number_is_never_given_twice(any_small):
    made, _, vectors, _ = any_small
    before = {m.template for m in made.search(vectors[0], k=120)[0]}
    made.remove("p0")
    later = made.add(["later", "p0"], vectors[:2])
    assert not before & set(later) and len(set(later)) == 2
    assert {m.template for m in made.search(vectors[0], k=2)[0]} == set(later)


def test_templates_keep_their_numbers(small, tmp_path):
    made, _, vectors, _ = small
    assert list(made.add(["later", "p7"], vectors[:2])) == [120, 121]
    made.remove("p0")
    made.remove("p7")
    assert {m.template for m in made.search(vectors[5], k=200)[0]} == {
        *range(3, 21), *range(24, 121)
    }  # fmt: skip
    assert made.search(vectors[5])[0][0].template == 5
    made.save(tmp_path)
    again = gallery.load(tmp_path)
    assert again.search(vectors[5])[0][0].template == 5
    again.remove("later")
    assert list(again.add(["new"], vectors[:1])) == [122]  # a number is never given twice


def test_galleries_written_before_templates_had_numbers(small, tmp_path):
    made, *_, vectors, probes = small
    made.save(tmp_path)
    header = json.loads((tmp_path / "gallery.json").read_text())
    del header["given"], header["files"]["ids"]
    (tmp_path / "gallery.json").write_text(json.dumps(header))
    again = gallery.load(tmp_path)
    assert again.search(probes, k=2) == made.search(probes, k=2)
    assert list(again.add(["new"], vectors[:1])) == [120]


def test_one_template_a_person_at_once(kind):
    _, vectors, probes = faces(50, 1)
    if kind == "approximate":
        pytest.importorskip("usearch")
    people = [f"id{i}" for i in range(50)]
    made, slow = (
        type(gallery.create(kind, SPACE)).of(SPACE, people, vectors),
        gallery.create(kind, SPACE),
    )
    slow.add(people, vectors)
    assert made.people == people and len(made) == 50
    assert answers(made.search(probes, k=4)) == answers(slow.search(probes, k=4))


def test_small_distances_are_exact():
    generator = np.random.default_rng(0)
    vectors = generator.normal(size=(500, 128)).astype(np.float32) * 3
    made = gallery.create("distance", SPACE)
    made.add([f"{i}" for i in range(500)], vectors)
    probes = vectors[:40] + 1e-4 * generator.normal(size=(40, 128)).astype(np.float32)
    for i, (best, second) in enumerate(made.search(probes, k=2)):
        apart = np.linalg.norm(vectors.astype(float) - probes[i], axis=1)
        order = np.argsort(apart)
        assert best.person == f"{order[0]}" == f"{i}" and second.person == f"{order[1]}"
        assert best.score == pytest.approx(-apart[order[0]], rel=1e-4)


def test_unknown_kind_and_missing_library(monkeypatch):
    with pytest.raises(UsageError, match="exact, distance, approximate"):
        gallery.create("magic", SPACE)
    monkeypatch.setitem(__import__("sys").modules, "usearch.index", None)
    with pytest.raises(UsageError, match=r"openfaceplus\[ann\]"):
        gallery.create("approximate", SPACE)


def damaged(folder, part, change):
    path = next(folder.glob(part))
    path.write_bytes(change(path.read_bytes()))


@pytest.mark.parametrize("part", ["gallery.json", "vectors-*", "labels-*", "ids-*", "index-*"])
@pytest.mark.parametrize(
    "change",
    [lambda data: b"", lambda data: data[: len(data) // 2], lambda data: b"\x80" + data[1:]],
    ids=["empty", "cut", "other"],
)
def test_damaged_files_are_told(small, tmp_path, part, change):
    made, *_ = small
    made.save(tmp_path)
    if not list(tmp_path.glob(part)):
        assert part == "index-*" and made.kind != "approximate"
        return
    damaged(tmp_path, part, change)
    with pytest.raises(StorageError, match=str(tmp_path)):
        gallery.load(tmp_path)
    for path in tmp_path.glob(part):
        path.unlink()
    with pytest.raises(StorageError, match="not there"):
        gallery.load(tmp_path)


@pytest.mark.parametrize(
    "change",
    [
        {"dim": 9},
        {"dim": "8"},
        {"count": 3},
        {"count": -1},
        {"people": ["only"]},
        {"people": [1, 2]},
        {"files": {"vectors": "../../etc/passwd", "labels": "x"}},
        {"files": []},
        {"kind": 5},
        {"version": 2},
        {"format": "x"},
        {"more": 1},
    ],
    ids=str,
)
def test_headers_that_do_not_fit_are_told(small, tmp_path, change):
    made, *_ = small
    made.save(tmp_path)
    header = tmp_path / "gallery.json"
    header.write_text(json.dumps(json.loads(header.read_text()) | change))
    with pytest.raises(StorageError):
        gallery.load(tmp_path)


def test_nothing_is_unpickled(tmp_path):
    made = gallery.create("exact", SPACE, dim=2)
    made.add(["a"], np.eye(2)[:1])
    made.save(tmp_path)
    np.save(next(tmp_path.glob("labels-*")), np.array([{}], object), allow_pickle=True)
    with pytest.raises(StorageError):
        gallery.load(tmp_path)


def test_blocks_give_what_one_product_gives(monkeypatch):
    from openfaceplus.gallery import exact

    monkeypatch.setattr(exact, "FIRST", 16)
    monkeypatch.setattr(exact, "SCORES", 500)
    monkeypatch.setattr(exact, "PROBES", 7)
    names, vectors, probes = faces(300, 2)
    made = gallery.create("exact", SPACE)
    made.add([f"{i}" for i in range(len(names))], vectors)
    wanted = np.argsort(-(probes @ vectors.T), axis=1, kind="stable")[:, :20]
    found = [[int(m.person) for m in one] for one in made.search(probes, k=20)]
    assert np.mean(np.array(found) == wanted) > 0.999  # but for rounding of equal scores


def test_recall_of_the_approximate_gallery():
    pytest.importorskip("usearch")
    names, vectors, probes = faces(2500, 4)
    rows = [f"{i}" for i in range(len(names))]
    made = {kind: gallery.create(kind, SPACE) for kind in KINDS}
    for one in made.values():
        one.add(rows, vectors)
    exact, near = (made[kind].search(probes, k=10) for kind in ("exact", "approximate"))
    first = np.mean([a[0].person == b[0].person for a, b in zip(exact, near, strict=True)])
    ten = np.mean(
        [
            len({m.person for m in a} & {m.person for m in b}) / 10
            for a, b in zip(exact, near, strict=True)
        ]
    )
    assert first >= 0.99 and ten >= 0.95


def test_photos_are_embedded_after_an_approximate_gallery_was_made():
    """ONNX Runtime, imported when usearch was there already, ended the process."""
    pytest.importorskip("usearch")
    code = (
        "from openfaceplus import gallery; gallery.create('approximate', 'made-up', 8); "
        "import onnxruntime"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
