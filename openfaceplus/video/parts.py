"""Where a long video may be parted, so that its parts can be decoded apart from each other.

Times here are whole numbers of the stream's own clock, as packets bear them.
"""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

_BACK = 1.0  # seconds by which times may lie behind later ones: frames are kept out of their order


@dataclass(frozen=True, slots=True)
class Part:
    """The frames from ``start`` on, which is a keyframe's time, and before ``end``; None where the
    video begins and ends. ``number`` frames of the video lie before it."""

    start: int | None = None
    end: int | None = None
    number: int = 0


@dataclass(frozen=True, slots=True)
class Parts:
    """A video's parts in order, one at least, and the times of its keyframes, rising; none where it
    has to be read from its start."""

    parts: tuple[Part, ...] = (Part(),)
    keyframes: tuple[int, ...] = ()


def divided(container: Any, stream: Any, seconds: float) -> Parts:
    """Parts of about so many ``seconds``, from keyframe to keyframe, by what packets say: nothing
    is decoded. A video whose packets do not all say their times, or the same, or that jump back, is
    one part."""
    import av

    times: list[int] = []
    keyframes: list[int] = []
    latest = None
    back = _BACK / float(stream.time_base)
    try:
        for packet in container.demux(stream):
            if packet.size == 0 or packet.is_discard:
                continue
            time = packet.pts
            if time is None or (latest is not None and time < latest - back):
                return Parts()
            latest = time if latest is None else max(latest, time)
            times.append(time)
            if packet.is_keyframe:
                keyframes.append(time)
    except av.error.FFmpegError:
        pass  # it is cut short: whoever reads the last part says so
    times.sort()
    if any(one == other for one, other in pairwise(times)):
        return Parts()
    keyframes.sort()
    length = seconds / float(stream.time_base)
    borders: list[int] = []
    for time in keyframes[1:]:
        if time - (borders[-1] if borders else times[0]) >= length:
            borders.append(time)
    starts, ends = [None, *borders], [*borders, None]
    parts = tuple(
        Part(start, end, 0 if start is None else bisect_left(times, start))
        for start, end in zip(starts, ends, strict=True)
    )
    return Parts(parts, tuple(keyframes))
