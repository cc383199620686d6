"""Alignment: box -> landmarks -> chip.

``TEMPLATES`` names the ways a chip is cut. ``dlib`` is dlib's own face chip, from 5 or 68
landmarks, by a similarity; ``arcface`` the chip of InsightFace's networks, likewise. The affine
ones bring three landmarks to fixed places, as OpenFace does. ``box`` is the detector's box.
"""

TEMPLATES = ("dlib", "outerEyesAndNose", "innerEyesAndBottomLip", "arcface", "box")
