"""``openfaceplus people`` and OpenFace's ``classifier.py``: who is enrolled, and changing that."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openfaceplus.cli import common, options
from openfaceplus.cli.output import print_json, say
from openfaceplus.remote import location
from openfaceplus.words import counted

if TYPE_CHECKING:
    from openfaceplus.model_folder import ModelFolder

_FORMS = {
    "add": ("NAME FOLDER", "enrol a person from a folder of photos, or give one more photos"),
    "remove": ("NAME", "forget a person, without trace in anything openfaceplus wrote"),
    "rename": ("NAME NEW", "give a person another name"),
    "list": ("", "list the people and how many photos of each are enrolled"),
    "import": ("", "bring the people into a database, to be searched there by whois"),
}


def main(argv: list[str] | None = None) -> int:
    """``openfaceplus people add|remove|rename|list|import``."""
    parse = common.parser(
        "openfaceplus people",
        "List the people a model knows, add, remove or rename one, or import them into a database, "
        "without training from photos.",
        "  openfaceplus people list model/\n"
        "  openfaceplus people add model/ Ada photos-of-ada/\n"
        "  openfaceplus people remove model/ Ada --photos\n"
        "  openfaceplus people rename model/ Ada 'Ada Lovelace'\n"
        "  openfaceplus people import model/ --db faces/",
    )
    add_modes(parse.add_subparsers(dest="mode", required=True))
    return common.run(parse, argv, lambda args: args.command(args))


def add_modes(modes: Any) -> list[argparse.ArgumentParser]:
    """Add the sub-commands, each with ``command`` set, and return their parsers."""
    commands: dict[str, Callable[[argparse.Namespace], int]] = {
        "add": _add, "remove": _remove, "rename": _rename, "list": _list, "import": _import,
    }  # fmt: skip
    made = []
    for name, (form, text) in _FORMS.items():
        mode = modes.add_parser(name, help=text, description=text[0].upper() + text[1:] + ".")
        mode.add_argument(
            "arguments", nargs="+" if form else "*", metavar=f"[MODEL] {form}".strip(),
            help="MODEL: a model folder or classifier.pkl (default: as in infer)",
        )  # fmt: skip
        mode.set_defaults(command=commands[name])
        common.add_everywhere(mode, argparse.SUPPRESS)
        if name == "add":
            options.add_jobs(mode)
            options.add_max_memory(mode)
            options.add_overwrite(mode)
        if name == "remove":
            mode.add_argument("--photos", action="store_true", help="delete their photos as well")
            mode.add_argument("--yes", action="store_true", help="do not ask before that")
        if name == "import":
            options.add_database(mode)
        made.append(mode)
    return made


def _split(args: argparse.Namespace, wanted: int) -> tuple[ModelFolder, list[str]]:
    """The model and the other arguments; the first is the model if there is one more."""
    from openfaceplus.errors import UsageError
    from openfaceplus.model_folder import ModelFolder

    given = args.arguments
    if len(given) not in (wanted, wanted + 1):
        form = f"[MODEL] {_FORMS[args.mode][0]}".strip()
        raise UsageError(f"{args.mode} takes: {form}; got {len(given)} arguments")
    model = given[0] if len(given) > wanted else None
    return ModelFolder(model, waiting=common.waiting), given[len(given) - wanted :]


def _add(args: argparse.Namespace) -> int:
    from openfaceplus.stages import enrol

    folder, (name, photos) = _split(args, 2)
    model, summary = enrol.add(
        folder, name, location(photos), jobs=args.jobs, commercial=args.commercial,
        progress=common.progress,
    )  # fmt: skip
    status = common.report(summary, args.json, args.verbose)
    if not args.json:
        known = counted(len(model.people), "person", "people")
        say(f"{name} is enrolled; {folder.classifier} knows {known} now.")
    return status


def _remove(args: argparse.Namespace) -> int:
    from openfaceplus.stages import people

    folder, (name,) = _split(args, 1)
    receipt = people.remove(folder, name, photos=args.photos, before=partial(_ask, args.yes))
    if args.json:
        print_json(
            {
                "removed": receipt.name,
                "vectors": receipt.vectors,
                "rows": receipt.rows,
                "files": list(map(str, receipt.files)),
                "photos_left": list(map(str, receipt.photos_left)),
                "not_found": list(map(str, receipt.not_found)),
            }
        )
        return common.OK
    say(f"Removed {receipt.name} from {folder.classifier}.")
    say(f"  {counted(receipt.vectors, 'embedding')}, {counted(receipt.rows, 'row')} of tables")
    for file in receipt.files:
        say(f"  deleted {file}")
    if receipt.photos_left:
        left = counted(len(receipt.photos_left), "photo")
        say(
            f"{left} of {receipt.name} left alone; while they lie there, training again enrols "
            "them again. --photos deletes those that have not changed and lie where the model "
            "was trained from:",
            file=sys.stderr,
        )
        for photo in receipt.photos_left:
            say(f"  {photo}", file=sys.stderr)
    if receipt.not_found:
        say("Not found, and so not deleted; look for copies of them:", file=sys.stderr)
        for path in receipt.not_found:
            say(f"  {path}", file=sys.stderr)
    return common.OK


def _ask(yes: bool, photos: Sequence[Path]) -> None:
    """Show the photos that are about to be deleted; on a terminal, ask. Raises UsageError if not
    wanted."""
    from openfaceplus.errors import UsageError

    say("These photos will be deleted:", file=sys.stderr)
    for path in photos:
        say(f"  {path}", file=sys.stderr)
    if yes or not (sys.stdin.isatty() and sys.stderr.isatty()):
        return
    say("Delete them? [y/N]", file=sys.stderr)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise UsageError("nothing was removed")


def _rename(args: argparse.Namespace) -> int:
    from openfaceplus.stages import people

    folder, (name, new) = _split(args, 2)
    people.rename(folder, name, new)
    if args.json:
        print_json({"renamed": name, "to": new})
    else:
        say(f"{name} is called {new} in {folder.classifier}; folders of photos keep their names.")
    return common.OK


def _list(args: argparse.Namespace) -> int:
    from openfaceplus.stages import people

    folder, _ = _split(args, 0)
    found = people.people(folder)
    if args.json:
        print_json([{"name": name, "photos": count} for name, count in found.items()])
    else:
        for name, count in found.items():
            say(f"{name}: {counted(count, 'photo')}")
    return common.OK


def _import(args: argparse.Namespace) -> int:
    from openfaceplus.database import connect
    from openfaceplus.stages.people_database import import_people

    folder, _ = _split(args, 0)
    with connect(args.db) as database:
        found, place = import_people(folder, database), database.place
    if args.json:
        people = [{"name": name, "photos": count} for name, count in found.photos.items()]
        print_json({"db": place, "space": found.space, "people": people})
    else:
        known = counted(len(found.photos), "person", "people")
        say(f"{place} knows {known} of {folder.classifier}.")
    return common.OK
