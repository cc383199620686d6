"""Pictures that explain: boxes, HOG, landmarks, bars, lines and maps.

They take pixels and numbers, and know no models.
"""
