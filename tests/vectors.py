"""Made-up embeddings whose likenesses are about those of dlib's network, and numbers of their own.

A face is a common direction, its person's, and noise, more in some photos than in others. Two
photos of one person have a cosine of about 0.96, two people's of 0.80 to 0.93.
"""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace

import numpy as np

from openfaceplus.classify.cohort import Cohort

DIMENSIONS = 128
SPACE = "made-up/2v@0"
MIDDLE = np.eye(1, DIMENSIONS, dtype=np.float32)[0]  # the average face


def faces(
    people: int, photos: int, seed: int = 0, noise: float = 0.2
) -> tuple[np.ndarray, np.ndarray]:
    """(people x photos, 128) float32 unit vectors, and whose they are."""
    generator = np.random.default_rng(seed)
    # Twenty directions carry most of what tells people apart, so some of them look alike.
    strength = np.where(np.arange(DIMENSIONS) < 20, 1.0, 0.35)
    own = generator.normal(size=(people, DIMENSIONS)) * strength
    own *= 0.33 / np.linalg.norm(strength)
    labels = np.repeat(np.arange(people), photos)
    blur = generator.normal(size=(len(labels), DIMENSIONS)) * noise / DIMENSIONS**0.5
    blur *= np.exp(0.35 * generator.normal(size=(len(labels), 1)))  # some photos are poor
    raw = MIDDLE + own[labels] + blur
    return (raw / np.linalg.norm(raw, axis=1, keepdims=True)).astype(np.float32), labels


def names_of(labels: np.ndarray) -> list[str]:
    """A name for each label, in the labels' order."""
    return [f"p{label:04d}" for label in labels.tolist()]


def split(
    enrolled: int, photos: int, probes: int, strangers: int, seed: int = 0
) -> SimpleNamespace:
    """People to enrol with ``photos`` each, ``probes`` more of each, and strangers, one each."""
    vectors, labels = faces(enrolled + strangers, photos + probes, seed)
    turn = np.tile(np.arange(photos + probes), enrolled + strangers)
    known = labels < enrolled
    return SimpleNamespace(
        x=vectors[known & (turn < photos)],
        y=labels[known & (turn < photos)],
        probes=vectors[known & (turn >= photos)],
        owners=labels[known & (turn >= photos)],
        strangers=vectors[~known & (turn == 0)],
    )


@cache
def made_up_cohort() -> Cohort:
    """A cohort of made-up people."""
    return Cohort.of(*faces(1500, 4, seed=77), "made-up people")
