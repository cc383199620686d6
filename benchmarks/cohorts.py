"""Is the rate asked the rate achieved, and what does the score find: galleries drawn from LFW.

    python benchmarks/cohorts.py LFW -o OUT [--draws 300] [--views 6]

Half of the people make the cohort, galleries are drawn from the other half, and one photo of
everybody else there is a stranger's; then the halves change places, in several splits. So nobody
who is searched or enrolled has helped to make typical faces, quantiles or confidences. Rates are
those of the commands: the same classifier is trained and asked.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from made_cohort import embed, made_from

from openfaceplus.classify.classifier import Classifier
from openfaceplus.classify.cohort import Cohort
from openfaceplus.evaluate import metrics

GALLERIES = ((2, 3), (8, 3), (20, 3), (50, 3), (170, 3), (8, 1), (50, 1), (8, 10), (30, 10))
FARS = (0.001, 0.003, 0.01, 0.03, 0.05)
SPLITS = 10


class Draw(NamedTuple):
    """What one gallery gave: achieved rates at ``FARS``, DIR where exactly 1, 0.3 and 0.1% of
    strangers are accepted, shares of enrolled faces unsure and misnamed at 1%, and confidences."""

    achieved: list[float]
    dir: list[float]
    accepted: float
    unsure: float
    misnamed: float
    confidence: np.ndarray
    right: np.ndarray
    weights: np.ndarray


def main() -> None:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("folder", type=Path)
    parse.add_argument("-o", "--output", type=Path, required=True)
    parse.add_argument("--draws", type=int, default=300)
    parse.add_argument("--views", type=int, default=2, help="of the faces that are judged")
    args = parse.parse_args()
    vectors, labels = embed(args.folder, args.output, args.views)
    sources: dict[str, Callable[[np.ndarray, np.ndarray], list[Cohort]]] = {
        "built": lambda x, y: [Cohort.of(x, y, "half")],
        "built of 600": lambda x, y: [Cohort.of(x[y < 600], y[y < 600], "600")],
        "made": lambda x, y: [made_from(x, y)],
        "left out": lambda x, y: [],
    }
    for name, make in sources.items():
        print(name)
        draws: dict[tuple[int, int], list[Draw]] = {shape: [] for shape in GALLERIES}
        for split in range(SPLITS):
            for x, y, other_x, other_y in halves(vectors, labels, split):
                cohorts = make(x, y)
                for (people, photos), rows in draws.items():
                    for number in range(args.draws // (2 * SPLITS)):
                        seed = split * 1000 + number
                        rows.append(drawn(other_x, other_y, people, photos, seed, cohorts))
        for shape, rows in draws.items():
            print(row(shape, rows))


def halves(vectors: np.ndarray, labels: np.ndarray, seed: int) -> Iterator[tuple[np.ndarray, ...]]:
    """A cohort's vectors and labels and the others', by people, both ways round."""
    mine = np.random.default_rng(seed).permutation(labels.max() + 1)[labels] % 2 == 0
    for half in (mine, ~mine):
        parts = ((vectors[part], np.unique(labels[part], return_inverse=True)[1])
                 for part in (half, ~half))  # fmt: skip
        yield tuple(array for pair in parts for array in pair)


def drawn(
    x: np.ndarray, y: np.ndarray, people: int, photos: int, seed: int, cohorts: list[Cohort]
) -> Draw:
    """One gallery of people with more photos than that, everybody else a stranger."""
    generator = np.random.default_rng(seed)
    able = np.flatnonzero(np.bincount(y) > photos)
    chosen = generator.choice(able, min(people, len(able)), replace=False)
    order = generator.permutation(len(y))
    first: dict[int, list[int]] = {}
    for i in order.tolist():
        first.setdefault(int(y[i]), []).append(i)
    enrolled = [i for person in chosen.tolist() for i in first[person][:photos]]
    probes = np.array([i for person in chosen.tolist() for i in first[person][photos:][:10]])
    strangers = np.array([own[0] for person, own in first.items() if person not in set(chosen)])
    names = [str(y[i]) for i in enrolled]
    model = Classifier.train(x[enrolled], names, names, recipe={}, space="half", cohorts=cohorts)
    named, scores = model.score(x[probes])
    right = np.array(model.people)[named] == y[probes].astype(str)
    other_named, others = model.score(x[strangers])
    search = metrics.Probes(scores, right, y[probes].astype(str), others, y[strangers].astype(str))
    decisions = model.decide(x[probes])
    taken = np.array([decision.name is not None for decision in decisions])
    confidence = np.concatenate([model.confidence(scores, named),
                                 model.confidence(others, other_named)])  # fmt: skip
    weights = np.repeat([1 / len(probes), 1 / len(strangers)], [len(probes), len(strangers)])
    return Draw(
        [float(np.mean(others >= model.calibrate(far).value)) for far in FARS],
        [search.dir_at_fpir(far) for far in (0.01, 0.003, 0.001)],
        float(np.mean(taken & right)),
        float(np.mean([decision.second is not None for decision in decisions])),
        float(np.mean(taken & ~right)),
        confidence, np.append(right, np.zeros(len(others), bool)), weights,
    )  # fmt: skip


def row(shape: tuple[int, int], draws: list[Draw]) -> str:
    achieved = np.array([draw.achieved for draw in draws]) * 100
    finite = np.isfinite(achieved[:, 2])
    rates = " ".join(
        f"{far:.1%}: {mean:.2f}±{spread:.2f}"
        for far, mean, spread in zip(FARS, achieved.mean(0), achieved.std(0), strict=True)
    )
    dirs = " ".join(f"{100 * each:.2f}" for each in np.mean([draw.dir for draw in draws], 0))
    kinds = " ".join(
        f"{100 * np.mean(values):.2f}"
        for values in zip(*[(d.accepted, d.unsure, d.misnamed) for d in draws], strict=True)
    )
    table = metrics.reliability(*(np.concatenate(parts) for parts in zip(
        *[(d.confidence, d.right, d.weights) for d in draws], strict=True)))  # fmt: skip
    worst = 100 * np.max(np.abs(table.confidence - table.truth))
    assert finite.all()
    return (
        f"{shape[0]:4} x {shape[1]:2}  achieved {rates}  DIR {dirs}  right/unsure/wrong {kinds}  "
        f"confidence {100 * table.gap:.1f}, worst {worst:.1f}"
    )


if __name__ == "__main__":
    main()
