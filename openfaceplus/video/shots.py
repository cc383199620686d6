"""Where one shot ends and the next begins.

PySceneDetect compares the colours of a frame with those of the one before, on a copy of 96 pixels,
which takes 0.2 ms. A cut that it misses, between shots of like colours, is found
later where faces change; a false one parts a sequence, which re-identification joins.
"""

from __future__ import annotations

import cv2
import numpy as np

_SIDE = 96  # pixels
_STEP = 27.0  # PySceneDetect's own threshold, of mean steps in hue, saturation and brightness


class Shots:
    """Told frame after frame, says where a shot begins; ``ends`` are small copies of the first
    frame and the last, for ``begins_between``."""

    def __init__(self) -> None:
        from scenedetect import ContentDetector, FrameTimecode

        self._detector = ContentDetector(threshold=_STEP, min_scene_len=0)
        self._timecode = FrameTimecode
        self._number = 0
        self.ends: list[np.ndarray] = []

    def begins(self, pixels: np.ndarray) -> bool:
        """Whether this frame, (height, width, 3) RGB uint8, is the first of another shot."""
        scale = _SIDE / max(pixels.shape[:2])
        size = max(1, round(pixels.shape[1] * scale)), max(1, round(pixels.shape[0] * scale))
        small = cv2.resize(pixels, size)
        self.ends = [*self.ends[:1], small]
        # Frames are numbered, since only the order counts here: times stay with the caller.
        at = self._timecode(self._number, fps=25.0)
        self._number += 1
        return bool(self._detector.process_frame(at, np.ascontiguousarray(small[:, :, ::-1])))


def begins_between(last: np.ndarray, first: np.ndarray) -> bool:
    """Whether a shot begins with the second of two frames, which may be small copies."""
    shots = Shots()
    shots.begins(last)
    return shots.begins(first)
