"""How well `openfaceplus doctor` finds photos that lie in the wrong folder.

    python benchmarks/doctor.py LFW -o CACHE

Photos of people with several are moved into other people's folders, a hundred at a time. The margin
by which a photo must be nearer to others than to its own folder is chosen on four fifths of the
people and judged on the rest, in turn; then the margin that ships is judged on all.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from openfaceplus.classify import enrolment
from openfaceplus.recipe import recipe
from openfaceplus.stages.embedded import embed_folder
from openfaceplus.stages.train import limits

MARGINS = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8)
PLANTED, FOLDS, DRAWS = 100, 5, 5
MOST_MISSED = 0.01  # of the planted, when a margin is chosen; then the fewest accused


def plant(labels: np.ndarray, rng: np.random.Generator, least: int) -> tuple[np.ndarray, list[int]]:
    """The labels with photos moved, one between any two people, and which; whoever gets one has
    ``least`` of their own."""
    labels, counts = labels.copy(), np.bincount(labels)
    givers = rng.permutation(np.flatnonzero(counts[labels] >= 2)).tolist()
    takers = iter(rng.permutation(np.flatnonzero(counts >= least)).tolist())
    used: set[int] = set()
    moved: list[int] = []
    for photo in givers:
        if len(moved) == PLANTED:
            break
        if labels[photo] in used:
            continue
        taker = next((one for one in takers if one not in used and one != labels[photo]), None)
        if taker is None:
            break
        used |= {int(labels[photo]), taker}
        labels[photo] = taker
        moved.append(photo)
    return labels, moved


def accused(vectors: np.ndarray, labels: np.ndarray, space: str) -> set[int]:
    """The photos that a cleaned copy would be without for being somebody else's."""
    of_two = np.bincount(labels)[labels] == 2
    found = enrolment.strays(vectors, labels, *limits(space))
    return {one.photo for one in found if one.other is not None or not of_two[one.photo]}


def judge(
    vectors: np.ndarray, labels: np.ndarray, space: str, margin: float, seed: int, least: int
) -> tuple[float, float]:
    """Shares of the planted found and of the good accused."""
    enrolment.MARGIN = margin
    planted, moved = plant(labels, np.random.default_rng(seed), least)
    found = accused(vectors, planted, space)
    good = len(labels) - len(moved)
    return len(found & set(moved)) / len(moved), len(found - set(moved)) / good


def main() -> int:
    parse = argparse.ArgumentParser(description=__doc__)
    parse.add_argument("folder", type=Path, help="one folder of photos a person, such as LFW")
    parse.add_argument("-o", "--output", type=Path, required=True, help="chips and embeddings")
    args = parse.parse_args()
    folder = embed_folder(args.folder, args.output, recipe())
    usable = folder.usable
    _, everybody = np.unique(np.array(folder.people)[usable], return_inverse=True)
    ships = enrolment.MARGIN
    for name, fewest in (("all people", 1), ("people with two photos or more", 2)):
        kept = np.bincount(everybody)[everybody] >= fewest
        vectors = folder.vectors[usable][kept]
        _, labels = np.unique(everybody[kept], return_inverse=True)
        fold = np.random.default_rng(0).permutation(labels.max() + 1) % FOLDS
        print(f"{name}: {len(labels)} photos of {labels.max() + 1}")
        results = []
        for held in range(FOLDS):
            parts = []
            for mine in (fold[labels] != held, fold[labels] == held):
                _, numbers = np.unique(labels[mine], return_inverse=True)
                parts.append((vectors[mine], numbers, folder.space))
            tried = {m: judge(*parts[0], m, held, fewest) for m in MARGINS}
            fine = [m for m in MARGINS if tried[m][0] >= 1 - MOST_MISSED] or [MARGINS[0]]
            best = min(fine, key=lambda m: tried[m][1])
            results.append(judge(*parts[1], best, held, fewest))
            print(f"  fold {held}: margin {best:g}, found {results[-1][0]:.1%}, "
                  f"good accused {results[-1][1]:.2%}")  # fmt: skip
        found, wrong = np.mean(results, axis=0)
        print(f"  held-out people: found {found:.1%}, good accused {wrong:.2%}")
        found, wrong = np.mean(
            [judge(vectors, labels, folder.space, ships, 100 + k, fewest) for k in range(DRAWS)],
            axis=0,
        )
        print(f"  margin {ships:g}, all, {DRAWS} x {PLANTED} planted: found {found:.1%}, "
              f"good accused {wrong:.2%}")  # fmt: skip
    return 0


if __name__ == "__main__":
    sys.exit(main())
