"""A video file, a camera or a stream as frames with times, whatever it holds.

PyAV, which brings FFmpeg, decodes on all cores.
"""

from __future__ import annotations

import os
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from typing import Any

from openfaceplus.errors import UsageError, VideoError
from openfaceplus.extras import require
from openfaceplus.files import shown
from openfaceplus.video.decoder import Decoder
from openfaceplus.video.frames import Clock, Frame, Upright
from openfaceplus.video.opening import is_live, open_container
from openfaceplus.video.parts import Part, Parts, divided
from openfaceplus.words import counted

LONG_SIDE = 640
"""Pixels of the longer side of the copy in which faces are looked for."""
MAX_PIXELS = 70_000_000
"""Pixels of a frame at most; 8K has half of that."""
_RATE = 25.0  # frames a second where a file does not say
_SHORT = 0.05  # share of the duration that may be missing at the end


@dataclass(frozen=True, slots=True)
class VideoInfo:
    """What a video is.

    ``path`` is the source as given. ``width`` and ``height`` are pixels of the upright frame at
    full size, made square. ``rate`` is the mean of frames a second and ``duration`` in seconds,
    both None where unknown; ``rotation`` how far frames are turned counter-clockwise to be upright,
    in degrees. ``audio`` says whether it has sound, ``live`` whether it is a camera or a stream.
    """

    path: str
    width: int
    height: int
    rate: float | None
    duration: float | None
    rotation: int
    audio: bool
    live: bool

    @property
    def frames(self) -> int | None:
        """About how many frames it has, None where unknown."""
        if self.rate is None or self.duration is None:
            return None
        return max(1, round(self.rate * self.duration))


def open_video(source: str | os.PathLike[str], *, name: str | None = None) -> VideoSource:
    """A video to read once, from a file, ``camera:0``, or an ``rtsp://`` or ``http://`` address.

    It is a context manager; ``name`` is what to call it in place of the source. A file is read as
    what it is, whatever its name; playlists, which lead to other files, and pictures are refused.
    Raises VideoError for what is missing, no video, damaged from the start, without pictures (sound
    alone) or of too large ones, UsageError without PyAV.
    """
    require("av", "video", "a video")
    return VideoSource(os.fspath(source), name)


class VideoSource:
    """An open video: ``info`` says what it is, and ``remarks`` what was odd in what was read.

    ``name`` is what messages call it, ``file`` where it is read from, ``start`` where it begins on
    its own clock, in seconds.
    """

    def __init__(self, source: str, name: str | None = None) -> None:
        self.remarks: list[str] = []
        self.name, self.file = shown(name or source), source
        self._container = open_container(source, name)
        try:
            self._stream = self._pictures()
            self.decoder = Decoder(self._container, self._stream, source, self.name, self.remarks)
            self._given = self.decoder.pictures()
            self._first = self._next()
            if self._first is None:
                raise VideoError(
                    f"{self.name}: none of its pictures can be decoded", remedy="copy it again"
                )
            self._describe(name or source, self._first)
        except Exception:
            self.close()
            raise

    def __enter__(self) -> VideoSource:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file or camera."""
        self._container.close()

    def frames(
        self,
        every: int = 1,
        seconds: float | None = None,
        long_side: int = LONG_SIDE,
        part: Part | None = None,
    ) -> Iterator[Frame]:
        """Each frame, or the first of ``every`` so many, in order, of the first ``seconds``.

        The reduced copy has ``long_side`` pixels at most. Of one ``part`` of the video they are
        those that all of it would give there. To be walked through once. A file that is cut short
        or damaged ends early, or lacks frames, and ``remarks`` then says so. Raises UsageError for
        numbers that make no sense.
        """
        if every < 1:
            raise UsageError(
                f"one of every {every} frames is none", field="every", remedy="give 1 or more"
            )
        if seconds is not None and not seconds > 0:
            raise UsageError(
                f"{seconds:g} seconds are none", field="seconds", remedy="give more than 0"
            )
        return self._frames(every, seconds, long_side, part)

    def parts(self, length: float, seconds: float | None = None) -> Parts:
        """Parts of a file, about ``length`` seconds long, that can be read apart from each other;
        of its first ``seconds``."""
        with closing(open_container(self.file, self.name)) as container:
            found = divided(container, container.streams[self._stream.index], length)
        if seconds is None:
            return found
        end = self._ticks(seconds)
        early = [one for one in found.parts if one.start is None or one.start <= end]
        return replace(found, parts=tuple(early))

    def frames_at(self, times: Sequence[float], keyframes: Sequence[int]) -> Iterator[Frame]:
        """The frames of just these times, which rise, as ``frames`` gave them; ``keyframes`` are
        those of ``parts``. Before or in place of ``frames``."""
        starts = [max(0, bisect_right(keyframes, self._ticks(time)) - 1) for time in times]
        for start in sorted(set(starts)):
            wanted = [time for time, one in zip(times, starts, strict=True) if one == start]
            self._go_to(keyframes[start])
            for picture in self._given:
                time = self._clock.time(picture)
                if time in wanted:
                    yield self._frame(time, picture, LONG_SIDE)
                if time >= wanted[-1]:
                    break

    def _frames(
        self, every: int, seconds: float | None, long_side: int, of: Part | None
    ) -> Iterator[Frame]:
        part = of or Part()
        if part.start is not None:
            self._go_to(part.start)
        number, time = part.number, 0.0
        picture, self._first = self._first or self._next(), None
        while picture is not None:
            if part.end is not None and picture.pts >= part.end:
                return
            time = self._clock.time(picture)
            if seconds is not None and time >= seconds:
                return
            if number % every == 0:
                yield self._frame(time, picture, long_side)
            number += 1
            picture = self._next()
        if of is None:
            self.lacks(self.decoder.skipped)
        self._say_if_short(time)

    def _frame(self, time: float, picture: Any, long_side: int) -> Frame:
        upright = self._upright
        scale = max(1.0, max(upright.width, upright.height) / long_side)
        size = max(1, round(upright.width / scale)), max(1, round(upright.height / scale))
        return Frame(time, upright.pixels(picture, *size), scale, picture, upright)

    def _ticks(self, time: float) -> int:
        """A time in seconds on the stream's own clock."""
        return round((time + self._clock.start) / float(self._stream.time_base))

    def _go_to(self, keyframe: int) -> None:
        """Have pictures be decoded from a keyframe on."""
        self._first = None
        self._clock.again()
        self._given = self.decoder.pictures(keyframe)

    def _pictures(self) -> Any:
        """The stream of pictures, ready to be decoded. Raises VideoError if there is none."""
        import av

        streams = [
            one
            for one in self._container.streams.video
            if not one.disposition & av.stream.Disposition.attached_pic  # the cover of a song
            and one.codec_context is not None
        ]
        if not streams:
            raise VideoError(
                f"{self.name}: it holds {'sound' if self._container.streams.audio else 'nothing'} "
                "but no pictures",
                remedy="name a video",
            )
        stream = max(streams, key=lambda one: one.codec_context.width * one.codec_context.height)
        context = stream.codec_context
        if context.width * context.height > MAX_PIXELS:
            raise VideoError(
                f"{self.name}: its frames have {context.width} x {context.height} pixels, more "
                f"than the {MAX_PIXELS:,} that are allowed",
                remedy="make it smaller",
            )
        context.options = {"max_pixels": str(MAX_PIXELS)}  # sizes may change on the way
        stream.thread_type = "AUTO"
        return stream

    def _describe(self, source: str, picture: Any) -> None:
        """Set what is known of the video, its first frame included."""
        stream, container = self._stream, self._container
        live = is_live(source)
        rate = stream.average_rate or stream.guessed_rate
        start = stream.start_time and float(stream.start_time * stream.time_base)
        if container.start_time is not None and not live:
            start = container.start_time / 1e6
        elif live and picture.pts is not None:
            start = float(picture.pts * picture.time_base)
        self.start = start or 0.0
        self._clock = Clock(self.start, 1 / float(rate or _RATE))
        self._clock.time(picture)
        self._clock.again()
        aspect = stream.sample_aspect_ratio
        turns = round(picture.rotation / 90) % 4
        width, height = picture.width, picture.height
        if aspect and 0.1 < aspect < 10:
            width = max(1, round(width * float(aspect)))
        if turns % 2:
            width, height = height, width
        self._upright = Upright(width, height, turns)
        duration = container.duration / 1e6 if container.duration and not live else None
        self.info = VideoInfo(
            source, width, height, float(rate) if rate else None, duration, 90 * turns,
            bool(container.streams.audio), live,
        )  # fmt: skip

    def _next(self) -> Any:
        return next(self._given, None)

    def lacks(self, pieces: int) -> None:
        """Add a remark about so many pieces that could not be decoded, if there are some."""
        if pieces:
            self.remarks.append(f"{self.name}: {counted(pieces, 'piece')} could not be decoded")

    def _say_if_short(self, last: float) -> None:
        """Add a remark if the frame at ``last`` should not be the last."""
        end = self.info.duration
        if self._stream.duration:
            length = (self._stream.start_time or 0) + self._stream.duration
            end = float(length * self._stream.time_base) - self.start
        if end and not self.info.live and last < end - max(1.0, _SHORT * end):
            self.remarks.append(
                f"{self.name}: its pictures end after {last:.1f} of {end:.1f} seconds"
            )
