"""Detectors one after the other, so that the cost of a better one falls on hard photos only."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock

import numpy as np

from openfaceplus.detect.base import Detector
from openfaceplus.faces import Face


class Chain(Detector):
    """Each detector looks where none before it found a face.

    All but the first are made when first needed, which an easy photo never does.
    """

    reduces = True

    def __init__(self, first: Detector, *others: Callable[[], Detector]) -> None:
        self._made, self._others = [first], others
        self._lock = Lock()

    def _search(self, image: np.ndarray, largest: bool) -> list[Face]:
        for number in range(1 + len(self._others)):
            faces = self._member(number)._search(image, largest)
            if faces:
                return faces
        return []

    def _member(self, number: int) -> Detector:
        with self._lock:
            if number == len(self._made):
                self._made.append(self._others[number - 1]())
            return self._made[number]
