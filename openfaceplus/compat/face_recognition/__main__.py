"""Make ``import face_recognition`` find the drop-in, or no longer."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from openfaceplus.compat.face_recognition import alias
from openfaceplus.errors import OpenFacePlusError
from openfaceplus.files import shown


def build_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "python -m openfaceplus.compat.face_recognition",
        description="Make `import face_recognition` find openfaceplus, or no longer.",
    )
    actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")
    for name, text in (
        ("install-alias", "write a package face_recognition that leads to openfaceplus"),
        ("uninstall-alias", "remove it"),
    ):
        action = actions.add_parser(name, help=text, description=text)
        action.add_argument(
            "--target",
            type=Path,
            metavar="DIR",
            help="folder for the package, to be named in PYTHONPATH (default: this python's own)",
        )
        if name == "install-alias":
            action.add_argument(
                "--scripts",
                action=argparse.BooleanOptionalAction,
                default=True,
                help="also the commands face_recognition and face_detection (the default)",
            )
    return parser


def main(argv: list[str] | None = None) -> int:
    """Exit status 0, or 2 with one line on standard error where it cannot be done."""
    parser = build_parser()
    args = parser.parse_args(argv)
    try:
        if args.action == "install-alias":
            done, verb = alias.install(args.target, args.scripts), "wrote"
        else:
            done, verb = alias.uninstall(args.target), "removed"
    except OpenFacePlusError as error:
        flag = "--no-scripts: " if error.field == "scripts" else ""
        sys.stderr.write(f"{parser.prog}: {flag}{shown(str(error))}\n")
        return 2
    sys.stdout.write("".join(f"{verb} {shown(path)}\n" for path in done) or f"{verb} nothing\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
