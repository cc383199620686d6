"""The models behind the drop-in, each verified and loaded when first needed."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from openfaceplus import weights

if TYPE_CHECKING:
    import dlib

    from openfaceplus.embedding.dlib_resnet import DlibResnet


@lru_cache(maxsize=1)
def hog_detector() -> dlib.fhog_object_detector:
    """dlib's frontal face detector."""
    import dlib

    return dlib.get_frontal_face_detector()


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


@lru_cache(maxsize=1)
def embedder() -> DlibResnet:
    """dlib's face network, on all cores; on one in a process of a pool."""
    from openfaceplus.embedding.dlib_resnet import DlibResnet

    return DlibResnet()


@lru_cache(maxsize=1)
def dlib_encoder() -> dlib.face_recognition_model_v1:
    """dlib's own object for the face network, for programs that reach for it."""
    import dlib

    return dlib.face_recognition_model_v1(str(weights.require("dlib-resnet")))
