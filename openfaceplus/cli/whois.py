"""``openfaceplus whois``: who of a folder with one photo a person is this."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from openfaceplus.cli import common
from openfaceplus.cli.verify import add_comparison, comparison_of, rule_of, say_unusable


def main(argv: list[str] | None = None) -> int:
    """``openfaceplus whois PHOTO --db FOLDER``."""
    parse = common.parser(
        "openfaceplus whois",
        "Find the person of a photo in a folder with one photo a person, or say that they are not "
        "in it. Exit status 0: found; 1: not.",
        "  openfaceplus whois visitor.jpg --db staff/\n"
        "  openfaceplus whois visitor.jpg --db staff/ --far 0.01 --json",
    )
    parse.add_argument("photo", metavar="PHOTO")
    parse.add_argument("--db", type=Path, required=True, metavar="FOLDER", help="NAME.jpg, ...")
    add_comparison(parse)
    common.add_max_pixels(parse)
    common.add_recipe(parse)
    return common.run(parse, argv, _whois)


def _whois(args: Any) -> int:
    from openfaceplus.photo_folder import PhotoFolder
    from openfaceplus.verification import Comparer

    database = PhotoFolder(args.db, Comparer(**comparison_of(args)))
    say_unusable(database)
    found = database.whois(args.photo)
    assert found.distance is not None and found.limit is not None and found.box is not None
    limit = rule_of(found.limit, database.comparer.far)
    if args.json:
        common.print_json(
            {
                "name": found.name,
                "closest": found.closest,
                "distance": round(found.distance, 4),
                "limit": round(found.limit, 4),
                "far": database.comparer.far,
                "box": found.box.rounded(),
            }
        )
    elif found.name is None:
        print(f"Not in the database; the closest is {found.closest}: distance "
              f"{found.distance:.3f} ({limit}).")  # fmt: skip
    else:
        print(f"It is {found.name}: distance {found.distance:.3f} ({limit}).")
    return common.OK if found.name is not None else common.SOME_FAILED
