"""A video that several processes look at gives the rows that one gives, whatever dies meanwhile."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sample_photos
import toy_workers
from running import call, run
from video_maker import put, scene, write_video

from openfaceplus.database import connect
from openfaceplus.errors import VideoError
from openfaceplus.pipeline import Pipeline
from openfaceplus.recipe import recipe
from openfaceplus.sequences import FaceSequence
from openfaceplus.stages.video_faces import video_recipe
from openfaceplus.stages.video_segments import Shared, Watcher
from openfaceplus.stages.video_sequences import VideoReport, VideoSequences
from openfaceplus.stages.workers import Workers
from openfaceplus.track.settings import SequenceSettings
from openfaceplus.video.source import open_video

RATE = 8


@pytest.fixture(scope="module")
def film(samples, tmp_path_factory) -> Path:
    """Nine seconds whose keyframes, a second apart, come while two people cross and while one is
    away for two seconds; and another shot."""
    kit, vera, hugo = (sample_photos.pictures()[name] for name in ("kit", "vera", "hugo"))

    def draw(picture: np.ndarray, time: float) -> None:
        if time < 5.3:
            put(picture, kit, (80 + 60 * time, 135), 120)
            if not 1.6 < time < 3.4:
                put(picture, vera, (400 - 60 * time, 135), 110 + 4 * time)
        else:
            picture[:] = (30, 120, 200)
            put(picture, hugo, (200 + 10 * time, 135), 110)

    frames = scene(9, draw, rate=RATE)
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    return write_video(path, frames, rate=RATE, keyframes=RATE)


@pytest.fixture(scope="module")
def watchers() -> Iterator[Workers[Any, Any]]:
    with watching(Watcher, jobs=1) as pool:
        yield pool


def watching(
    kind: Any, *more: Any, jobs: int, every: int = 1, seconds: float | None = None
) -> Workers[Any, Any]:
    arguments = video_recipe(recipe()), False, SequenceSettings(), every, seconds, *more
    return Workers[Any, Any](kind, arguments, jobs, apart=jobs > 1)


def followed(
    path: Path, pool: Workers[Any, Any] | None = None, length: float = 1.0, **options: Any
) -> tuple[list[FaceSequence], VideoReport]:
    """Its sequences in order of time, followed here, or with segments of a length looked at by a
    pool."""
    pipeline = Pipeline(video_recipe(recipe()))
    with open_video(path) as video:
        sight = (
            None if pool is None else Shared(video, pool, pipeline, options.get("seconds"), length)
        )
        found = VideoSequences(video, pipeline, flawed=True, sight=sight, **options)
        return sorted(found, key=lambda one: (one.start, one.end)), found.report


def told(sequences: list[FaceSequence]) -> list[Any]:
    """All that sequences hold, to the last bit."""
    return [
        (
            [(s.time, s.box, s.score, s.pose, s.quality, np.array(s.points)) for s in one.seen],
            [(crop.time, crop.quality, crop.pixels) for crop in one.crops],
            one.vectors, one.descriptor, one.spread, one.flaw,
        )
        for one in sequences
    ]  # fmt: skip


def check_same(one: tuple[list[FaceSequence], VideoReport], other: Any) -> None:
    np.testing.assert_equal(told(other[0]), told(one[0]))
    assert one[1] == other[1]


@pytest.fixture(scope="module")
def whole(film) -> tuple[list[FaceSequence], VideoReport]:
    """What comes of it in one piece."""
    found, report = followed(film)
    assert report.shots == 2 and len(found) >= 3
    assert any(one.end - one.start > 3 for one in found), "none crosses a border"
    assert any(np.diff([seen.time for seen in one.seen]).max() > 1 for one in found)
    return found, report


def test_segments_give_what_the_whole_gives(film, whole, watchers):
    for length in (1.0, 2.5):
        check_same(whole, followed(film, watchers, length))


@pytest.mark.heavy
def test_of_each_third_frame_and_the_first_seconds_as_well(film):
    with watching(Watcher, jobs=1, every=3, seconds=6.2) as pool:
        there = followed(film, pool, every=3, seconds=6.2)
    check_same(followed(film, every=3, seconds=6.2), there)


@pytest.mark.heavy
def test_what_no_segment_kept_is_looked_at_again(film, whole, watchers):
    """Of a face that lasts, each segment keeps views; the sequence keeps others too."""
    with open_video(film) as video, ThreadPoolExecutor(1) as executor:
        parts = video.parts(1.0)
        looks = list(Shared(video, watchers, Pipeline(recipe()), length=1.0).looks(executor))
    assert len(parts.parts) == 9 and len(looks) == 72
    there = {seen.time for look in looks for n, seen in enumerate(look.faces) if look.kept(n)}
    assert not {crop.time for one in whole[0] for crop in one.crops} <= there


@pytest.mark.heavy
def test_a_process_that_dies_costs_a_segment(film, whole, tmp_path):
    with watching(toy_workers.DyingWatcher, tmp_path, 1, jobs=2) as pool:
        check_same(whole, followed(film, pool, 2.0))
    done = [path.read_text().split() for path in tmp_path.iterdir()]
    assert sorted(done) == [["0"], ["16"], ["32", "32"], ["48"], ["64"]]


@pytest.mark.heavy
def test_a_segment_at_which_all_die_is_a_video_that_failed(film, tmp_path):
    with (
        watching(toy_workers.DyingWatcher, tmp_path, 9, jobs=2) as pool,
        pytest.raises(VideoError, match=r"film\.mp4: the process that read it died"),
    ):
        followed(film, pool, 4.0)


def rows(database: Path) -> list[Any]:
    """What was seen, without the numbers of sequences, which depend on the order."""
    with connect(database) as db:
        return db.rows(
            "SELECT s.starts, s.ends, s.faces, s.yaw, s.evidence, s.spread, v.value::text,"
            ' (SELECT array_agg((f.at, "left", top, f.points, f.quality)::text ORDER BY f.at)'
            "  FROM face f WHERE f.sequence = s.id),"
            " (SELECT array_agg((c.at, md5(c.jpeg), c.vector)::text ORDER BY c.at)"
            "  FROM crop c WHERE c.sequence = s.id)"
            " FROM sequence s JOIN vector v ON v.sequence = s.id ORDER BY s.starts, s.ends, s.yaw"
        )


@pytest.fixture(scope="module")
def long(samples, tmp_path_factory) -> Path:
    """Two segments and a bit, two frames a second."""
    alex, dora = (sample_photos.pictures()[name] for name in ("alex", "dora"))

    def draw(picture: np.ndarray, time: float) -> None:
        put(picture, alex, (100 + 2 * time, 135), 120)
        if 20 < time < 40 or time > 60:
            put(picture, dora, (350 - 2 * time, 135), 110)

    path = tmp_path_factory.mktemp("long") / "long.mp4"
    return write_video(path, scene(70, draw, rate=2), rate=2, keyframes=10)


@pytest.mark.heavy
def test_the_command_writes_the_same_rows(long, tmp_path):
    """Several videos in hand, one of which cannot be read."""
    (tmp_path / "none.mp4").write_text("none")
    videos = [long, tmp_path / "none.mp4"]
    words = ["video", "index", *videos, "--json", "--db"]
    one = json.loads(call(*words, tmp_path / "one", "--jobs", 1, expect=1).stdout)
    two = json.loads(call(*words, tmp_path / "two", "--jobs", 2, expect=1).stdout)
    assert one == two and one["people"] > 0
    assert rows(tmp_path / "one") == rows(tmp_path / "two") != []


@pytest.mark.heavy
def test_so_does_a_cluster_whose_processes_reach_no_database(long, tmp_path):
    run("video", "index", long, "--db", tmp_path / "one", "--jobs", "1")
    run("video", "index", long, "--db", tmp_path / "two", "--ray", "local:2")
    assert rows(tmp_path / "one") == rows(tmp_path / "two") != []
