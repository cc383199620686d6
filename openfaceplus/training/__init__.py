"""Training embedders: losses, miners, samplers, changes of chips, networks, the loop. Tensors only.

``triplet_loss`` takes NumPy arrays or tensors; all else here loads torch when it is imported.
"""

from openfaceplus.training.triplets import triplet_loss

__all__ = ["triplet_loss"]
