"""The models behind the drop-in, each verified and loaded when first needed."""

from __future__ import annotations

from functools import lru_cache
from threading import Lock, local
from typing import TYPE_CHECKING

from openfaceplus import weights

if TYPE_CHECKING:
    import dlib

    from openfaceplus.embedding.base import Embedder
    from openfaceplus.pipeline import Pipeline

cnn_lock = Lock()
"""Held while the CNN detector runs: one object cannot serve two threads."""
_own = local()


def hog_detector() -> dlib.fhog_object_detector:
    """dlib's frontal face detector, of each thread its own: one cannot serve two."""
    if not hasattr(_own, "hog"):
        from openfaceplus.detect.hog_filters import detectors

        _own.hog = detectors(weights.cache_folder() / "detectors")[-1]
    return _own.hog


@lru_cache(maxsize=1)
def cnn_detector() -> dlib.cnn_face_detection_model_v1:
    """dlib's max-margin CNN detector. Raises ModelError if it cannot be had.

    Once it has run, a forked child must not run it: dlib would wait for threads that are not there.
    """
    import dlib

    return dlib.cnn_face_detection_model_v1(str(weights.require("dlib-mmod")))


@lru_cache(maxsize=2)
def predictor(points: int) -> dlib.shape_predictor:
    """dlib's predictor of 5 or 68 landmarks. Raises ModelError if it cannot be had."""
    import dlib

    from openfaceplus.alignment.landmarks import MODELS

    return dlib.shape_predictor(str(weights.require(MODELS[points])))


@lru_cache(maxsize=2)
def pipeline(points: int) -> Pipeline:
    """What aligns by 5 or 68 landmarks and embeds, on all cores; on one in a process of a pool."""
    from openfaceplus.pipeline import Pipeline
    from openfaceplus.recipe import CLASSIC, recipe

    return Pipeline(recipe(detector=CLASSIC, landmarks=points, views=1))


def embedder() -> Embedder:
    """dlib's face network."""
    return pipeline(5).embedder


@lru_cache(maxsize=1)
def dlib_encoder() -> dlib.face_recognition_model_v1:
    """dlib's own object for the face network, for programs that reach for it."""
    import dlib

    return dlib.face_recognition_model_v1(str(weights.require("dlib-resnet")))
