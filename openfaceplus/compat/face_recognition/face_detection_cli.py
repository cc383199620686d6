"""The command ``face_detection``: where the faces of a picture are."""

from __future__ import annotations

import functools

from openfaceplus.compat.face_recognition import api, commands
from openfaceplus.compat.face_recognition.commands import click, image_files_in_folder
from openfaceplus.files import shown

__all__ = ["image_files_in_folder", "main", "test_image"]


def test_image(image_to_check: str, model: str, upsample: int = 0) -> None:
    """Print a line for each face: file, top, right, bottom, left."""
    for line in _lines(model, upsample, image_to_check):
        click.echo(shown(line))


def _lines(model: str, upsample: int, file: str) -> list[str]:
    found = api.face_locations(api.load_image_file(file), upsample, model)
    return [f"{file},{top},{right},{bottom},{left}" for top, right, bottom, left in found]


@click.command()
@click.argument("image_to_check", type=click.Path(exists=True))
@commands.cpus_option
@click.option(
    "--model",
    default="hog",
    help='Which face detection model to use. Options are "hog" or "cnn".',
)
@click.option(
    "--upsample",
    default=0,
    help="How many times to upsample the image looking for faces. Higher numbers find smaller "
    "faces.",
)
def main(image_to_check: str, cpus: int, model: str, upsample: int) -> None:
    with commands.errors_in_one_line():
        commands.run(functools.partial(_lines, model, upsample), image_to_check, cpus)


if __name__ == "__main__":
    main()
