"""Whether a face can be recognised at all.

The limits were measured with the dlib ResNet on 300 people of LFW's development half: one photo as
it is against another made worse, "lost" being genuine pairs with a cosine below 0.907, which 1% of
pairs of different people reach (or 0.925: 0.1%). Sizes and blur are given for HOG boxes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from openfaceplus.errors import FaceTooBlurred, FaceTooSmall, FlawedFace

if TYPE_CHECKING:
    import numpy as np

    from openfaceplus.faces import Chip

MIN_FACE_PIXELS = 20
"""Side of the box below which a face is too small.

Lost at 1% / 0.1% after reduction to so many pixels, JPEG of quality 75 and enlargement:
40 px 1 / 12%, 30 px 8 / 27%, 24 px 18 / 44%, 20 px 24 / 60%, 16 px 45 / 80%, 14 px 56%, 12 px 73%;
without JPEG 20 px 8 / 29%, 16 px 23 / 54%, 12 px 48 / 81%. Different people grow alike as well:
2.6% of pairs reach 0.907 at 20 px. The smallest of the half's 7,918 faces has 36 px.
"""

MIN_SHARPNESS = {"dlib": 0.04, "outerEyesAndNose": 0.02, "innerEyesAndBottomLip": 0.02}
"""``sharpness`` of a chip below which its face is too blurred, by the chip's template.

For a dlib chip, Gaussian sigma (pixels of a face of 100): lost at 1%, found too blurred:
2: 2%, 3%; 3: 11%, 19%; 4: 28%, 62%; 5: 49%, 86%; 6: 66%, 99%; 8: 86%, 100%. Straight motion of
20 px: horizontal 47%, 84%; vertical 75%, 60%; diagonal 72%, 96%. One of the 7,918 faces as they
are is found too blurred, and it is. The affine templates show the face larger; their limits find
83 to 85% at sigma 5, fewer of moved faces, and less than 0.1% of faces as they are.
"""


_ERRORS = (FaceTooSmall, FaceTooBlurred)


def flawed(name: str, flaw: str) -> FlawedFace:
    """The error for a photo, called ``name``, whose face has such a ``flaw``."""
    error = next(one for one in _ERRORS if one.status == flaw)
    return error(
        f"{name}: the face is {flaw.replace('_', ' ')} to be recognised",
        remedy="give a sharper or larger picture of it",
    )


def flaw(chip: Chip) -> str | None:
    """Why a face cannot be judged, ``too_small`` or ``too_blurred``, or None if it can."""
    if chip.face is not None and chip.face.box.side < MIN_FACE_PIXELS:
        return "too_small"
    if sharpness(chip.pixels) < MIN_SHARPNESS.get(chip.spec.template, 0.0):
        return "too_blurred"
    return None


def sharpness(pixels: np.ndarray) -> float:
    """How sharp an aligned chip is, (height, width[, 3]) uint8: 0 is flat, a good photo about 0.27.

    The energy of second differences within the middle two thirds at 32 pixels a side, in the
    direction that has least of it, over the variance: the variance of the Laplacian (Pech-Pacheco
    and others, ICPR 2000) made blind to contrast and able to see motion, which spares the edges
    along it. At 32 pixels noise and JPEG blocks are averaged out: there this separates lost from
    recognised faces better (area under the ROC 0.85) than the Laplacian at 96 pixels (0.64).
    """
    import cv2

    if pixels.ndim == 3:
        pixels = cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY)
    middle = cv2.resize(pixels, (32, 32), interpolation=cv2.INTER_AREA)[5:27, 5:27].astype("f4")
    here = middle[1:21, 1:21]
    energies = []
    for down, right in ((0, 1), (1, 0), (1, 1), (1, -1)):
        ahead = middle[1 + down : 21 + down, 1 + right : 21 + right]
        behind = middle[1 - down : 21 - down, 1 - right : 21 - right]
        bend = (ahead + behind - 2 * here) / (down * down + right * right)
        energies.append((bend * bend).mean())
    return float(min(energies) / max(middle.var(), 1.0))
