"""How good a face is to recognise, from 0 to 1."""

from __future__ import annotations

import math

from openfaceplus.faces import Box
from openfaceplus.sequences import Pose

_SMALL, _LARGE = 16.0, 80.0  # pixels of a side: hardly anybody is recognised, nobody is lost
_SHARP = 0.15  # ``openfaceplus.quality.sharpness`` from which a face is sharp
_CONTRAST = 25.0  # grey levels, standard deviation, of a face in good light
_LEAST = 0.1  # of what is bad in one way, so that it is still better than what is worse


def quality(
    side: float,
    sharpness: float,
    contrast: float,
    pose: Pose | None,
    inside: float,
    score: float,
) -> float:
    """The product of six shares, each 1 for what does not stand in the way:

    the box's ``side`` between 16 and 80 pixels, ``sharpness`` up to 0.15, ``contrast`` (the
    standard deviation of its grey levels) up to 25, the cosines of yaw and pitch, the share of the
    box that is ``inside`` the frame, and the detector's ``score``.
    """
    size = (side - _SMALL) / (_LARGE - _SMALL)
    ahead = 1.0
    if pose is not None:
        ahead = math.cos(math.radians(pose.yaw)) * math.cos(math.radians(pose.pitch))
    product = 1.0
    for share in (size, sharpness / _SHARP, contrast / _CONTRAST, ahead, inside, score):
        product *= min(1.0, max(_LEAST, share))
    return product


def inside(box: Box, width: float, height: float) -> float:
    """The share of a box that lies in a frame of that size."""
    across = min(box.right, width) - max(box.left, 0.0)
    down = min(box.bottom, height) - max(box.top, 0.0)
    return max(0.0, across) * max(0.0, down) / max(1e-9, box.width * box.height)
