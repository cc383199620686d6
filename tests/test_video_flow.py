"""Videos in, answers out: the commands of ``openfaceplus video`` as a user types them."""

from __future__ import annotations

import csv
import io
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from running import call, refused, run

from openfaceplus.stages.video_demo import moving, write_clip


def photo(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


def shots(*paths: Path) -> list[np.ndarray]:
    """Frames of a shot a photo, two a second of what a whole clip would have."""
    return [frame for path in paths for frame in moving(photo(path))[::5]]


@pytest.fixture(scope="module")
def clips(portraits, astronaut, tmp_path_factory) -> Path:
    """Two clips: Obama and the astronaut; Biden and Obama again, by another photo."""
    folder = tmp_path_factory.mktemp("clips")
    train = portraits / "train"
    (first, second, *_), (biden, *_) = (
        sorted((train / name).iterdir()) for name in ("obama", "biden")
    )
    write_clip(folder / "monday.mp4", shots(first, astronaut), 5)
    write_clip(folder / "tuesday.mp4", shots(biden, second), 5)
    return folder


@pytest.fixture(scope="module")
def indexed(clips, tmp_path_factory) -> Path:
    """A database of the clips. Not to be changed."""
    database = tmp_path_factory.mktemp("indexed") / "database"
    call("video", "index", clips, "--db", database, "--jobs", 1)
    return database


def ask(database: Path, *words: object) -> list[dict]:
    return json.loads(call("video", *words, "--db", database, "--json").stdout)


def test_whoever_comes_back_is_found_again(indexed, clips):
    people = ask(indexed, "people")
    assert [set(one) for one in people] == 3 * [
        {"person", "name", "sequences", "videos", "seconds", "cohesion"}
    ]
    assert [(one["sequences"], one["videos"]) for one in people] == [(2, 2), (1, 1), (1, 1)]
    both = ask(indexed, "appearances", "--person", people[0]["person"])
    assert [Path(one["video"]).name for one in both] == ["monday.mp4", "tuesday.mp4"]
    assert {one["video"] for one in both} == {str(path) for path in clips.iterdir()}
    first, second = both
    assert 0 <= first["start"] < first["end"] < second["start"] + 3 and first["faces"] > 10
    assert abs(first["yaw"]) < 30 and abs(first["roll"]) < 20
    assert set(first) == {
        "person", "name", "video", "sequence", "start", "end", "faces", "score", "yaw", "pitch",
        "roll",
    }  # fmt: skip
    one = ask(indexed, "appearances", "--video", "monday.mp4")
    assert len(one) == 2 and {Path(row["video"]).name for row in one} == {"monday.mp4"}


def test_a_photo_finds_where_its_person_was(indexed, portraits):
    found = ask(indexed, "search", next((portraits / "test").glob("obama*")), "--top", 3)
    assert [Path(one["video"]).name for one in found[:2]] in (
        ["monday.mp4", "tuesday.mp4"], ["tuesday.mp4", "monday.mp4"],
    )  # fmt: skip
    likeness = [one["likeness"] for one in found]
    assert likeness == sorted(likeness, reverse=True) and likeness[1] > likeness[2] + 0.02
    assert found[0]["person"] == found[1]["person"] != found[2]["person"]


def test_timelines_in_all_formats_tell_the_same(indexed, tmp_path):
    rows = ask(indexed, "timeline", "monday.mp4")
    table = call("video", "timeline", "monday.mp4", "--db", indexed).stdout
    read = list(csv.DictReader(io.StringIO(table)))
    assert [float(row["start"]) for row in read] == [round(row["start"], 3) for row in rows]
    for ending in ("vtt", "csv", "json"):
        for _ in range(2):  # its own file it replaces
            call("video", "timeline", "monday.mp4", "--db", indexed, "-o", tmp_path / f"m.{ending}")
    assert (tmp_path / "m.vtt").read_text().count("-->") == len(rows) == 2
    assert (tmp_path / "m.csv").read_text() == table
    assert json.loads((tmp_path / "m.json").read_text()) == rows
    (tmp_path / "mine.csv").write_text("mine")
    said = refused("video", "timeline", "monday.mp4", "--db", indexed, "-o", tmp_path / "mine.csv")
    assert "mine.csv" in said and (tmp_path / "mine.csv").read_text() == "mine"


def test_the_same_content_is_indexed_once(indexed, clips, tmp_path):
    shutil.copy(clips / "monday.mp4", tmp_path / "other name.mp4")
    done = json.loads(call("video", "index", tmp_path, clips, "--db", indexed, "--json").stdout)
    assert [one["status"] for one in done["videos"]] == ["kept"] * 3 and done["people"] == 3
    monday = clips / "monday.mp4"
    said = call("video", "index", monday, "--db", indexed, "--every", 2)
    assert "monday.mp4: was indexed with other settings" in said.stderr
    assert "indexed before" in said.stdout and len(ask(indexed, "appearances")) == 4


def test_a_video_may_be_indexed_anew(own, clips):
    before = ask(own, "appearances", "--video", "monday.mp4")
    call("video", "index", clips / "monday.mp4", "--db", own, "--every", 2, "--again", "--jobs", 1)
    after = ask(own, "appearances", "--video", "monday.mp4")
    assert len(after) == len(before) and len(ask(own, "people")) == 3
    assert max(one["faces"] for one in after) < 0.6 * max(one["faces"] for one in before)


@pytest.fixture
def own(indexed, tmp_path) -> Path:
    """A copy of the database, which may be changed."""
    shutil.copytree(indexed, tmp_path / "own")  # root's copy is root's: PostgreSQL minds
    return tmp_path / "own"


def test_what_a_user_puts_right_stays_right(own, clips, portraits):
    obama, second, third = (one["person"] for one in ask(own, "people"))
    call("video", "name", obama, "Barack Obama", "--db", own)
    call("video", "merge", second, third, "--db", own)
    assert [one["name"] for one in ask(own, "people")] == ["Barack Obama", None]
    (moved,) = [one["sequence"] for one in ask(own, "appearances", "--person", "Barack Obama")][1:]
    call("video", "split", "Barack Obama", moved, "--db", own)
    call("video", "recluster", "--db", own)
    owners = {one["sequence"]: one["name"] for one in ask(own, "appearances")}
    assert owners[moved] is None and len(ask(own, "people")) == 3
    call("video", "undo", "--db", own)
    owners = {one["sequence"]: one["name"] for one in ask(own, "appearances")}
    assert owners[moved] == "Barack Obama" and len(ask(own, "people")) == 2
    log = ask(own, "log")
    assert [one["command"] for one in log][-4:-1] == ["name", "merge", "split"] or [
        one["command"] for one in log
    ][-1] == "undo"


def test_forgetting_leaves_nothing_and_says_so(own):
    obama = ask(own, "people")[0]["person"]
    receipt = ask(own, "forget", obama)
    assert receipt["left"] == 0 and receipt["rows"]["vector"] == 2 and receipt["rows"]["crop"] > 2
    assert len(ask(own, "people")) == 2 and len(ask(own, "appearances")) == 2
    assert "there is no person" in refused("video", "forget", obama, "--db", own)
    assert ask(own, "purge", "--older-than", "1h")["left"] == 0
    assert len(ask(own, "people")) == 2
    ask(own, "purge", "--older-than", "0h")
    assert ask(own, "people") == [] and ask(own, "list") == []


def test_whoever_a_model_knows_is_named(clips, model, tmp_path):
    call("video", "index", clips, "--db", tmp_path / "named", "--model", model, "--jobs", 1)
    assert {one["name"] for one in ask(tmp_path / "named", "people")} >= {"obama", "biden"}
    found = ask(tmp_path / "named", "appearances", "--person", "obama")
    assert len(found) == 2


def test_odd_videos_are_rows_with_a_reason(clips, tmp_path):
    (tmp_path / "text.mp4").write_text("no video")
    (tmp_path / "empty.mp4").write_bytes(b"")
    whole = (clips / "monday.mp4").read_bytes()
    (tmp_path / "cut.mp4").write_bytes(whole[: len(whole) // 2])
    write_clip(tmp_path / "faceless.mp4", [np.full((90, 160, 3), 90, np.uint8)] * 5)
    done = run(
        "video", "index", tmp_path, "gone.mp4", "--db", tmp_path / "db", "--json", expect=1
    )  # fmt: skip
    rows = {Path(one["video"]).name: one for one in json.loads(done.stdout)["videos"]}
    assert rows["faceless.mp4"]["status"] == "no_face" and rows["faceless.mp4"]["error"] is None
    for name in ("text.mp4", "empty.mp4", "cut.mp4", "gone.mp4"):
        assert name in rows[name]["error"]["problem"], rows[name]
    assert "faceless.mp4: no face was found" in done.stderr and done.stderr.count("\n") == 1


def test_questions_without_an_answer_are_told_in_one_line(indexed, astronaut, tmp_path):
    assert "there is no person 'Ada'" in refused(
        "video", "appearances", "--person", "Ada", "--db", indexed
    )
    assert "did you mean monday.mp4" in refused("video", "timeline", "monda.mp4", "--db", indexed)
    said = refused("video", "people", "--db", tmp_path / "none")
    assert "there is no database; index videos first" in said and not list(tmp_path.iterdir())
    assert "holds no videos" in refused("video", "index", tmp_path, "--db", indexed)
    said = call("video", "purge", "--older-than", "soon", "--db", indexed, expect=2).stderr
    assert "'soon' is no age: give one such as 30d" in said
