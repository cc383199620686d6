"""Following boxes, and telling by their vectors whose they are; no pixels."""

from __future__ import annotations

import numpy as np
import pytest

from openfaceplus.errors import UsageError
from openfaceplus.faces import Box
from openfaceplus.sequences import Crop, Pose, Seen
from openfaceplus.track.joining import Joiner, Likeness, Piece, parted, sequence_of
from openfaceplus.track.pooling import pool
from openfaceplus.track.quality import inside, quality
from openfaceplus.track.settings import SequenceSettings
from openfaceplus.track.tracker import Track, Tracker

LIKENESS = Likeness(same=0.95, other=0.9, single=0.85)


def seen(time: float, x: float, y: float = 100, side: float = 60, good: float = 0.5) -> Seen:
    box = Box(x - side / 2, y - side / 2, x + side / 2, y + side / 2)
    return Seen(time, box, 0.9, None, Pose(0, 0, 0), good)


def followed(frames: list[tuple[float, list[float]]], **settings) -> list[list[float]]:
    """The places of each track over frames of a time and places."""
    tracker = Tracker(SequenceSettings(**settings))
    for time, places in frames:
        tracker.update(time, [seen(time, x) for x in places])
    return [[(s.box.left + s.box.right) / 2 for s in one.seen] for one in tracker.ended(True)]


def test_fast_faces_of_few_frames_are_followed():
    frames = [(n / 4, [50 + 55 * n, 700 - 55 * n]) for n in range(6)]  # a side a frame
    assert sorted(map(len, followed(frames))) == [6, 6]
    assert all((np.diff(places) > 0).all() or (np.diff(places) < 0).all()
               for places in followed(frames))  # fmt: skip


def test_motion_tells_two_who_pass_each_other_apart():
    frames = [(n / 25, [100 + 8 * n, 300 - 8 * n]) for n in range(26)]
    right, left = sorted(followed(frames))
    assert (np.diff(right) > 0).all() and (np.diff(left) < 0).all()


def test_a_face_is_lost_after_a_second_whatever_the_rate():
    for rate in (2, 25):
        step = 1 / rate
        for away, tracks in ((0.9, 1), (1.3, 2)):
            times = [0, step, 1 + step + away - 1, 1 + 2 * step + away - 1]
            assert len(followed([(time, [100]) for time in times])) == tracks, (rate, away)


def test_a_cut_ends_all():
    tracker = Tracker(SequenceSettings())
    tracker.update(0.0, [seen(0, 100), seen(0, 300)])
    (new,) = tracker.update(0.1, [seen(0.1, 100)], cut=True)
    assert len(new.seen) == 1 and len(tracker.ended()) == 2 and len(tracker.active) == 1


def test_what_a_track_keeps():
    settings = SequenceSettings(crops=4, apart=0.5, min_size=30, max_yaw=40)
    track = Track(settings)
    for number in range(200):
        time = number / 10
        one = seen(time, 100, good=0.5 + 0.4 * np.sin(number))
        track.add(one)
        if track.wants(one):
            track.keep(one, number)
    kept = sorted(track.kept.values(), key=lambda pair: pair[0].time)
    assert 2 <= len(kept) <= 4
    assert all(one.time == what / 10 for one, what in kept)
    assert all(one.quality > 0.85 for one, _ in kept)  # the best of seconds each
    assert kept[-1][0].time - kept[0][0].time > 8
    small = seen(20.0, 100, side=20, good=1.0)
    track.add(small)
    assert not track.wants(small)
    turned = Seen(20.1, Box(0, 0, 60, 60), 0.9, None, Pose(-55, 0, 0), 1.0)
    track.add(turned)
    assert not track.wants(turned)


def unit(angle: float) -> np.ndarray:
    return np.array([np.cos(angle), np.sin(angle)], np.float32)


def piece(start: float, end: float, angles: list[float], x: float = 100, weak: float = -1) -> Piece:
    """One whose crops' vectors point there; least sure of itself at the time ``weak``."""
    times = np.arange(round(start * 10), round(end * 10) + 1) / 10
    faces = tuple(seen(time, x) for time in times)
    at = np.linspace(start, end, len(angles) + 2)[1:-1]
    crops = tuple(Crop(time, 0.5, np.zeros((2, 2, 3), np.uint8)) for time in at)
    ease = tuple(0.1 if abs(time - weak) < 0.01 else 0.9 for time in times)
    return Piece(faces, ease, crops, np.array([unit(angle) for angle in angles]))


def test_a_switch_is_parted_where_it_was_least_sure():
    whole = piece(0, 10, [0, 0.05, 0, 0.9, 0.95], weak=6.1)
    early, late = parted(whole, LIKENESS)
    assert len(early.crops) == 3 and len(late.crops) == 2
    assert early.end == pytest.approx(6.0) and late.start == pytest.approx(6.1)
    assert len(early.seen) + len(late.seen) == len(whole.seen)
    thrice = parted(piece(0, 10, [0, 0, 0.9, 0.9, 0, 0]), LIKENESS)
    assert [len(one.crops) for one in thrice] == [2, 2, 2]


def test_one_person_is_not_parted():
    turning = piece(0, 10, [0, 0.1, 0.2, 0.3, 0.35])
    assert parted(turning, LIKENESS) == [turning]
    for few in ([], [0.3]):
        assert len(parted(piece(0, 1, few), LIKENESS)) == 1
    assert len(parted(piece(0, 10, [0, 1.5]), Likeness())) == 1  # of an unknown space


def joined(*pieces: Piece, likeness: Likeness = LIKENESS) -> list[list[float]]:
    joiner = Joiner(SequenceSettings(), likeness)
    for one in pieces:
        joiner.add(one)
    return [[one.start, one.end] for one in joiner.all()]


def test_who_comes_back_is_joined_by_time_place_and_likeness():
    first = piece(0, 2, [0, 0.1])
    assert joined(first, piece(3, 4, [0.1])) == [[0, 4]]
    assert len(joined(first, piece(5, 6, [0.1]))) == 2  # too late
    assert len(joined(first, piece(3, 4, [0.6]))) == 2  # somebody else
    assert len(joined(first, piece(3, 4, [0.1], x=600))) == 2  # too far
    assert len(joined(first, piece(1, 4, [0.1]))) == 2  # both at once
    assert len(joined(first, piece(3, 4, []))) == 2  # nobody can tell
    assert len(joined(first, piece(3, 4, [0.1]), likeness=Likeness())) == 2
    two = joined(first, piece(0, 2, [0.5]), piece(3, 4, [0.45]), piece(3, 4, [0.06]))
    assert sorted(two) == [[0, 4], [0, 4]]


def test_pieces_wait_for_what_may_go_on_from_them():
    joiner = Joiner(SequenceSettings(joined=2.0), LIKENESS)
    joiner.add(piece(0, 1, [0]))
    assert joiner.ready(2.9, []) == []
    assert joiner.ready(30, [2.5]) == []  # one that began then is still on screen
    joiner.add(piece(2.5, 29, [0.1] * 8))
    (whole,) = joiner.ready(32, [])
    assert (whole.start, whole.end, len(whole.crops)) == (0, 29, 8)
    assert joiner.all() == []


def test_a_sequence_is_its_best_faces_together():
    one = sequence_of(piece(0, 2, [0, 0.2, 0.4]))
    assert one.descriptor == pytest.approx(unit(0.2), abs=1e-6)
    assert one.spread == pytest.approx(1 - (2 * np.cos(0.2) + 1) / 3, abs=1e-6)
    assert (one.start, one.end, one.pose) == (0, 2, Pose(0, 0, 0)) and one.flaw is None
    descriptor, _ = pool(np.array([unit(0), unit(1)]), np.array([1.0, 1e-9]))
    assert descriptor == pytest.approx(unit(0), abs=1e-6)


def test_quality_falls_with_each_thing_that_is_wrong():
    best = quality(100, 0.3, 60, Pose(0, 0, 0), 1.0, 1.0)
    assert best == 1
    worse = (
        quality(30, 0.3, 60, Pose(0, 0, 0), 1.0, 1.0),
        quality(100, 0.05, 60, Pose(0, 0, 0), 1.0, 1.0),
        quality(100, 0.3, 8, Pose(0, 0, 0), 1.0, 1.0),
        quality(100, 0.3, 60, Pose(50, 0, 0), 1.0, 1.0),
        quality(100, 0.3, 60, Pose(0, -50, 0), 1.0, 1.0),
        quality(100, 0.3, 60, None, 0.5, 1.0),
        quality(100, 0.3, 60, None, 1.0, 0.7),
    )
    assert all(0 < one < 0.75 for one in worse)
    assert quality(5, 0, 0, Pose(90, 90, 0), 0, 0) > 0
    assert inside(Box(-10, 0, 10, 20), 100, 100) == 0.5
    assert inside(Box(-30, 0, -10, 20), 100, 100) == 0


def test_settings_that_make_no_sense():
    for wrong in ({"min_size": -1}, {"crops": 0}, {"apart": 0}, {"lost": float("nan")}):
        with pytest.raises(UsageError):
            SequenceSettings(**wrong)
