"""People of trained models in a database: brought in, again, and among those of videos."""

from __future__ import annotations

import numpy as np
import pytest
from made_videos import index, sequences
from vectors import SPACE, faces, names_of

from openfaceplus.database.gallery import PostgresGallery
from openfaceplus.database.rows import Join
from openfaceplus.database.templates import Templates
from openfaceplus.errors import SpaceMismatch, UsageError


def test_brought_in_twice_is_there_once(db):
    vectors, labels = faces(5, 3)
    keys, called = names_of(labels), {f"p{i:04d}": f"Person {i}" for i in range(5)}
    templates = Templates(db, SPACE, 128)
    templates.add(keys, vectors, called, replace=True)
    assert templates.same(keys, vectors) and not templates.same(keys[:3], vectors[:3] + 1)
    templates.add(keys, vectors, called, replace=True)
    made = PostgresGallery(db, SPACE)
    assert len(made) == 15 and made.names == called
    templates.add(keys[:2], vectors[:2], called, replace=True)
    assert len(made) == 14
    assert [p.templates for p in sorted(db.read.people(), key=lambda p: p.key)] == [2, 3, 3, 3, 3]


def test_a_person_of_that_name_is_the_same(db):
    numbers = index(db, "a.mp4", sequences(2, 1)[0])
    people = db.commands.record([Join(numbers[0], -1), Join(numbers[1], -2)]).people
    db.commands.name(people[-1], "Ada")
    vectors, _ = faces(1, 2, seed=9)
    Templates(db, SPACE, 128).add(["id-of-ada"] * 2, vectors, {"id-of-ada": "Ada"})
    ada = next(p for p in db.read.people() if p.name == "Ada")
    assert (ada.person, ada.key, ada.templates) == (people[-1], "id-of-ada", 2)
    db.commands.name(people[-1], "Ada Lovelace")
    Templates(db, SPACE, 128).add(["id-of-ada"], vectors[:1], {"id-of-ada": "Ada"}, replace=True)
    assert db.read.person("Ada Lovelace") == people[-1]  # what a user said stays


def test_merged_people_are_found_by_either_photo(db):
    vectors, labels = faces(2, 2)
    made = PostgresGallery(db, SPACE)
    made.add(["a", "a", "b", "b"], vectors)
    numbers = {p.key: p.person for p in db.read.people()}
    db.commands.merge(numbers["a"], numbers["b"])
    assert [m.person for m in made.search(vectors, k=1) for m in m] == ["a"] * 4
    db.commands.undo()
    assert [m.person for m in made.search(vectors, k=1) for m in m] == ["a", "a", "b", "b"]
    assert labels.tolist() == [0, 0, 1, 1]


def test_forgotten_people_leave_no_vector(db):
    vectors, _ = faces(2, 3)
    made = PostgresGallery(db, SPACE)
    made.add(["a", "a", "a", "b", "b", "b"], vectors)
    receipt = db.forget(next(p.person for p in db.read.people() if p.key == "a"))
    assert receipt.left == 0 and receipt.rows["vector"] == 3 == len(made)
    assert made.people == ["b"] and made.search(vectors[0])[0][0].person == "b"
    assert db.rows("SELECT count(*) FROM vector") == [(3,)]
    with pytest.raises(UsageError, match="'a'"):
        made.remove("a")


def test_sequences_and_templates_are_searched_apart(db):
    some, _ = sequences(3, 1)
    numbers = index(db, "a.mp4", some)
    made = PostgresGallery(db, SPACE)
    made.add(["a"], some[0].descriptor)
    assert {a.sequence for a in db.search(some[0].descriptor, SPACE, 9)} == set(numbers)
    assert len(made.search(some[0].descriptor, k=9)[0]) == 1
    with pytest.raises(SpaceMismatch):
        PostgresGallery(db, SPACE, 64)
    assert len(PostgresGallery(db, "another", 64)) == 0


def test_search_is_exact_and_can_be_of_one_video(db):
    for name, seed in (("a.mp4", 1), ("b.mp4", 2)):
        index(db, name, sequences(10, 2, seed)[0])
    rows = db.read.sequences(SPACE)
    probe = rows.vectors[3]
    order = np.argsort(-(rows.vectors @ probe))
    found = db.search(probe, SPACE, 7)
    assert [a.sequence for a in found] == rows.sequences[order[:7]].tolist()
    likeness = [a.likeness for a in found]
    np.testing.assert_allclose(likeness, (rows.vectors @ probe)[order[:7]], atol=1e-4)
    assert found[0].to_dict()["likeness"] == likeness[0]
    order = [i for i in order if rows.videos[i] == 2]
    found = db.search(probe, SPACE, 7, video=2)
    assert [a.sequence for a in found] == rows.sequences[order[:7]].tolist()
    assert len(db.search(probe, SPACE, 99, video=2)) == 20


def test_an_index_finds_what_looking_at_all_finds(db):
    from openfaceplus.database.search import index as make_index

    for video in range(3):
        index(db, f"{video}.mp4", sequences(150, 1, seed=video)[0])
    probes = db.read.sequences(SPACE).vectors[::29]
    exact = [[a.sequence for a in db.search(probe, SPACE, 10)] for probe in probes]
    within = [[a.sequence for a in db.search(probe, SPACE, 10, video=2)] for probe in probes]
    assert make_index(db, rows=1000) == []
    assert make_index(db, rows=100) == ["vector_1_sequence"] and make_index(db, rows=100) == []
    db.run("SET enable_seqscan = off")
    db.run("SET enable_sort = off")
    found = [[a.sequence for a in db.search(probe, SPACE, 10)] for probe in probes]
    assert np.mean([len({*a} & {*b}) / 10 for a, b in zip(exact, found, strict=True)]) > 0.95
    found = [[a.sequence for a in db.search(probe, SPACE, 10, video=2)] for probe in probes]
    assert all(len(one) == 10 for one in found)  # although two thirds are of other videos
    assert np.mean([len({*a} & {*b}) / 10 for a, b in zip(within, found, strict=True)]) > 0.9
    db.rows("SELECT pg_stat_force_next_flush()")
    uses = "SELECT idx_scan FROM pg_stat_user_indexes WHERE indexrelname = 'vector_1_sequence'"
    assert db.rows(uses)[0][0] >= len(probes)
