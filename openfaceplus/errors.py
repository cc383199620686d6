"""Every error openfaceplus raises on purpose.

    OpenFacePlusError
    +-- PhotoError             a photo cannot be used
    |   +-- UnreadablePhoto    not an image, truncated, empty, no permission
    |   +-- PhotoTooLarge      more pixels than allowed
    |   +-- NoFace             no face found
    |   +-- SeveralFaces       one face needed, several found
    +-- ModelError             a model file cannot be used
    |   +-- ModelMissing       not installed, not downloaded
    |   +-- ModelCorrupt       its hash, size or content is wrong
    |   +-- UnsafeFile         it would run code when loaded
    |   +-- LicenceError       its licence forbids the stated use
    +-- SpaceMismatch          embeddings of two networks would be mixed
    +-- TrainingError          the data cannot make a classifier
    +-- StorageError           a file cannot be written or does not hold what it should
    +-- UsageError             an option or argument makes no sense

Every message names the file or option concerned and says what to do about it.
"""

from __future__ import annotations


class OpenFacePlusError(Exception):
    """Base of all errors raised on purpose; its text is fit for a user."""


class PhotoError(OpenFacePlusError):
    """A photo cannot be used. ``status`` is the word that stands in result tables."""

    status = "unreadable"


class UnreadablePhoto(PhotoError):
    """The file is not an image that can be decoded."""


class PhotoTooLarge(PhotoError):
    """The photo has more pixels than the limit allows."""

    status = "too_large"


class NoFace(PhotoError):
    """No face was found in the photo."""

    status = "no_face"


class SeveralFaces(PhotoError):
    """Exactly one face was needed and several were found."""

    status = "several_faces"


class ModelError(OpenFacePlusError):
    """A model file cannot be used."""


class ModelMissing(ModelError):
    """The model is neither installed nor downloaded."""


class ModelCorrupt(ModelError):
    """The model file's hash, size or content is not what it should be."""


class UnsafeFile(ModelError):
    """Loading the file would run code of unknown origin; nothing in it was run."""


class LicenceError(ModelError):
    """The model's licence forbids the use that was stated."""


class SpaceMismatch(OpenFacePlusError):
    """Embeddings of two different networks or settings would be compared."""


class TrainingError(OpenFacePlusError):
    """The data cannot make a classifier; the message says what is needed."""


class StorageError(OpenFacePlusError):
    """A file cannot be written, or does not hold what its name promises."""


class UsageError(OpenFacePlusError):
    """An option or argument makes no sense."""
