"""A stream's packets to pictures, from its start or from a keyframe on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

from openfaceplus.files import shown
from openfaceplus.video.opening import open_container


class Decoder:
    """Decodes a container's stream, which can be opened again as ``source`` and is called ``name``;
    ``skipped`` counts the pieces that could not be, and what else is odd is added to ``remarks``.
    """

    def __init__(
        self, container: Any, stream: Any, source: str, name: str, remarks: list[str]
    ) -> None:
        self.skipped = 0
        self._container, self._stream = container, stream
        self._source, self._name, self._remarks = source, name, remarks
        self._second = 1 / stream.time_base

    def pictures(self, start: int | None = None) -> Iterator[Any]:
        """Pictures in order of presentation, from the keyframe of that time on the stream's own
        clock on, or from where it is."""
        import av

        context = self._stream.codec_context
        packets = self._container.demux(self._stream) if start is None else self._from(start)
        while True:
            try:
                packet = next(packets, None)
            except av.error.FFmpegError as error:
                why = shown(str(error.strerror or error))
                self._remarks.append(f"{self._name}: cannot be read to its end ({why})")
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
        """Packets from a keyframe on."""
        import av

        # How near to it a container can go depends on its kind.
        for seconds in _BACK:
            try:
                self._container.seek(keyframe - round(seconds * self._second), stream=self._stream)
                packets = self._container.demux(self._stream)
                found = _until(packets, keyframe)
            except av.error.FFmpegError:
                found = None
            if found is not None:
                yield found
                yield from packets
                return
        # Its tables are damaged: it is read again from its start.
        with closing(open_container(self._source)) as again:
            packets = again.demux(again.streams[self._stream.index])
            found = _until(packets, keyframe)
            if found is not None:
                yield found
                yield from packets


def _until(packets: Iterator[Any], keyframe: int) -> Any:
    """The packet of a keyframe, None if only later ones come."""
    for packet in packets:
        if packet.is_keyframe and packet.pts is not None and packet.pts >= keyframe:
            return packet if packet.pts == keyframe else None
    return None


_BACK = 0, 1, 10, 100  # seconds before a keyframe from which on it is looked for
