"""A threshold and what it rests on, in plain words."""

from __future__ import annotations

import math

from openfaceplus.classify.calibrate import Calibration, needed
from openfaceplus.classify.rule import Threshold
from openfaceplus.words import counted, percent


def lines(threshold: Threshold, people: int) -> list[str]:
    """What was asked, what it rests on, how sure it is, and what to add if that is little."""
    made = threshold.calibration
    return [_asked(made), *_measured(made), *_used(threshold, people), *_missing(made)]


def supporters(made: Calibration) -> str:
    """What a rate rests on: ``1 stranger``, ``5 people left out in turn``."""
    if made.estimate:
        return f"{counted(made.n, 'person', 'people')} left out in turn"
    return counted(made.n, "stranger")


def _asked(made: Calibration) -> str:
    how = (
        "on average"
        if made.confidence_level is None
        else f"with {percent(made.confidence_level)} confidence"
    )
    return f"Strangers: at most {percent(made.asked)} of faces accepted, {how}."


def _measured(made: Calibration) -> list[str]:
    if not made.n or not math.isfinite(made.threshold):
        return []
    low, high = made.interval
    bounds = (
        f"{percent(made.accepted / made.n)}, 95% interval {percent(low)} to {percent(high)}, "
        f"one-sided bound {percent(made.bound)}"
    )
    if made.estimate:
        return [
            f"Estimated from {supporters(made)}: {made.accepted:.1f} of {made.n} would have been "
            f"accepted ({bounds}).",
            "These scores depend on each other, so this is an estimate; photos of strangers give "
            "a guarantee.",
        ]
    return [
        f"Measured on {supporters(made)}, one photo each: {made.accepted:.0f} of {made.n} were "
        f"accepted ({bounds}).",
        "This holds for strangers like those.",
    ]


def _used(threshold: Threshold, people: int) -> list[str]:
    where = (
        f"the shipped calibration for {counted(people, 'person', 'people')}, measured on "
        f"{threshold.factory_data}"
    )
    if threshold.uses == "nobody":
        return ["Nobody is accepted: neither these data nor a shipped calibration support it."]
    if threshold.uses == "factory":
        return [f"The rate rests on {where}: threshold {threshold.value:.4f}."]
    if threshold.uses == "stricter":
        return [f"Using the stricter of that and {where}: threshold {threshold.value:.4f}."]
    if threshold.uses == "blend":
        return [f"Using a mean of that and {where}: threshold {threshold.value:.4f}."]
    return [f"Threshold {threshold.value:.4f}."]


def _missing(made: Calibration) -> list[str]:
    if made.met:
        return []
    verb = "supports" if made.n == 1 else "support"
    return [
        f"{supporters(made)} {verb} a rate of {percent(made.supported)} at best. "
        f"{percent(made.asked)} takes photos of {needed(made.asked)} strangers to be met on "
        f"average, {needed(made.asked, 0.95)} to be met with 95% confidence."
    ]
