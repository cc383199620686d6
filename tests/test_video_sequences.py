"""A video in, sequences of faces out: on scenes made of photos of real people."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import sample_photos
from running import face
from video_maker import put, scene, write_video

from openfaceplus.pipeline import Pipeline
from openfaceplus.recipe import recipe
from openfaceplus.sequences import FaceSequence
from openfaceplus.stages.video_faces import video_recipe
from openfaceplus.stages.video_sequences import VideoReport, VideoSequences
from openfaceplus.track.settings import SequenceSettings
from openfaceplus.video.source import open_video

RATE = 10
SIDE = 120  # pixels of a photo in which a face has half of that


@cache
def pipeline() -> Pipeline:
    return Pipeline(video_recipe(recipe()))


def follow(
    path: Path, settings: SequenceSettings | None = None, **options
) -> tuple[list[FaceSequence], VideoReport]:
    with open_video(path) as video:
        found = VideoSequences(video, pipeline(), settings, **options)
        return list(found), found.report


def film(path: Path, frames: Iterable[np.ndarray]) -> Path:
    return write_video(path, frames, rate=RATE)


def middles(sequence: FaceSequence) -> np.ndarray:
    return np.array([(s.box.left + s.box.right) / 2 for s in sequence.seen])


@cache
def vectors() -> dict[str, np.ndarray]:
    """Each sample person's own vector."""
    people = {name: pixels for name, pixels in sample_photos.pictures().items()}
    found = pipeline().look(list(people.values()), largest=True)
    return {name: one.vectors[0] for name, one in zip(people, found, strict=True)}


def who(sequence: FaceSequence) -> str:
    """Whose photo its descriptor is most like."""
    return max(vectors(), key=lambda name: float(vectors()[name] @ sequence.descriptor))


def test_a_face_that_moves_and_grows_is_one_sequence(tmp_path):
    photo = np.ascontiguousarray(face(1)[:, :220])

    def draw(picture, time):
        put(picture, photo, (100 + 80 * time, 140), 110 + 40 * time)

    path = film(tmp_path / "a.mp4", scene(3, draw, rate=RATE))
    (one,), report = follow(path)
    assert one.start == 0 and one.end == pytest.approx(3 - 1 / RATE, abs=0.01)
    assert len(one.seen) == 30 == report.frames == report.faces
    assert (report.sequences, report.shots, report.remarks) == (1, 1, [])
    assert np.diff(middles(one)).mean() == pytest.approx(80 / RATE, rel=0.1)
    sides = [seen.box.side for seen in one.seen]
    assert sides[-1] > 1.7 * sides[0]
    assert 4 <= len(one.crops) <= 8 and one.vectors.shape == (len(one.crops), 128)
    assert all(crop.pixels.shape == (150, 150, 3) for crop in one.crops)
    assert [crop.time for crop in one.crops] == sorted(crop.time for crop in one.crops)
    assert np.linalg.norm(one.descriptor) == pytest.approx(1, abs=1e-5)
    assert 0 < one.spread < 0.03
    assert one.descriptor @ pipeline().look([photo], largest=True)[0].vectors[0] > 0.98
    assert all(abs(seen.pose.roll) < 15 and 0 < seen.quality <= 1 for seen in one.seen)


def test_faces_are_where_they_are_at_full_size(tmp_path):
    """Found on a copy of a third, given in pixels of the frame."""
    photo = np.ascontiguousarray(face(1)[:, :220])

    def draw(picture, time):
        put(picture, photo, (1200, 700), 500)

    path = film(tmp_path / "a.mp4", scene(0.5, draw, rate=RATE, size=(1920, 1080)))
    (one,), _ = follow(path)
    (still,) = pipeline().look([np.ascontiguousarray(photo)], largest=True)[0].faces
    for seen in one.seen:
        assert seen.box.side == pytest.approx(still.box.side * 500 / 220, rel=0.1)
        assert middles(one) == pytest.approx(1200, abs=30)
        inside = seen.points - (seen.box.left, seen.box.top)
        assert (inside > 0).all() and (inside < 1.1 * seen.box.side).all()


def test_two_people_who_cross_keep_their_sequences(samples, tmp_path):
    left, right = (sample_photos.pictures()[name] for name in ("obama", "vera"))

    def draw(picture, time):
        put(picture, left, (80 + 110 * time, 135), SIDE)
        put(picture, right, (400 - 110 * time, 135), SIDE)  # before the other

    path = film(tmp_path / "a.mp4", scene(3, draw, rate=RATE))
    found, _ = follow(path)
    assert {who(one) for one in found} == {"obama", "vera"}
    for one in found:
        slope = np.polyfit([seen.time for seen in one.seen], middles(one), 1)[0]
        assert slope == pytest.approx(110 if who(one) == "obama" else -110, rel=0.15)
        off = [abs(v @ vectors()[who(one)] - 1) for v in one.vectors]
        assert max(off) < 0.07
    assert sum(who(one) == "vera" for one in found) == 1


def test_one_who_takes_anothers_place_is_another_sequence(samples, tmp_path):
    """Nothing parts them but who they are: same place, same wall, no cut."""
    first, second = (sample_photos.pictures()[name] for name in ("biden", "rose"))

    def draw(picture, time):
        put(picture, first if time < 1.5 else second, (240, 135), SIDE)

    path = film(tmp_path / "a.mp4", scene(3, draw, rate=RATE))
    found, report = follow(path)
    assert [who(one) for one in found] == ["biden", "rose"] and report.shots == 1
    assert found[0].end < 1.5 <= found[1].start + 0.01


def test_a_face_behind_something_goes_on(samples, tmp_path):
    photo = sample_photos.pictures()["kit"]

    def draw(picture, time):
        put(picture, photo, (120 + 60 * time, 135), SIDE)
        if 1 <= time < 1.6:
            picture[:, 100:300] = 40

    (one,), _ = follow(film(tmp_path / "a.mp4", scene(3, draw, rate=RATE)))
    assert one.end > 2.8 and not [s for s in one.seen if 1 < s.time < 1.58]


def test_one_who_comes_back_within_two_seconds_goes_on_and_later_does_not(samples, tmp_path):
    photo = sample_photos.pictures()["alex"]

    def away(seconds):
        def draw(picture, time):
            if not 1 <= time < 1 + seconds:
                put(picture, photo, (200, 135), SIDE)

        return film(tmp_path / f"{seconds}.mp4", scene(2 + seconds, draw, rate=RATE))

    (one,), _ = follow(away(1.9))
    assert one.end > 3.7
    early, late = follow(away(3))[0]
    assert early.end < 1 and late.start >= 4
    assert early.descriptor @ late.descriptor > 0.98


def test_another_who_comes_instead_is_not_taken_for_the_first(samples, tmp_path):
    first, second = (sample_photos.pictures()[name] for name in ("alex", "dora"))

    def draw(picture, time):
        if not 1 <= time < 2.2:
            put(picture, first if time < 1 else second, (200, 135), SIDE)

    found, _ = follow(film(tmp_path / "a.mp4", scene(3.2, draw, rate=RATE)))
    assert [who(one) for one in found] == ["alex", "dora"]


def test_sequences_end_with_the_shot(samples, tmp_path):
    photo = sample_photos.pictures()["hugo"]

    def draw(picture, time):
        if time >= 1:
            picture[:] = (30, 120, 200)
        put(picture, photo, (200, 135), SIDE)

    found, report = follow(film(tmp_path / "a.mp4", scene(2, draw, rate=RATE)))
    assert report.shots == 2
    assert [round(one.start, 2) for one in found] == [0, 1] and found[0].end < 1


def test_what_cannot_be_judged_is_left_out_and_counted(samples, tmp_path):
    photo = sample_photos.pictures()["obama"]

    def draw(picture, time):
        put(picture, photo, (80, 135), 44)  # 25 pixels of a face
        if time >= 1.3:
            put(picture, photo, (300, 135), SIDE)  # for two frames

    path = film(tmp_path / "a.mp4", scene(1.5, draw, rate=RATE))
    found, report = follow(path)
    assert found == [] and report.left_out == {"too_small": 1, "too_short": 1}
    shown, _ = follow(path, flawed=True)
    assert sorted(one.flaw for one in shown) == ["too_short", "too_small"]
    assert all(len(one.vectors) == 0 and one.seen for one in shown)
    (one,), _ = follow(path, SequenceSettings(min_seconds=0.5, min_size=20))
    assert one.seen[0].box.side < 30


def test_a_long_sequence_keeps_as_many_crops_as_a_short_one(samples, tmp_path):
    """And they are spread over all of it, so that memory stays flat."""
    photo = sample_photos.pictures()["rose"]

    def draw(picture, time):
        put(picture, photo, (200 + 10 * np.sin(time), 135), SIDE)

    path = film(tmp_path / "a.mp4", scene(20, draw, rate=4))
    (one,), _ = follow(path)
    assert 4 <= len(one.crops) <= 8
    assert one.crops[-1].time - one.crops[0].time > 0.6 * (one.end - one.start)


def test_few_frames_are_enough(samples, tmp_path):
    photo = sample_photos.pictures()["kit"]

    def draw(picture, time):
        put(picture, photo, (100 + 60 * time, 135), SIDE)

    path = film(tmp_path / "a.mp4", scene(4, draw, rate=RATE))
    (one,), report = follow(path, every=6)
    assert report.frames == 7 == len(one.seen)
    _, report = follow(path, seconds=1.0)
    assert report.frames == RATE and report.seconds < 1


def test_no_face_is_said(tmp_path):
    told = []
    path = film(tmp_path / "a.mp4", scene(1, lambda picture, time: None, rate=RATE))
    found, report = follow(path, progress=lambda done, total: told.append((done, total)))
    assert found == [] and report.remarks == [f"{path}: no face was found"]
    assert told == [(n + 1, RATE) for n in range(RATE)]


def test_a_turned_video_has_upright_faces(samples, tmp_path):
    photo = sample_photos.pictures()["vera"]

    def draw(picture, time):
        put(picture, photo, (200, 135), SIDE)

    lying = [np.rot90(picture).copy() for picture in scene(1, draw, rate=RATE)]
    path = write_video(tmp_path / "a.mp4", lying, rate=RATE, rotation=-90)
    (one,), _ = follow(path)
    assert who(one) == "vera" and abs(one.pose.roll) < 15
    assert middles(one) == pytest.approx(200, abs=15)
