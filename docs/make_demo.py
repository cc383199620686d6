"""Draw docs/demo.png, the README's picture: .venv/bin/python docs/make_demo.py

It shows the portrait of the astronaut Eileen Collins that scikit-image carries (NASA, public
domain). She is enrolled from the same photo, mirrored and grey, so the picture shows what the
output looks like and says nothing about accuracy.
"""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

import numpy as np
from skimage import data

import openfaceplus
from openfaceplus.images import as_photo, save_png
from openfaceplus.model import annotate
from openfaceplus.stages.demo import side_by_side

HEIGHT = 300  # pixels


def main() -> int:
    pixels = data.astronaut()
    with tempfile.TemporaryDirectory() as folder:
        photos = Path(folder, "photos")
        grey = np.repeat(pixels[:, ::-1].mean(axis=2, keepdims=True).astype(np.uint8), 3, axis=2)
        save_png(photos / "eileen-collins" / "enrolled.png", grey)
        openfaceplus.train(photos, Path(folder, "model"), jobs=1)
        model = openfaceplus.load(Path(folder, "model"))
        # One photo does not support a threshold; any would do for a picture.
        decisions = model.identify(pixels, largest=True, threshold=0.5)
    chip = openfaceplus.align(pixels, largest=True)[0]
    pictures = [pixels, chip.pixels, annotate(as_photo(pixels), decisions)]
    save_png(Path(__file__).with_name("demo.png"), side_by_side(pictures, HEIGHT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
