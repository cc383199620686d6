"""``openfaceplus whois``: who of a folder with one photo a person is this."""

from __future__ import annotations

import argparse
from pathlib import Path

from openfaceplus.cli import common, options
from openfaceplus.cli.output import print_json, say
from openfaceplus.cli.verify import (
    add_comparison,
    comparison_of,
    distance_in_words,
    measure_of,
    say_unusable,
)


def main(argv: list[str] | None = None) -> int:
    """``openfaceplus whois PHOTO --db FOLDER``."""
    parse = common.parser(
        "openfaceplus whois",
        "Find the person of a photo in a folder with one photo a person, or say that they are not "
        "in it. Exit status 0: found; 1: not.",
        "  openfaceplus whois visitor.jpg --db staff/\n"
        "  openfaceplus whois visitor.jpg --db staff/ --far 0.01 --json",
    )
    parse.add_argument("photo", metavar="PHOTO", help="a photo; - reads standard input")
    parse.add_argument("--db", type=Path, required=True, metavar="FOLDER", help="NAME.jpg, ...")
    add_comparison(parse)
    options.add_max_pixels(parse)
    options.add_recipe(parse)
    return common.run(parse, argv, _whois)


def _whois(args: argparse.Namespace) -> int:
    from openfaceplus.photo_folder import PhotoFolder
    from openfaceplus.verification import Comparer

    photo = common.photo_of(args.photo)
    database = PhotoFolder(args.db, Comparer(**comparison_of(args)))
    say_unusable(database)
    found = database.whois(photo)
    assert found.distance is not None and found.limit is not None and found.box is not None
    far = database.comparer.far
    how = distance_in_words(found.distance, found.limit, far)
    if args.json:
        print_json(
            {
                "name": found.name,
                "closest": found.closest,
                "distance": round(found.distance, 4),
                "measure": measure_of(far),
                "limit": round(found.limit, 4),
                "far": far,
                "box": found.box.rounded(),
            }
        )
    elif found.name is None:
        say(f"Not in the database; the closest is {found.closest}: {how}.")
    else:
        say(f"It is {found.name}: {how}.")
    return common.OK if found.name is not None else common.SOME_FAILED
