"""Frames to a video file, with the sound of the video that they came from."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from fractions import Fraction
from pathlib import Path
from typing import IO, Any

import numpy as np

from openfaceplus.errors import StorageError, VideoError
from openfaceplus.files import MARK, shown
from openfaceplus.video.opening import open_container
from openfaceplus.video.source import VideoSource

FORMATS = {".mp4": "mp4", ".m4v": "mp4", ".mov": "mov", ".mkv": "matroska"}
"""What videos are written as, by the ending of their name."""
_CODECS = {
    "libx264": {"preset": "superfast", "crf": "20"},
    "libopenh264": {},
    "mpeg4": {"qmin": "3", "qmax": "8"},
}  # the first that is here
_TICK = Fraction(1, 90_000)  # of a second: times stay as they are, whatever the rate
_AHEAD = 1.0  # seconds of sound before the frame that it belongs to
_RATE = 25


def format_of(path: Path) -> str:
    """FFmpeg's name of what a path ends in. Raises VideoError for an ending not in ``FORMATS``."""
    if path.suffix.lower() not in FORMATS:
        raise VideoError(
            f"{shown(path)}: videos are written as {', '.join(FORMATS)}", remedy="name it so"
        )
    return FORMATS[path.suffix.lower()]


class VideoWriter:
    """Writes frames at their times into an open ``file``, as H.264 where that is here, beside the
    sound of ``video``: copied where the format takes it, else as AAC. It is a context manager."""

    def __init__(
        self, file: IO[bytes], form: str, video: VideoSource, seconds: float | None = None
    ) -> None:
        import av

        info = video.info
        self._size = info.width // 2 * 2, info.height // 2 * 2  # as most encoders want them
        if not all(self._size):
            raise VideoError(f"{video.name}: a frame of one pixel a side cannot be written")
        self._name, self._file = video.name, _File(file)
        self._output = _opened(self._file, form)
        self._output.metadata["comment"] = MARK
        codec = next(name for name in _CODECS if name in av.codecs_available)
        rate = Fraction(info.rate or _RATE).limit_denominator(1001)
        self._stream = self._output.add_stream(codec, rate=rate, options=_CODECS[codec])
        self._stream.width, self._stream.height = self._size
        self._stream.pix_fmt = "yuv420p"
        self._stream.codec_context.time_base = _TICK
        self._sound = _Sound(self._output, video, seconds) if info.audio and not info.live else None

    def __enter__(self) -> VideoWriter:
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        try:
            if kind is None:
                self._mux(self._stream.encode())
                if self._sound is not None:
                    self._sound.write(float("inf"), self._mux)
        finally:
            if self._sound is not None:
                self._sound.close()
            with self._saying():
                self._output.close()

    def write(self, pixels: np.ndarray, time: float) -> None:
        """Add a frame, (height, width, 3) RGB uint8, shown at ``time`` in seconds."""
        import av

        width, height = self._size
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels[:height, :width]), "rgb24")
        frame.pts, frame.time_base = round(time / _TICK), _TICK
        if self._sound is not None:
            self._sound.write(time + _AHEAD, self._mux)
        self._mux(self._stream.encode(frame))

    def _mux(self, packets: Any) -> None:
        with self._saying():
            self._output.mux(packets)

    @contextmanager
    def _saying(self) -> Iterator[None]:
        """Within the block FFmpeg's errors become the file's own, or else StorageError."""
        import av

        try:
            yield
        except av.error.FFmpegError as error:
            if self._file.error is not None:
                raise self._file.error from None
            raise StorageError(
                f"{self._name}: its frames cannot be written ({error.strerror})",
                remedy="check the disk",
            ) from error


class _File:
    """A file for FFmpeg, which keeps the error that writing ended with: FFmpeg forgets it."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.seek, self.tell = file.seek, file.tell
        self.error: OSError | None = None

    def write(self, data: bytes) -> int:
        try:
            return self._file.write(data)
        except OSError as error:
            self.error = self.error or error
            raise


def _opened(file: _File, form: str) -> Any:
    import av

    return av.open(file, "w", format=form)


class _Sound:
    """The sound of a video on its way into another file."""

    def __init__(self, output: Any, video: VideoSource, seconds: float | None) -> None:
        self._input = open_container(video.info.path)
        self._start, self._seconds = video.start, seconds
        stream = self._input.streams.best("audio")
        context = stream.codec_context
        if context is None:  # of a kind that FFmpeg does not know
            self._packets: Iterator[tuple[float, Any]] = iter(())
        elif context.codec.canonical_name in output.supported_codecs:
            self._stream = output.add_stream_from_template(stream)
            self._packets = self._copied(stream)
        else:
            self._stream = output.add_stream("aac", rate=context.sample_rate)
            self._packets = self._encoded(stream)
        self._next: tuple[float, Any] | None = None

    def write(self, until: float, mux: Callable[[Any], None]) -> None:
        """Add what is heard before a time in seconds."""
        if self._seconds is not None:
            until = min(until, self._seconds)
        while True:
            self._next = self._next or next(self._packets, None)
            if self._next is None or self._next[0] >= until:
                return
            mux(self._next[1])
            self._next = None

    def close(self) -> None:
        """Let go of the file."""
        self._input.close()

    def _copied(self, stream: Any) -> Iterator[tuple[float, Any]]:
        shift = round(Fraction(self._start) / stream.time_base)
        last = None
        for packet in self._read(stream):
            if packet.dts is None or packet.pts is None:
                continue
            if last is not None and packet.dts <= last:
                continue  # of a damaged file: players would stumble
            last = packet.dts
            packet.pts, packet.dts = packet.pts - shift, packet.dts - shift
            packet.stream = self._stream
            yield float(packet.pts * stream.time_base), packet

    def _encoded(self, stream: Any) -> Iterator[tuple[float, Any]]:
        import av

        time = -math.inf
        for packet in self._read(stream):
            try:
                frames = packet.decode()
            except av.error.FFmpegError:
                continue
            for frame in frames:
                if frame.pts is None or frame.time_base is None:
                    continue
                frame.pts -= round(Fraction(self._start) / frame.time_base)
                if float(frame.pts * frame.time_base) <= time:
                    continue
                time = float(frame.pts * frame.time_base)
                yield from ((time, made) for made in self._stream.encode(frame))
        yield from ((time, made) for made in self._stream.encode())

    def _read(self, stream: Any) -> Iterator[Any]:
        """The packets of the sound, as far as they can be read."""
        import av

        packets = self._input.demux(stream)
        while True:
            try:
                yield next(packets)
            except (StopIteration, av.error.FFmpegError):
                return
