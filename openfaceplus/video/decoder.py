"""A stream's packets to pictures, from its start or from a keyframe on."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from openfaceplus.errors import VideoError
from openfaceplus.files import shown
from openfaceplus.video.opening import refused


class Decoder:
    """Decodes a container's stream; ``skipped`` counts the pieces that could not be, and what else
    is odd is added to ``remarks``."""

    def __init__(self, container: Any, stream: Any, source: str, remarks: list[str]) -> None:
        self.skipped = 0
        self._container, self._stream = container, stream
        self._source, self._remarks = source, remarks

    def pictures(self, start: int | None = None) -> Iterator[Any]:
        """Pictures in order of presentation, from the keyframe of that time on the stream's own
        clock on, or from where it is. Raises VideoError if the keyframe cannot be found."""
        import av

        context = self._stream.codec_context
        packets = self._container.demux(self._stream) if start is None else self._from(start)
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError as error:
                why = shown(str(error.strerror or error))
                self._remarks.append(f"{shown(self._source)}: cannot be read to its end ({why})")
                packet = None
            try:
                for picture in context.decode(packet):
                    # Those shown before the keyframe may rest on what was not decoded.
                    if start is None or picture.pts >= start:
                        yield picture
            except av.error.EOFError:
                return
            except av.error.FFmpegError:
                if start is None or packet is None or packet.pts is None or packet.pts >= start:
                    self.skipped += 1
            if packet is None:
                return

    def _from(self, keyframe: int) -> Iterator[Any]:
        """Packets from a keyframe on: how near to it a container can go depends on its kind."""
        import av

        for seconds in _BACK:
            back = seconds / float(self._stream.time_base)
            try:
                self._container.seek(round(keyframe - back), stream=self._stream)
            except av.error.FFmpegError as error:
                raise refused(self._source, error) from error
            packets = self._container.demux(self._stream)
            for packet in packets:
                if packet.is_keyframe and packet.pts == keyframe:
                    yield packet
                    yield from packets
                    return
                if packet.is_keyframe and packet.pts > keyframe:
                    break
        raise VideoError(
            f"{shown(self._source)}: it cannot be read from its middle",
            remedy="index it with one process",
        )


_BACK = (0.0, 1.0, 10.0, 100.0, 1e6)  # seconds before a keyframe from which on it is looked for
