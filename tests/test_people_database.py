"""A trained model's people, imported into a database and asked for there."""

from __future__ import annotations

import json

import pytest
from running import call, refused

from openfaceplus.database import connect


@pytest.fixture(scope="module")
def imported(model, database_server, tmp_path_factory):
    """A database, by its URL, that has the people of the model."""
    import made_videos

    with made_videos.fresh(*database_server) as url:
        said = call("people", "import", model, "--db", url).stdout
        assert "knows 5 people" in said
        yield url


def test_imported_and_found(imported, portraits, astronaut, model):
    probe = portraits / "test/obama1.jpg"
    assert call("whois", probe, "--db", imported).stdout.startswith("It is obama: distance 0.")
    data = json.loads(call("whois", probe, "--db", imported, "--json").stdout)
    assert data["name"] == data["closest"] == "obama" and 0 < data["distance"] < data["limit"]
    assert (data["measure"], data["far"], len(data["box"])) == ("embeddings", 0.001, 4)
    said = call("whois", astronaut, "--db", imported, expect=1).stdout
    assert said.startswith("Not in the database; the closest is ")


def test_imported_again_nothing_changes(imported, model):
    with connect(imported) as db:
        people, log = db.read.people(), db.commands.events()
        data = json.loads(call("people", "import", model, "--db", imported, "--json").stdout)
        assert {row["name"] for row in data["people"]} == {p.name for p in people}
        assert sum(row["photos"] for row in data["people"]) == sum(p.templates for p in people)
        assert data["space"].startswith("dlib") and "secret" not in data["db"]
        assert db.read.people() == people and db.commands.events() == log


def test_what_cannot_be_answered(imported, portraits, tmp_path, db_url, model):
    probe = portraits / "test/obama1.jpg"
    assert "holds nobody" in refused("whois", probe, "--db", db_url)
    said = refused("whois", probe, "--db", imported, "--views", 6)
    assert "embedded as" in said and said.count("--db") == 1
    assert "refused" in refused("whois", probe, "--db", "postgresql://me:secret@127.0.0.1:1/x")
    assert "secret" not in refused("whois", probe, "--db", "postgresql://me:secret@127.0.0.1:1/x")
    (tmp_path / "x.txt").write_text("x")
    assert "none of a database" in refused("people", "import", model, "--db", tmp_path)
    assert "usable photo" in refused("whois", probe, "--db", tmp_path)


def test_a_folder_is_a_database_too(model, portraits, tmp_path):
    call("people", "import", model, "--db", tmp_path / "db")
    said = call("whois", portraits / "test/obama1.jpg", "--db", tmp_path / "db").stdout
    assert said.startswith("It is obama")
