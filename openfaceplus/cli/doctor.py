"""``openfaceplus doctor``: what is wrong with training photos, before anything is trained."""

from __future__ import annotations

import argparse
from pathlib import Path

from openfaceplus.cli import common, options
from openfaceplus.cli.output import print_json, say
from openfaceplus.remote import location

_MOST_SAID = 20  # findings of a kind


def main(argv: list[str] | None = None) -> int:
    """``openfaceplus doctor FOLDER``."""
    parse = common.parser(
        "openfaceplus doctor",
        "Look through photos in a folder per person before training: photos without a usable face "
        "or with several, photos that are there twice, photos in the wrong folder, people who look "
        "alike, people with too few photos or too similar ones. Exit status 1 if something is "
        "wrong; advice alone is 0.",
        "  openfaceplus doctor training-images/\n"
        "  openfaceplus doctor training-images/ -o checked/ --fix cleaned-images/\n"
        "  openfaceplus doctor training-images/ --json",
    )
    parse.add_argument(
        "folder", type=location, metavar="FOLDER", help="one folder of photos a person"
    )
    parse.add_argument(
        "-o", "--output", type=Path, default=Path("doctor"), metavar="DIR",
        help="where index.html, findings.csv, chips and embeddings go (default: %(default)s)",
    )  # fmt: skip
    parse.add_argument(
        "--fix", type=Path, metavar="DIR",
        help="copy the good photos to this new folder; the original is never touched",
    )  # fmt: skip
    options.add_overwrite(parse)
    options.add_photos(parse)
    options.add_recipe(parse)
    return common.run(parse, argv, _doctor)


def _doctor(args: argparse.Namespace) -> int:
    from openfaceplus.extras import require
    from openfaceplus.files import spare
    from openfaceplus.stages.doctor import KINDS, examine
    from openfaceplus.stages.doctor_report import check_copy, clean_copy, write_page
    from openfaceplus.stages.page import PAGE
    from openfaceplus.words import counted

    # What is in the way is said before an hour of embedding.
    require("jinja2", "plots", "a contact sheet")
    spare(args.output / PAGE)
    if args.fix is not None:
        check_copy(args.folder, args.fix)
    health = examine(
        args.folder, args.output, options.recipe_of(args), commercial=args.commercial,
        jobs=args.jobs, max_pixels=args.max_pixels, progress=common.progress,
    )  # fmt: skip
    sheet = write_page(health, args.output)
    copied = None if args.fix is None else clean_copy(health, args.fix)
    if args.json:
        print_json(
            {
                "photos": len(health.rows),
                "healthy": health.healthy,
                "counts": health.counts,
                "left_out": sorted(health.left_out()),
                "findings": [finding.to_dict() for finding in health.findings],
                "table": str(health.table),
                "page": str(sheet),
                "copied": copied,
            }
        )
    else:
        for kind, count in health.counts.items():
            mine = [finding.said for finding in health.findings if finding.kind == kind]
            more = [f"and {count - _MOST_SAID:,} more"] if count > _MOST_SAID else []
            say(f"{KINDS[kind]}:", *(f"  {said}" for said in [*mine[:_MOST_SAID], *more]), "")
        wrong = "nothing is wrong" if health.healthy else "see what is wrong"
        say(f"{counted(len(health.rows), 'photo')}: {wrong}; {sheet}")
        if copied is not None:
            left = len(health.left_out())
            say(f"{counted(copied, 'photo')} copied to {args.fix}, {left} left out")
    common.say_limits({row["status"] for row in health.rows})
    return common.OK if health.healthy else common.SOME_FAILED
