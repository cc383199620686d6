"""``openfaceplus verify``: are two photos of one person; may NAME pass."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any

from openfaceplus.cli import common, options
from openfaceplus.cli.output import print_json, say
from openfaceplus.remote import location

NO_LIVENESS = (
    "There is no liveness check: a photo of a photo would be judged just the same. "
    "Do not open real doors on this alone."
)


def main(argv: list[str] | None = None) -> int:
    """``openfaceplus verify A B`` and ``openfaceplus verify PHOTO --as NAME --db FOLDER``."""
    parse = common.parser(
        "openfaceplus verify",
        "Say whether two photos show one person, or whether a photo shows the person of that name "
        "in a folder with one photo a person. Exit status 0: the same; 1: not.",
        "  openfaceplus verify a.jpg b.jpg --far 0.001\n"
        "  openfaceplus verify visitor.jpg --as 'Ada' --db staff/\n"
        "  openfaceplus verify a.jpg b.jpg --distance 0.6",
    )
    parse.add_argument(
        "photos", nargs="+", metavar="PHOTO",
        help="two photos, or one with --as; - reads one from standard input",
    )  # fmt: skip
    parse.add_argument("--as", dest="name", metavar="NAME", help="the person it is said to be")
    parse.add_argument("--db", type=location, metavar="FOLDER", help="one photo a person, NAME.jpg")
    add_comparison(parse)
    options.add_max_pixels(parse)
    options.add_recipe(parse)
    return common.run(parse, argv, _verify)


def add_comparison(to: argparse.ArgumentParser) -> None:
    """Options that decide what counts as the same person."""
    group = to.add_mutually_exclusive_group()
    group.add_argument(
        "--far", type=options.rate, default=0.001, metavar="RATE",
        help="share of other people accepted, from the embedding's table (default: %(default)s)",
    )  # fmt: skip
    group.add_argument(
        "--distance", type=float, metavar="D",
        help="accept distances up to D between the network's own outputs (dlib: 0.6)",
    )  # fmt: skip
    to.add_argument("--table", type=Path, metavar="FILE", help="a threshold table of your own")


def comparison_of(args: argparse.Namespace) -> dict[str, Any]:
    """The options of ``Comparer`` among a command's."""
    return {
        "max_pixels": args.max_pixels,
        "chosen": options.recipe_of(args),
        "far": args.far,
        "distance": args.distance,
        "table": args.table,
        "commercial": args.commercial,
        "progress": common.DownloadProgress(),
    }


def measure_of(far: float | None) -> str:
    """What a distance is between. By a limit of the user's own: the network's outputs for one view;
    by a rate: embeddings, the means of the views' outputs, of unit length. They do not compare."""
    return "network outputs" if far is None else "embeddings"


def distance_in_words(distance: float, limit: float, far: float | None) -> str:
    """A distance, what it is between, its limit, and where that comes from."""
    rate = "as given" if far is None else f"for a false-accept rate of {100 * far:g}%"
    return f"distance {distance:.3f} between {measure_of(far)} (limit {limit:.3f}, {rate})"


def _verify(args: argparse.Namespace) -> int:
    from openfaceplus.errors import UsageError
    from openfaceplus.photo_folder import PhotoFolder
    from openfaceplus.verification import Comparer

    if (args.name is None) != (args.db is None):
        raise UsageError("--as and --db go together")
    if len(args.photos) != (1 if args.name else 2):
        raise UsageError("name two photos, or one photo with --as NAME --db FOLDER")
    if args.photos.count("-") > 1:
        raise UsageError("standard input is named twice", remedy="it holds one photo")
    photos = [common.photo_of(photo) for photo in args.photos]
    comparer = Comparer(**comparison_of(args))
    if args.name:
        database = PhotoFolder(args.db, comparer)
        say_unusable(database)
        result = database.verify(photos[0], args.name)
    else:
        result = comparer.verify(*photos)
    how = distance_in_words(result.distance, result.limit, result.far)
    if args.json:
        print_json(
            {
                "same": result.same,
                "distance": round(result.distance, 4),
                "measure": measure_of(result.far),
                "limit": round(result.limit, 4),
                "far": result.far,
                "boxes": [box and box.rounded() for box in result.boxes],
            }
        )
    elif args.name:
        answer = "opens" if result.same else "stays shut"
        negation = "" if result.same else "not "
        say(f"It is {negation}{args.name}: {how}. The door {answer}.", NO_LIVENESS)
    else:
        who = "Same person" if result.same else "Different people"
        say(f"{who}: {how}.")
    return common.OK if result.same else common.SOME_FAILED


def say_unusable(database: Any) -> None:
    """Say which photos of a database are left out, and why."""
    for reason in database.unusable.values():
        say(f"left out: {reason}", file=sys.stderr)
