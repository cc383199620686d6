"""Makes ``openfaceplus/classify/cohort.npz``: strangers whose vectors are no real person's.

    .venv/bin/python benchmarks/made_cohort.py ../shared/data/lfw-dev/lfw --write
    .venv/bin/python benchmarks/made_cohort.py ../shared/data/lfw-dev/lfw --judge [--views 6]

A made stranger is drawn from the normal distribution of the faces around a real one: the seventh of
all people who look most like that person, one photo each, without the person. The score that they
calibrate is

    raw(x, t) = cos(x, t) - 0.4 c(x) - 0.2 c(t)

where c(v) is the cosine of v to the nearest of 64 typical faces. ``--judge`` makes the cohort from
one half of the people and prints the rates that its thresholds have on the other, both ways. The
vectors of the photos, made with YuNet, are kept in ``-o``, by default the user's cache.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
from sklearn.cluster import KMeans

from openfaceplus.classify.calibrate import from_strangers
from openfaceplus.files import atomic_write
from openfaceplus.images import walk
from openfaceplus.recipe import recipe
from openfaceplus.stages.photos import embed_photos
from openfaceplus.weights.pins import cache_folder

SHIPPED = Path(__file__).resolve().parents[1] / "openfaceplus/classify/cohort.npz"
PROBE, TEMPLATE = 0.4, 0.2  # what c(x) and c(t) weigh
STRANGERS, TYPICAL = 5000, 64
# With fewer neighbours made faces lie closer to real ones than strangers do; with more, thresholds
# differ more from gallery to gallery.
NEIGHBOURS = 1 / 7
# Real strangers have a look-alike here and there; made ones, smooth as they are, do not. Without
# an exponential spread of c(x), in its standard deviations, thresholds are too low for large
# galleries (docs/accuracy.md says by how much).
SPREAD = 1.0
FOLDS = 10
PHOTOS = (1, 2, 3, 5, 10)
GENUINE_LEVELS = np.linspace(0, 1, 101)
CELLS = ((2, 3), (8, 1), (8, 3), (8, 10), (20, 3), (50, 1), (50, 3), (200, 3))
RATES = (0.003, 0.01, 0.03, 0.05)

Faces = Sequence[np.ndarray]
"""The unit vectors (photos, dimensions) of each person."""


def main() -> None:
    """Make the cohort from all people, or from one half and judge on the other."""
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parse.add_argument("photos", type=Path)
    parse.add_argument("-o", "--output", type=Path, default=cache_folder() / "made-cohort")
    parse.add_argument("--write", action="store_true", help="write cohort.npz")
    parse.add_argument("--judge", action="store_true", help="print achieved rates")
    parse.add_argument("--views", type=int, default=2, help="of the judged faces (default: 2)")
    parse.add_argument("--draws", type=int, default=300, help="of galleries (default: 300)")
    args = parse.parse_args()
    faces = embed(args.photos, args.output)
    if args.judge:
        judge(faces, embed(args.photos, args.output, args.views), args.draws)
    if args.write:
        with atomic_write(SHIPPED) as file:
            np.savez_compressed(file, **make(faces))
        print(f"{SHIPPED}: {SHIPPED.stat().st_size:,} bytes")


def embed(photos: Path, output: Path, views: int = 2) -> list[np.ndarray]:
    """Each person's vectors, of the most prominent face of each photo; kept in ``output``."""
    kept = output / f"yunet-{views}-views.npz"
    if not kept.exists():
        files = [file for file in walk(photos) if file.person]
        made = embed_photos(
            [file.path for file in files], recipe(detector="yunet", views=views), largest=True
        )
        pairs = zip(files, made, strict=True)
        found = [(file.person, one.vectors[0]) for file, one in pairs if len(one.vectors)]
        names, vectors = zip(*found, strict=True)
        output.mkdir(parents=True, exist_ok=True)
        with atomic_write(kept) as file:
            np.savez(file, names=np.array(names), vectors=np.array(vectors))
    with np.load(kept) as data:
        names, vectors = data["names"], data["vectors"]
    return [vectors[names == name] for name in np.unique(names)]


def make(faces: Faces, seed: int = 0) -> dict[str, np.ndarray]:
    """What the file holds, from the vectors of people."""
    centroids = typical_faces(faces)
    vectors = strangers(faces, seed)
    scale = 127 / np.abs(vectors).max(axis=1, keepdims=True)
    return {
        "vectors": np.rint(vectors * scale).astype("i1"),
        "typical": typical_of(vectors, faces, centroids, seed).astype("f4"),
        "centroids": centroids,
        "genuine": genuine(faces, seed).astype("f4"),
    }


def strangers(faces: Faces, seed: int) -> np.ndarray:
    """(STRANGERS, dimensions) float32 unit vectors, each drawn from around a real person."""
    generator = np.random.default_rng(seed)
    one = one_photo(faces, generator)
    count = round(NEIGHBOURS * len(faces))
    around = generator.permutation(np.resize(np.arange(len(faces)), STRANGERS))
    vectors = np.empty((STRANGERS, one.shape[1]), np.float32)
    for i, person in enumerate(around):
        likeness = one @ generator.choice(faces[person])
        likeness[person] = -np.inf
        near = one[np.argpartition(-likeness, count)[:count]]
        mean = near.mean(axis=0)
        weights = generator.standard_normal(count) / np.sqrt(count - 1)
        vectors[i] = mean + weights @ (near - mean)  # the neighbours' covariance
    return unit(vectors)


def typical_of(vectors: np.ndarray, faces: Faces, centroids: np.ndarray, seed: int) -> np.ndarray:
    """(n,) c(x) of made vectors, distributed as that of people whom the typical faces have not
    seen, and spread."""
    generator = np.random.default_rng([seed, 1])
    unseen = np.empty(len(faces))
    for left, others in cross_fit(faces):
        unseen[left] = nearest(one_photo([faces[i] for i in left], generator), others)
    rank = nearest(vectors, centroids).argsort().argsort() / (len(vectors) - 1)
    spread = generator.exponential(size=len(vectors)) - 1
    return np.quantile(unseen, rank) - SPREAD * unseen.std() * spread


def genuine(faces: Faces, seed: int, draws: int = 5) -> np.ndarray:
    """(len(PHOTOS), levels) quantiles of people's scores for themselves, by photos enrolled."""
    generator = np.random.default_rng([seed, 2])
    scores: dict[int, list[np.ndarray]] = {photos: [] for photos in PHOTOS}
    for left, centroids in cross_fit(faces):
        for person, photos in ((i, k) for i in left for k in PHOTOS if len(faces[i]) > k):
            for _ in range(draws):
                mine = generator.permutation(faces[person])
                template = unit(mine[:photos].mean(axis=0))[None]
                scores[photos].append(raw(mine[photos:][:5], template, centroids)[:, 0])
    return np.array([np.quantile(np.concatenate(s), GENUINE_LEVELS) for s in scores.values()])


def raw(x: np.ndarray, templates: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """(faces, people) scores."""
    likeness = x @ templates.T - TEMPLATE * nearest(templates, centroids)
    scores: np.ndarray = likeness - PROBE * nearest(x, centroids)[:, None]
    return scores


def typical_faces(faces: Faces) -> np.ndarray:
    """(TYPICAL, dimensions) float32 centres of people's unit means."""
    means = unit(np.stack([vectors.mean(axis=0) for vectors in faces]))
    return unit(KMeans(TYPICAL, random_state=0).fit(means).cluster_centers_).astype(np.float32)


def cross_fit(faces: Faces) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The numbers of some people, and the typical faces of all others; everybody once."""
    order = np.random.default_rng(0).permutation(len(faces))
    for fold in range(FOLDS):
        left = order[fold::FOLDS]
        yield left, typical_faces([faces[i] for i in np.setdiff1d(order, left)])


def judge(faces: Faces, judged: Faces, draws: int) -> None:
    """Print the rates that a half's cohort gives on the other half, as a table.

    ``judged`` are the same people, perhaps by another recipe.
    """
    found: dict[tuple[int, int], list[list[float]]] = {}
    order = np.random.default_rng(7).permutation(len(faces))
    for half in range(2):
        cohort = make([faces[i] for i in order[half::2]])
        others = [judged[i] for i in order[1 - half :: 2]]
        for cell in CELLS:
            generator = np.random.default_rng([11, *cell])
            each = [draw(cohort, others, *cell, generator) for _ in range(draws // 2)]
            found.setdefault(cell, []).extend(each)
    print("| people x photos | " + " | ".join(f"{rate:.1%} asked" for rate in RATES) + " | DIR |")
    for (people, photos), rows in found.items():
        mean, deviation = 100 * np.nanmean(rows, axis=0), 100 * np.std(rows, axis=0)
        cells = [f"{m:.2f} ± {s:.2f}" for m, s in zip(mean[:-1], deviation[:-1], strict=True)]
        print(f"| {people} x {photos} | " + " | ".join(cells) + f" | {mean[-1]:.1f} |", flush=True)


def draw(
    cohort: dict[str, np.ndarray], faces: Faces, people: int, photos: int,
    generator: np.random.Generator,
) -> list[float]:  # fmt: skip
    """Of one gallery the rates achieved for RATES asked, on one photo of everybody else, and the
    share of the enrolled people's other photos that are named right and accepted at 1%."""
    able = [i for i, vectors in enumerate(faces) if len(vectors) >= photos]
    chosen = generator.choice(able, people, replace=False)
    mine = [generator.permutation(faces[i]) for i in chosen]
    templates = unit(np.stack([vectors[:photos].mean(axis=0) for vectors in mine]))
    centroids = cohort["centroids"]
    made = unit(cohort["vectors"].astype(np.float32)) @ templates.T
    made = (made - TEMPLATE * nearest(templates, centroids)).max(axis=1) - PROBE * cohort["typical"]
    rest = [faces[i] for i in np.setdiff1d(np.arange(len(faces)), chosen)]
    scores = raw(one_photo(rest, generator), templates, centroids).max(axis=1)
    limits = [from_strangers(made, rate).threshold for rate in RATES]
    probes = [vectors[photos:][:10] for vectors in mine]
    named = raw(np.concatenate(probes), templates, centroids)
    who = np.repeat(np.arange(people), [len(each) for each in probes])
    right = (named.argmax(axis=1) == who) & (named.max(axis=1) > limits[RATES.index(0.01)])
    share = float(right.mean()) if len(who) else np.nan
    return [*(float(np.mean(scores > limit)) for limit in limits), share]


def nearest(vectors: np.ndarray, centroids: np.ndarray) -> np.ndarray:
    """(n,) c(v) of unit vectors (n, dimensions)."""
    best: np.ndarray = (vectors @ centroids.T).max(axis=1)
    return best


def one_photo(faces: Faces, generator: np.random.Generator) -> np.ndarray:
    """(people, dimensions) one vector of each person at random."""
    return np.stack([generator.choice(vectors) for vectors in faces])


def unit(vectors: np.ndarray) -> np.ndarray:
    """Vectors (..., dimensions) at length one."""
    length: np.ndarray = vectors / np.linalg.norm(vectors, axis=-1, keepdims=True)
    return length


if __name__ == "__main__":
    main()
