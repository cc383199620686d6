"""The command ``face_recognition``: who is in a picture, by one picture of each known person."""

from __future__ import annotations

import functools
import os
from collections.abc import Sequence

import numpy as np

from openfaceplus.compat.face_recognition import api, commands
from openfaceplus.compat.face_recognition.commands import click, image_files_in_folder
from openfaceplus.files import shown

__all__ = ["image_files_in_folder", "main", "scan_known_people", "test_image"]

_LONGEST_SIDE = 1600  # pixels; larger pictures to check are reduced, as in the original


def scan_known_people(known_people_folder: str) -> tuple[list[str], list[np.ndarray]]:
    """Names, from the files' names, and encodings of the first face of each picture.

    What cannot be used is named in a warning on standard output.
    """
    names, encodings = [], []
    for file in image_files_in_folder(known_people_folder):
        try:
            found = api.face_encodings(api.load_image_file(file))
        except commands.unreadable() as error:
            click.echo(shown(commands.problem_of(error, file)))
            continue
        if not found:
            click.echo(f"WARNING: No faces found in {shown(file)}. Ignoring file.")
            continue
        if len(found) > 1:
            click.echo(
                f"WARNING: More than one face found in {shown(file)}. "
                "Only considering the first face."
            )
        names.append(os.path.splitext(os.path.basename(file))[0])
        encodings.append(found[0])
    return names, encodings


def test_image(
    image_to_check: str,
    known_names: Sequence[str],
    known_face_encodings: Sequence[np.ndarray],
    tolerance: float = 0.6,
    show_distance: bool = False,
) -> None:
    """Print a line for each face and each known person it matches."""
    known = known_names, known_face_encodings
    for line in _lines(known, tolerance, show_distance, image_to_check):
        click.echo(shown(line))


def _lines(
    known: tuple[Sequence[str], Sequence[np.ndarray]],
    tolerance: float,
    show_distance: bool,
    file: str,
) -> list[str]:
    names, encodings = known
    matches: list[tuple[str, float | None]] = []
    faces = api.face_encodings(_reduced(api.load_image_file(file)))
    for face in faces:
        distances = api.face_distance(encodings, face)
        near = [(n, d) for n, d in zip(names, distances, strict=True) if d <= tolerance]
        matches += near or [("unknown_person", None)]
    if not faces:
        matches = [("no_persons_found", None)]
    return [f"{file},{n},{d}" if show_distance else f"{file},{n}" for n, d in matches]


def _reduced(picture: np.ndarray) -> np.ndarray:
    if max(picture.shape) <= _LONGEST_SIDE:
        return picture
    from PIL import Image

    image = Image.fromarray(picture)
    image.thumbnail((_LONGEST_SIDE, _LONGEST_SIDE), Image.Resampling.LANCZOS)
    return np.array(image)


@click.command()
@click.argument("known_people_folder", type=click.Path(exists=True, file_okay=False))
@click.argument("image_to_check", type=click.Path(exists=True))
@commands.cpus_option
@click.option(
    "--tolerance",
    default=0.6,
    help="Tolerance for face comparisons. Default is 0.6. Lower this if you get multiple matches "
    "for the same person.",
)
@click.option(
    "--show-distance",
    default=False,
    type=bool,
    help="Output face distance. Useful for tweaking tolerance setting.",
)
def main(
    known_people_folder: str,
    image_to_check: str,
    cpus: int,
    tolerance: float,
    show_distance: bool,
) -> None:
    with commands.errors_in_one_line():
        known = scan_known_people(known_people_folder)
        lines = functools.partial(_lines, known, tolerance, show_distance)
        commands.run(lines, image_to_check, cpus)


if __name__ == "__main__":
    main()
