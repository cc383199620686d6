"""``openfaceplus video index``: follow the faces of videos and remember them."""

from __future__ import annotations

import argparse
import sys
from typing import TYPE_CHECKING, Any

from openfaceplus.cli import common, options
from openfaceplus.cli.output import print_json, say
from openfaceplus.cli.video_answers import add_mode
from openfaceplus.cli.video_changes import add_far
from openfaceplus.words import clock, counted

if TYPE_CHECKING:
    from openfaceplus.stages.video_index import Indexed


def add(modes: Any) -> None:
    """Add this command, with ``command`` set."""
    mode = add_mode(
        modes, "index", _index,
        "follow the faces in videos, remember them, and find out who is whom over all videos",
        "  openfaceplus video index holiday/ party.mp4\n"
        "  openfaceplus video index holiday/ --model model/       # and name who is enrolled\n"
        "  openfaceplus video index lecture.mp4 --every 5         # looks at each fifth frame\n"
        "  openfaceplus video index camera:0 --seconds 60\n"
        "  openfaceplus video index rtsp://camera.local/stream",
    )  # fmt: skip
    mode.add_argument(
        "sources", nargs="+", metavar="VIDEO",
        help="files, folders, camera:0, or rtsp:// and other addresses; indexed before: kept",
    )  # fmt: skip
    mode.add_argument(
        "--again", action="store_true",
        help="index what was indexed before anew, forgetting what you said of it",
    )  # fmt: skip
    mode.add_argument("--every", type=int, default=1, metavar="N", help="look at each Nth frame")
    mode.add_argument("--seconds", type=float, metavar="S", help="only the first S seconds")
    mode.add_argument(
        "--jobs", type=int, metavar="N",
        help="processes, which share even a single video, by half minutes (default: one for each "
        "two cores)",
    )  # fmt: skip
    options.add_cluster(mode)
    mode.add_argument(
        "-m", "--model", metavar="MODEL",
        help="a model folder or classifier.pkl: people whom it knows are named",
    )  # fmt: skip
    group = mode.add_argument_group("faces and people")
    add_far(group)
    add_settings(group)
    options.add_recipe(mode)


def add_settings(to: Any) -> None:
    """Which faces make sequences."""
    from openfaceplus.track.settings import SequenceSettings

    usual = SequenceSettings()
    for flag, value, unit, text in (
        ("--min-size", usual.min_size, "PIXELS", "compare no faces of a smaller side"),
        ("--max-yaw", usual.max_yaw, "DEGREES", "nor any turned away further"),
        ("--min-seconds", usual.min_seconds, "S", "nor those seen for a shorter time"),
    ):
        to.add_argument(
            flag, type=float, default=value, metavar=unit, help=f"{text} (default: {value:g})"
        )


def settings_of(args: argparse.Namespace) -> Any:
    """What those options ask for. Raises UsageError for what makes no sense."""
    from openfaceplus.track.settings import SequenceSettings

    return SequenceSettings(args.min_size, args.max_yaw, args.min_seconds)


def _index(args: argparse.Namespace) -> int:
    from openfaceplus.stages.video_index import IndexOptions, index, videos_of

    model = None
    recipe = options.recipe_of(args)
    if args.model is not None:
        from openfaceplus.model import Model

        model = Model.load(
            args.model, commercial=args.commercial, progress=common.DownloadProgress()
        )
        recipe = model.pipeline.recipe
    videos = videos_of(args.sources)
    chosen = IndexOptions(
        recipe,
        settings_of(args),
        args.every,
        args.seconds,
        args.far,
        args.commercial,
        args.again,
    )
    bar = common.FrameProgress()

    def tell(one: Indexed) -> None:
        bar.close()
        _tell(one, args.json)

    results = index(videos, args.db, chosen, jobs=args.jobs, watch=bar, tell=tell)
    return _conclude(args, results, model)


def _tell(one: Indexed, as_json: bool) -> None:
    report = one.report
    for remark in report.remarks:
        say(remark, file=sys.stderr)
    if as_json:
        return
    if one.error is not None:
        say("; ".join(filter(None, (one.error.problem, one.error.remedy))), file=sys.stderr)
    elif one.status == "kept":
        say(f"{one.video}: indexed before, {counted(one.sequences, 'sequence')}")
    else:
        left = sum(report.left_out.values())
        more = f", {left} too short, small, blurred or turned away" if left else ""
        say(
            f"{one.video}: {counted(one.sequences, 'sequence')} in {clock(report.seconds)}, "
            f"{counted(report.frames, 'frame')}, {counted(report.faces, 'face')}{more}"
        )


def _conclude(args: argparse.Namespace, results: list[Indexed], model: Any) -> int:
    from openfaceplus.database import connect
    from openfaceplus.stages.video_names import name_people

    with connect(args.db) as db:
        named = 0 if model is None else name_people(db, model, args.far)
        people, suggestions = db.read.people(), db.read.suggestions()
    failed = sum(one.failed for one in results)
    if args.json:
        print_json({
            "videos": [one.to_dict() for one in results], "people": len(people),
            "named": sum(one.name is not None for one in people),
            "suggestions": len(suggestions),
        })  # fmt: skip
    else:
        known = sum(one.name is not None for one in people)
        just = f" ({named} just now)" if named else ""
        open_ = f"; {counted(len(suggestions), 'suggestion')}" if suggestions else ""
        say(
            "",
            f"{counted(len(people), 'person', 'people')} over all videos, {known} with a name"
            f"{just}{open_}. See openfaceplus video people, or video report -o report/",
        )
    if failed == len(results) and failed:
        return common.CANNOT
    return common.SOME_FAILED if failed else common.OK
