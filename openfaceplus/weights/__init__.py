"""Files of weights and classifiers: which there are, where they lie, how they are read safely.

Importing this room loads no array library.
"""

from openfaceplus.weights import safe
from openfaceplus.weights.catalog import CATALOG, Model, find
from openfaceplus.weights.fetch import Progress, folders, locate, require
from openfaceplus.weights.pins import cache_folder, pin, sha256_of

__all__ = [
    "CATALOG",
    "Model",
    "Progress",
    "cache_folder",
    "find",
    "folders",
    "locate",
    "pin",
    "require",
    "safe",
    "sha256_of",
]
