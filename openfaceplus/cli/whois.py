"""``openfaceplus whois``: who of a folder with one photo a person, or of a database, is this."""

from __future__ import annotations

import argparse

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
    """``openfaceplus whois PHOTO --db WHERE``."""
    parse = common.parser(
        "openfaceplus whois",
        "Find the person of a photo in a folder with one photo a person, or in a database into "
        "which a model's people were imported, or say that they are not in it. Exit status 0: "
        "found; 1: not.",
        "  openfaceplus whois visitor.jpg --db staff/\n"
        "  openfaceplus whois visitor.jpg --db staff/ --far 0.01 --json\n"
        "  openfaceplus whois visitor.jpg --db postgresql://me@host/faces",
    )
    parse.add_argument("photo", metavar="PHOTO", help="a photo; - reads standard input")
    parse.add_argument(
        "--db", required=True, metavar="WHERE",
        help="a folder of photos, NAME.jpg; or a database's folder or postgresql:// URL",
    )  # fmt: skip
    add_comparison(parse)
    options.add_max_pixels(parse)
    options.add_recipe(parse)
    return common.run(parse, argv, _whois)


def _whois(args: argparse.Namespace) -> int:
    from openfaceplus.database import connect, is_database
    from openfaceplus.photo_folder import PhotoFolder
    from openfaceplus.stages import people_database
    from openfaceplus.verification import Comparer

    photo = common.photo_of(args.photo)
    comparer = Comparer(**comparison_of(args))
    if is_database(args.db):
        with connect(args.db) as database:
            found = people_database.whois(database, photo, comparer)
    else:
        folder = PhotoFolder(args.db, comparer)
        say_unusable(folder)
        found = folder.whois(photo)
    assert found.distance is not None and found.limit is not None and found.box is not None
    far = comparer.far
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
