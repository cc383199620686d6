"""What the two command lines share."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from openfaceplus.errors import OpenFacePlusError
from openfaceplus.stages.workers import Lost, Workers
from openfaceplus.threads import processes

try:
    import click as click  # the two command lines take it from here
except ImportError as error:
    raise ImportError(
        "the command lines of face_recognition need click: pip install 'openfaceplus[compat]'"
    ) from error

_PICTURE = re.compile(r".*\.(jpg|jpeg|png)", re.IGNORECASE)

cpus_option = click.option(
    "--cpus",
    default=1,
    help="number of CPU cores to use in parallel (can speed up processing lots of images). "
    '-1 means "use all in system"',
)


def image_files_in_folder(folder: str) -> list[str]:
    """Paths of the files whose name holds .jpg, .jpeg or .png, sorted by name."""
    return [os.path.join(folder, name) for name in sorted(os.listdir(folder)) if is_picture(name)]


def is_picture(name: str) -> bool:
    """Whether a file's name says that it is a picture; so does "a.jpg_large"."""
    return _PICTURE.match(name) is not None


def run(lines: Callable[[str], list[str]], image_to_check: str, cpus: int) -> None:
    """Print ``lines`` of a picture, or of each in a folder by ``cpus`` processes (-1: all cores).

    Pictures that cannot be read are named on standard error, and the exit status is then 1.
    """
    folder = os.path.isdir(image_to_check)
    files = image_files_in_folder(image_to_check) if folder else [image_to_check]
    failed = False
    jobs = processes(None if cpus < 0 else cpus, len(files))
    with Workers[str, "tuple[list[str], str | None]"](_Attempt, (lines,), jobs) as pool:
        for result in pool.map(files):
            if isinstance(result, Lost):
                result = [], problem_of(result.error(result.item), result.item)
            found, problem = result
            for line in found:
                click.echo(line)
            if problem is not None:
                click.echo(problem, err=True)
                failed = True
    if failed:
        sys.exit(1)


@contextmanager
def errors_in_one_line() -> Iterator[None]:
    """Turn errors of openfaceplus into click's: one line, exit status 1."""
    try:
        yield
    except OpenFacePlusError as error:
        raise click.ClickException(str(error)) from error


def problem_of(error: BaseException, file: str) -> str:
    """Why a picture cannot be read, for a user."""
    return f"WARNING: Cannot read {file} ({error}). Ignoring file."


def unreadable() -> tuple[type[Exception], ...]:
    """What ``load_image_file`` raises for files that hold no picture it will read."""
    from PIL import Image

    return OSError, Image.DecompressionBombError


class _Attempt:
    """From a picture's file to its lines of output, and why it cannot be read, if so."""

    def __init__(self, lines: Callable[[str], list[str]]) -> None:
        self._lines = lines

    def __call__(self, file: str) -> tuple[list[str], str | None]:
        try:
            return self._lines(file), None
        except unreadable() as error:
            return [], problem_of(error, file)
