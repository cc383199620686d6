"""Makes ``openfaceplus/classify/cohort.npz``: strangers whose vectors are no real person's.

    .venv/bin/python benchmarks/made_cohort.py ../shared/data/lfw-dev/lfw -o OUT

A made stranger is drawn from the normal distribution of the faces around a real one: the seventh of
all people who look most like that person, one photo each, without the person. Typical faces and
genuine scores are those of the people themselves. ``benchmarks/cohorts.py`` judges it; chips and
vectors of the photos, made with YuNet, are kept in ``-o``.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from openfaceplus.classify import openset
from openfaceplus.classify.cohort import Cohort
from openfaceplus.cli import common
from openfaceplus.files import atomic_write
from openfaceplus.recipe import recipe
from openfaceplus.stages.embedded import embed_folder

SHIPPED = Path(__file__).resolve().parents[1] / "openfaceplus/classify/cohort.npz"
STRANGERS = 5000
# With fewer neighbours made faces lie closer to real ones than strangers do; with more, thresholds
# differ more from gallery to gallery.
NEIGHBOURS = 1 / 7
# Real strangers have a look-alike here and there; made ones, smooth as they are, do not. Without
# an exponential spread of their typicality, in its standard deviations, thresholds are too low for
# large galleries: 1% asked gives 1.0% with 2 people and 2.2% with 200.
SPREAD = 1.0


def main() -> None:
    """Write the file."""
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parse.add_argument("photos", type=Path)
    parse.add_argument("-o", "--output", type=Path, required=True)
    args = parse.parse_args()
    made = made_from(*embed(args.photos, args.output))
    scale = 127 / np.abs(made.vectors).max(axis=1, keepdims=True)
    with atomic_write(SHIPPED, ours=True) as file:
        np.savez_compressed(
            file, vectors=np.rint(made.vectors * scale).astype("i1"), typical=made.typical,
            typicality=made.typicality, genuine=made.genuine,
        )  # fmt: skip
    print(f"{SHIPPED}: {SHIPPED.stat().st_size:,} bytes")


def embed(photos: Path, output: Path, views: int = 2) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors (n, dimensions) of a folder per person, and whose they are (n,)."""
    found = embed_folder(
        photos, output / f"{views}-views", recipe(detector="yunet", views=views),
        progress=common.progress,
    )  # fmt: skip
    people = np.array(found.people)[found.usable]
    return found.vectors[found.usable], np.unique(people, return_inverse=True)[1]


def made_from(vectors: np.ndarray, labels: np.ndarray, seed: int = 0) -> Cohort:
    """A cohort of made strangers, from (n, dimensions) vectors of the people ``labels`` (n,)."""
    real = Cohort.of(vectors, labels, "")
    made = strangers(vectors, labels, seed)
    # Distributed as that of people whom the typical faces have not seen, and spread.
    spread = np.random.default_rng([seed, 1]).exponential(size=len(made)) - 1
    rank = openset.typicality(made, real.typical).argsort().argsort() / (len(made) - 1)
    typicality = np.quantile(real.typicality, rank) - SPREAD * real.typicality.std() * spread
    return Cohort(
        made, typicality.astype(np.float32), real.typical, real.genuine, "made-up faces", "shipped"
    )


def strangers(vectors: np.ndarray, labels: np.ndarray, seed: int = 0) -> np.ndarray:
    """(STRANGERS, dimensions) float32 unit vectors, each drawn from around a real person."""
    generator = np.random.default_rng(seed)
    photos = [np.flatnonzero(labels == person) for person in range(labels.max() + 1)]
    one = vectors[[generator.choice(own) for own in photos]]
    count = round(NEIGHBOURS * len(photos))
    around = generator.permutation(np.resize(np.arange(len(photos)), STRANGERS))
    made = np.empty((STRANGERS, vectors.shape[1]), np.float32)
    for i, person in enumerate(around):
        likeness = one @ vectors[generator.choice(photos[person])]
        likeness[person] = -np.inf
        near = one[np.argpartition(-likeness, count)[:count]]
        mean = near.mean(axis=0)
        weights = generator.standard_normal(count) / np.sqrt(count - 1)
        made[i] = mean + weights @ (near - mean)  # the neighbours' covariance
    return made / np.linalg.norm(made, axis=1, keepdims=True)


if __name__ == "__main__":
    main()
