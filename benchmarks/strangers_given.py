"""Thresholds calibrated on strangers' photos: how often a rate asked with confidence is exceeded.

    .venv/bin/python benchmarks/strangers_given.py ../shared/data/lfw-dev/lfw -o evaluation

Draws galleries of people with more than 3 photos (3 enrolled) and, with replacement, 600 of the
strangers. All strangers together are the population, so the rate that a threshold truly has is
known and no chance of a test set is mixed in.
"""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path

import numpy as np

from openfaceplus.classify.classifier import Classifier
from openfaceplus.classify.rule import Strangers
from openfaceplus.evaluate.metrics import clopper_pearson
from openfaceplus.evaluate.protocols import openset_split
from openfaceplus.recipe import recipe
from openfaceplus.stages.embedded import embed_folder

GIVEN = 600


def main() -> None:
    """Print mean achieved rate and how often it was above the one asked."""
    parse = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parse.add_argument("lfw", type=Path)
    parse.add_argument("-o", "--output", type=Path, default=Path("evaluation"))
    parse.add_argument("--repeats", type=int, default=500)
    args = parse.parse_args()
    folder = embed_folder(args.lfw, args.output, recipe())
    people = np.array(folder.people)
    for gallery, far in ((50, 0.05), (200, 0.02), (200, 0.01)):
        achieved = {None: [], 0.95: []}
        for seed in range(args.repeats):
            split = openset_split(folder.people, gallery=gallery, seed=seed)
            enrolled = split.enrolled[folder.usable[split.enrolled]]
            strangers = split.unknown_unknowns[folder.usable[split.unknown_unknowns]]
            model = Classifier.train(
                folder.vectors[enrolled],
                people[enrolled].tolist(),
                [folder.photos[i] for i in enrolled],
                recipe={},
                space=folder.space,
            )
            _, scores = model.score(folder.vectors[strangers])
            given = np.random.default_rng(seed).choice(scores, GIVEN)
            rule = replace(model.rule, strangers=(Strangers("strangers", "photos given", given),))
            for sure, rates in achieved.items():
                rates.append(np.mean(scores >= rule.threshold(far, sure).value))
        for sure, rates in achieved.items():
            above = int(np.sum(np.array(rates) > far))
            low, high = clopper_pearson(above, len(rates))
            print(
                f"{gallery} people, {far:.0%} asked{'' if sure is None else f', sure {sure:.0%}'}: "
                f"mean {np.mean(rates):.2%}, exceeded in {above / len(rates):.1%} of {len(rates)} "
                f"draws ({low:.1%} to {high:.1%})"
            )


if __name__ == "__main__":
    main()
