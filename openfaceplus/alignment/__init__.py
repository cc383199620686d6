"""Alignment: box -> landmarks -> chip.

``TEMPLATES`` names the ways a chip is cut. ``dlib`` is dlib's own face chip, from 5 or 68
landmarks, by a similarity. The affine ones bring three landmarks to fixed places, as OpenFace
does.
"""

TEMPLATES = ("dlib", "outerEyesAndNose", "innerEyesAndBottomLip")
