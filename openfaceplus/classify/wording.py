"""A threshold and what it rests on, in plain words."""

from __future__ import annotations

from openfaceplus.classify.calibrate import Calibration, needed
from openfaceplus.classify.rule import Threshold
from openfaceplus.words import counted, percent


def lines(threshold: Threshold, people: int) -> list[str]:
    """What was asked, what it rests on, how sure it is, and what to add if that is little."""
    made = threshold.calibration
    said = [_asked(made)]
    if threshold.short is not None:
        said += [f"{supporters(threshold.short)} {_support(threshold.short)}."]
    if threshold.uses == "nobody":
        said.append(f"{supporters(made)} {_support(made)}, so nobody is accepted.")
        return [*said, _needed(made)]
    low, high = made.interval
    who = {
        "strangers": f"{supporters(made)}, one photo each",
        "built": f"the {made.n:,} strangers of {threshold.data}",
        "shipped": threshold.data,
        "people": supporters(made),
    }[threshold.uses]
    among = counted(people, "person", "people")
    share = percent(made.accepted / made.n)
    said.append(
        f"{'Estimated from' if made.estimate else 'Measured on'} {who}, scored against the "
        f"{among} enrolled: {made.accepted:,} of {made.n:,} were accepted ({share}, 95% interval "
        f"{percent(low)} to {percent(high)}, one-sided bound {percent(made.bound)})."
    )
    said.append(_HOLDS[threshold.uses])
    return [*said, f"Threshold {threshold.value:.3f}, where 0 is a usual stranger's score and 1 "
            "that of somebody enrolled."]  # fmt: skip


def supporters(made: Calibration) -> str:
    """What a rate rests on: ``1 stranger``, ``5 people left out in turn``."""
    if made.estimate:
        return f"{counted(made.n, 'person', 'people')} left out in turn"
    return counted(made.n, "stranger")


_HOLDS = {
    "strangers": "This holds for strangers like those.",
    "built": "This holds for strangers like those.",
    "shipped": "Their rate is right on average over galleries and varies between them; "
    "`openfaceplus cohort build` makes it surer with photos of real strangers.",
    "people": "These scores depend on each other, so this is an estimate; photos of strangers give "
    "a guarantee.",
}


def _asked(made: Calibration) -> str:
    how = (
        "on average"
        if made.confidence_level is None
        else f"with {percent(made.confidence_level)} confidence"
    )
    return f"Strangers: at most {percent(made.asked)} of faces accepted, {how}."


def _support(made: Calibration) -> str:
    verb = "supports" if made.n == 1 else "support"
    return f"{verb} a rate of {percent(made.supported)} at best"


def _needed(made: Calibration) -> str:
    return (
        f"{percent(made.asked)} takes photos of {needed(made.asked):,} strangers to be met on "
        f"average, {needed(made.asked, 0.95):,} to be met with 95% confidence."
    )
