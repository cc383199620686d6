"""``openfaceplus video``: who is in which video, when, across all of them."""

from __future__ import annotations

from openfaceplus.cli import common, video_answers, video_changes, video_identify, video_index

ABOUT = """\
Follow faces through videos, find the same people again across all of them, with or without knowing
their names, and keep what you put right. What is found lies in a PostgreSQL database that
openfaceplus runs by itself, or in one of yours (--db postgresql://...).

Index videos first, then ask:"""


def main(argv: list[str] | None = None) -> int:
    """``openfaceplus video index|identify|people|...``."""
    parse = common.parser(
        "openfaceplus video",
        ABOUT,
        "  openfaceplus video index holiday/ --model model/\n"
        "  openfaceplus video people\n"
        "  openfaceplus video appearances --person 23\n"
        "  openfaceplus video name 23 'Ada Lovelace'\n"
        "  openfaceplus video search photo.jpg\n"
        "  openfaceplus video report -o report/\n"
        "  openfaceplus video identify -m model/ clip.mp4 -o named.mp4",
    )
    modes = parse.add_subparsers(dest="mode", required=True, metavar="COMMAND")
    for part in (video_index, video_identify, video_answers, video_changes):
        part.add(modes)
    return common.run(parse, argv, lambda args: args.command(args))
