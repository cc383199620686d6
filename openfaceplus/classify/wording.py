"""A threshold and what it rests on, in plain words."""

from __future__ import annotations

import math

from openfaceplus.classify.calibrate import Calibration, needed
from openfaceplus.classify.rule import Threshold


def lines(threshold: Threshold, people: int) -> list[str]:
    """What was asked, what it rests on, how sure it is, and what to add if that is little."""
    made = threshold.calibration
    return [_asked(made), *_measured(made), *_used(threshold, people), *_missing(made)]


def percent(rate: float) -> str:
    """A share as a percentage with two significant digits."""
    return f"{100 * rate:.2g}%" if rate < 0.1 else f"{100 * rate:.0f}%"


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
            f"Estimated by leaving out each of {made.n} people in turn: {made.accepted:.1f} of "
            f"{made.n} would have been accepted ({bounds}).",
            "Left-out scores depend on each other, so this is an estimate; photos of strangers "
            "give a guarantee.",
        ]
    return [
        f"Measured on {made.n} strangers, one photo each: {made.accepted:.0f} of {made.n} were "
        f"accepted ({bounds}).",
        "This holds for strangers like those.",
    ]


def _used(threshold: Threshold, people: int) -> list[str]:
    where = f"the factory threshold for {people} people, measured on {threshold.factory_data}"
    if threshold.uses == "nobody":
        return ["Nobody is accepted: neither these data nor a factory table support the rate."]
    if threshold.uses == "factory":
        return [f"The rate rests on {where}: {threshold.value:.4f}."]
    if threshold.uses == "stricter":
        return [f"Using the stricter of that and {where}: {threshold.value:.4f}."]
    if threshold.uses == "blend":
        return [f"Using a mean of that and {where}: {threshold.value:.4f}."]
    return [f"Threshold {threshold.value:.4f}."]


def _missing(made: Calibration) -> list[str]:
    if made.met:
        return []
    what = "people left out in turn" if made.estimate else "strangers"
    return [
        f"{made.n} {what} support a rate of {percent(made.supported)} at best. For "
        f"{percent(made.asked)} give photos of {needed(made.asked)} strangers (met on average) or "
        f"{needed(made.asked, 0.95)} (met with 95% confidence)."
    ]
