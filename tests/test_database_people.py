"""Who is who: what linking records, what a user puts right, and the log from which both follow."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from made_videos import file, index, sequence, sequences
from vectors import SPACE, faces

from openfaceplus.database import connect
from openfaceplus.database.history import WHAT, replay
from openfaceplus.database.rows import Join, Suggest
from openfaceplus.errors import DatabaseError, UsageError


def state_of(db):
    """Who is who as the tables say, in the form of ``history.replay``."""
    ledger = db.commands._ledger
    return ledger.draft(row[0] for row in db.rows("SELECT id FROM person")).state


@pytest.fixture
def three(db):
    """Three people with two sequences each in one video: their numbers, and the sequences'."""
    some, whose = sequences(3, 2)
    numbers = index(db, "a.mp4", some)
    joins = [Join(n, -1 - who) for n, who in zip(numbers, whose, strict=True)]
    made = db.commands.record(joins, cohesion={-1: 0.5, -2: 0.25}).people
    return [made[-1], made[-2], made[-3]], numbers


@pytest.fixture(autouse=True)
def the_log_tells_all(db):
    """After each test of this file the tables are what follows from the log."""
    yield
    if not db.connection.closed:
        assert replay(db.commands.events()) == state_of(db)


def test_what_linking_found(db, three):
    (a, b, _), numbers = three
    found = {p.person: p for p in db.read.people()}
    assert found[a].to_dict() == {
        "person": a, "name": None, "sequences": 2, "videos": 1, "seconds": 3.0, "cohesion": 0.5,
    }  # fmt: skip
    assert found[b].cohesion == 0.25
    more = index(db, "b.mp4", sequences(2, 1, seed=1)[0])
    done = db.commands.record(
        [Join(more[0], a, score=0.9, before=0.5, after=0.4), Join(more[1], -1)],
        [Suggest(more[1], b, 0.7)],
    )
    assert done.left_out == () and list(done.people) == [-1]
    (new,) = done.people.values()
    first = db.read.people()[0]
    assert (first.person, first.videos, first.cohesion) == (a, 2, 0.4)
    (joined,) = db.read.appearances(person=a, video=2)
    assert (joined.sequence, joined.score, joined.fixed) == (more[0], 0.9, False)
    (suggested,) = db.read.suggestions()
    assert (suggested.sequence, suggested.person, suggested.video) == (more[1], b, "b.mp4")
    assert suggested.to_dict()["score"] == 0.7 and new not in (a, b)
    assert db.read.suggestions(person=a) == []
    assert numbers == db.read.sequences(SPACE, video=1).sequences.tolist()
    assert db.read.sequences(SPACE, person=a).people.tolist() == [a] * 3


def test_nothing_new_is_no_event(db, three):
    people, numbers = three
    before = db.commands.events()
    done = db.commands.record([Join(numbers[0], people[0])])
    assert done.event is None and db.commands.events() == before


def test_names(db, three):
    (a, b, _), _ = three
    db.commands.name(a, "  Ada ")
    assert db.read.person("Ada") == a == db.read.person(a) and db.read.person("Bob") is None
    with pytest.raises(UsageError, match=f"Ada is the name of person {a}"):
        db.commands.name(b, "Ada")
    for wrong in ("", " ", "a\nb", "\udcff", "a\0"):
        with pytest.raises(UsageError, match="is no name"):
            db.commands.name(a, wrong)
    with pytest.raises(UsageError, match="no person 99"):
        db.commands.name(99, "Bob")
    db.commands.name(a, None)
    db.commands.name(b, "Ada")
    assert db.read.person("Ada") == b


def test_merge_and_undo(db, three):
    (a, b, c), numbers = three
    db.commands.name(b, "Bob")
    before = state_of(db)
    db.commands.merge(a, b)
    (merged,) = [p for p in db.read.people() if p.person == a]
    assert (merged.name, merged.sequences) == ("Bob", 4) and len(db.read.people()) == 2
    assert all(x.fixed for x in db.read.appearances(sequences=numbers[2:4]))
    undone = db.commands.undo()
    assert undone.command == "merge" and state_of(db) == before
    last = db.commands.events()[-1]
    assert (last.command, last.undoes) == ("undo", undone.id)
    db.commands.undo(last.id)  # done again
    assert [p.sequences for p in db.read.people()] == [4, 2]
    db.commands.undo()
    assert state_of(db) == before
    db.commands.undo()
    assert db.read.person("Bob") is None
    with pytest.raises(UsageError, match="nothing to undo"):
        db.commands.undo()
    with pytest.raises(UsageError, match="themselves"):
        db.commands.merge(c, c)


def test_what_came_after_stays_when_something_is_undone(db, three):
    (a, b, _), numbers = three
    db.commands.merge(a, b)
    later = index(db, "b.mp4", sequences(1, 1, seed=1)[0])
    db.commands.record([Join(later[0], a)])
    db.commands.undo()
    assert [x.sequence for x in db.read.appearances(person=a)] == [*numbers[:2], *later]
    assert [x.sequence for x in db.read.appearances(person=b)] == numbers[2:4]


def test_on_screen_at_once_is_never_one_person(db):
    vectors, _ = faces(2, 3)
    one, other = vectors[:3], vectors[3:]
    both = [sequence(0, 5, one), sequence(5, 9, other), sequence(9.1, 10, one)]
    one, other, later = index(db, "a.mp4", both)
    with pytest.raises(UsageError, match="on screen at once"):
        db.commands.record([Join(one, -1), Join(other, -1)])
    assert db.read.people() == [] and db.commands.events() == []
    people = db.commands.record([Join(one, -1), Join(other, -2), Join(later, -1)]).people
    with pytest.raises(UsageError, match=f"{one} and {other} are on screen"):
        db.commands.merge(people[-1], people[-2])
    with pytest.raises(UsageError, match="on screen at once"):
        db.commands.accept(other, people[-1])
    assert [p.sequences for p in db.read.people()] == [2, 1]
    elsewhere = index(db, "b.mp4", both[1:2])
    db.commands.accept(elsewhere[0], people[-1])


def test_split_stays_split(db, three):
    (a, b, _), numbers = three
    new = db.commands.split(a, numbers[1:2])
    assert db.read.pairs_apart() == [(numbers[1], a)]
    assert [x.sequence for x in db.read.appearances(person=new)] == numbers[1:2]
    done = db.commands.record([Join(numbers[1], a)], [Suggest(numbers[1], a, 0.9)])
    assert done.left_out == (numbers[1],) and db.read.suggestions() == []
    with pytest.raises(UsageError, match="all sequences"):
        db.commands.split(b, numbers[2:4])
    with pytest.raises(UsageError, match=f"has no sequence {numbers[0]}"):
        db.commands.split(b, numbers[:1])
    db.commands.merge(a, new)  # what is said later counts
    assert db.read.pairs_apart() == []
    db.commands.undo()
    db.commands.undo()
    assert [x.sequence for x in db.read.appearances(person=a)] == numbers[:2]
    assert db.read.person(new) is None


def test_refused_and_accepted(db, three):
    (a, b, c), numbers = three
    extra = index(db, "b.mp4", sequences(1, 1, seed=2)[0])
    db.commands.record([], [Suggest(extra[0], a, 0.6), Suggest(extra[0], b, 0.5)])
    assert db.commands.refuse(extra[0], a) is None
    assert [(s.sequence, s.person) for s in db.read.suggestions()] == [(extra[0], b)]
    assert db.commands.record([Join(extra[0], a)]).left_out == (extra[0],)
    db.commands.accept(extra[0], b)
    assert db.read.suggestions() == [] and db.read.pairs_apart() == [(extra[0], a)]
    (one,) = db.read.appearances(video=2)
    assert (one.person, one.fixed, one.score) == (b, True, 0.5)
    assert db.commands.record([Join(extra[0], c)]).left_out == (extra[0],)
    new = db.commands.refuse(numbers[5], c)
    assert [x.person for x in db.read.appearances(sequences=[numbers[5]])] == [new]
    db.commands.merge(b, a)  # who is not a is not both: but the merge says that b is a
    assert db.read.pairs_apart() == [(numbers[5], c)]
    with pytest.raises(UsageError, match="no sequence 999"):
        db.commands.refuse(999, a)


def test_somebody_without_anything_left_is_gone(db, three):
    (a, b, c), numbers = three
    db.commands.name(b, "Bob")
    db.commands.record([Join(n, c) for n in numbers[:4]])
    assert [(p.person, p.sequences) for p in db.read.people()] == [(c, 6), (b, 0)]
    with pytest.raises(UsageError, match=f"no person {a}"):
        db.commands.record([Join(numbers[0], a)])
    with pytest.raises(UsageError, match="all sequences"):
        for n in numbers:
            db.commands.refuse(n, c)


def test_any_commands_in_any_order_follow_from_the_log(db, three):
    _, numbers = three
    chance = random.Random(5)
    commands, done = db.commands, 0
    for _ in range(120):
        known = [p.person for p in db.read.people()]
        a, b = chance.choice(known), chance.choice(known)
        n = chance.choice(numbers)
        step = chance.choice(
            [
                (commands.name, a, chance.choice(["Ada", "Bob", None])),
                (commands.merge, a, b),
                (commands.split, a, [n]),
                (commands.refuse, n, a),
                (commands.accept, n, a),
                (commands.record, [Join(n, chance.choice([a, -1]))], [Suggest(n, b, 0.1)]),
                (commands.undo,),
                (commands.undo, chance.choice(commands.events()).id),
            ]
        )
        try:
            step[0](*step[1:])
            done += 1
        except UsageError:
            pass
        assert replay(commands.events()) == state_of(db)
    assert done > 60
    db.run("DELETE FROM suggestion")
    db.run("UPDATE assignment SET person = (SELECT max(id) FROM person), fixed = false")
    commands.rebuild()
    assert {*state_of(db)} == {*WHAT}


def test_the_log_is_only_appended_to(db, three):
    for change in ("DELETE FROM event", "UPDATE event SET author = 'x'"):
        with pytest.raises(DatabaseError, match="only appended to"):
            db.run(change)


def traces(db, *words):
    """The tables in which any of the words is."""
    tables = [r[0] for r in db.rows("SELECT tablename::text FROM pg_tables WHERE schemaname = "
                                    "'openfaceplus'")]  # fmt: skip
    return [
        table for table in tables for row in db.rows(f"SELECT t::text FROM {table} t")
        if any(word in row[0] for word in words)
    ]  # fmt: skip


def test_forgotten(db, three):
    (a, b, c), numbers = three
    db.commands.name(a, "Ada")
    db.commands.name(b, "Bertha")
    db.commands.merge(a, b)
    db.commands.merge(c, a)
    db.commands.undo()
    db.commands.record([], [Suggest(numbers[0], c, 0.5)])
    db.commands.refuse(numbers[4], a)
    receipt = db.forget(a)
    assert receipt.left == 0
    assert {t: receipt.rows[t] for t in ("sequence", "face", "crop", "vector", "person")} == {
        "sequence": 4, "face": 16, "crop": 12, "vector": 4, "person": 1,
    }  # fmt: skip
    assert not traces(db, "Ada", "Bertha")
    assert [p.person for p in db.read.people()] == [c]
    assert [x.sequence for x in db.read.appearances()] == numbers[4:]
    assert len(db.read.sequences(SPACE).sequences) == 2
    told = {x.key for e in db.commands.events() for x in e.changes if x.what == "assignment"}
    assert told == set(numbers[4:])
    assert receipt.to_dict()["rows"]["event"] >= 4 and receipt.remarks
    with pytest.raises(UsageError, match=f"no person {a}"):
        db.forget(a)


def test_a_video_taken_away_is_as_if_it_had_never_been(db, three):
    (a, *_), numbers = three
    more = index(db, "b.mp4", sequences(2, 1, seed=3)[0])
    db.commands.record([Join(more[0], a), Join(more[1], -1)])
    receipt = db.videos.remove(2)
    assert receipt.left == 0 and receipt.rows["video"] == 1 and receipt.rows["person"] == 1
    assert [x.sequence for x in db.read.appearances()] == numbers
    assert db.videos.begin(file("b.mp4")) == 3


def test_purge(db, three):
    old = datetime.now(UTC) - timedelta(days=40)
    video = db.videos.begin(file("old.mp4", recorded_at=old))
    db.videos.add(video, sequences(1, 2, seed=4)[0])
    db.videos.finish(video)
    assert db.videos.find(file("old.mp4").hash).recorded_at == old
    assert db.purge(timedelta(days=60)).rows.get("video", 0) == 0
    receipt = db.purge(timedelta(days=30))
    assert receipt.rows["video"] == 1 and receipt.rows["sequence"] == 2 and receipt.left == 0
    assert [v.path for v in db.videos.all()] == ["a.mp4"]


def test_a_command_of_two_users_at_once(db, three, db_url):
    (a, b, _), _ = three

    def said(pair):
        with connect(db_url) as other:
            try:
                other.commands.merge(*pair)
            except UsageError as error:
                return str(error)

    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(said, [(a, b), (b, a)]))
    assert sorted(x is None for x in answers) == [False, True]
    assert [p.sequences for p in db.read.people()] == [4, 2]
