"""The demo's sample photos: fetched through pip, checked, laid out, and what must come of them.

Two people are enrolled and two other photos are inferred: another one of an enrolled person and one
of a stranger. Nothing is trained on and inferred. The photos come out of Python packages, so a
machine that could install openfaceplus can get them too; none is part of this project.
"""

from __future__ import annotations

import hashlib
import os
import tarfile
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from openfaceplus.errors import PhotoError, UsageError
from openfaceplus.files import atomic_write, shown
from openfaceplus.weights import from_pip

if TYPE_CHECKING:
    import numpy as np

TRAINING = "training-images"
NEW = "new-photos"
SOURCES = "SOURCES.txt"
EXPECTED: dict[str, str | None] = {"obama3.jpg": "barack-obama", "astronaut.png": None}
"""Who is in each new photo; None is a stranger."""

_MOST = 4 << 20  # bytes of one photo; the largest has 0.8 MB


@dataclass(frozen=True, slots=True)
class Sample:
    """One photo: its path in the archive and below the demo's folder, and its sha256."""

    member: str
    place: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Source:
    """A release on PyPI that holds photos, and pip's options for getting that very file.

    ``sha256`` is that of a source archive: pip compares it before it runs anything in it. Of a
    wheel nothing is run, and which one comes depends on the machine: there only the photos count.
    """

    release: str
    what: str
    options: tuple[str, ...]
    samples: tuple[Sample, ...]
    about: str
    sha256: str | None = None


_TESTS = "face_recognition-1.3.0/tests/test_images"

SAMPLES = (
    Source(
        release="face_recognition==1.3.0",
        what="the source distribution of face_recognition 1.3.0",
        options=("--no-binary", "face-recognition"),
        sha256="5e5efdd1686aa566af0d3cc1313b131e4b197657a8ffd03669e6d3fad92705ec",
        about="by Adam Geitgey, MIT licence; Barack Obama and Joe Biden, photographed in office",
        samples=(
            Sample(
                f"{_TESTS}/obama.jpg",
                f"{TRAINING}/barack-obama/obama.jpg",
                "0930e3aa8cae5920329c0c8cbc6a2ab70f47b0e67b432875beaa95cbf7e741f6",
            ),
            Sample(
                f"{_TESTS}/obama2.jpg",
                f"{TRAINING}/barack-obama/obama2.jpg",
                "a7efcc907375274796f39646510704aa86672d59f6d5469d69af3c85590976a6",
            ),
            Sample(
                f"{_TESTS}/biden.jpg",
                f"{TRAINING}/joe-biden/biden.jpg",
                "3c17508bb91554c637a2eabddfae790e5bb1caba93130814fc2ac50be9760c4c",
            ),
            Sample(
                f"{_TESTS}/obama3.jpg",
                f"{NEW}/obama3.jpg",
                "76ac6bf97c36dc2da0ad16a537d6a5ac1b10f48d49aac29a0cca9a17cdbc3ca3",
            ),
        ),
    ),
    Source(
        release="scikit-image==0.26.0",
        what="the wheel of scikit-image 0.26.0",
        options=from_pip.WHEELS,
        about="NASA's portrait of the astronaut Eileen Collins, public domain",
        samples=(
            Sample(
                "skimage/data/astronaut.png",
                f"{NEW}/astronaut.png",
                "88431cd9653ccd539741b555fb0a46b61558b301d4110412b5bc28b5e3ea6cb5",
            ),
        ),
    ),
)

Download = Callable[[Source, Path], Path]


def pip_command(source: Source) -> list[str]:
    """The pip command that fetches a source, as a person would type it."""
    return from_pip.command(source.release, source.options)


def missing(output: Path, sources: Sequence[Source] = SAMPLES) -> list[Source]:
    """Those sources of which ``output`` lacks a photo, or holds another under its name."""
    return [source for source in sources if any(not _there(output, s) for s in source.samples)]


def prepare(output: Path) -> None:
    """Make the demo's folder. Raises UsageError if ``output`` is in use for something else.

    Training there would replace what a model of the same name held.
    """
    if output.is_dir() and any(output.iterdir()) and not (output / SOURCES).is_file():
        raise UsageError(f"{shown(output)}: holds other files", remedy="name a new or empty folder")
    lines = ["Sample photos of `openfaceplus demo`; delete this folder when you are done.", ""]
    for source in SAMPLES:
        lines.append(f"From {source.what} on PyPI ({source.about}):")
        lines += [f"  {sample.place}" for sample in source.samples]
    with atomic_write(output / SOURCES) as file:
        file.write(("\n".join(lines) + "\n").encode())


def fetch(source: Source, output: Path, download: Download | None = None) -> None:
    """Bring a source's photos into ``output``, each checked against its hash.

    Raises PhotoError, which names the photos and what they come from, if they cannot be had.
    """
    if os.environ.get("OPENFACEPLUS_OFFLINE", "0") not in ("", "0"):
        raise _unavailable(source, output, "OPENFACEPLUS_OFFLINE is set")
    with tempfile.TemporaryDirectory(prefix="openfaceplus-") as folder:
        archive = (download or partial(_download, output=output))(source, Path(folder))
        for sample, data in _members(archive, source.samples):
            found = hashlib.sha256(data).hexdigest()
            if found != sample.sha256:
                raise PhotoError(
                    f"{archive.name}: its {sample.member} has sha256 {found} and not "
                    f"{sample.sha256}, so it is not used"
                )
            with atomic_write(output / sample.place) as file:
                file.write(data)


def problems(found: Mapping[str, str | None]) -> list[str]:
    """What is wrong with the names given to the new photos; nothing if all are right."""
    wrong = []
    for photo, expected in EXPECTED.items():
        name = found.get(photo, "(no result)")
        if name != expected:
            wrong.append(
                f"{photo} is {expected or 'a stranger'} and was called {name or 'unknown'}"
            )
    return wrong


def side_by_side(pictures: Sequence[np.ndarray], height: int = 480) -> np.ndarray:
    """RGB uint8 pictures of any size in one row, ``height`` pixels high, on white."""
    import numpy as np
    from PIL import Image

    gap = np.full((height, height // 40, 3), 255, np.uint8)
    row = []
    for pixels in pictures:
        image = Image.fromarray(pixels)
        width = max(1, round(image.width * height / image.height))
        row += [gap, np.asarray(image.resize((width, height), Image.Resampling.LANCZOS))]
    return np.hstack(row[1:])


def _there(output: Path, sample: Sample) -> bool:
    try:
        data = (output / sample.place).read_bytes()
    except OSError:
        return False
    return hashlib.sha256(data).hexdigest() == sample.sha256


def _download(source: Source, folder: Path, output: Path) -> Path:
    """Let pip fetch a source's file into ``folder``."""
    try:
        return from_pip.download(source.release, folder, source.options, source.sha256)
    except from_pip.PipFailed as error:
        raise _unavailable(source, output, str(error)) from error


def _unavailable(source: Source, output: Path, reason: str) -> PhotoError:
    places = ", ".join(sample.place for sample in source.samples)
    return PhotoError(
        f"the sample photos in {source.what} could not be fetched: {reason}. Run it "
        f"again with access to PyPI, or put {places} into {shown(output)} yourself"
    )


def _members(archive: Path, samples: Iterable[Sample]) -> Iterable[tuple[Sample, bytes]]:
    """The bytes of the named members of a tar or zip archive; nothing is unpacked to disk."""
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as wheel:
                for sample in samples:
                    with wheel.open(sample.member) as member:
                        yield sample, member.read(_MOST)
        else:
            with tarfile.open(archive, "r:*") as sdist:
                for sample in samples:
                    file = sdist.extractfile(sample.member)
                    if file is None:
                        raise KeyError(f"{sample.member} is no file")
                    with file as member:
                        yield sample, member.read(_MOST)
    except (KeyError, EOFError, OSError, tarfile.TarError, zipfile.BadZipFile) as error:
        raise PhotoError(f"{archive.name}: does not hold the sample photos ({error})") from error
