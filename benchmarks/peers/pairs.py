"""Ratios of alternating runs, and what is printed and stored of them."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from typing import Any


def alternate(calls: Mapping[str, Callable[[int], float]], rounds: int) -> dict[str, list[float]]:
    """Seconds of each call in each round; every second round goes through them backwards.

    A shared machine drifts: only numbers of one round are compared.
    """
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for i in range(rounds):
        for name in list(calls)[:: 1 if i % 2 == 0 else -1]:
            seconds[name].append(calls[name](i))
    return seconds


def spread(values: list[float]) -> dict[str, float]:
    """Median, least and greatest."""
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def ratios(seconds: dict[str, list[float]], peer: str) -> dict[str, dict[str, float]]:
    """How many times as long as each call the peer took, round by round."""
    return {
        name: spread([theirs / ours for theirs, ours in zip(seconds[peer], own, strict=True)])
        for name, own in seconds.items()
        if name != peer
    }


def paired(
    calls: Mapping[str, Callable[[int], float]],
    peers: Sequence[str],
    rounds: int,
    count: float,
    unit: str,
) -> dict[str, Any]:
    """Alternate, and give rates (``count`` things a round) and the ratios to each of the peers."""
    seconds = alternate(calls, rounds)
    rates = {name: spread([count / s for s in own]) for name, own in seconds.items()}
    compared = {peer: ratios(seconds, peer) for peer in peers}
    return {"unit": unit, "rates": rates, "ratios": compared}


def lines(result: dict[str, Any]) -> list[str]:
    """A paired result as rows of a Markdown table."""
    head = [result["unit"], *(f"times {peer} (min to max)" for peer in result["ratios"])]
    made = [f"| | {' | '.join(head)} |", "| --- " * (len(head) + 1) + "|"]
    for name, rate in result["rates"].items():
        cells = [f"{rate['median']:.3g}"]
        for found in result["ratios"].values():
            ratio = found.get(name)
            cells.append(
                f"{ratio['median']:.2f} ({ratio['min']:.2f} to {ratio['max']:.2f})" if ratio else ""
            )
        made.append(f"| {name} | {' | '.join(cells)} |")
    return made
