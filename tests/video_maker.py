"""Videos for tests: photos of faces that move over a canvas, written with PyAV."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np

RATE = 25
SIZE = 480, 270
GREY = 90


def canvas(size: tuple[int, int] = SIZE) -> np.ndarray:
    """A picture to put faces on: (height, width, 3) RGB uint8 of soft waves, with no face in it."""
    width, height = size
    across, down = np.meshgrid(np.arange(width), np.arange(height))
    waves = GREY + 12 * np.sin(across / 31) + 12 * np.cos(down / 23)
    return np.repeat(waves[:, :, None], 3, axis=2).astype(np.uint8)


def put(picture: np.ndarray, photo: np.ndarray, middle: tuple[float, float], side: float) -> None:
    """Lay a square photo, ``side`` pixels wide, over a picture with its middle there."""
    x, y = middle
    scale = side / photo.shape[0]
    matrix = np.array([[scale, 0, x - side / 2], [0, scale, y - side / 2]])
    size = picture.shape[1], picture.shape[0]
    small = photo
    while scale < 0.6:  # so that nothing is left out
        small = cv2.resize(small, None, fx=0.5, fy=0.5, interpolation=cv2.INTER_AREA)
        scale *= 2
        matrix[:, :2] *= 2
    laid = cv2.warpAffine(small, matrix, size)
    mask = cv2.warpAffine(np.full(small.shape[:2], 255, np.uint8), matrix, size) > 127
    picture[mask] = laid[mask]


def scene(
    seconds: float,
    draw: Callable[[np.ndarray, float], None],
    *,
    rate: float = RATE,
    size: tuple[int, int] = SIZE,
) -> list[np.ndarray]:
    """Frames of so many seconds, ``draw(picture, time)`` onto each."""
    frames = []
    for number in range(round(seconds * rate)):
        picture = canvas(size)
        draw(picture, number / rate)
        frames.append(picture)
    return frames


def write_video(
    path: Path,
    frames: Iterable[np.ndarray],
    *,
    rate: int = RATE,
    times: Sequence[float] | None = None,
    codec: str = "libx264",
    pixels: str = "yuv420p",
    rotation: int = 0,
    aspect: Fraction | None = None,
    sound: bool = False,
    container: dict[str, str] | None = None,
    keyframes: int | None = None,
    options: dict[str, str] | None = None,
) -> Path:
    """Write frames as a video; ``times`` in seconds make its rate vary; one of ``keyframes``
    frames is a keyframe."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w", options=container or {}) as file:
        stream: Any = None
        audio = file.add_stream("aac", rate=16_000) if sound else None
        number = 0
        for number, picture in enumerate(frames):
            if stream is None:
                usual = {"preset": "ultrafast", "crf": "16"} if codec == "libx264" else {}
                stream = file.add_stream(codec, rate=rate, options=usual | (options or {}))
                if keyframes is not None:
                    stream.gop_size = keyframes
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = pixels
                if times is not None:
                    stream.codec_context.time_base = Fraction(1, 1000)
                if aspect is not None:
                    stream.codec_context.sample_aspect_ratio = aspect
                if rotation:
                    stream.set_display_rotation(rotation)
            frame = av.VideoFrame.from_ndarray(picture, "rgb24")
            if times is not None:
                frame.pts, frame.time_base = round(1000 * times[number]), Fraction(1, 1000)
            file.mux(stream.encode(frame))
        file.mux(stream.encode())
        if audio is not None:
            _beep(file, audio, (number + 1) / rate)
    return path


def _beep(file: Any, stream: Any, seconds: float) -> None:
    wave = np.sin(np.arange(round(16_000 * seconds)) / 5).astype(np.float32)[None]
    for start in range(0, wave.shape[1], 1024):
        frame = av.AudioFrame.from_ndarray(wave[:, start : start + 1024].copy(), "fltp", "mono")
        frame.sample_rate, frame.pts = 16_000, start
        file.mux(stream.encode(frame))
    file.mux(stream.encode())
