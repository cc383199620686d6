"""Boxes and vectors of one video -> sequences, one of each face. NumPy and SciPy only."""
