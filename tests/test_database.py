"""What is written to a database is read again, once, whoever writes and whenever it is stopped."""

from __future__ import annotations

from urllib.parse import urlsplit

import numpy as np
import psycopg
import pytest
from made_videos import file, fresh, index, name_of, sequence, sequences
from vectors import SPACE, faces

from openfaceplus.database import connect
from openfaceplus.database.migrate import migrations
from openfaceplus.errors import DatabaseError, SpaceMismatch, UsageError, VideoClaimed


def test_what_is_written_is_read(db):
    some, _ = sequences(3, 2)
    odd = file("odd \udcff name.mp4")  # a byte that is no letter
    video = db.videos.begin(odd, by="me")
    numbers = db.videos.add(video, some)
    assert not db.videos.find(odd.hash).done
    db.videos.finish(video)
    (found,) = db.videos.all()
    assert found == db.videos.find(odd.hash, SPACE, "settings")
    assert (found.path, found.rate, found.width, found.indexed_by) == (odd.path, 25.0, 640, "me")
    assert found.done and found.sequences == 6 and db.videos.find("other") is None
    assert [a.sequence for a in db.read.appearances()] == numbers
    one = db.read.appearances(sequences=numbers[1:2])[0].to_dict()
    assert one == {
        "person": None, "name": None, "video": odd.path, "sequence": numbers[1], "start": 2.0,
        "end": 3.5, "faces": 4, "score": None, "yaw": 10.0, "pitch": -5.0, "roll": 1.0,
    }  # fmt: skip
    rows = db.read.sequences(SPACE, numbers[::-1])
    np.testing.assert_allclose(rows.vectors, [s.descriptor for s in some], atol=2e-4)
    np.testing.assert_allclose(np.linalg.norm(rows.vectors, axis=1), 1, rtol=1e-6)
    assert rows.vectors.dtype == np.float32 and rows.starts.tolist() == [0, 2, 4, 6, 8, 10]
    crop = db.read.crops(numbers[0])[0]
    assert crop.quality == pytest.approx(0.7) and crop.jpeg.startswith(b"\xff\xd8")
    np.testing.assert_allclose(crop.vector, some[0].vectors[2], atol=2e-4)
    seen = db.read.faces(numbers[0])
    assert [f.time for f in seen] == [f.time for f in some[0].seen]
    assert seen[0].box == some[0].seen[0].box and seen[0].pose == some[0].seen[0].pose
    np.testing.assert_array_equal(seen[0].points, some[0].seen[0].points)


def test_the_same_content_is_written_once(db):
    some, _ = sequences(2, 1)
    index(db, "a.mp4", some)
    assert db.videos.begin(file("a.mp4")) is None
    assert db.videos.begin(file("a.mp4", rate=30.0)) is None  # its content says what it is
    other = db.videos.begin(file("b.mp4"))
    assert other is not None and len(db.videos.all()) == 2


def test_what_a_killed_run_left_is_written_anew(db_url):
    some, _ = sequences(2, 2)
    with connect(db_url) as first:
        first.videos.add(first.videos.begin(file()), some)
    with connect(db_url) as second:
        assert not second.videos.all()[0].done
        numbers = index(second, "a.mp4", some)
        assert [a.sequence for a in second.read.appearances()] == numbers
        for table, rows in (("sequence", 4), ("face", 16), ("crop", 12), ("vector", 4)):
            assert second.rows(f"SELECT count(*) FROM {table}") == [(rows,)]


def test_one_indexer_a_video(db_url):
    with connect(db_url) as one, connect(db_url) as other:
        video = one.videos.begin(file())
        with pytest.raises(VideoClaimed, match=r"a\.mp4.*another process"):
            other.videos.begin(file())
        assert other.videos.begin(file("b.mp4"))
        with pytest.raises(UsageError, match="not begun here"):
            other.videos.add(video, [])
        one.videos.finish(video)
        assert other.videos.begin(file()) is None
        claimed = one.videos.begin(file("c.mp4"))
        one.videos.abandon(claimed)
        assert other.videos.begin(file("c.mp4"))


def test_all_of_a_batch_or_nothing(db):
    video = db.videos.begin(file())
    good, _ = sequences(2, 1)
    vectors, _ = faces(1, 3)
    bad = sequence(9, 10, vectors[:, :64])
    with pytest.raises(UsageError, match="128 numbers"):
        db.videos.add(video, [*good, bad])
    broken = sequence(9, 10, 2 * vectors)
    with pytest.raises(UsageError, match="unit length"):
        db.videos.add(video, [*good, broken])
    assert db.read.appearances() == []
    assert len(db.videos.add(video, good)) == 2
    assert db.videos.add(video, []) == []


def test_spaces_do_not_mix(db):
    some, _ = sequences(2, 1)
    numbers = index(db, "a.mp4", some)
    with pytest.raises(UsageError, match="other-net"):
        db.search(some[0].descriptor, "other-net")
    with pytest.raises(UsageError, match="128"):
        db.search(some[0].descriptor[:9], SPACE)
    with pytest.raises(SpaceMismatch, match="128 numbers"):
        db.space(SPACE, 512)
    assert db.space("other-net") is None
    assert len(db.read.sequences("other-net").sequences) == 0
    assert len(db.read.sequences(SPACE).sequences) == len(numbers)


def test_migrations_are_taken_once_and_by_one_at_a_time(database_server):
    from concurrent.futures import ThreadPoolExecutor

    with fresh(database_server[0]) as url:
        with ThreadPoolExecutor(4) as pool:
            for db in pool.map(connect, [url] * 4):
                db.close()
        with connect(url) as db:
            taken = db.rows("SELECT number, name FROM migration ORDER BY number")
            assert taken == [step[:2] for step in migrations()]
            db.run("INSERT INTO migration (number, name) VALUES (9999, 'to come')")
        with pytest.raises(DatabaseError, match="later version") as told:
            connect(url)
        assert told.value.remedy.startswith("update this program") and told.value.field == "db"


def test_an_old_pgvector_is_refused(db_url, monkeypatch):
    from openfaceplus.database import migrate

    monkeypatch.setattr(migrate, "OLDEST", (99, 0))
    with pytest.raises(DatabaseError, match=r"pgvector is 0\.\d+\.\d+, and 99\.0 or later"):
        connect(db_url)


def test_a_server_without_pgvector(database_server, monkeypatch):
    from openfaceplus.database import migrate

    monkeypatch.setattr(migrate, "EXTENSION", "no_such_extension")
    with fresh(database_server[0]) as url, pytest.raises(DatabaseError, match="has no pgvector"):
        connect(url)


def test_a_user_without_rights(database_server):
    with fresh(database_server[0]) as url:
        role = f"{name_of(url)}_guest"
        as_guest = f"{url}{'&' if '?' in url else '?'}options=-crole%3D{role}"
        with psycopg.connect(url, autocommit=True) as owner:
            owner.execute(f"CREATE ROLE {role}")
        try:
            with pytest.raises(DatabaseError, match="may not add pgvector") as told:
                connect(as_guest)
            assert "CREATE EXTENSION vector" in told.value.remedy
            with psycopg.connect(url, autocommit=True) as owner:
                owner.execute("CREATE EXTENSION vector")
            with pytest.raises(DatabaseError, match="permission denied for database"):
                connect(as_guest)
            connect(url).close()
            with pytest.raises(DatabaseError, match="permission denied"):
                connect(as_guest)
        finally:
            with psycopg.connect(url, autocommit=True) as owner:
                owner.execute(f"DROP ROLE {role}")


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("postgresql://nobody:secret@127.0.0.1:1/x", "refused"),
        ("postgresql://u@nowhere.invalid/x", "nowhere.invalid"),
        ("postgresql://u@[h/x", "postgresql://user@host"),
    ],
)
def test_no_such_server(url, said):
    with pytest.raises(DatabaseError, match=said) as told:
        connect(url)
    assert "secret" not in str(told.value) and "\n" not in str(told.value)
    assert told.value.remedy and told.value.field == "db"


def test_who_is_not_let_in(database_server):
    url = database_server[0]
    with pytest.raises(DatabaseError, match="does not exist") as told:
        connect(urlsplit(url)._replace(path="/no_such_database").geturl())
    assert "check its name" in told.value.remedy
    host = urlsplit(url).netloc.rpartition("@")[2]
    with pytest.raises(DatabaseError, match=r"authentication failed|no password|role") as told:
        connect(urlsplit(url)._replace(netloc=f"nobody_of_that_name@{host}").geturl())
    assert told.value.remedy == "check user and password"


def test_a_lost_server_is_told(db):
    db.rows("SELECT 1")
    with connect(db.url) as other:
        other.rows("SELECT pg_terminate_backend(%s)", (db.connection.info.backend_pid,))
    with pytest.raises(DatabaseError, match=r"administrator|closed") as told:
        db.read.people()
    assert "run the same again" in told.value.remedy
