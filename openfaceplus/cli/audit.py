"""``openfaceplus audit``: the log of what a server was asked and answered."""

from __future__ import annotations

import argparse
import sys

from openfaceplus.cli import common, serve
from openfaceplus.cli.output import print_json, say
from openfaceplus.words import counted


def main(argv: list[str] | None = None) -> int:
    """``openfaceplus audit verify|show``."""
    parse = common.parser(
        "openfaceplus audit",
        "Tell whether a server's log is as it was written, or show it.",
        "  openfaceplus audit verify\n"
        "  openfaceplus audit verify --head 3f1c...      # a hash that was kept elsewhere\n"
        "  openfaceplus audit show --json | tail",
    )
    modes = parse.add_subparsers(dest="mode", required=True)
    for name, command, text in (
        ("verify", _verify, "tell whether every line is as it was written"),
        ("show", _show, "show who asked what, and what was answered"),
    ):
        mode = modes.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        mode.set_defaults(command=command)
        if name == "verify":
            mode.add_argument(
                "--head", metavar="HASH",
                help="a hash that verify gave before: that line has to be there still",
            )  # fmt: skip
        serve.add_audit(mode)
        common.add_everywhere(mode, argparse.SUPPRESS)
    return common.run(parse, argv, lambda args: args.command(args))


def _verify(args: argparse.Namespace) -> int:
    from openfaceplus.audit import verify

    path = serve.audit_of(args)
    found = verify(path, args.head)
    if args.json:
        print_json({
            "lines": found.lines, "torn": found.torn, "head": found.head,
            "problem": found.problem, "unfinished": found.unfinished,
        })  # fmt: skip
    elif found.problem is not None:
        say(f"{path}: {found.problem}", file=sys.stderr)
    else:
        torn = f"; {counted(found.torn, 'line')} torn by a kill and closed" if found.torn else ""
        say(f"{path}: {counted(found.lines, 'line')}, all as written{torn}")
        if found.unfinished:
            say("its last line is not finished: is the server running?", file=sys.stderr)
        say(f"the last hash is {found.head}; kept elsewhere, it tells later if lines were taken")
    return common.OK if found.problem is None else common.SOME_FAILED


def _show(args: argparse.Namespace) -> int:
    from openfaceplus.audit import entries

    for entry in entries(serve.audit_of(args)):
        if args.json:
            print_json(entry)
            continue
        rest = {k: v for k, v in entry.items() if k not in ("n", "at", "who", "what", "before",
                                                            "hash")}  # fmt: skip
        words = " ".join(f"{key}={value}" for key, value in rest.items())
        say(f"{entry['n']:>6}  {entry['at']}  {entry.get('who', '-')}  {entry['what']}  {words}")
    return common.OK
