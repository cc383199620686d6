"""Photos of real people that pip has, for tests; none is part of this project.

``python tests/sample_photos.py`` fetches what is missing, as the demo fetches its own. Obama is
seen in three photos and Biden in one. Six people stand in a group photo, one in a portrait; these
bear invented names. Further photos of a person, and further people, are made from theirs.
"""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageEnhance

from openfaceplus.stages import demo
from openfaceplus.stages.demo import SAMPLES, Sample, Source

GROUP, ACTOR = "group.jpg", "actor.png"
OBAMA, OBAMA2, BIDEN, OBAMA3 = (sample.place for sample in SAMPLES[0].samples)
SOURCES = (
    SAMPLES[0],
    Source(
        release="insightface==2.1",
        what="the wheel of insightface 2.1",
        options=("--only-binary", ":all:"),
        about="its sample photos",
        samples=(
            Sample(
                "insightface/data/images/t1.jpg",
                GROUP,
                "47f682e945b659f93a9e490b9c9c4a2a864abe64dace9e1a2893845ddfd69489",
            ),
            Sample(
                "insightface/data/images/Tom_Hanks_54745.png",
                ACTOR,
                "8545da294e8c7c79911169c3915fed8528f1960cd0ed99b92453788ca4275083",
            ),
        ),
    ),
)
SIDE = 240  # pixels of one person's picture
IN_THE_GROUP = "rose", "vera", "kit", "alex", "hugo", "dora"  # from left to right
MIXTURES = (
    "obama astronaut", "obama actor", "obama rose", "biden actor", "biden vera", "biden alex",
    "biden hugo", "astronaut kit", "astronaut alex", "actor vera", "actor alex", "rose kit",
    "rose hugo", "vera kit", "vera alex", "vera hugo",
)  # fmt: skip
"""Faces half one person's, half another's, unlike all others here (cosine below 0.94)."""


def folder() -> Path:
    """Where the photos are kept from one run to the next."""
    named = os.environ.get("OPENFACEPLUS_TEST_PHOTOS")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(named) if named else Path(base) / "openfaceplus/test-photos"


def missing() -> str:
    """The releases of which photos are missing; empty if none are."""
    return ", ".join(source.release for source in demo.missing(folder(), SOURCES))


def fetch() -> None:
    """Bring what is missing. Raises PhotoError if it cannot be had."""
    for source in demo.missing(folder(), SOURCES):
        demo.fetch(source, folder())


def portraits(root: Path) -> Path:
    """Five people: ``train/<person>/``, nine photos, and ``test/``, five photos."""
    faces = pictures()
    train, test = root / "train", root / "test"
    for person, place in (("obama", OBAMA), ("obama", OBAMA2), ("biden", BIDEN)):
        _write(train / person / Path(place).name, (folder() / place).read_bytes())
    _save(train / "biden/biden2.jpg", another(faces["biden"], 1))
    _save(train / "alex/alex.jpg", faces["alex"])
    for person, ending in (("kit", "jpeg"), ("rose", "jpg")):
        for number in (1, 2):
            _save(train / person / f"{person}{number}.{ending}", another(faces[person], number - 1))
    _write(test / "obama1.jpg", (folder() / OBAMA3).read_bytes())
    _save(test / "alex1.jpg", another(faces["alex"], 3))
    _save(test / "kit1.jpg", another(faces["kit"], 3))
    _save(test / "kit_with_rose.jpg", another(faces["rose"], 2), another(faces["kit"], 2))
    row = another(faces["biden"], 2), _picture(folder() / OBAMA3), faces["dora"]
    _save(test / "obama_and_biden.jpg", *row)
    return root


def many(root: Path, *counts: int) -> Path:
    """As many people as counts, each with that many photos: ``<person>/<person>_0001.jpg``, ...

    Up to 26, the ten real ones first.
    """
    for (person, pixels), count in zip(crowd().items(), counts, strict=False):
        for number in range(count):
            _save(root / person / f"{person}_{number + 1:04}.jpg", another(pixels, number))
    return root


@cache
def pictures() -> dict[str, np.ndarray]:
    """Each of the ten real people, their eyes at the same places, (240, 240, 3) RGB uint8."""
    from skimage import data

    group = np.asarray(Image.open(folder() / GROUP).convert("RGB"))
    actor = Image.open(folder() / ACTOR).convert("RGB").resize((336, 336))
    return {
        "obama": _picture(folder() / OBAMA),
        "biden": _picture(folder() / BIDEN),
        "astronaut": _aligned(data.astronaut())[0],
        "actor": _aligned(np.pad(np.asarray(actor), ((60, 60), (60, 60), (0, 0)), "edge"))[0],
        **dict(zip(IN_THE_GROUP, _aligned(group), strict=True)),
    }


@cache
def crowd() -> dict[str, np.ndarray]:
    """26 people: the ten real ones, then the mixtures."""
    faces = pictures()
    mixed = {}
    for pair in MIXTURES:
        one, other = pair.split()
        mixed[f"{one}_{other}"] = (faces[one] // 2 + faces[other] // 2).astype(np.uint8)
    return {**faces, **mixed}


def another(pixels: np.ndarray, number: int) -> np.ndarray:
    """The same face as another photo might show it: turned, mirrored, lighter, noisy."""
    if number == 0:
        return pixels
    image = Image.fromarray(pixels)
    if number % 2:
        image = image.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    colour = tuple(int(value) for value in np.median(pixels, axis=(0, 1)))
    image = image.rotate(3 * number - 7, Image.Resampling.BICUBIC, fillcolor=colour)
    image = ImageEnhance.Brightness(image).enhance(0.8 + 0.1 * number)
    noise = np.random.default_rng(number).normal(0, 2 + number, pixels.shape)
    return np.clip(np.asarray(image) + noise, 0, 255).astype(np.uint8)


def _picture(path: Path) -> np.ndarray:
    image = Image.open(path).convert("RGB")
    image = image.crop((0, 0, image.width, image.height // 2))  # the rest is their suit
    image.thumbnail((600, 600))
    (face,) = _aligned(np.asarray(image))
    return face


def _aligned(pixels: np.ndarray) -> list[np.ndarray]:
    """The faces that dlib is surer of than of a patch of cloth, from left to right."""
    import dlib

    from openfaceplus import weights

    shape = dlib.shape_predictor(str(weights.require("dlib-landmarks-5")))
    pixels = np.ascontiguousarray(pixels)
    boxes, _, _ = dlib.get_frontal_face_detector().run(pixels, 1, 0.3)
    found = sorted(boxes, key=lambda box: box.left())
    return [dlib.get_face_chip(pixels, shape(pixels, box), SIDE, 0.6) for box in found]


def _save(path: Path, *row: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.hstack(row)).save(path, quality=95)


def _write(path: Path, data: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


if __name__ == "__main__":
    fetch()
