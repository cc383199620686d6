"""Two clips made from the demo's sample photos: shots in which a photo moves and grows."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import numpy as np

from openfaceplus.errors import VideoError
from openfaceplus.files import MARK, atomic_write
from openfaceplus.images import read_photo
from openfaceplus.stages.demo import NEW, TRAINING

CLIPS = {
    "monday.mp4": (f"{TRAINING}/barack-obama/obama.jpg", f"{NEW}/astronaut.png"),
    "tuesday.mp4": (
        f"{TRAINING}/joe-biden/biden.jpg",
        f"{NEW}/obama3.jpg",
        f"{TRAINING}/barack-obama/obama2.jpg",
    ),
}
"""Clips and the photos whose shots they are made of: three people, one of them in both clips."""
PEOPLE = 3

_SIZE = 640, 360
_RATE, _SECONDS = 25, 3


def make_clips(photos: Path, folder: Path) -> list[Path]:
    """Write the clips into ``folder`` from the sample photos in ``photos``; their paths."""
    made = []
    for name, sources in CLIPS.items():
        shots = [read_photo(photos / source).pixels for source in sources]
        frames = (frame for shot in shots for frame in moving(shot))
        made.append(folder / name)
        write_clip(folder / name, frames)
    return made


def write_clip(path: Path, frames: Iterable[np.ndarray], rate: int = _RATE) -> None:
    """Write frames, (height, width, 3) RGB uint8, as an MP4 file."""
    import av

    with atomic_write(path) as file, av.open(file, "w", format="mp4") as container:
        container.metadata["comment"] = MARK
        stream = None
        for number, pixels in enumerate(frames):
            if stream is None:
                stream = container.add_stream("libx264", rate=rate, options={"crf": "20"})
                stream.height, stream.width = pixels.shape[:2]
                stream.pix_fmt = "yuv420p"
            picture = av.VideoFrame.from_ndarray(np.ascontiguousarray(pixels), "rgb24")
            picture.pts, picture.time_base = number, Fraction(1, rate)
            container.mux(stream.encode(picture))
        if stream is None:
            raise VideoError("a clip without a frame")
        container.mux(stream.encode())


def moving(photo: np.ndarray) -> list[np.ndarray]:
    """A shot of some seconds over a photo, which drifts and grows."""
    import cv2

    width, height = _SIZE
    frames = []
    count = _RATE * _SECONDS
    tall = height / photo.shape[0]
    for number in range(count):
        at = number / (count - 1)
        scale = tall * (0.95 + 0.35 * at)
        drift = (at - 0.5) * 0.2 * width
        matrix = np.array([
            [scale, 0, (width - scale * photo.shape[1]) / 2 + drift],
            [0, scale, (height - scale * photo.shape[0]) / 2 * (0.3 + 0.4 * at)],
        ])  # fmt: skip
        frames.append(
            cv2.warpAffine(photo, matrix, _SIZE, flags=cv2.INTER_AREA, borderValue=(40, 44, 52))
        )
    return frames
