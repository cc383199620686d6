"""One frame of a video: when it is shown, a reduced copy to search, and its pixels at full size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class Upright:
    """How a decoder's pictures become upright ones of square pixels, ``width`` x ``height``, after
    ``turns`` quarters counter-clockwise."""

    width: int
    height: int
    turns: int

    def pixels(self, picture: Any, width: int, height: int) -> np.ndarray:
        """(height, width, 3) RGB uint8 of one of PyAV's frames, C-contiguous."""
        size = (height, width) if self.turns % 2 else (width, height)
        smaller = size[0] * size[1] < picture.width * picture.height
        # Means of pixels where it is reduced: other ways leave some out, and small faces with them.
        made = picture.reformat(*size, "rgb24", interpolation="AREA" if smaller else "BILINEAR")
        return np.ascontiguousarray(np.rot90(made.to_ndarray(), self.turns))


@dataclass(frozen=True, slots=True, eq=False)
class Frame:
    """A frame: ``time`` in seconds from the video's start, ``pixels`` of a reduced upright copy,
    (height, width, 3) RGB uint8, and how many pixels at full size one of them is (``scale``)."""

    time: float
    pixels: np.ndarray
    scale: float
    _picture: Any
    _upright: Upright

    def full(self) -> np.ndarray:
        """Its pixels at full size, converted each time that they are asked for."""
        return self._upright.pixels(self._picture, self._upright.width, self._upright.height)


class Clock:
    """Times of presentation in seconds that only ever rise, whatever the file says.

    ``start`` is where the video begins on its own clock, ``step`` what a frame lasts where that is
    not said.
    """

    def __init__(self, start: float, step: float) -> None:
        self.start, self._step = start, step
        self._last: float | None = None

    def again(self) -> None:
        """Forget which frames there were, but not when the video began."""
        self._last = None

    def time(self, picture: Any) -> float:
        """When a frame, the next one, is shown."""
        last = self._last
        dated = picture.pts is not None and picture.time_base is not None
        said = float(picture.pts * picture.time_base) if dated else None
        if said is None:
            time = 0.0 if last is None else last + self._step
        elif last is None:
            self.start = min(self.start, said)
            time = said - self.start
        else:
            time = said - self.start
            if time <= last - _JUMP:  # another clock: of recordings that were joined
                self.start = said - last - self._step
                time = last + self._step
            elif time <= last:
                time = last + _TICK
        self._last = time
        return time


_JUMP = 1.0  # seconds back from which on a clock was set anew
_TICK = 0.001  # seconds between frames that say the same time
