"""What every detector is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np

from openfaceplus.faces import Box, Face


@dataclass(frozen=True, slots=True)
class BoxMap:
    """How a network's box becomes the square that dlib's HOG detector gives, in which landmarks are
    looked for: ``down`` is its centre in the box's height, ``side`` a share of width and height's
    mean."""

    down: float
    side: float

    def square(self, left: float, top: float, width: float, height: float) -> Box:
        """The square of one box."""
        middle, down = left + width / 2, top + self.down * height
        half = self.side * (width + height) / 4
        return Box(middle - half, down - half, middle + half, down + half)


WIDER_FACE = BoxMap(0.56, 0.93)
"""For networks that learned the boxes of WIDER FACE; chosen with YuNet."""


class Detector(ABC):
    """Finds faces in pictures; one object may be used by several threads.

    A class says what it is: ``model`` names its weights in the catalog, if it has any; ``brought``
    that its network is a file of the user's; ``reduces`` that it looks for the largest face in a
    copy of at most 1,024 pixels, so that a photo may be decoded small; ``sure`` from which score a
    face surely is one and upright (see ``detect.chain``); ``points``
    whether its faces have them; ``box_map`` how its boxes become dlib's.
    """

    model: ClassVar[str | None] = None
    brought: ClassVar[bool] = False
    reduces: ClassVar[bool] = False
    sure: ClassVar[float] = 0.0
    points: ClassVar[bool] = False
    box_map: ClassVar[BoxMap] = BoxMap(0.5, 1.0)

    @abstractmethod
    def __init__(self, file: Path | None = None, threshold: float | None = None) -> None:
        """``file`` holds its weights; ``threshold`` is the least score of a face, for those that
        are brought. Raises ModelError for a file that is no such network."""

    def detect(self, images: Sequence[np.ndarray], largest: bool = False) -> list[list[Face]]:
        """The faces of each image, without landmarks, most prominent first.

        Images are RGB uint8, height x width x 3, of any sizes, and boxes in their pixels. With
        ``largest`` the search may stop at the most prominent face.
        """
        return [
            sorted(self._search(image, largest), key=lambda face: -face.prominence)
            for image in images
        ]

    @abstractmethod
    def _search(self, image: np.ndarray, largest: bool) -> list[Face]:
        """The faces of one image, in any order."""
