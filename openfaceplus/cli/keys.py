"""``openfaceplus keys``: who may use a server, and by which key it encrypts."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from openfaceplus.cli import common, serve
from openfaceplus.cli.output import print_json, say
from openfaceplus.words import counted


def main(argv: list[str] | None = None) -> int:
    """``openfaceplus keys add|list|remove``."""
    parse = common.parser(
        "openfaceplus keys",
        "Give keys for `openfaceplus serve`, list them, or take one back. The file holds their "
        "hashes only. `file`, `encrypt` and `decrypt` are about keeping a model encrypted.",
        "  openfaceplus keys add reception --role viewer\n"
        "  openfaceplus keys list\n"
        "  openfaceplus keys remove reception\n"
        "  openfaceplus keys file secret.key\n"
        "  OPENFACEPLUS_KEYFILE=secret.key openfaceplus keys decrypt model/",
    )
    modes = parse.add_subparsers(dest="mode", required=True)
    for name, command, text in (
        ("add", _add, "make a key and show it, this once"),
        ("list", _list, "list the keys' names and roles"),
        ("remove", _remove, "take a key back: at once it opens nothing"),
    ):
        mode = modes.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        mode.set_defaults(command=command)
        if name != "list":
            mode.add_argument("name", metavar="NAME", help="what to call the key")
        if name == "add":
            mode.add_argument(
                "--role", default="viewer", metavar="ROLE",
                help="viewer: identify and verify; enroller: add and rename people too; admin: "
                "everything (default: %(default)s)",
            )  # fmt: skip
        serve.add_keys(mode)
        common.add_everywhere(mode, argparse.SUPPRESS)
    for name, command, what, text in (
        ("file", _file, "PATH", "make a file with a key to encrypt by; of one that is there, a "
         "new key comes first"),
        ("encrypt", _encrypt, "MODEL", "encrypt a model folder by $OPENFACEPLUS_KEYFILE"),
        ("decrypt", _decrypt, "MODEL", "write an encrypted model folder as it was before"),
    ):  # fmt: skip
        mode = modes.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        mode.set_defaults(command=command)
        mode.add_argument("path", metavar=what, type=Path)
        common.add_everywhere(mode, argparse.SUPPRESS)
    return common.run(parse, argv, lambda args: args.command(args))


def _add(args: argparse.Namespace) -> int:
    from openfaceplus.server.keys import KeyFile

    file = KeyFile(serve.keys_of(args))
    key = file.add(args.name, args.role)
    if args.json:
        print_json({"name": args.name, "role": args.role, "key": key})
    else:
        say(key)
        say(f"{args.name} may use this key as {args.role}. It is not shown again.", file=sys.stderr)
    return common.OK


def _list(args: argparse.Namespace) -> int:
    from openfaceplus.server.keys import KeyFile

    keys = KeyFile(serve.keys_of(args)).all()
    if args.json:
        print_json([{"name": k.name, "role": k.role, "added": k.added} for k in keys])
    else:
        for key in keys:
            say(f"{key.name}: {key.role}, since {key.added[:10]}")
    return common.OK


def _remove(args: argparse.Namespace) -> int:
    from openfaceplus.server.keys import KeyFile

    KeyFile(serve.keys_of(args)).remove(args.name)
    if args.json:
        print_json({"removed": args.name})
    else:
        say(f"{args.name}'s key opens nothing any more.")
    return common.OK


def _file(args: argparse.Namespace) -> int:
    from openfaceplus.encryption import make_keyfile

    make_keyfile(args.path)
    if args.json:
        print_json({"file": str(args.path)})
    else:
        say(f"{args.path} holds a new key. Keep a copy apart: without it nothing can be read.")
    return common.OK


def _encrypt(args: argparse.Namespace) -> int:
    from openfaceplus.model_folder import ModelFolder
    from openfaceplus.stages.encrypt import encrypt

    return _counted(args, "encrypted", encrypt(ModelFolder(args.path)))


def _decrypt(args: argparse.Namespace) -> int:
    from openfaceplus.model_folder import ModelFolder
    from openfaceplus.stages.encrypt import decrypt

    return _counted(args, "decrypted", decrypt(ModelFolder(args.path)))


def _counted(args: argparse.Namespace, what: str, count: int) -> int:
    if args.json:
        print_json({what: count})
    else:
        say(f"{args.path}: {what} {counted(count, 'file')}")
    return common.OK
