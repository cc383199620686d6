"""What the maps of dlib's face ResNet hold when it looks at faces."""

VERSION = 1
"""Of ``RANGES`` and of how a graph is made with them; part of the cached graph's name."""

RANGES = (
    (0, 255, 111.7), (0, 7.862, 0.715), (0, 8.375, 0.419), (-9.374, 5.143, -0.034),
    (0, 10.061, 0.833), (0, 6.223, 0.301), (-8.536, 8.432, -0.03), (0, 11.485, 1.046),
    (0, 6.967, 0.233), (-9.406, 11.498, -0.03), (0, 21.519, 1.239), (0, 7.97, 0.302),
    (-5.37, 7.775, -0.066), (0, 11.21, 0.838), (0, 6.803, 0.24), (-4.839, 6.803, -0.173),
    (0, 14.013, 0.928), (0, 5.163, 0.223), (-6.132, 8.481, -0.205), (0, 16.614, 1.005),
    (0, 5.154, 0.223), (-5.514, 6.382, -0.168), (0, 18.553, 1.151), (0, 5.636, 0.344),
    (-3.848, 7.256, -0.095), (0, 9.622, 0.716), (0, 4.716, 0.323), (-4.299, 4.78, -0.116),
    (0, 9.428, 0.816), (0, 5.343, 0.328), (-5.517, 5.643, -0.084), (0, 9.911, 0.894),
    (0, 7.044, 0.363), (-5.787, 16.061, -0.064), (0, 15.627, 0.571), (0, 4.608, 0.397),
    (-8.746, 4.122, -0.025), (0, 12.749, 0.816), (0, 3.286, 0.429), (-3.06, 2.596, -0.021),
    (0, 12.002, 1.114), (0, 9.201, 0.375), (-4.297, 2.807, -0.085),
)  # fmt: skip
"""Of each map that is kept, in the order of the graph and the pixels first: the least and the
largest number that integers are to stand for, and the mean of what the next convolution reads.

Measured on chips of 200 people of lfw-dev with three borders, half of them mirrored. A range is the
one that rounds and clips with the least mean cubed error: wide enough for most of the rare large
numbers, which squares would clip.
"""
