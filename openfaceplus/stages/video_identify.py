"""A video in, the same video with everybody named out, and a table with a row a face a frame.

It is read twice: followed, so that each sequence is judged once by all of its best faces together,
then drawn.
"""

from __future__ import annotations

import os
from bisect import bisect_left
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from openfaceplus.decoding import Photo
from openfaceplus.errors import VideoError
from openfaceplus.faces import Box, Decision
from openfaceplus.files import atomic_write, shown, spare
from openfaceplus.model import Model, Policy, annotate, numbers_of
from openfaceplus.pipeline import Pipeline
from openfaceplus.sequences import FaceSequence, Seen
from openfaceplus.stages.video_faces import video_recipe
from openfaceplus.stages.video_sequences import VideoReport, VideoSequences
from openfaceplus.store.tables import csv_bytes
from openfaceplus.track.settings import SequenceSettings
from openfaceplus.video.opening import is_live
from openfaceplus.video.source import open_video
from openfaceplus.video.writing import VideoWriter, format_of

COLUMNS = (
    "time", "sequence", "name", "closest", "confidence", "left", "top", "right", "bottom", "yaw",
    "pitch", "roll", "quality", "note",
)  # fmt: skip
"""Of the table: ``note`` says why a face was not judged, or ``unsure`` where it may be either of
two people; pose and quality are empty where a face was not seen but must have been."""

_SAME = 1e-4  # seconds by which times of one frame may differ
_BEHIND = 0.1  # IoU from which an unseen face is behind a seen one

Watch = Callable[[str, int, "int | None"], object]
"""Told what is done (``follow`` or ``draw``), how many frames are done, and of how many."""


@dataclass(frozen=True, slots=True)
class IdentifyOptions:
    """How a video is identified: whom to accept, which faces are judged, of which frames (one of
    ``every`` so many, and boxes in between follow from these), of the first ``seconds``."""

    policy: Policy = field(default_factory=Policy)
    settings: SequenceSettings = field(default_factory=SequenceSettings)
    every: int = 1
    seconds: float | None = None


@dataclass(frozen=True, slots=True)
class IdentifiedVideo:
    """What came out: sequences in order of time, the decision of each, and what was odd.
    ``numbers`` are drawn for names that no font here can write."""

    sequences: Sequence[FaceSequence]
    decisions: Sequence[Decision]
    report: VideoReport
    numbers: dict[str, str]

    @property
    def names(self) -> dict[str, float]:
        """Everybody who was named, and for how many seconds they are seen."""
        seconds: dict[str, float] = {}
        for one, decision in zip(self.sequences, self.decisions, strict=True):
            if decision.name is not None:
                seconds[decision.name] = seconds.get(decision.name, 0.0) + one.end - one.start
        return seconds


def identify_video(
    model: Model,
    source: str | os.PathLike[str],
    output: Path,
    table: Path | None = None,
    options: IdentifyOptions | None = None,
    *,
    watch: Watch | None = None,
) -> IdentifiedVideo:
    """Write the video with a box round each face, green with the name of whom the model knows, red
    round others, and a ``table`` of them, if a path is given, with ``COLUMNS``.

    Times and sound stay as they are; the picture is upright, with square pixels. Raises VideoError
    for what is no video file or an output whose ending is not known, InTheWay for files of others.
    """
    options = options or IdentifyOptions()
    source = os.fspath(source)
    form = format_of(output)
    if is_live(source):
        raise VideoError(f"{shown(source)}: only files can be read twice", remedy="record it first")
    spare(output)
    if table is not None:
        spare(table)
    sequences, report = _follow(model, source, options, watch)
    decisions = _decide(model, sequences, options.policy)
    found = IdentifiedVideo(sequences, decisions, report, numbers_of(decisions))
    with ExitStack() as stack:
        video = stack.enter_context(open_video(source))
        rows = table and stack.enter_context(atomic_write(table))
        if rows:
            rows.write(csv_bytes([COLUMNS]))
        file = stack.enter_context(atomic_write(output))
        writer = stack.enter_context(VideoWriter(file, form, video, options.seconds))
        expected = report.frames * options.every
        for number, frame in enumerate(video.frames(1, options.seconds), 1):
            present = _at(sequences, frame.time, options.settings.lost)
            pixels = frame.full()
            height, width = pixels.shape[:2]
            boxes = [replace(decisions[i], box=one.box) for i, one, _ in present]
            if boxes:
                photo = Photo(pixels, 1.0, width, height)
                pixels = annotate(photo, boxes, found.numbers)
            writer.write(pixels, frame.time)
            if rows:
                rows.write(csv_bytes(_row(i, decisions[i], one, seen) for i, one, seen in present))
            if watch is not None:
                watch("draw", number, expected)
    return found


def _follow(
    model: Model, source: str, options: IdentifyOptions, watch: Watch | None
) -> tuple[list[FaceSequence], VideoReport]:
    mine = model.pipeline
    pipeline = Pipeline(video_recipe(mine.recipe), commercial=mine.commercial, device=mine.device)
    with open_video(source) as video:
        found = VideoSequences(
            video, pipeline, options.settings, every=options.every, seconds=options.seconds,
            flawed=True,
            progress=None if watch is None else lambda done, of: watch("follow", done, of),
        )  # fmt: skip
        sequences = sorted(found, key=lambda one: one.start)
    return sequences, found.report


def _decide(model: Model, sequences: list[FaceSequence], policy: Policy) -> list[Decision]:
    """Who each sequence is; one that cannot be judged is nobody, and its ``note`` says why."""
    limit = policy.threshold
    if limit is None:
        limit = model.threshold(policy).value
    judged = [one for one in sequences if one.flaw is None]
    vectors = np.array([one.descriptor for one in judged], np.float32)
    decided = iter(model.classifier.decide(vectors, limit, policy.prior) if judged else [])
    return [
        next(decided)
        if one.flaw is None
        else Decision(None, None, "", None, -np.inf, limit, note=one.flaw)
        for one in sequences
    ]


def _at(sequences: list[FaceSequence], time: float, lost: float) -> list[tuple[int, Seen, bool]]:
    """The sequences on screen at a time, by number, with their face and whether it was seen.

    One that was not is between two that were ``lost`` seconds apart at most, and not behind another
    face: that would seem to bear its name.
    """
    there, between = [], []
    for number, one in enumerate(sequences):
        if not one.start - _SAME <= time <= one.end + _SAME:
            continue
        after = bisect_left(one.seen, time - _SAME, key=lambda seen: seen.time)
        later = one.seen[after]
        if later.time <= time + _SAME:
            there.append((number, later, True))
            continue
        before = one.seen[after - 1]
        if later.time - before.time <= lost:
            share = (time - before.time) / (later.time - before.time)
            box = _between(before.box, later.box, share)
            between.append((number, replace(later, time=time, box=box), False))
    hidden = {
        number
        for number, seen, _ in between
        if any(seen.box.iou(other.box) > _BEHIND for _, other, _ in there)
    }
    return sorted(there + [one for one in between if one[0] not in hidden], key=lambda one: one[0])


def _between(one: Box, other: Box, share: float) -> Box:
    """The box that is a share of the way from one to another."""
    sides = zip(
        (one.left, one.top, one.right, one.bottom),
        (other.left, other.top, other.right, other.bottom),
        strict=True,
    )
    return Box(*((1 - share) * a + share * b for a, b in sides))


def _row(number: int, decision: Decision, seen: Seen, found: bool) -> tuple[object, ...]:
    pose = [f"{angle:.1f}" for angle in seen.pose] if found and seen.pose else ["", "", ""]
    return (
        f"{seen.time:.3f}", number + 1, decision.name or "", decision.closest,
        "" if decision.confidence is None else f"{decision.confidence:.4f}", *seen.box.rounded(),
        *pose, f"{seen.quality:.3f}" if found else "",
        "unsure" if decision.second is not None else decision.note or "",
    )  # fmt: skip
