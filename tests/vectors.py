"""Made-up embeddings whose likenesses are about those of dlib's network, and numbers of their own.

A face is a common direction, its person's, and noise, more in some photos than in others. Two
photos of one person have a cosine of about 0.96, two people's of 0.80 to 0.93.
"""

from __future__ import annotations

from functools import cache
from types import SimpleNamespace

import numpy as np

from openfaceplus.classify import factory, openset

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


def nearest(scorer: openset.Scorer, vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The numbers of the nearest people, and the scores for them."""
    among = scorer.candidates(vectors)
    return among.who[:, 0], scorer.score(vectors, among.who[:, 0], among)


@cache
def made_up_factory() -> factory.Factory:
    """What ``factory.json`` holds for real embeddings, measured on made-up faces."""
    params = openset.ScoreParams(center=MIDDLE)
    people, photos = (5, 40, 160), (1, 3)
    levels = np.concatenate([np.linspace(0, 0.95, 39), 1 - np.geomspace(0.04, 0.0005, 40)])
    shares = np.linspace(0, 1, 101)
    table: dict[str, list] = {"strangers": [], "genuine": [], "misnamed": []}
    for count in people:
        rows: dict[str, list] = {key: [] for key in table}
        for each in photos:
            outside, inside, wrong = [], [], []
            for seed in range(max(2, 60 // count)):
                data = split(count, each, 2, 600, seed=1000 + seed)
                scorer = openset.Scorer.of(data.x, data.y, names_of(np.arange(count)), params)
                named, scores = nearest(scorer, data.probes)
                right = named == data.owners
                inside.append(scores[right])
                wrong.append(1 - right.mean())
                outside.append(nearest(scorer, data.strangers)[1])
            rows["strangers"].append(np.quantile(np.concatenate(outside), levels).tolist())
            rows["genuine"].append(np.quantile(np.concatenate(inside), shares).tolist())
            rows["misnamed"].append(float(np.mean(wrong)))
        for key, values in rows.items():
            table[key].append(values)
    table |= {"people": list(people), "photos": list(photos)}
    table |= {"stranger_levels": levels.tolist(), "genuine_levels": shares.tolist()}
    return factory.Factory("made-up faces", params, table)
