"""What was measured once on lfw-dev and ships as numbers: scores of strangers and of enrolled
people by gallery size and photos a person, for the embeddings that ship.

``factory.json`` is made by ``benchmarks/factory.py``. It holds quantiles over thousands of people
and the mean over all of them, no one person's data.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from importlib import resources
from typing import Any

import numpy as np

from openfaceplus.classify.openset import ScoreParams


@dataclass(frozen=True, eq=False)
class Factory:
    """One embedding's numbers: ``table`` holds lists, ``data`` says what they were measured on.

    ``offset`` is added to all scores: with the number of views averaged they rise a little.
    """

    data: str
    params: ScoreParams
    table: Mapping[str, Any]
    offset: float = 0.0

    def quantiles(self, people: int, photos: float) -> tuple[np.ndarray, np.ndarray, float]:
        """Strangers' and genuine scores at the table's levels, and the share of misnamed faces.

        Linear between entries in log people and log photos; the nearest entry outside of them.
        """
        i, a = _between(np.log(self.table["people"]), math.log(max(people, 1)))
        j, b = _between(np.log(self.table["photos"]), math.log(max(photos, 1)))

        def at(key: str) -> np.ndarray:
            t = np.asarray(self.table[key], float)
            low = (1 - b) * t[i, j] + b * t[i, j + 1]
            made: np.ndarray = (1 - a) * low + a * ((1 - b) * t[i + 1, j] + b * t[i + 1, j + 1])
            return made

        genuine = at("genuine") + self.offset
        return at("strangers") + self.offset, genuine, float(at("misnamed"))

    def threshold(self, people: int, photos: float, far: float) -> float:
        """Accepted the share ``far`` of strangers; inf for a rate below those measured."""
        quantiles, _, _ = self.quantiles(people, photos)
        rates = 1 - np.asarray(self.table["stranger_levels"], float)
        if far < rates[-1] * (1 - 1e-9):
            return math.inf
        return float(np.interp(-math.log(far), -np.log(np.maximum(rates, 1e-9)), quantiles))


@lru_cache(maxsize=4)
def load(space: str) -> Factory | None:
    """The numbers for an embedding space, None if nothing ships for it."""
    text = resources.files("openfaceplus").joinpath("classify/factory.json").read_text()
    for row in json.loads(text):
        if space in row["spaces"]:
            params = row["params"] | {"center": np.array(row["params"]["center"], np.float32)}
            return Factory(row["data"], ScoreParams(**params), row["table"], row["spaces"][space])
    return None


def photos_each(labels: np.ndarray) -> float:
    """Photos a person, of (photos,) ``labels`` 0..people-1: their geometric mean, as the tables are
    linear in its logarithm."""
    return float(np.exp(np.log(np.bincount(labels)).mean()))


def _between(axis: np.ndarray, at: float) -> tuple[int, float]:
    i = int(np.clip(np.searchsorted(axis, at) - 1, 0, len(axis) - 2))
    return i, float(np.clip((at - axis[i]) / (axis[i + 1] - axis[i]), 0, 1))
