"""The commands of ``openfaceplus video`` that change who is who, and that forget."""

from __future__ import annotations

import argparse
import re
import sys
from typing import Any

from openfaceplus.cli import common
from openfaceplus.cli.output import print_json, say
from openfaceplus.cli.video_answers import add_mode, opened, person_of
from openfaceplus.words import counted


def add(modes: Any) -> None:
    """Add these commands, each with ``command`` set."""
    mode = add_mode(
        modes, "name", _name, "say who a person is", "  openfaceplus video name 23 'Ada Lovelace'"
    )
    _add_person(mode)
    mode.add_argument("name", metavar="NAME", help="the name; '' takes it away")
    mode = add_mode(
        modes, "merge", _merge, "say that two people are one; the first keeps number and name",
        "  openfaceplus video merge 3 17",
    )  # fmt: skip
    _add_person(mode)
    _add_person(mode, "other", "OTHER")
    mode = add_mode(
        modes, "split", _split, "say that some sequences are of another person than the rest",
        "  openfaceplus video split 3 112 118",
    )  # fmt: skip
    _add_person(mode)
    mode.add_argument("sequences", nargs="+", type=int, metavar="SEQUENCE", help="their numbers")
    mode = add_mode(
        modes, "not", _not, "say that a sequence is not a person, now and later",
        "  openfaceplus video not 112 3",
    )  # fmt: skip
    mode.add_argument("sequence", type=int, metavar="SEQUENCE", help="its number")
    _add_person(mode)
    mode = add_mode(
        modes, "undo", _undo, "take back what was last said, or an event by its number",
        "  openfaceplus video undo\n  openfaceplus video undo 41",
    )  # fmt: skip
    mode.add_argument("event", nargs="?", type=int, metavar="EVENT", help="see video log")
    add_mode(
        modes, "log", _log, "all that was decided and said, in order", "  openfaceplus video log"
    )
    mode = add_mode(
        modes, "recluster", _recluster,
        "decide afresh who is whom, but for what you put right",
        "  openfaceplus video recluster --dry-run\n  openfaceplus video recluster --far 0.1%",
    )  # fmt: skip
    mode.add_argument("--dry-run", action="store_true", help="only show what would change")
    add_far(mode)
    mode = add_mode(
        modes, "forget", _forget,
        "remove a person: rows, vectors and pictures, checked, with a receipt",
        "  openfaceplus video forget 23",
    )  # fmt: skip
    _add_person(mode)
    mode = add_mode(
        modes, "purge", _purge, "remove all videos indexed longer ago than a time",
        "  openfaceplus video purge --older-than 30d",
    )  # fmt: skip
    mode.add_argument(
        "--older-than", required=True, type=age, metavar="AGE", help="such as 30d, 12h or 8w"
    )


def add_far(to: Any) -> None:
    """The rate at which people are joined."""
    from openfaceplus.cli.options import rate

    to.add_argument(
        "--far", type=rate, default=0.01, metavar="RATE",
        help="share of strangers' sequences that may be taken for somebody (default: %(default)s)",
    )  # fmt: skip


def _add_person(to: argparse.ArgumentParser, dest: str = "person", shown: str = "PERSON") -> None:
    to.add_argument(dest, metavar=shown, help="a person's number or name")


def _done(args: argparse.Namespace, result: dict[str, Any], text: str) -> int:
    if args.json:
        print_json(result)
    else:
        say(text)
    return common.OK


def _name(args: argparse.Namespace) -> int:

    with opened(args) as db:
        person = person_of(db, args.person)
        event = db.commands.name(person, args.name or None)
    called = f"is called {args.name}" if args.name else "has no name"
    return _done(
        args, {"person": person, "name": args.name or None, "event": event},
        f"Person {person} {called} now.",
    )  # fmt: skip


def _merge(args: argparse.Namespace) -> int:

    with opened(args) as db:
        kept, gone = person_of(db, args.person), person_of(db, args.other)
        event = db.commands.merge(kept, gone)
    return _done(
        args,
        {"person": kept, "merged": gone, "event": event},
        f"Person {gone} is person {kept} now.",
    )


def _split(args: argparse.Namespace) -> int:

    with opened(args) as db:
        person = person_of(db, args.person)
        new = db.commands.split(person, args.sequences)
    moved = counted(len(set(args.sequences)), "sequence")
    return _done(
        args, {"person": person, "new": new}, f"{moved} of person {person}: person {new} now."
    )


def _not(args: argparse.Namespace) -> int:

    with opened(args) as db:
        person = person_of(db, args.person)
        new = db.commands.refuse(args.sequence, person)
    is_new = "" if new is None else f"; it is person {new} now"
    return _done(
        args, {"sequence": args.sequence, "not": person, "new": new},
        f"Sequence {args.sequence} is not person {person}{is_new}.",
    )  # fmt: skip


def _undo(args: argparse.Namespace) -> int:

    with opened(args) as db:
        event = db.commands.undo(args.event)
    return _done(
        args, {"undone": event.id, "command": event.command},
        f"Event {event.id} ({event.command}) is undone.",
    )  # fmt: skip


def _log(args: argparse.Namespace) -> int:

    with opened(args) as db:
        events = db.commands.events()
    if args.json:
        print_json([
            {"event": one.id, "at": str(one.at), "author": one.author,
             "command": one.command, "undoes": one.undoes,
             "changes": [list(change) for change in one.changes]} for one in events
        ])  # fmt: skip
        return common.OK
    for one in events:
        by = "" if one.author is None else f" by {one.author}"
        of = "" if one.undoes is None else f" of {one.undoes}"
        say(f"{one.id:>6}  {str(one.at)[:19]}  {one.command}{of}{by}: "
            f"{counted(len(one.changes), 'change')}")  # fmt: skip
    return common.OK


def _recluster(args: argparse.Namespace) -> int:
    from openfaceplus.stages.reidentify import recluster

    with opened(args) as db:
        moves = recluster(db, far=args.far, dry_run=args.dry_run)
    if args.json:
        print_json([one.to_dict() for one in moves])
        return common.OK
    for one in moves:
        say(f"  sequence {one.sequence}: {_called(one.before)} -> {_called(one.after)}")
    would = "would move" if args.dry_run else "moved"
    say(f"{counted(len(moves), 'sequence')} {would}.")
    return common.OK


def _called(person: int | None) -> str:
    if person is None:
        return "nobody"
    return f"person {person}" if person >= 0 else f"new person {-person}"


def _forget(args: argparse.Namespace) -> int:

    with opened(args) as db:
        person = person_of(db, args.person)
        receipt = db.forget(person)
    return _receipt(args, receipt, f"Forgot person {person}.")


def _purge(args: argparse.Namespace) -> int:

    with opened(args) as db:
        receipt = db.purge(args.older_than)
    return _receipt(args, receipt, "Purged.")


def _receipt(args: argparse.Namespace, receipt: Any, text: str) -> int:
    if args.json:
        print_json(receipt.to_dict())
    else:
        say(text)
        for table, count in receipt.rows.items():
            say(f"  {table}: {counted(count, 'row')} deleted")
        say(f"  found afterwards: {receipt.left}")
    for remark in receipt.remarks:
        say(remark, file=sys.stderr)
    return common.OK if receipt.left == 0 else common.SOME_FAILED


def age(text: str) -> Any:
    """A parser of a length of time for argparse: 30d, 12h, 8w."""
    from datetime import timedelta

    found = re.fullmatch(r"(\d+)\s*(h|d|w)", text.strip())
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} is no age: give one such as 30d, 12h or 8w")
    units = {"h": "hours", "d": "days", "w": "weeks"}
    return timedelta(**{units[found[2]]: int(found[1])})
