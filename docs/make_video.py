"""Draw docs/video.png, the picture of docs/video.md: .venv/bin/python docs/make_video.py

The clip turns and enlarges the portrait of the astronaut Eileen Collins that scikit-image carries
(NASA, public domain), who is enrolled from the same photo, mirrored and grey: it shows what comes
out and says nothing about accuracy.
"""

from __future__ import annotations

import csv
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import cv2
import numpy as np
from PIL import Image, ImageDraw
from skimage import data

import openfaceplus
from openfaceplus.images import save_png
from openfaceplus.model import Model, Policy
from openfaceplus.pictures import drawing
from openfaceplus.stages.demo import side_by_side
from openfaceplus.stages.video_demo import write_clip
from openfaceplus.stages.video_identify import IdentifyOptions, identify_video
from openfaceplus.video.source import open_video

SIZE = 480, 400
FRAMES, SHOWN = 50, (1, 24, 48)
LINE = 34  # pixels of the strip with the angles


def main() -> int:
    pixels = data.astronaut()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        grey = np.repeat(pixels[:, ::-1].mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
        save_png(folder / "photos/eileen-collins/enrolled.png", grey)
        openfaceplus.train(folder / "photos", folder / "model", jobs=1)
        write_clip(folder / "clip.mp4", turning(pixels))
        # One photo does not support a threshold; any would do for a picture.
        options = IdentifyOptions(Policy(threshold=0.5))
        table = folder / "named.csv"
        identify_video(
            Model.load(folder / "model"), folder / "clip.mp4", folder / "named.mp4", table, options
        )
        with open_video(folder / "named.mp4") as video:
            frames = [frame.full() for frame in video.frames()]
        with open(table, newline="", encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
    shown = [with_angles(frames[i], rows[i]) for i in SHOWN]
    save_png(Path(__file__).with_name("video.png"), side_by_side(shown, 300))
    return 0


def turning(photo: np.ndarray) -> Iterator[np.ndarray]:
    """Frames in which a photo turns, moves and grows."""
    for at in np.linspace(-1, 1, FRAMES):
        matrix = cv2.getRotationMatrix2D((224, 110), -14 * float(at), 1.15 + 0.4 * float(at))
        matrix[:, 2] += np.array([SIZE[0] / 2, SIZE[1] / 2.6]) - (224, 110)
        yield cv2.warpAffine(photo, matrix, SIZE, borderMode=cv2.BORDER_REPLICATE)


def with_angles(frame: np.ndarray, row: dict[str, str]) -> np.ndarray:
    """A frame with time and pose of its face below it."""
    angles = ", ".join(f"{name} {float(row[name]):+.0f}°" for name in ("yaw", "pitch", "roll"))
    text = f"{float(row['time']):.2f} s   {angles}"
    strip = Image.new("RGB", (frame.shape[1], LINE), "white")
    font = drawing.font(text, LINE * 0.55)
    ImageDraw.Draw(strip).text((8, LINE / 2), text, "black", font, anchor="lm")
    return np.vstack([frame, np.asarray(strip)])


if __name__ == "__main__":
    sys.exit(main())
