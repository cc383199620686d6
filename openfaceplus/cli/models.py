"""``openfaceplus models``: what they are, their licences, and where they lie."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from openfaceplus.cli import common
from openfaceplus.cli.output import print_json, say


def main(argv: list[str] | None = None) -> int:
    """``openfaceplus models [list | pull NAME | path NAME | pin FILE]``."""
    parse = common.parser(
        "openfaceplus models",
        "List the models with purpose, licence and place, fetch them, or say where they lie.",
        "  openfaceplus models\n"
        "  openfaceplus models pull yunet\n"
        "  openfaceplus models path dlib-resnet",
    )
    parse.set_defaults(command=_list)
    actions = parse.add_subparsers(dest="action", metavar="[list | pull | path | pin]")
    listed = actions.add_parser("list", help="list all (the default)")
    listed.set_defaults(command=_list)
    pull = actions.add_parser("pull", help="fetch a model and check its hash")
    pull.add_argument("name", metavar="NAME")
    pull.add_argument(
        "--accept-license", action="store_true", help="agree to a restricting licence"
    )
    pull.set_defaults(command=_pull)
    path = actions.add_parser("path", help="print where a model lies")
    path.add_argument("name", metavar="NAME")
    path.set_defaults(command=_path)
    pin = actions.add_parser("pin", help="accept a changed file of your own as it is now")
    pin.add_argument("file", type=Path, metavar="FILE")
    pin.set_defaults(command=_pin)
    for action in (listed, pull, path, pin):
        common.add_everywhere(action, argparse.SUPPRESS)
    return common.run(parse, argv, lambda args: args.command(args))


def _list(args: argparse.Namespace) -> int:
    from openfaceplus import weights
    from openfaceplus.weights.catalog import CATALOG

    rows: list[dict[str, Any]] = [
        {
            "name": model.name,
            "purpose": model.purpose,
            "licence": model.licence,
            "commercial": model.commercial,
            "size": model.size,
            "sha256": model.sha256,
            "md5": model.md5,
            "url": model.url,
            "path": None if (found := weights.locate(model.name)) is None else str(found),
            "note": model.note,
        }
        for model in CATALOG.values()
        if model.commercial or not args.commercial
    ]
    if args.json:
        print_json(rows)
        return common.OK
    for row in rows:
        size = "size unknown" if row["size"] is None else f"{row['size'] / 1e6:.1f} MB"
        use = "commercial use allowed" if row["commercial"] else "NO COMMERCIAL USE"
        checked = (
            f"sha256 {row['sha256']}"
            if row["sha256"]
            else f"md5 {row['md5']}"
            if row["md5"]
            else ""
        )
        say(f"{row['name']}: {row['purpose']}")
        say(f"    licence  {row['licence']}; {use}")
        say(f"    file     {size}{', ' + checked if checked else ''}")
        say(f"    lies in  {row['path'] or 'not here: openfaceplus models pull ' + row['name']}")
        if row["note"]:
            say(f"    note     {row['note']}")
    return common.OK


def _pull(args: argparse.Namespace) -> int:
    from openfaceplus import weights

    path = weights.require(
        args.name,
        commercial=args.commercial,
        accept=args.accept_license,
        progress=common.DownloadProgress(),
    )
    say(path)
    return common.OK


def _path(args: argparse.Namespace) -> int:
    from openfaceplus import weights
    from openfaceplus.errors import ModelMissing

    path = weights.locate(args.name)
    if path is None:
        raise ModelMissing(f"{args.name} is not here; run: openfaceplus models pull {args.name}")
    say(path)
    return common.OK


def _pin(args: argparse.Namespace) -> int:
    from openfaceplus import weights

    say(f"{weights.pin(args.file, renew=True)}  {args.file}")
    return common.OK
