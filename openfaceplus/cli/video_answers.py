"""The commands of ``openfaceplus video`` that ask: people, appearances, search, timeline, ..."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from openfaceplus.cli import common, options
from openfaceplus.cli.output import print_json, say
from openfaceplus.words import clock, counted

if TYPE_CHECKING:
    from openfaceplus.database.connection import Database
    from openfaceplus.database.rows import Appearance, Person


def add(modes: Any) -> None:
    """Add these commands, each with ``command`` set."""
    add_mode(modes, "people", _people, "who was seen, most first", "  openfaceplus video people")
    mode = add_mode(
        modes, "appearances", _appearances, "where and when people were seen",
        "  openfaceplus video appearances --person 23\n"
        "  openfaceplus video appearances --person 'Ada Lovelace' --json\n"
        "  openfaceplus video appearances --video holiday/beach.mp4",
    )  # fmt: skip
    mode.add_argument("--person", metavar="PERSON", help="a person's number or name")
    mode.add_argument(
        "--all", action="store_true", help="also faces too poor to tell whose they are"
    )
    mode.add_argument("--video", metavar="VIDEO", help="a video as it was named, or its file name")
    mode = add_mode(
        modes, "search", _search, "where the person in a photo was seen, most alike first",
        "  openfaceplus video search photo.jpg --top 20\n"
        "  openfaceplus video search photo.jpg --video beach.mp4",
    )  # fmt: skip
    mode.add_argument("photo", metavar="PHOTO", help="a photo; - reads standard input")
    mode.add_argument("--top", type=int, default=10, metavar="K", help="how many (default: 10)")
    mode.add_argument("--video", metavar="VIDEO", help="only in this one")
    options.add_max_pixels(mode)
    options.add_recipe(mode)
    mode = add_mode(
        modes, "timeline", _timeline, "a video's appearances as CSV, JSON or WebVTT subtitles",
        "  openfaceplus video timeline beach.mp4 > beach.csv\n"
        "  openfaceplus video timeline beach.mp4 -o beach.vtt",
    )  # fmt: skip
    mode.add_argument("video", metavar="VIDEO", help="a video as it was named, or its file name")
    mode.add_argument(
        "-o", "--output", type=Path, metavar="FILE", help="a file that ends in .csv, .json or .vtt"
    )
    mode.add_argument(
        "--format", choices=FORMATS, help="of the output (default: as FILE ends, csv)"
    )
    options.add_overwrite(mode)
    add_mode(
        modes, "suggestions", _suggestions,
        "who may be one person, but not surely enough: for you to decide",
        "  openfaceplus video suggestions\n  openfaceplus video merge 3 17   # they are the same\n"
        "  openfaceplus video not 112 3      # sequence 112 is not person 3",
    )  # fmt: skip
    mode = add_mode(
        modes, "report", _report, "people, timelines, suggestions and plots on one page",
        "  openfaceplus video report -o report/",
    )  # fmt: skip
    mode.add_argument("-o", "--output", type=Path, required=True, metavar="DIR", help="its folder")
    options.add_overwrite(mode)
    add_mode(modes, "list", _list, "the videos that were indexed", "  openfaceplus video list")


FORMATS = ("csv", "json", "vtt")


def add_mode(
    modes: Any, name: str, command: Callable[[argparse.Namespace], int], text: str, examples: str,
    database: bool = True,
) -> argparse.ArgumentParser:  # fmt: skip
    """A sub-command with what all have, and --db where it needs the ``database``."""
    made: argparse.ArgumentParser = modes.add_parser(
        name, help=text, description=f"{text[0].upper()}{text[1:]}.",
        epilog=f"examples:\n{examples}\n\n{common.STATUSES}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )  # fmt: skip
    made.set_defaults(command=command)
    common.add_everywhere(made, argparse.SUPPRESS)
    if database:
        options.add_database(made)
    return made


def opened(args: argparse.Namespace) -> Database:
    """The database that is asked, which has to be there."""
    from openfaceplus.database import connect

    return connect(args.db, create=False)


def person_of(database: Database, text: str) -> int:
    """The number of a person who is given by number or name. Raises UsageError if there is none."""
    from openfaceplus.errors import UsageError
    from openfaceplus.words import nearest

    people: Sequence[Person] = database.read.people()
    for one in people:
        if text == one.name or text.removeprefix("#") == str(one.person):
            return one.person
    known = [one.name for one in people if one.name is not None]
    remedy = "see openfaceplus video people"
    if known and not text.isdecimal():
        remedy = nearest(text, known)
    raise UsageError(f"there is no person {text!r}", remedy=remedy, field="person")


def _people(args: argparse.Namespace) -> int:

    with opened(args) as db:
        people = db.read.people()
    if args.json:
        print_json([one.to_dict() for one in people])
    elif not people:
        say("Nobody yet: index videos first, with openfaceplus video index.")
    for one in () if args.json else people:
        held = "" if one.cohesion is None else f", cohesion {one.cohesion:.2f}"
        where = f"{counted(one.sequences, 'appearance')} in {counted(one.videos, 'video')}"
        say(f"{one.person:>6}  {one.name or '(no name)'}: {where}, {clock(one.seconds)}{held}")
    return common.OK


def _appearances(args: argparse.Namespace) -> int:

    with opened(args) as db:
        person = None if args.person is None else person_of(db, args.person)
        video = None if args.video is None else video_of(db, args.video)
        found = db.read.appearances(person=person, video=video)
    if not args.all:
        found = [one for one in found if one.person is not None]
    _print(found, args.json)
    return common.OK


def _search(args: argparse.Namespace) -> int:
    from openfaceplus.stages.video_search import search

    photo = common.photo_of(args.photo)
    with opened(args) as db:
        video = None if args.video is None else video_of(db, args.video)
        found = search(
            db, photo, options.recipe_of(args), top=args.top, video=video,
            commercial=args.commercial, max_pixels=args.max_pixels,
            progress=common.DownloadProgress(),
        )  # fmt: skip
    _print(found, args.json)
    return common.OK


def _print(appearances: Sequence[Appearance], as_json: bool) -> None:
    if as_json:
        print_json([one.to_dict() for one in appearances])
        return
    if not appearances:
        say("No appearances.")
    for one in appearances:
        like = "" if one.likeness is None else f"{one.likeness:.3f}  "
        who = one.name or ("nobody" if one.person is None else f"person {one.person}")
        faces, at = counted(one.faces, "face"), f"{clock(one.start)} to {clock(one.end)}"
        say(f"{like}{one.video}  {at}  {who}  ({faces}, sequence {one.sequence})")


def _timeline(args: argparse.Namespace) -> int:
    import json

    from openfaceplus.errors import UsageError
    from openfaceplus.files import atomic_write
    from openfaceplus.stages import timeline

    output: Path | None = args.output
    ending = "" if output is None else output.suffix.lower().lstrip(".")
    form = "json" if args.json else args.format or (ending if output is not None else "csv")
    if form not in FORMATS:
        raise UsageError(
            f"{output}: the ending does not say the format", remedy=f"end it in one of {FORMATS}",
            field="output",
        )  # fmt: skip
    with opened(args) as db:
        found = db.read.appearances(video=video_of(db, args.video))
    rows = [one.to_dict() for one in found if one.person is not None]
    if form == "json" and output is None:
        print_json(rows)
        return common.OK
    if form == "json":
        text = json.dumps(rows, ensure_ascii=False, indent=1) + "\n"
    else:
        text = (timeline.as_csv if form == "csv" else timeline.as_webvtt)(rows)
    if output is None:
        say(*text.rstrip("\n").split("\n"))
        return common.OK
    with atomic_write(output, "w") as file:
        file.write(text)
    say(f"{counted(len(rows), 'appearance')}: {output}", file=sys.stderr)
    return common.OK


def _suggestions(args: argparse.Namespace) -> int:

    with opened(args) as db:
        found = db.read.suggestions()
        owners = {one.sequence: one.person for one in db.read.appearances()}
    if args.json:
        print_json([one.to_dict() for one in found])
        return common.OK
    if not found:
        say("No suggestions.")
    for one in found:
        own, where = owners.get(one.sequence), f"{one.video}, {clock(one.start)}"
        say(
            f"{one.score:.3f}  sequence {one.sequence} ({where}) of person {own} may be "
            f"{one.name or f'person {one.person}'}",
            f"       yes: merge {one.person} {own}   no: not {one.sequence} {one.person}",
        )
    return common.OK


def _report(args: argparse.Namespace) -> int:
    from openfaceplus.stages.video_report import write
    from openfaceplus.stages.video_search import contents

    with opened(args) as db:
        page = write(contents(db), args.output)
    if args.json:
        print_json({"report": str(page)})
    else:
        say(f"Open {page} in a browser.")
    return common.OK


def _list(args: argparse.Namespace) -> int:

    with opened(args) as db:
        videos = db.videos.all()
    if args.json:
        print_json([
            {"video": one.path, "seconds": one.duration, "rate": one.rate, "width": one.width,
             "height": one.height, "sequences": one.sequences, "done": one.done,
             "indexed": one.indexed_at.isoformat(), "space": one.space} for one in videos
        ])  # fmt: skip
    for one in () if args.json else videos:
        length = "" if one.duration is None else f", {clock(one.duration)}"
        state = "" if one.done else ", not finished: index it again"
        say(f"{one.path}: {counted(one.sequences, 'sequence')}{length}{state}")
    return common.OK


def video_of(database: Database, text: str) -> int:
    """The id of a video that is given by its path, as it was named or any other way to it, or by
    its file name where only one has that. Raises UsageError if there is none."""
    from openfaceplus.errors import UsageError
    from openfaceplus.words import nearest

    videos = database.videos.all()
    ways: tuple[Callable[[str], str], ...] = (str, os.path.realpath, os.path.basename)
    for way in ways:
        wanted = text if way is os.path.basename else way(text)
        found = [one for one in videos if way(one.path) == wanted]
        if len(found) == 1:
            return int(found[0].id)
        if found:
            these = ", ".join(one.path for one in found)
            raise UsageError(f"{text!r} is any of {these}", remedy="give its path", field="video")
    names = [os.path.basename(one.path) for one in videos]
    remedy = nearest(text, names) if names else "index videos first"
    raise UsageError(f"the video {text!r} was not indexed", remedy=remedy, field="video")
