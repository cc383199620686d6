"""Vectors and names -> a classifier -> decisions."""
