"""Every error openfaceplus raises on purpose.

    OpenFacePlusError
    +-- PhotoError             a photo cannot be used
    |   +-- UnreadablePhoto    not an image, truncated, empty, no permission
    |   +-- PhotoTooLarge      more pixels than allowed
    |   +-- UnwritablePicture  it cannot be written in the format asked for
    |   +-- NoFace             no face found
    |   +-- SeveralFaces       one face needed, several found
    |   +-- FlawedFace         it cannot be judged
    |       +-- FaceTooSmall
    |       +-- FaceTooBlurred
    +-- VideoError             a video, camera or stream cannot be read or written
    +-- ModelError             a model file cannot be used
    |   +-- ModelMissing       not installed, not downloaded
    |   +-- ModelCorrupt       its hash, size or content is wrong
    |   +-- UnsafeFile         it would run code when loaded
    |   +-- LicenceError       its licence forbids the stated use
    +-- SpaceMismatch          embeddings of two networks would be mixed
    +-- TrainingError          the data cannot make a classifier
    +-- StorageError           a file cannot be written or does not hold what it should
    |   +-- InTheWay           a file that openfaceplus did not write is where its own would go
    +-- DatabaseError          a database cannot be reached or used, or was lost on the way
    |   +-- VideoClaimed       another process is writing this video into it
    +-- UsageError             an option or argument makes no sense

Each has a stable ``code``, says which ``field`` (the name of a parameter) or file it is about, and
what to do (``remedy``). The words are neutral: a command line names its flag for the field, a
server its JSON key.
"""

from __future__ import annotations

from typing import ClassVar


class OpenFacePlusError(Exception):
    """Base of all errors raised on purpose; its text is fit for a user.

    ``problem`` says what is wrong, naming the file if there is one; ``remedy`` what to do about it;
    ``field`` is the Python name of the parameter concerned, such as ``far`` or ``max_pixels``.
    """

    code: ClassVar[str] = "error"

    def __init__(self, problem: str, *, remedy: str = "", field: str | None = None) -> None:
        super().__init__(f"{problem}; {remedy}" if remedy else problem)
        self.problem, self.remedy, self.field = problem, remedy, field

    def __reduce__(self) -> tuple[object, ...]:
        # Keywords survive the way from a worker process.
        return type(self)._restored, (self.problem, self.remedy, self.field)

    @classmethod
    def _restored(cls, problem: str, remedy: str, field: str | None) -> OpenFacePlusError:
        return cls(problem, remedy=remedy, field=field)

    def to_dict(self) -> dict[str, str | None]:
        """For JSON: ``code``, ``problem``, ``field`` and ``remedy``."""
        return {
            "code": self.code,
            "problem": self.problem,
            "field": self.field,
            "remedy": self.remedy or None,
        }


class PhotoError(OpenFacePlusError):
    """A photo cannot be used. ``status`` is the word that stands in result tables."""

    code = "photo"
    status: ClassVar[str] = "unreadable"


class UnreadablePhoto(PhotoError):
    """The file is not an image that can be decoded."""

    code = "photo_unreadable"


class PhotoTooLarge(PhotoError):
    """The photo has more pixels than the limit allows."""

    code = "photo_too_large"
    status = "too_large"


class UnwritablePicture(PhotoError):
    """The picture cannot be written in its format, such as for more pixels than that allows."""

    code = "picture_unwritable"
    status = "unwritable"


class NoFace(PhotoError):
    """No face was found in the photo."""

    code = "no_face"
    status = "no_face"


class SeveralFaces(PhotoError):
    """Exactly one face was needed and several were found."""

    code = "several_faces"
    status = "several_faces"


class FlawedFace(PhotoError):
    """The face cannot be judged; ``status`` says what is wrong with it."""

    code = "flawed_face"
    status = "flawed"


class FaceTooSmall(FlawedFace):
    """The face has too few pixels to be recognised."""

    code = "face_too_small"
    status = "too_small"


class FaceTooBlurred(FlawedFace):
    """The face is too blurred to be recognised."""

    code = "face_too_blurred"
    status = "too_blurred"


class VideoError(OpenFacePlusError):
    """A video, camera or stream cannot be read, or a video not written."""

    code = "video"


class ModelError(OpenFacePlusError):
    """A model file cannot be used."""

    code = "model"


class ModelMissing(ModelError):
    """The model is neither installed nor downloaded."""

    code = "model_missing"


class ModelCorrupt(ModelError):
    """The model file's hash, size or content is not what it should be."""

    code = "model_corrupt"


class UnsafeFile(ModelError):
    """Loading the file would run code of unknown origin; nothing in it was run."""

    code = "unsafe_file"


class LicenceError(ModelError):
    """The model's licence forbids the use that was stated."""

    code = "licence"


class SpaceMismatch(OpenFacePlusError):
    """Embeddings of two different networks or settings would be compared."""

    code = "space_mismatch"


class TrainingError(OpenFacePlusError):
    """The data cannot make a classifier; the message says what is needed."""

    code = "training"


class StorageError(OpenFacePlusError):
    """A file cannot be written, or does not hold what its name promises."""

    code = "storage"


class InTheWay(StorageError):
    """A file that openfaceplus did not write, or a link, is where one of its own would go."""

    code = "in_the_way"


class DatabaseError(OpenFacePlusError):
    """A database cannot be reached or used, or the connection to it was lost."""

    code = "database"


class VideoClaimed(DatabaseError):
    """Another process is writing the same video into the database."""

    code = "video_claimed"


class UsageError(OpenFacePlusError):
    """An option or argument makes no sense."""

    code = "usage"


class UnsupportedRate(UserWarning):
    """The data are too few for the rate asked; the nearest that they support was taken."""
