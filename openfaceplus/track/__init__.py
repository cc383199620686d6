"""Faces frame by frame to sequences of one face: NumPy and SciPy, no pixels and no networks."""
